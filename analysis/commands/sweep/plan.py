"""`headway sweep plan`."""

# ruff: noqa: PLC0415

from typing import TYPE_CHECKING

from headway.analysis.commands.results_options import Workers, process_count
from headway.analysis.commands.sweep.campaign_argument import (
    File,
    StoreFolder,
    older_runs,
    planned_campaign,
    size_text,
)
from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.analysis.experiments import Plan
    from headway.analysis.experiments.estimate import Estimate


def plan(file: File, store: StoreFolder = None, workers: Workers = None) -> None:
    """Print the numbers of all and of missing runs, and their cost.

    Example: headway sweep plan weaker-wifi
    """
    with reported(), planned_campaign(file, store) as (planned, place):
        from headway.analysis.experiments.estimate import estimate
        from headway.analysis.experiments.status import campaign_status, other_models

        view = place.view()
        state = campaign_status(planned, view)
        count = process_count(workers)
        lines = _described(planned) | {
            "runs": f"{state.total:,}: {state.present:,} in the store, {state.failed:,} failed, "
            f"{state.missing.total():,} to make",
            "store": str(place.folder),
        }
        lines |= older_runs(other_models(view))
        if state.missing:
            expected = estimate(planned, view, state)
            lines |= {
                "time": f"{'more than' if expected.at_least else 'about'} {_duration(expected.work_s / count)} "
                f"on {count} workers, by {_basis(expected)}",
                "disk": "unknown"
                if expected.size_bytes is None
                else f"about {size_text(expected.size_bytes)}",
            }
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items()))


def _described(planned: "Plan") -> dict[str, str]:
    campaign = planned.campaign
    product = [f"{name} ({len(axis.levels)})" for name, axis in campaign.product.items()]
    zipped = [f"{name} ({len(axis.levels)})" for name, axis in campaign.zipped.items()]
    axes = [*product, *(["zip of " + ", ".join(zipped)] if zipped else [])]
    return {
        "campaign": f"{campaign.name}, of the scenario {planned.scenario}",
        "axes": " x ".join(axes) or "none",
        "seeds": f"{len(campaign.seeds):,}",
        "policies": ", ".join(planned.policies),
        "keeps": ", ".join(campaign.tables),
    }


def _basis(expected: "Estimate") -> str:
    """The basis of an estimate."""
    from headway.analysis.experiments.estimate import MOST_TOKENS

    if expected.from_store:
        return f"{expected.basis} runs in the store"
    beginnings = f"the first {MOST_TOKENS:,} tokens of " if expected.beginnings else ""
    late = ", of which some did not end in the time they had" if expected.at_least else ""
    return f"{beginnings}{expected.basis} runs made as samples{late}"


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400.0 else f"{seconds / 3600:.1f} h"
