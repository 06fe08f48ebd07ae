"""`headway sweep status`."""

# ruff: noqa: PLC0415

from headway.analysis.commands.sweep.campaign_argument import (
    File,
    StoreFolder,
    older_runs,
    planned_campaign,
    size_text,
)
from headway.analysis.console.terminal import reported, show


def status(file: File, store: StoreFolder = None) -> None:
    """Say what the store has of a campaign, and what failed."""
    with reported(), planned_campaign(file, store, needed=True) as (planned, place):
        from headway.analysis.experiments.status import failures_of, look, other_models
        from headway.analysis.store.lock import holder_of

        view = place.view()
        survey = look(planned, view)
        lines = {
            "campaign": planned.campaign.name,
            "runs": f"{survey.total:,}",
            "done": f"{survey.present:,}",
            "failed": f"{survey.failed:,}",
            "missing": f"{survey.missing.total():,}",
            "store": f"{place.folder}, {size_text(view.size_bytes())}",
            "at work": holder_of(place.folder) or "nobody",
        }
        lines |= older_runs(other_models(view))
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items()))
        for one in failures_of(planned, view, survey):
            show(f"{one.count:,} x {one.error} (first: run {one.run})")
