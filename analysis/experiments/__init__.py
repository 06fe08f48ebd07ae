"""Campaigns: many runs that are defined in one file and kept in a store, which stays valid if the runner is killed.

`read_campaign` reads a campaign file; `Campaign` defines a campaign in Python. `prepare` names its runs, `run` makes
the runs that a `Store` lacks, and `export` writes their tables. See docs/campaigns.md.
"""

from headway.analysis.experiments.campaign_file import read_campaign, shipped_campaign, shipped_campaigns
from headway.analysis.experiments.design import Axis, Campaign, factors, values, variants
from headway.analysis.experiments.executors import Workers, dask_workers, given_workers, processes
from headway.analysis.experiments.export import export
from headway.analysis.experiments.plan import Plan, prepare
from headway.analysis.experiments.runner import Tally, run
from headway.analysis.store.store import Store

__all__ = [
    "Axis",
    "Campaign",
    "Plan",
    "Store",
    "Tally",
    "Workers",
    "dask_workers",
    "export",
    "factors",
    "given_workers",
    "prepare",
    "processes",
    "read_campaign",
    "run",
    "shipped_campaign",
    "shipped_campaigns",
    "values",
    "variants",
]
