"""`headway trace plot`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    File,
    Format,
    Given,
    reading,
    recording,
    with_reading,
)
from headway.analysis.console.terminal import reported, show


@with_reading
def plot(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="IMAGE", help="File to write, .svg or .png.")],
    format: Format = None,  # noqa: A002
    quantity: As = None,
    *,
    given: Given,
) -> None:
    """Draw a recorded trace over time and as a distribution.

    Example: headway trace plot ride.csv --out ride.svg
    """
    with reported():
        from headway.analysis.figures.saving import METADATA, save_as
        from headway.analysis.figures.trace import trace_figure
        from headway.analysis.files.atomic import writing
        from headway.analysis.files.suffix import check_suffix

        check_suffix(out, METADATA)
        options = reading(**given)
        trace = recording(file, quantity, format, options)
        figure = trace_figure(Path(file).name, trace)
        with writing(out):
            save_as(figure, out)
        show(f"Figure: {out}", *trace.notes)
