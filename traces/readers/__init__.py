"""Traces from files: one module per format, and the functions that recognise the format and read the file.

A format is a module with a name and two functions, `recognises` and `read`, and one entry in `FORMATS`. Formats are
tried in the order of `FORMATS`, specific formats first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, get_args

from headway.traces.errors import InputError, one_of, quoted
from headway.traces.readers import (
    alibaba,
    bitbrains,
    cellular,
    churn,
    cloudwatch,
    columns,
    gnettrack,
    intervals,
    iperf3,
    jsonlines,
    mahimahi,
    mecperf,
    parquet,
    pensieve,
    ping,
    planetlab,
)
from headway.traces.readers.headings import MEASURED
from headway.traces.readers.lines import head
from headway.traces.readers.options import Merge, Options
from headway.traces.recording import Recording
from headway.traces.trace import EndRule, Trace
from headway.traces.transform import complement
from headway.traces.units import Quantity

__all__ = ["FORMATS", "Format", "Options", "Recording", "read", "record"]


class Format(Protocol):
    """The interface of a module for one format."""

    @property
    def NAME(self) -> str:  # noqa: N802 (a constant of a module)
        """The name of the format for users."""
        ...

    def recognises(self, head: Sequence[str], quantity: Quantity | None, options: Options, /) -> bool:
        """Whether a file that begins with these lines looks like the format, with such a quantity and options.

        There is at least one line; empty lines and comments are left out.
        """
        ...

    def read(self, path: str, quantity: Quantity | None, options: Options, /) -> Recording:
        """The recording in the file, in SI units.

        Raises:
            InputError: the file breaks the format, or the format does not have a quantity or an option.
        """
        ...


FORMATS: Mapping[str, Format] = {
    module.NAME: module
    for module in (
        *(parquet, iperf3, jsonlines, ping, gnettrack, bitbrains, alibaba, cloudwatch),
        *(intervals, mecperf, churn, cellular, mahimahi, planetlab, pensieve, columns),
    )
}
"""Every format by name, in the order in which they are tried."""


def read(
    path: str | Path,
    quantity: Quantity,
    *,
    format: str | None = None,  # noqa: A002 (the word a user looks for; the builtin is not needed here)
    unit: str | None = None,
    time_unit: str | None = None,
    end: EndRule | None = None,
    column: str | None = None,
    time_column: str | None = None,
    load: bool | None = None,
    repair: bool | None = None,
    max_gap_s: float | None = None,
    select: str | None = None,
    where: Mapping[str, str | float] | Sequence[tuple[str, str | float]] | None = None,
    merge: Merge | None = None,
    step_s: float | None = None,
) -> Trace:
    """Read a trace from a file.

    Args:
        path: the file.
        quantity: what the values measure: "rate" (bytes/s in the result), "size" (bytes), "time" (s) or "fraction".
        format: a name in `FORMATS`; recognised from the content if None.
        unit: unit of the values, if the file does not give it or gives a wrong one.
        time_unit: unit of the times, in the same cases.
        end: what follows the last row; each format has its own default.
        column: the column with the values, by name or number (from 1), where there are several.
        time_column: the column with the times, by name or number.
        load: for a file of the share of a device that others use: True gives the share that is left, False the load
            itself. Formats of loads need it.
        repair: leave out or merge rows of a file in columns that are not in order, instead of refusing the file.
        max_gap_s: longer steps are shortened to this; None keeps them.
        select: which recording, in formats that have several in one file.
        where: only rows of a file in columns that have these values in these columns, by name or number (from 1).
        merge: with `repair`, how rows of one time are merged: to their "mean" (also if None), "sum", or the "first".
        step_s: the time from one row to the next, of rows in columns without a time.

    Raises:
        InputError: the file or an option cannot be used.
    """
    wanted = None if where is None else dict(where)
    options = Options(
        unit, time_unit, end, column, time_column, load, repair, max_gap_s, select, wanted, merge, step_s
    )
    recording = record(path, quantity, format=format, options=options)
    if recording.is_load and load is None:
        expected = "true for the share that they leave, or false for the load itself"
        raise InputError(f"{path} (option load)", "a file of the load of others", expected)
    return recording.trace


def record(
    path: str | Path,
    quantity: Quantity | None = None,
    *,
    format: str | None = None,  # noqa: A002
    options: Options = Options(),  # noqa: B008 (it is immutable)
) -> Recording:
    """Read a trace from a file, with information about the file and its repairs.

    Args:
        path: the file.
        quantity: what the values measure; by default it follows from the format or from the unit in the file.
        format: a name in `FORMATS`; recognised from the content if None.
        options: further options; without `load`, a load is returned unchanged.

    Raises:
        InputError: as for `read`.
    """
    _check(path, quantity, options)
    name = format_of(path, quantity, options) if format is None else format
    if name not in FORMATS:
        raise InputError(f"{path} (option format)", quoted(name), one_of(name, FORMATS))
    recording = FORMATS[name].read(str(path), quantity, options)
    return _remaining_share(path, recording) if options.load else recording


def format_of(path: str | Path, quantity: Quantity | None, options: Options) -> str:
    """The name of the format of a file.

    Raises:
        InputError: no format fits, or the file cannot be read.
    """
    if parquet.is_parquet(str(path)):
        return parquet.NAME
    first = head(path)
    expected = f"a trace as one of {', '.join(FORMATS)}"
    if not first:
        raise InputError(str(path), "no line of data", expected)
    stepped = (jsonlines, ping)
    if options.step_s is not None and not any(one.recognises(first, quantity, options) for one in stepped):
        return columns.NAME
    for name, candidate in FORMATS.items():
        if candidate.recognises(first, quantity, options):
            return name
    raise InputError(f"{path}:1", quoted(first[0]), expected)


def _check(path: str | Path, quantity: str | None, options: Options) -> None:
    if quantity not in (None, *MEASURED):
        raise InputError(f"{path} (quantity)", quoted(quantity), " or ".join(map(repr, MEASURED)))
    if options.end is not None and options.end not in get_args(EndRule):
        raise InputError(f"{path} (option end)", quoted(options.end), '"hold", "loop" or "zero"')
    for name in ("max_gap_s", "step_s"):
        span = getattr(options, name)
        if span is not None and not 0 < span < float("inf"):
            raise InputError(f"{path} (option {name})", quoted(span), "a finite time above 0")
    if options.merge is not None and (options.merge not in get_args(Merge) or not options.repair):
        got = quoted(options.merge) + ("" if options.repair else " without a repair")
        raise InputError(f"{path} (option merge)", got, '"mean", "sum" or "first", with the option repair')
    if options.step_s is not None and (options.time_column or options.time_unit):
        got = "a step beside a column or a unit of times"
        raise InputError(f"{path} (option step_s)", got, "one of them: a step is for rows without times")


def _remaining_share(path: str | Path, load: Recording) -> Recording:
    """The share of a device that a load leaves."""
    if load.quantity != "fraction" or load.trace.values.max() > 1:
        expected = "a share of at most 1 (or 100 %); perhaps the unit is %"
        raise InputError(f"{path} (option load)", f"a load of {load.trace.values.max():g}", expected)
    return replace(load, trace=complement(load.trace), is_load=False)
