"""`headway trace info`."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    ColumnName,
    Files,
    Format,
    MaxGap,
    Merge,
    Repair,
    Requests,
    RowStep,
    Select,
    Step,
    TimeColumn,
    TimeUnit,
    Unit,
    Where,
    columns_of_requests,
    duration,
    reading,
    recording,
)
from headway.analysis.console.terminal import reported, show


def info(
    files: Files,
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
    rows: Annotated[
        bool,
        typer.Option(
            "--rows",
            help="Weight all rows equally, as most publications do, instead of by their duration.",
        ),
    ] = False,
    step: Step = None,
    requests: Requests = None,
) -> None:
    """Print the length, mean, percentiles and gaps of recorded traces.

    Repairs are listed too. For a log of requests: their number, and the lengths of prompts and outputs.

    Repairs and assumptions follow. Of a log of requests: how many there are, and how long prompts and outputs are.

    Example: headway trace info link.csv
    """
    with reported():
        from headway.analysis.console.recordings import recordings_tables, remarks
        from headway.analysis.console.request_logs import is_request_log, left_out, requests_table
        from headway.traces.requests import read_requests

        options = reading(
            unit, time_unit, column, time_column, repair, max_gap, select, where, merge, row_step
        )
        columns = None if requests is None else columns_of_requests(requests)
        logs = [name for name in files if columns or (quantity is None and is_request_log(name, format))]
        mapped_unit = None if columns is None else time_unit
        logged = {
            name: read_requests(name, format=format, columns=columns, time_unit=mapped_unit) for name in logs
        }
        found = {name: recording(name, quantity, format, options) for name in files if name not in logs}
        for position, table in enumerate(
            recordings_tables(found, by_row=rows, step_s=duration(step, "--step"))
        ):
            show(*([""] if position else []), table)
        if logged:
            show(*([""] if found else []), requests_table(logged))
        show(*remarks(found), *left_out(logged))
