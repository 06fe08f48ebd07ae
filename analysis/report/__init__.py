"""The report: one HTML file that says what a folder of results shows, and how sure that is.

`read_results` reads the folder, `rank_policies` ranks the policies, `page` writes the file.
"""

from headway.analysis.report.data import ReportData
from headway.analysis.report.load import read_results
from headway.analysis.report.page import page
from headway.analysis.report.ranking import Ranking, rank_policies, verdict

__all__ = ["Ranking", "ReportData", "page", "rank_policies", "read_results", "verdict"]
