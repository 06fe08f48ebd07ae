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
    """Print the finished, missing and failed runs of a campaign.

    Example: headway sweep status weaker-wifi
    """
    with reported(), planned_campaign(file, store, needed=True) as (planned, place):
        from headway.analysis.experiments.status import campaign_status, failures_of, other_models
        from headway.analysis.store.lock import holder_of

        view = place.view()
        state = campaign_status(planned, view)
        lines = {
            "campaign": planned.campaign.name,
            "runs": f"{state.total:,}",
            "done": f"{state.present:,}",
            "failed": f"{state.failed:,}",
            "missing": f"{state.missing.total():,}",
            "store": f"{place.folder}, {size_text(view.size_bytes())}",
            "at work": holder_of(place.folder) or "nobody",
        }
        lines |= older_runs(other_models(view))
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items()))
        for one in failures_of(planned, view, state):
            show(f"{one.count:,} x {one.error} (first: run {one.run})")
