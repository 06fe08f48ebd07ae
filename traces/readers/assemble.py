"""From rows to a recording: order of times, repairs, end rule, gaps."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from headway.traces.constructors import trace_of_length
from headway.traces.errors import InputError
from headway.traces.readers.options import Merge, Options
from headway.traces.recording import Recording
from headway.traces.trace import EndRule, FloatArray, Trace
from headway.traces.units import Quantity, convert

_MISSING_FROM = 1.5
"""A step of at least this many median steps lacks rows: it is nearer to two steps than to one."""

MOST_REPAIRED = 1 / 3
"""Largest share of the rows of a file that a repair may drop or merge, unless the user says how to merge them."""


def in_order(
    times: FloatArray, values: FloatArray, merge: Merge | None = None
) -> tuple[FloatArray, FloatArray, Counter[str]]:
    """Leave out rows without a value or with a time before that of an earlier row, and merge rows with one time.

    Args:
        times: shape (n,).
        values: shape (n,), NaN where one is missing.
        merge: how to merge the values of rows with one time; their mean if None.

    Returns:
        Strictly increasing times, values, and the numbers of missing, backward and duplicate rows.
    """
    present = ~np.isnan(values)
    times, values = times[present], values[present]
    forward = times >= np.maximum.accumulate(times) if len(times) else present[:0]
    times, values = times[forward], values[forward]
    firsts = np.flatnonzero(np.diff(times, prepend=-np.inf))
    counts = np.diff(firsts, append=len(times))
    repairs = Counter(
        {
            "missing values": int(np.count_nonzero(~present)),
            "backward times": int(np.count_nonzero(~forward)),
            "duplicate times": len(times) - len(firsts),
        }
    )
    if len(firsts) < len(times):
        sums = values[firsts] if merge == "first" else np.add.reduceat(values, firsts)
        values = sums if merge in ("first", "sum") else sums / counts
    return times[firsts], values, +repairs


def repair(
    path: str, times: FloatArray, values: FloatArray, options: Options
) -> tuple[FloatArray, FloatArray, Counter[str]]:
    """Put rows in order, as `in_order`, where the user asks for a repair.

    Raises:
        InputError: the repair would drop or merge so many rows that the file is more likely several recordings.
    """
    rows = len(times)
    times, values, repairs = in_order(times, values, options.merge)
    lost = repairs["backward times"] + (0 if options.merge else repairs["duplicate times"])
    if lost > rows * MOST_REPAIRED:
        raise InputError(
            path,
            f"{lost:,} of {rows:,} rows that a repair would drop or merge",
            "at most a third of them. If the file holds many recordings, pick one with the option where, such as "
            "where: {run: 1} (--where run=1); if rows of one time belong together, set the option merge: sum, mean "
            "or first",
        )
    return times, values, repairs


def recording_of(
    path: str,
    times: FloatArray,
    values: FloatArray,
    options: Options,
    format: str,  # noqa: A002 (as in `read`)
    quantity: Quantity,
    *,
    unit: float = 1.0,
    disordered: bool = False,
    rows: int | None = None,
    repairs: Mapping[str, int] | None = None,
    is_load: bool = False,
    sampled: bool = True,
    notes: tuple[str, ...] = (),
) -> Recording:
    """A recording in which each value holds until the next time.

    One time more than values is the end of the recording, which loops by default. Without it, the last value holds by
    default; with another end rule, the recording ends one median step after the last row.

    Args:
        path: of the file, for messages.
        times: strictly increasing [s], shape (n,) or (n + 1,), n >= 1; the first becomes 0.
        values: shape (n,), in units of `unit`.
        options: the end rule and the longest gap.
        format: name of the format.
        quantity: of the values.
        unit: SI value of a unit of the values.
        disordered: whether rows may lack values or be out of order; they are put in order, as `in_order`.
        rows: number of rows in the file, if it is not the number of values.
        repairs: numbers of repairs that were made before.
        is_load: as in `Recording`.
        sampled: rows come at about equal steps, so a long step lacks rows; False if each row is a change.
        notes: as in `Recording`.

    Raises:
        InputError: there is no row, or only one and no end; or the numbers are too extreme for a trace.
    """
    rows, counts = len(values) if rows is None else rows, Counter(repairs)
    if disordered:
        times, values, disorder = in_order(times, values)
        counts = disorder + counts
    if not len(values):
        raise InputError(path, "no row with a value", "at least one")
    times, cuts = _without_gaps(times, options.max_gap_s)
    has_end = len(times) > len(values)
    end: EndRule = options.end or ("loop" if has_end else "hold")
    step, gaps, longest = gaps_of(np.diff(times))
    length = float(times[-1]) if has_end else _end_after(float(times[-1]), step)
    if end != "hold" and len(times) == 1:
        raise InputError(path, f'a single row, and end="{end}"', 'at least two rows, or end="hold"')
    trace = _trace(path, times[: len(values)], convert(values, unit), length, end)
    gaps, repaired = gaps if sampled else 0, dict(counts + cuts)
    return Recording(
        trace, format, quantity, rows, length, step, gaps, longest, repaired, is_load, notes=notes
    )


def _trace(path: str, times: FloatArray, values: FloatArray, length_s: float, end: EndRule) -> Trace:
    try:
        return trace_of_length(times, values, length_s, end)
    except ValueError as error:
        got = f"rows of which no trace can be made: {error}"
        raise InputError(path, got, "rows of plausible size") from error


def _without_gaps(times: FloatArray, longest_s: float | None) -> tuple[FloatArray, Counter[str]]:
    """Times from 0, with longer steps shortened to `longest_s`."""
    times = times if times[0] == 0 else times - times[0]
    steps = np.diff(times, prepend=0.0)
    longest = math.inf if longest_s is None else longest_s
    gaps = int(np.count_nonzero(steps > longest))
    return (np.cumsum(np.minimum(steps, longest)) if gaps else times), +Counter({"gaps shortened": gaps})


def _end_after(last: float, step: float) -> float:
    return last + step if step == 0 else max(last + step, math.nextafter(last, math.inf))


def gaps_of(steps: FloatArray) -> tuple[float, int, float]:
    """The median step, the number of steps that lack rows, and the longest step; zeros without a step."""
    if not len(steps):
        return 0.0, 0, 0.0
    median = float(np.median(steps))
    return median, int(np.count_nonzero(steps >= _MISSING_FROM * median)), float(steps.max())


def check_quantity(path: str, name: str, holds: Quantity, wanted: Quantity | None) -> None:
    """Refuse a file of one quantity where another is wanted.

    Raises:
        InputError: they differ.
    """
    if wanted not in (None, holds):
        got = f"a file of the format {name}, which holds a {holds}"
        raise InputError(path, got, f"a file with a {wanted}")
