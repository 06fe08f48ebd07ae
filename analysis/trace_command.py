"""`headway trace`: recorded traces at the command line."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.terminal import reported, show

if TYPE_CHECKING:
    from collections.abc import Collection

    from headway.traces import Options, Quantity, Recording

trace = typer.Typer(help="Inspect, convert and generate traces.", no_args_is_help=True, rich_markup_mode=None)

_WORDS: "dict[str, Quantity]" = {
    "rate": "rate",
    "load": "fraction",
    "availability": "fraction",
    "size": "size",
    "time": "time",
}

File = Annotated[str, typer.Argument(metavar="FILE", help="A recorded trace.")]
Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Recorded traces.")]
Format = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Format, if it is not recognised; a wrong name lists all formats."),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="QUANTITY",
        help="What the values measure: rate, load, availability, size or time; by default what the file says. A file "
        "of load as availability gives what the load leaves.",
    ),
]
Unit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="Unit of the values, if the file does not say it.")
]
TimeUnit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="Unit of the times, if the file does not say it.")
]
ColumnName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column with the values, or its number from 1.")
]
TimeColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column with the times, or its number from 1.")
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Merge or leave out rows in columns that are not in order.")
]
MaxGap = Annotated[
    str | None, typer.Option(metavar="TIME", help='Shorten longer gaps to this, such as "10 s".')
]
Select = Annotated[
    str | None, typer.Option(metavar="WHICH", help="The recording to use, if the file has several.")
]
Step = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Average over this time; 1 s for packet logs by default."),
]


@trace.callback()
def _trace() -> None:
    pass


@trace.command()
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
    rows: Annotated[
        bool,
        typer.Option(
            "--rows",
            help="Weight all rows equally, as most publications do, instead of by their duration.",
        ),
    ] = False,
    step: Step = None,
) -> None:
    """Print the length, mean, percentiles and gaps of recorded traces.

    Repairs are listed too. For a log of requests: their number, and the lengths of prompts and outputs.

    Example: headway trace info link.csv
    """
    with reported():
        from headway.analysis.recordings import recordings_tables, repairs
        from headway.analysis.request_logs import is_request_log, left_out, requests_table
        from headway.traces.requests import read_requests

        options = reading(unit, time_unit, column, time_column, repair, max_gap, select)
        logs = [name for name in files if quantity is None and is_request_log(name, format)]
        requests = {name: read_requests(name, format=format) for name in logs}
        found = {name: recording(name, quantity, format, options) for name in files if name not in logs}
        for position, table in enumerate(
            recordings_tables(found, by_row=rows, step_s=duration(step, "--step"))
        ):
            show(*([""] if position else []), table)
        if requests:
            show(*([""] if found else []), requests_table(requests))
        show(*repairs(found), *left_out(requests))


@trace.command()
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
) -> None:
    """Draw a recorded trace over time and as a distribution."""
    with reported():
        from headway.analysis.output import writing
        from headway.analysis.plots import METADATA, save_as
        from headway.analysis.trace_figure import trace_figure

        check_suffix(out, METADATA)
        options = reading(unit, time_unit, column, time_column, repair, max_gap, select)
        figure = trace_figure(Path(file).name, recording(file, quantity, format, options))
        with writing(out):
            save_as(figure, out)
        show(f"Figure: {out}")


@trace.command()
def convert(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, .parquet or .mahimahi.")],
    format: Format = None,  # noqa: A002
    quantity: As = None,
    unit: Unit = None,
    time_unit: TimeUnit = None,
    column: ColumnName = None,
    time_column: TimeColumn = None,
    repair: Repair = False,
    max_gap: MaxGap = None,
    select: Select = None,
) -> None:
    """Write a recorded trace, repaired, to another file.

    CSV and Parquet have SI units; files for Mahimahi have packets.
    """
    with reported():
        from headway.analysis.output import writing
        from headway.traces import InputError, write_csv, write_mahimahi, write_parquet

        check_suffix(out, (".csv", ".parquet", ".mahimahi"))
        options = reading(unit, time_unit, column, time_column, repair, max_gap, select)
        found = recording(file, quantity, format, options)
        with writing(out):
            if out.suffix == ".mahimahi":
                if found.quantity != "rate":
                    raise InputError(
                        file,
                        f"a trace of a {found.quantity}",
                        "a trace of a rate (a .mahimahi file holds nothing else)",
                    )
                write_mahimahi(found.trace, out, found.length_s)
            else:
                write = {".csv": write_csv, ".parquet": write_parquet}[out.suffix]
                write(found.trace, out, found.quantity)
        show(f"{out}: {found.length_s:.10g} s", *(() if out.suffix == ".mahimahi" else _ending(found)))


def _ending(found: "Recording") -> list[str]:
    """What a file of rows does not say of the end of a recording."""
    import numpy as np

    times, end, length = found.trace.times, found.trace.end, found.trace.duration
    if length is None:
        return []
    if len(times) == 1:
        return ["One row has no end; it holds for ever."]
    last, median = length - float(times[-1]), float(np.median(np.diff(times)))
    longer = (
        ""
        if abs(last - median) <= 1e-9 * length
        else f"; its last value then holds {median:.4g} s, not {last:.4g} s"
    )
    return [f"The file does not say that it ends with {end!r}: say `end: {end}` where it is used{longer}."]


def check_suffix(path: Path, accepted: "Collection[str]") -> None:
    """Refuse a file of a kind that is not written.

    Raises:
        InputError: tells which are.
    """
    from headway.traces import InputError
    from headway.traces.errors import shown

    if path.suffix not in accepted:
        raise InputError(str(path), f"the suffix {shown(path.suffix)}", f"one of {', '.join(accepted)}")


def reading(
    unit: str | None,
    time_unit: str | None,
    column: str | None,
    time_column: str | None,
    repair: bool,
    max_gap: str | None,
    select: str | None,
) -> "Options":
    """What the command line says about files.

    Raises:
        InputError: one of it cannot be used.
    """
    from headway.traces import Options

    return Options(
        unit=unit,
        time_unit=time_unit,
        column=column,
        time_column=time_column,
        repair=repair or None,
        max_gap_s=duration(max_gap, "--max-gap"),
        select=select,
    )


def recording(name: str, quantity: str | None, format: str | None, options: "Options") -> "Recording":  # noqa: A002
    """A recording in a file as what a word of the command line says.

    Raises:
        InputError: the word is unknown, or the file holds something else.
    """
    from dataclasses import replace

    from headway.traces import record

    measured = None if quantity is None else known(quantity)
    if quantity == "load":
        options = replace(options, load=False)
    found = record(name, measured, format=format, options=options)
    if quantity == "availability" and found.is_load:
        return record(name, measured, format=found.format, options=replace(options, load=True))
    return found


def known(word: str) -> "Quantity":
    """What a word of the command line stands for.

    Raises:
        InputError: it is unknown.
    """
    from headway.traces import InputError
    from headway.traces.errors import one_of, shown

    if word not in _WORDS:
        raise InputError("--as", shown(word), one_of(word, _WORDS))
    return _WORDS[word]


def duration(text: str | None, option: str) -> float | None:
    """The seconds in an option.

    Raises:
        InputError: it is not a time above 0.
    """
    from headway.traces import InputError, parse
    from headway.traces.errors import shown
    from headway.traces.units import ACCEPTED

    if text is None:
        return None
    seconds = parse(text, "time", option)
    if seconds == 0:
        raise InputError(option, shown(text), f"{ACCEPTED['time']}, above 0")
    return seconds
