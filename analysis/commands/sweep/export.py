"""`headway sweep export`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.results_options import Force
from headway.analysis.commands.sweep.campaign_argument import File, StoreFolder, planned_campaign
from headway.analysis.console.terminal import reported, show


def export(
    file: File,
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the tables.")],
    store: StoreFolder = None,
    force: Force = False,
) -> None:
    """Write the tables of the finished runs of a campaign to a folder.

    Example: headway sweep export weaker-wifi --out tables
    """
    with reported(), planned_campaign(file, store, needed=True) as (planned, place):
        from headway.analysis.experiments.export import export as write

        count = write(planned, place, out, replace=force)
        show(f"{count:,} runs: {out}")
