"""Campaigns: many runs as one file, in a store that survives whatever happens to the runner.

`read_campaign` reads a file, `Campaign` is the same from Python; `prepare` names every run, `run` makes those that a
`Store` does not hold yet, and `export` writes the tables of all of them. docs/campaigns.md is the tutorial.
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
