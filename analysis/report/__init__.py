"""The report: one HTML file that says what a folder of results shows, and how sure that is.

`read_evidence` reads the folder, `contest` weighs the policies, `page` writes the file.
"""

from headway.analysis.report.data import Evidence
from headway.analysis.report.load import read_evidence
from headway.analysis.report.page import page
from headway.analysis.report.ranking import Contest, contest, verdict

__all__ = ["Contest", "Evidence", "contest", "page", "read_evidence", "verdict"]
