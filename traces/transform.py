"""Traces from traces: the operations of "what if" questions and of faults.

Every function is pure and returns a plain `Trace`. Values are exact up to the rounding of one operation, times up to
the rounding of the sums that give them.

A trace repeats from its beginning or not at all. Some results do not (a looping rate times a slowdown that ends; two
loops without a common period); the caller then gives the time for which the result must be exact.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from headway.traces.constructors import require, trace_of_length, without_empty_segments
from headway.traces.trace import EndRule, FloatArray, Trace

MOST_VALUES = 1_000_000
"""Maximum number of values of a result; checked before they are computed."""

_SAME_RATIO = Fraction(1, 2**51)
"""Relative difference of two ratios of periods that the rounding of the periods to float64 may cause."""


def scaled(trace: Trace, factor: float) -> Trace:
    """The trace with every value multiplied by `factor`, finite and not negative.

    Raises:
        ValueError: the factor is out of range, or a value or an integral overflows.
    """
    require(0 <= factor < math.inf, "a finite factor >= 0", factor)
    return trace.with_values(_product(trace.values, factor))


def clipped(trace: Trace, least: float = 0.0, most: float = math.inf) -> Trace:
    """The trace with values below `least` raised to it and values above `most` lowered to it.

    The zero after the end of a trace that drops to zero is clipped too: if `least` is above 0, it holds from there on.

    Raises:
        ValueError: unless 0 <= least <= most, least finite.
    """
    require(0 <= least <= most and least < math.inf, "0 <= least <= most, least finite", (least, most))
    whole = _ending_at(trace, least)
    return whole.with_values(np.clip(whole.values, least, most))


def complement(trace: Trace) -> Trace:
    """One minus the trace: from a load the share that is left, and back.

    Raises:
        ValueError: a value is above 1.
    """
    require(trace.values.max() <= 1, "values of at most 1", float(trace.values.max()))
    whole = _ending_at(trace, 1.0)
    return whole.with_values(1.0 - whole.values)


def shifted(trace: Trace, seconds: float) -> Trace:
    """The trace for a start that is `seconds` later, or earlier if negative.

    A looping trace is rotated. Other traces lose their beginning; for an earlier start, the first value holds until the
    old beginning.

    Args:
        trace: the trace to shift.
        seconds: result(t) = trace(t + seconds); finite.

    Raises:
        ValueError: seconds is not finite.
    """
    require(math.isfinite(seconds), "finite seconds", seconds)
    if seconds == 0 or trace.is_constant:
        return trace
    if trace.end == "loop":
        return _rotated(trace, seconds)
    if trace.duration is not None and seconds >= trace.duration:
        return Trace.constant(0.0)
    here = int(np.searchsorted(trace.times, max(seconds, 0.0), "right")) - 1
    times = np.append(0.0, trace.times[here + 1 :] - seconds)
    duration = None if trace.duration is None else trace.duration - seconds
    return without_empty_segments(times, trace.values[here:], trace.end, duration)


def averaged(trace: Trace, step_s: float) -> Trace:
    """The mean of the trace over each step: a log of single packets becomes a log of rates.

    Args:
        trace: the trace to average; one that holds is averaged up to the end of the step with its last change.
        step_s: length of a step [s]; the last one ends with the trace if it loops or drops to zero.

    Raises:
        ValueError: the step is not finite and above 0, or there would be more than `MOST_VALUES` of them.
    """
    require(0 < step_s < math.inf, "a finite step_s > 0", step_s)
    length = math.inf if trace.duration is None else trace.duration
    count = (trace.times[-1] if trace.duration is None else length) / step_s
    _check_size(count)
    times = np.arange(math.ceil(count) + 1) * step_s
    times = times[times < length]
    ends = np.minimum(times + step_s, length)
    return Trace(times, trace.mean(times, ends), trace.end, trace.duration)


def spliced(parts: Iterable[tuple[Trace, float]], *, end: EndRule = "hold") -> Trace:
    """Traces one after another, each from its own beginning.

    Args:
        parts: each trace with its duration in the result [s], finite and above 0; at least one.
        end: what follows the last part; "hold" keeps its value just before the end.

    Raises:
        ValueError: a time is out of range, there is no part, or the whole has more than `MOST_VALUES` values.
    """
    times, values, start, count = [], [], 0.0, 0
    for trace, seconds in parts:
        require(0 < seconds < math.inf, "a finite time > 0 for every part", seconds)
        piece_times, piece_values = _unrolled(trace, seconds)
        times.append(start + piece_times)
        values.append(piece_values)
        start, count = start + seconds, count + len(piece_times)
        _check_size(count)
    require(bool(times), "at least one part", [])
    duration = None if end == "hold" else start
    return without_empty_segments(np.concatenate(times), np.concatenate(values), end, duration)


def multiplied(a: Trace, b: Trace, *, horizon_s: float | None = None) -> Trace:
    """The product of two traces at every time.

    The product is exact forever if it holds, ends, or has a common period: the ratio of the two periods, as float64
    numbers, is that of whole numbers so small that the product has at most `MOST_VALUES` values. The other cases are a
    loop times a trace that changes and then holds, and loops without a common period: their product does not repeat
    from its beginning. It is exact for `horizon_s`, rounded up to whole rounds of the (longer) loop, and then repeats.

    Args:
        a: one factor.
        b: the other; the order does not matter.
        horizon_s: time for which the product must be exact [s], if it cannot be exact forever.

    Raises:
        ValueError: a horizon is needed and not given, the product would have more than `MOST_VALUES` values, or one of
            them overflows.
    """
    if a.is_constant or b.is_constant:
        steady, other = (a, b) if a.is_constant else (b, a)
        return scaled(other, steady.value(0.0))
    a, b = _silent(a), _silent(b)
    if a.end == b.end == "hold":
        return _over(a, b, math.inf, "hold")
    if "zero" in (a.end, b.end):
        return _over(a, b, min(t.duration or 0.0 for t in (a, b) if t.end == "zero"), "zero")
    period = _common_period(a, b) if a.end == b.end else None
    if period is None:
        require(
            horizon_s is not None and 0 < horizon_s < math.inf,
            "a finite horizon_s > 0, because the product does not repeat from its beginning",
            horizon_s,
        )
        longest = max(t.duration or 0.0 for t in (a, b))
        period = math.ceil((horizon_s or 0.0) / longest) * longest
    return _over(a, b, period, "loop")


def _over(a: Trace, b: Trace, span_s: float, end: EndRule) -> Trace:
    """The product on [0, span), with an end rule that acts at the span."""
    (times_a, values_a), (times_b, values_b) = _unrolled(a, span_s), _unrolled(b, span_s)
    times = np.unique(np.concatenate((times_a, times_b)))
    _check_size(len(times))
    at_a = np.searchsorted(times_a, times, "right") - 1
    at_b = np.searchsorted(times_b, times, "right") - 1
    values = _product(values_a[at_a], values_b[at_b])
    return trace_of_length(times, values, span_s, end)


def _unrolled(trace: Trace, span_s: float) -> tuple[FloatArray, FloatArray]:
    """The breakpoints in [0, span), with all rounds of a loop, and the end of a trace that drops to zero."""
    times, values = trace.times, trace.values
    if trace.end == "loop" and trace.duration is not None:
        rounds = span_s / trace.duration
        _check_size(rounds * len(times))
        starts = np.arange(math.ceil(rounds) + 1) * trace.duration
        # The sum may be rounded beyond the start of the next round.
        times = np.minimum(starts[:-1, np.newaxis] + times, starts[1:, np.newaxis]).ravel()
        values = np.tile(values, len(starts) - 1)
    elif trace.end == "zero" and trace.duration is not None:
        times, values = np.append(times, trace.duration), np.append(values, 0.0)
    within = times < span_s
    return times[within], values[within]


def _common_period(a: Trace, b: Trace) -> float | None:
    """The shortest time in which two loops complete whole rounds, if that needs at most `MOST_VALUES` values."""
    period_a, period_b = a.duration or 0.0, b.duration or 0.0
    ratio = Fraction(period_a) / Fraction(period_b)
    near = ratio.limit_denominator(max(1, MOST_VALUES // len(a.times)))
    if abs(near - ratio) > _SAME_RATIO * ratio:
        return None
    rounds_a, rounds_b = near.denominator, near.numerator
    if rounds_a * len(a.times) + rounds_b * len(b.times) > MOST_VALUES:
        return None
    return max(rounds_a * period_a, rounds_b * period_b)


def _silent(trace: Trace) -> Trace:
    """A trace that is not constant; if it holds a last value of 0, as a trace that drops to zero."""
    if trace.end != "hold" or trace.values[-1] > 0:
        return trace
    last = int(np.flatnonzero(trace.values)[-1]) + 1
    return Trace(trace.times[:last], trace.values[:last], "zero", float(trace.times[last]))


def _ending_at(trace: Trace, level: float) -> Trace:
    """The trace; if it drops to zero and `level` is above 0, with a last value of 0 that holds."""
    if trace.duration is None or trace.end != "zero" or level == 0.0:
        return trace
    return Trace(np.append(trace.times, trace.duration), np.append(trace.values, 0.0))


def _rotated(trace: Trace, seconds: float) -> Trace:
    period = trace.duration or 0.0
    phase = math.fmod(seconds, period)
    phase += period if phase < 0 else 0.0
    if phase >= period:
        phase = 0.0
    here = int(np.searchsorted(trace.times, phase, "right")) - 1
    before = trace.times < phase
    times = np.concatenate(([0.0], trace.times[here + 1 :] - phase, trace.times[before] + (period - phase)))
    values = np.concatenate((trace.values[here:], trace.values[before]))
    return without_empty_segments(times, values, "loop", period)


def _product(a: FloatArray, b: FloatArray | float) -> FloatArray:
    # `Trace` refuses an overflow with a message.
    with np.errstate(over="ignore"):
        return a * b


def _check_size(values: float) -> None:
    require(values <= MOST_VALUES, f"a result of at most {MOST_VALUES} values", float(values))
