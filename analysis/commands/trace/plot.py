"""`headway trace plot`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    ColumnName,
    File,
    Format,
    MaxGap,
    Merge,
    Repair,
    RowStep,
    Select,
    TimeColumn,
    TimeUnit,
    Unit,
    Where,
    check_suffix,
    reading,
    recording,
)
from headway.analysis.console.terminal import reported, show


def plot(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="IMAGE", help="File to write, .svg or .png.")],
    format: Format = None,  # noqa: A002
    quantity: As = None,
    unit: Unit = None,
    time_unit: TimeUnit = None,
    column: ColumnName = None,
    time_column: TimeColumn = None,
    repair: Repair = False,
    max_gap: MaxGap = None,
    select: Select = None,
    where: Where = None,
    merge: Merge = None,
    row_step: RowStep = None,
) -> None:
    """Draw a recorded trace over time and as a distribution."""
    with reported():
        from headway.analysis.figures.saving import METADATA, save_as
        from headway.analysis.figures.trace import trace_figure
        from headway.analysis.files.atomic import writing

        check_suffix(out, METADATA)
        options = reading(
            unit, time_unit, column, time_column, repair, max_gap, select, where, merge, row_step
        )
        found = recording(file, quantity, format, options)
        figure = trace_figure(Path(file).name, found)
        with writing(out):
            save_as(figure, out)
        show(f"Figure: {out}", *found.notes)
