"""Campaigns: many runs as one file, in a store that survives whatever happens to the runner.

`read_campaign` reads a file, `Campaign` is the same from Python; `prepare` names every run, `run` makes those that a
`Store` does not hold yet, and `export` writes the tables of all of them. docs/campaigns.md is the tutorial.
"""

from headway.analysis.campaign.design import Axis, Campaign, factors, values, variants
from headway.analysis.campaign.executors import Workers, dask_workers, given_workers, processes
from headway.analysis.campaign.export import export
from headway.analysis.campaign.file import read_campaign, shipped_campaign, shipped_campaigns
from headway.analysis.campaign.plan import Plan, prepare
from headway.analysis.campaign.runner import Tally, run
from headway.analysis.campaign.store import Store

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
