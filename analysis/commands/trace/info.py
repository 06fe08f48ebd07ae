"""`headway trace info`."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    Files,
    Format,
    Given,
    Requests,
    Step,
    columns_of_requests,
    duration,
    reading,
    recording,
    with_reading,
)
from headway.analysis.console.terminal import reported, show


@with_reading
def info(
    files: Files,
    format: Format = None,  # noqa: A002
    quantity: As = None,
    *,
    given: Given,
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

    Repairs and assumptions are listed too. For a log of requests: their number, and the lengths of prompts and outputs.

    Example: headway trace info link.csv
    """
    with reported():
        from headway.analysis.console.recordings import recordings_tables, remarks
        from headway.analysis.console.request_logs import is_request_log, left_out, requests_table
        from headway.traces.requests import read_requests

        options = reading(**given)
        columns = None if requests is None else columns_of_requests(requests)
        logs = [name for name in files if columns or (quantity is None and is_request_log(name, format))]
        mapped_unit = None if columns is None else options.time_unit
        logged = {
            name: read_requests(name, format=format, columns=columns, time_unit=mapped_unit) for name in logs
        }
        recordings = {name: recording(name, quantity, format, options) for name in files if name not in logs}
        for position, table in enumerate(
            recordings_tables(recordings, by_row=rows, step_s=duration(step, "--step"))
        ):
            show(*([""] if position else []), table)
        if logged:
            show(*([""] if recordings else []), requests_table(logged))
        show(*remarks(recordings), *left_out(logged))
