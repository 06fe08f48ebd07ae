"""The report: one HTML file that says what a folder of results shows, and how sure that is.

`read_evidence` reads the folder, `contest` weighs the policies, `page` writes the file.
"""

from analysis.report.evidence import Evidence
from analysis.report.folder import read_evidence
from analysis.report.page import page
from analysis.report.verdict import Contest, contest, verdict

__all__ = ["Contest", "Evidence", "contest", "page", "read_evidence", "verdict"]
