"""From rows to a recording: what times and values mean, and what is put right when they do not fit together."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from headway.traces.errors import InputError
from headway.traces.readers.options import Merge, Options
from headway.traces.recording import Recording
from headway.traces.trace import EndRule, FloatArray, Trace
from headway.traces.units import Quantity

_MISSING_FROM = 1.5
"""Rows are missing in a step of this many median steps: the least that is nearer to two of them than to one."""


MOST_REPAIRED = 1 / 3
"""Largest share of the rows of a file that a repair may drop or merge, unless the user says how to merge them."""


def tidied(
    times: FloatArray, values: FloatArray, merge: Merge | None = None
) -> tuple[FloatArray, FloatArray, Counter[str]]:
    """Rows in order.

    Rows without a value, or with a time before that of an earlier row, are left out; rows with one time become one row.

    Args:
        times: shape (n,).
        values: shape (n,), NaN where one is missing.
        merge: what the value of rows with one time is; their mean if None.

    Returns:
        Times that rise strictly, values, and how many rows were missing, backward and duplicate.
    """
    there = ~np.isnan(values)
    times, values = times[there], values[there]
    forward = times >= np.maximum.accumulate(times) if len(times) else there[:0]
    times, values = times[forward], values[forward]
    firsts = np.flatnonzero(np.diff(times, prepend=-np.inf))
    counts = np.diff(firsts, append=len(times))
    repairs = Counter(
        {
            "missing values": int(np.count_nonzero(~there)),
            "backward times": int(np.count_nonzero(~forward)),
            "duplicate times": len(times) - len(firsts),
        }
    )
    if len(firsts) < len(times):
        sums = values[firsts] if merge == "first" else np.add.reduceat(values, firsts)
        values = sums if merge in ("first", "sum") else sums / counts
    return times[firsts], values, +repairs


def repaired(
    path: str, times: FloatArray, values: FloatArray, options: Options
) -> tuple[FloatArray, FloatArray, Counter[str]]:
    """Rows in order, as `tidied` puts them, of a file that its user wants repaired.

    Raises:
        InputError: so many rows would be dropped or merged that the file is more likely several recordings.
    """
    rows = len(times)
    times, values, repairs = tidied(times, values, options.merge)
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


def shortened(times: FloatArray, longest_s: float | None) -> tuple[FloatArray, Counter[str]]:
    """Times, from 0, without the part of each step that is beyond `longest_s`."""
    times = times if times[0] == 0 else times - times[0]
    if longest_s is None:
        return times, Counter()
    steps = np.diff(times, prepend=0.0)
    long = steps > longest_s
    if not long.any():
        return times, Counter()
    return np.cumsum(np.where(long, longest_s, steps)), Counter({"gaps shortened": int(long.sum())})


def assembled(
    path: str,
    times: FloatArray,
    values: FloatArray,
    options: Options,
    *,
    format: str,  # noqa: A002 (as in `read`)
    quantity: Quantity,
    rows: int,
    repairs: Mapping[str, int],
    is_load: bool = False,
    sampled: bool = True,
    notes: tuple[str, ...] = (),
) -> Recording:
    """A recording in which each value holds until the next time.

    Where there is a time more than values, it is the end, and the recording loops by default. Where there is not, it
    holds its last value by default, and ends, if it is told to, one median step after the last row.

    Args:
        path: of the file, for messages.
        times: strictly increasing, shape (n,) or (n + 1,), n >= 1; the first becomes 0.
        values: shape (n,), in SI units.
        options: of which the end rule and the longest gap count.
        format: as in `Recording`, like the others.
        quantity: likewise.
        rows: likewise.
        repairs: likewise, without those made here.
        is_load: likewise.
        sampled: rows come at about equal steps, so that some are missing in a long one; not where each is a change.
        notes: as in `Recording`.

    Raises:
        InputError: it must end, and a single row does not say when; or the numbers are too extreme for a trace.
    """
    if not len(values):
        raise InputError(path, "no row with a value", "at least one")
    times, cuts = shortened(times, options.max_gap_s)
    has_end = len(times) > len(values)
    end: EndRule = options.end or ("loop" if has_end else "hold")
    step, gaps, longest = gaps_of(np.diff(times))
    length = float(times[-1]) if has_end else _end_after(float(times[-1]), step)
    if end != "hold" and len(times) == 1:
        raise InputError(path, f'a single row, and end="{end}"', 'at least two rows, or end="hold"')
    try:
        trace = Trace(times[: len(values)], values, end, None if end == "hold" else length)
    except ValueError as error:
        raise InputError(
            path, f"rows of which no trace can be made: {error}", "rows of plausible size"
        ) from error
    return Recording(
        trace,
        format,
        quantity,
        rows,
        length,
        step,
        gaps if sampled else 0,
        longest,
        dict(Counter(repairs) + cuts),
        is_load,
        notes=notes,
    )


def _end_after(last: float, step: float) -> float:
    return last + step if step == 0 else max(last + step, math.nextafter(last, math.inf))


def gaps_of(steps: FloatArray) -> tuple[float, int, float]:
    """The median step, how many steps lack rows, and the longest step; zeros where there is no step."""
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
        raise InputError(
            path, f"a file of the format {name}, which holds a {holds}", f"a file with a {wanted}"
        )
