"""Reports: one HTML file on the runs in a folder of results.

`read_results` reads the folder, `rank_policies` ranks the policies, `page` writes the file.
"""

from headway.analysis.report.data import ReportData
from headway.analysis.report.load import read_results
from headway.analysis.report.page import page
from headway.analysis.report.ranking import Ranking, rank_policies, verdict

__all__ = ["Ranking", "ReportData", "page", "rank_policies", "read_results", "verdict"]
