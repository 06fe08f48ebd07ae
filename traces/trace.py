"""`Trace`: a non-negative, piecewise-constant function of time, with its integral and the inverse of the integral.

A link's rate, a device's availability and the memory that others use are all traces. "When has this link carried 3 MB?"
is `reach`: bisection in prefix sums finds the answer, without stepping through time.

Every method costs O(log n) for n breakpoints, whatever the end rule. Scalars avoid numpy, because an event engine calls
these methods hundreds of thousands of times. Arrays broadcast, with bit for bit the results of the scalars.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from headway.traces.segments import FloatArray, Segments

__all__ = ["EndRule", "FloatArray", "Trace", "values_between"]

EndRule = Literal["hold", "loop", "zero"]

_Times = TypeVar("_Times", float, FloatArray)
_INF = math.inf
_LEAST = 1e-200
"""Smaller values count as 0: no rate or share is so small, and its inverse would soon be infinite."""


class Trace:
    """An immutable function of time t >= 0: `values[i]` holds for `times[i] <= t < times[i + 1]`.

    After the last breakpoint, "hold" keeps the last value forever, "loop" starts again at every multiple of `duration`,
    and "zero" keeps the last value until `duration` and is 0 from then on.

    Args:
        times: breakpoints [s], shape (n,), n >= 1, strictly increasing from 0.
        values: shape (n,), finite and not negative, in the unit of the quantity; below 1e-200 they count as 0.
        end: what follows the last breakpoint.
        duration: the period ("loop") or the end ("zero") [s], after the last breakpoint; None for "hold".

    Raises:
        ValueError: an argument breaks one of these rules, or an integral overflows.
    """

    __slots__ = ("_constant", "_duration", "_end", "_times", "_values", "segments")

    segments: Segments
    """Its pieces with prefix sums, for code that searches many traces; do not modify them."""

    def __init__(
        self,
        times: npt.ArrayLike,
        values: npt.ArrayLike,
        end: EndRule = "hold",
        duration: float | None = None,
    ) -> None:
        # Adding 0.0 copies, and makes a negative zero a plain one: equal traces then have equal bytes.
        self._times = np.asarray(times, dtype=np.float64) + 0.0
        self._values = np.asarray(values, dtype=np.float64) + 0.0
        self._end: EndRule = end
        self._duration = None if duration is None else float(duration)
        _check_breakpoints(self._times, self._values)
        _check_end(end, self._duration, float(self._times[-1]))
        self._values[self._values < _LEAST] = 0.0
        self._times.flags.writeable = self._values.flags.writeable = False
        _check_integral(self._times, self._values, self._duration)
        self._constant: float | None = None
        if (self._values == self._values[0]).all() and (end != "zero" or self._values[0] == 0.0):
            self._constant = float(self._values[0])

    if not TYPE_CHECKING:  # a type checker then reports unknown attributes

        def __getattr__(self, name: str) -> Segments:
            """Compute `segments` when they are first used: many traces are only stored, hashed or sent to a worker."""
            if name != "segments":
                raise AttributeError(f"a Trace has no attribute {name!r}")
            self.segments = _segments(self._times, self._values, self._end, self._duration)
            return self.segments

    @classmethod
    def constant(cls, value: float) -> "Trace":
        """The trace that has one value forever."""
        return cls([0.0], [value])

    @property
    def times(self) -> FloatArray:
        """Breakpoints [s], shape (n,), read-only."""
        return self._times

    @property
    def values(self) -> FloatArray:
        """Values from each breakpoint on, shape (n,), read-only."""
        return self._values

    @property
    def end(self) -> EndRule:
        """What follows the last breakpoint."""
        return self._end

    @property
    def duration(self) -> float | None:
        """The period of a looping trace, the end of one that drops to zero, else None [s]."""
        return self._duration

    @property
    def is_constant(self) -> bool:
        """Whether the value is the same at all times."""
        return self._constant is not None

    def value(self, t: _Times) -> _Times:
        """The value at time t [s]."""
        if isinstance(t, np.ndarray):
            return _elementwise(self.value, t)
        if not 0 <= t < _INF:
            raise ValueError(_bad_time(t))
        if self._constant is not None:
            return self._constant
        segments = self.segments
        phase = t if segments.period is None else t % segments.period
        return segments.levels[bisect_right(segments.starts, phase) - 1]

    @overload
    def integral(self, t0: float, t1: float) -> float: ...
    @overload
    def integral(self, t0: FloatArray, t1: float | FloatArray) -> FloatArray: ...
    @overload
    def integral(self, t0: float, t1: FloatArray) -> FloatArray: ...
    def integral(self, t0: float | FloatArray, t1: float | FloatArray) -> float | FloatArray:
        """The integral from t0 to t1 [s], t0 <= t1: bytes, if the trace is a rate."""
        if isinstance(t0, np.ndarray) or isinstance(t1, np.ndarray):
            return _elementwise(self.integral, t0, t1)
        if not 0 <= t0 <= t1 < _INF:
            raise ValueError(_bad_interval(t0, t1))
        if self._constant is not None:
            return self._constant * (t1 - t0)
        return self.segments.integral(t0, t1)

    @overload
    def mean(self, t0: float, t1: float) -> float: ...
    @overload
    def mean(self, t0: FloatArray, t1: float | FloatArray) -> FloatArray: ...
    @overload
    def mean(self, t0: float, t1: FloatArray) -> FloatArray: ...
    def mean(self, t0: float | FloatArray, t1: float | FloatArray) -> float | FloatArray:
        """The mean value between t0 and t1 [s], t0 <= t1; the value itself where they are equal."""
        if isinstance(t0, np.ndarray) or isinstance(t1, np.ndarray):
            return _elementwise(self.mean, t0, t1)
        if t0 == t1:
            return self.value(t0)
        if not 0 <= t0 < t1 < _INF:
            raise ValueError(_bad_interval(t0, t1))
        span, level = t1 - t0, self._constant
        return (self.segments.integral(t0, t1) if level is None else level * span) / span

    def mean_before(self, t: float, window_s: float) -> float:
        """The mean value over the `window_s` seconds before t, as a measurement at t would show it.

        The value at t itself where the window is 0, or so short that it vanishes beside t. Before time 0 a looping
        trace counts as having looped already, and any other as having had its first value.
        """
        if not 0 <= t < _INF:
            raise ValueError(_bad_time(t))
        start = t - window_s
        if start == t or self._constant is not None:
            return self.value(t)
        segments = self.segments
        if start >= 0.0:
            return segments.integral(start, t) / (t - start)
        if segments.period is not None:
            ahead = math.ceil(-start / segments.period) * segments.period
            # Whole rounds of a duration that float64 rounds may end just short of the start.
            return self.mean(max(0.0, start + ahead), t + ahead)
        return (segments.levels[0] * -start + segments.integral(0.0, t)) / window_s

    @overload
    def reach(self, t0: float, amount: float) -> float: ...
    @overload
    def reach(self, t0: FloatArray, amount: float | FloatArray) -> FloatArray: ...
    @overload
    def reach(self, t0: float, amount: FloatArray) -> FloatArray: ...
    def reach(self, t0: float | FloatArray, amount: float | FloatArray) -> float | FloatArray:
        """The earliest t1 >= t0 [s] with `integral(t0, t1) >= amount` >= 0, or infinity if there is none.

        An amount that is complete when an outage begins is complete then, not after the outage: a shortfall of up to
        1e-12 of the amount, plus the content of 32 float64 steps of the clock, counts as rounding error.
        """
        if isinstance(t0, np.ndarray) or isinstance(amount, np.ndarray):
            return _elementwise(self.reach, t0, amount)
        if not (0 <= t0 < _INF and amount >= 0):
            raise ValueError(f"reach needs a finite t0 >= 0 and amount >= 0, got {t0=!r}, {amount=!r}")
        level = self._constant
        if level is not None:
            return t0 + amount / level if level > 0 else t0 + 0.0 if amount == 0 else _INF
        segments = self.segments
        phase = t0 if segments.period is None else t0 % segments.period
        i = bisect_right(segments.starts, phase) - 1
        level = segments.levels[i]
        if level > 0 and amount <= level * (segments.ends[i] - phase):
            return t0 + amount / level
        return segments.reach(t0, amount, phase, i)

    def next_change(self, t: float) -> float:
        """The first time after t [s] at which the value may change, or infinity if it never does."""
        if not 0 <= t < _INF:
            raise ValueError(_bad_time(t))
        return _INF if self._constant is not None else self.segments.next_change(t)

    def with_values(self, values: npt.ArrayLike) -> "Trace":
        """A trace with other values at the same times."""
        return Trace(self._times, values, self._end, self._duration)

    def __eq__(self, other: object) -> bool:
        return self._content() == other._content() if isinstance(other, Trace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[bytes, bytes, str, float | None]:
        return self._times.tobytes(), self._values.tobytes(), self._end, self._duration

    def __reduce__(self) -> tuple[type["Trace"], tuple[FloatArray, FloatArray, EndRule, float | None]]:
        return Trace, (self._times, self._values, self._end, self._duration)

    def __repr__(self) -> str:
        if self._constant is not None:
            return f"<Trace constant {self._constant:g}>"
        span = "" if self._duration is None else f" at {self._duration:g} s"
        return f"<Trace of {len(self._times)} values, {self._end}{span}>"


def values_between(trace: Trace, t0: float, t1: float) -> Iterator[float]:
    """The values from t0 to just before t1 [s] in order of time; the value at t0 where they are equal."""
    yield trace.value(t0)
    t = trace.next_change(t0)
    while t < t1:
        yield trace.value(t)
        t = trace.next_change(t)


def _segments(times: FloatArray, values: FloatArray, end: EndRule, duration: float | None) -> Segments:
    """The segments of a trace; the end of one that drops to zero is a last segment of level 0."""
    if end == "zero":
        times, values = np.append(times, float(duration or 0)), np.append(values, 0.0)
    return Segments(times, values, duration if end == "loop" else None)


def _check_integral(times: FloatArray, values: FloatArray, duration: float | None) -> None:
    """Refuse a trace whose integral up to the last breakpoint, or over a whole pass, overflows."""
    spans = np.diff(times, append=times[-1] if duration is None else duration)
    with np.errstate(over="ignore"):
        if not np.isfinite((values * spans).sum()):
            raise ValueError("the integral of the trace overflows float64")


def _check_breakpoints(times: FloatArray, values: FloatArray) -> None:
    if times.ndim != 1 or times.shape != values.shape or len(times) == 0:
        got = f"{times.shape} and {values.shape}"
        raise ValueError(f"times and values must have one shape (n,), n >= 1, got {got}")
    if times[0] != 0:
        raise ValueError(f"times must start at 0, got {times[0]}")
    if not np.isfinite(times).all():
        raise ValueError("times must be finite")
    if not (np.diff(times) > 0).all():
        at = int(np.argmin(np.diff(times) > 0))
        raise ValueError(f"times must increase strictly, got {times[at]} then {times[at + 1]} at index {at}")
    good = np.isfinite(values) & (values >= 0)
    if not good.all():
        at = int(np.argmin(good))
        raise ValueError(f"values must be finite and not negative, got {values[at]} at index {at}")


def _check_end(end: str, duration: float | None, last: float) -> None:
    if end not in ("hold", "loop", "zero"):
        raise ValueError(f'end must be "hold", "loop" or "zero", got {end!r}')
    if end == "hold" and duration is not None:
        raise ValueError(f'a trace with end="hold" has no duration, got {duration!r}')
    if end != "hold" and (duration is None or not last < duration < _INF):
        raise ValueError(f"end={end!r} needs a finite duration after the last time {last}, got {duration!r}")


def _bad_interval(t0: float, t1: float) -> str:
    return f"an integral needs finite times 0 <= t0 <= t1, got t0={t0!r}, t1={t1!r}"


def _bad_time(t: float) -> str:
    return f"a trace is defined for finite times t >= 0, got {t!r}"


def _elementwise(function: Any, *arguments: float | FloatArray) -> FloatArray:
    """The scalar function over broadcast arrays, so that both forms give the same bits."""
    return np.asarray(np.frompyfunc(function, len(arguments), 1)(*arguments), dtype=np.float64)
