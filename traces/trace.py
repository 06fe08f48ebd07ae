"""`Trace`: a non-negative, piecewise-constant function of time, with its integral and the inverse of that.

A link's rate, a device's availability and the memory that others hold are all traces. "When has this link
carried 3 MB?" is `reach`: it is computed from prefix sums by bisection, never by stepping through time.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

EndRule = Literal["hold", "loop", "zero"]
FloatArray = npt.NDArray[np.float64]

_INF = math.inf
_ROUNDING = 1e-12
"""Share of an amount that counts as rounding error where an outage begins."""

_TICKS = 32
"""Steps of the clock, at its float64 resolution, whose content counts as rounding error there."""

_BRACKET = 1e-9
"""Relative width of the first search in the running sums; far above their rounding errors."""


_LONGEST_LIST = 200_000
"""Numbers are kept in plain lists up to this length, where one takes four times the room it takes in an array."""

_LEAST = 1e-200
"""Values below it count as 0: no rate or share is so small, and its inverse would soon be infinite."""


class Trace:
    """An immutable function of time t >= 0: `values[i]` holds for `times[i] <= t < times[i + 1]`.

    After the last breakpoint the end rule decides: "hold" keeps the last value forever, "loop" starts again
    at every multiple of `duration`, "zero" keeps the last value until `duration` and is 0 from then on.

    Every question costs O(log n) for n breakpoints, whatever the end rule. The scalar forms avoid numpy,
    because an event engine asks them hundreds of thousands of times; the array forms broadcast and answer bit
    for bit the same.

    Args:
        times: breakpoints [s], shape (n,), n >= 1, strictly increasing from 0.
        values: shape (n,), finite and not negative, in the unit of the thing traced; below 1e-200 they count as 0.
        end: what follows the last breakpoint.
        duration: the period ("loop") or the end ("zero") [s], after the last breakpoint; None for "hold".

    Raises:
        ValueError: an argument breaks one of these rules.
    """

    __slots__ = (
        "_constant",
        "_duration",
        "_end",
        "_ends",
        "_levels",
        "_lows",
        "_period",
        "_starts",
        "_sums",
        "_times",
        "_values",
    )

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
        self._times.flags.writeable = False
        self._values.flags.writeable = False
        self._index()

    def _index(self) -> None:
        """Build the sequences that the scalar methods search.

        Segments of equal value are merged, so that a plateau is one segment. `_sums[i] + _lows[i]` is the
        integral from 0 to the start of segment i. The low parts are the rounding errors of the running sum
        (compensated summation, Ogita, Rump & Oishi 2005): with them, the difference of two large and close
        prefix sums keeps all its digits.
        """
        starts, levels = self._times, self._values
        if self._end == "zero":
            starts, levels = np.append(starts, float(self._duration or 0)), np.append(levels, 0.0)
        kept = np.append(True, levels[1:] != levels[:-1])
        if not kept.all():
            starts, levels = starts[kept], levels[kept]
        self._period: float | None = self._duration if self._end == "loop" else None
        edges = np.append(starts, _INF if self._period is None else self._period)
        starts, ends = edges[:-1], edges[1:]
        sums, lows = _prefix_sums(levels, ends - starts)
        self._starts: Sequence[float] = _searchable(starts)
        self._levels: Sequence[float] = _searchable(levels)
        self._ends: Sequence[float] = _searchable(ends)
        self._sums: Sequence[float] = _searchable(sums)
        self._lows: Sequence[float] = _searchable(lows)
        self._constant: float | None = self._levels[0] if len(self._levels) == 1 else None

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

    @overload
    def value(self, t: float) -> float: ...
    @overload
    def value(self, t: FloatArray) -> FloatArray: ...
    def value(self, t: float | FloatArray) -> float | FloatArray:
        """The value at time t [s]."""
        if isinstance(t, np.ndarray):
            return _elementwise(self._value, t)
        return self._value(t)

    @overload
    def integral(self, t0: float, t1: float) -> float: ...
    @overload
    def integral(self, t0: FloatArray, t1: float | FloatArray) -> FloatArray: ...
    @overload
    def integral(self, t0: float, t1: FloatArray) -> FloatArray: ...
    def integral(self, t0: float | FloatArray, t1: float | FloatArray) -> float | FloatArray:
        """The integral from t0 to t1 [s], t0 <= t1: bytes, if the trace is a rate."""
        if isinstance(t0, np.ndarray) or isinstance(t1, np.ndarray):
            return _elementwise(self._integral, t0, t1)
        return self._integral(t0, t1)

    @overload
    def mean(self, t0: float, t1: float) -> float: ...
    @overload
    def mean(self, t0: FloatArray, t1: float | FloatArray) -> FloatArray: ...
    @overload
    def mean(self, t0: float, t1: FloatArray) -> FloatArray: ...
    def mean(self, t0: float | FloatArray, t1: float | FloatArray) -> float | FloatArray:
        """The mean value between t0 and t1 [s], t0 <= t1; the value itself where they are equal."""
        if isinstance(t0, np.ndarray) or isinstance(t1, np.ndarray):
            return _elementwise(self._mean, t0, t1)
        return self._mean(t0, t1)

    def mean_before(self, t: float, window_s: float) -> float:
        """The mean value over the `window_s` seconds before t, as somebody who measures would know it at t.

        The value at t itself where the window is 0. Before time 0 a looping trace counts as having looped already, and
        any other as having had its first value.
        """
        if window_s == 0.0 or self._constant is not None:
            return self._value(t)
        start = t - window_s
        if start >= 0.0:
            return self._mean(start, t)
        if self._duration is not None and self._end == "loop":
            ahead = math.ceil(-start / self._duration) * self._duration
            # Of a duration that float64 does not hold exactly, whole rounds may end just short of the start.
            return self._mean(max(0.0, start + ahead), t + ahead)
        return (self._value(0.0) * -start + self._integral(0.0, t)) / window_s

    @overload
    def reach(self, t0: float, amount: float) -> float: ...
    @overload
    def reach(self, t0: FloatArray, amount: float | FloatArray) -> FloatArray: ...
    @overload
    def reach(self, t0: float, amount: FloatArray) -> FloatArray: ...
    def reach(self, t0: float | FloatArray, amount: float | FloatArray) -> float | FloatArray:
        """The earliest t1 >= t0 with `integral(t0, t1) >= amount`, or infinity if there is none.

        What is complete when an outage begins is complete then, not after it: a shortfall of up to 1e-12 of
        the amount and what 32 steps of the float64 clock would still bring is taken for rounding error.

        Args:
            t0: where to start [s].
            amount: what the integral must come to, not negative.
        """
        if isinstance(t0, np.ndarray) or isinstance(amount, np.ndarray):
            return _elementwise(self._reach, t0, amount)
        return self._reach(t0, amount)

    def next_change(self, t: float) -> float:
        """The first time after t [s] at which the value may change, or infinity if it never does."""
        if not 0 <= t < _INF:
            raise ValueError(_bad_time(t))
        if self._constant is not None:
            return _INF
        if self._period is None:
            return self._ends[bisect_right(self._starts, t) - 1]
        phase = t % self._period
        i = bisect_right(self._starts, phase) - 1
        change = max(t - phase + self._ends[i], math.nextafter(t, _INF))
        # Rounding may land just before the breakpoint, where the old value still holds.
        while bisect_right(self._starts, change % self._period) - 1 == i:
            change = math.nextafter(change, _INF)
        return change

    def _value(self, t: float) -> float:
        if not 0 <= t < _INF:
            raise ValueError(_bad_time(t))
        if self._constant is not None:
            return self._constant
        if self._period is not None:
            t = t % self._period
        return self._levels[bisect_right(self._starts, t) - 1]

    def _integral(self, t0: float, t1: float) -> float:
        if not 0 <= t0 <= t1 < _INF:
            raise ValueError(f"an integral needs finite times 0 <= t0 <= t1, got t0={t0!r}, t1={t1!r}")
        if self._constant is not None:
            return self._constant * (t1 - t0)
        period = self._period
        if period is None:
            return self._within(t0, t1)
        # The remainder of a float division is exact, so a phase is never rounded up to the period itself.
        phase0, phase1 = t0 % period, t1 % period
        passes = round(((t1 - phase1) - (t0 - phase0)) / period)
        if passes == 0:
            return self._within(phase0, phase1)
        whole = (passes - 1) * self._between(0, len(self._levels))
        return self._within(phase0, period) + whole + self._within(0.0, phase1)

    def _within(self, t0: float, t1: float) -> float:
        """The integral between two times of one pass."""
        i = bisect_right(self._starts, t0) - 1
        j = bisect_right(self._starts, t1, i) - 1
        if i == j:
            return self._levels[i] * (t1 - t0)
        first = self._levels[i] * (self._ends[i] - t0)
        return first + self._between(i + 1, j) + self._levels[j] * (t1 - self._starts[j])

    def _between(self, i: int, j: int) -> float:
        """The integral from the start of segment i to the start of segment j of one pass."""
        return (self._sums[j] - self._sums[i]) + (self._lows[j] - self._lows[i])

    def _mean(self, t0: float, t1: float) -> float:
        return self._value(t0) if t0 == t1 else self._integral(t0, t1) / (t1 - t0)

    def _reach(self, t0: float, amount: float) -> float:
        if not (0 <= t0 < _INF and amount >= 0):
            raise ValueError(
                f"reach needs a finite t0 >= 0 and amount >= 0, got t0={t0!r}, amount={amount!r}"
            )
        level = self._constant
        if level is not None:
            return t0 + amount / level if level > 0 else _never_unless_nothing(t0, amount)
        phase = t0 if self._period is None else t0 % self._period
        i = bisect_right(self._starts, phase) - 1
        level = self._levels[i]
        left = self._ends[i] - phase
        if level > 0 and amount <= level * left:
            return t0 + amount / level
        return self._reach_later(t0, amount, phase, i)

    def _reach_later(self, t0: float, amount: float, phase: float, i: int) -> float:
        """Answer `reach` where the segment i, in which t0 lies, does not hold the whole amount."""
        if amount in (0, _INF):
            return _never_unless_nothing(t0, amount)
        pass_start = t0 - phase
        rest = amount - self._levels[i] * (self._ends[i] - phase) if self._levels[i] > 0 else amount
        to_end = self._between(i + 1, len(self._levels))
        if rest <= to_end:
            j = self._segment_with(i + 1, rest)
            rest -= self._between(i + 1, j)
        elif self._period is None:
            j, rest = len(self._levels), rest - to_end
        else:
            passes, rest = self._split_into_passes(rest - to_end)
            pass_start += (passes + 1) * self._period
            j = self._segment_with(0, rest)
            rest -= self._between(0, j)
        if self._levels[j - 1] == 0 and rest < amount:
            outage, level_before = self._outage_before(j, pass_start)
            if rest <= amount * _ROUNDING + level_before * _TICKS * math.ulp(outage):
                return max(t0, outage)
        if j == len(self._levels):
            return _INF
        # Where the level is tiny beside the amount, the rounding of the rest may point beyond the segment.
        reached = min(self._starts[j] + max(0.0, rest) / self._levels[j], self._ends[j])
        return max(t0, pass_start + reached)

    def _outage_before(self, j: int, pass_start: float) -> tuple[float, float]:
        """When the outage that ends with the start of segment j began, and the level before it."""
        k = j - 1
        if self._period is None:
            return self._starts[k], self._levels[k - 1]
        # An outage at the start of a pass may go on from the end of the pass before.
        if k == 0 and self._levels[-1] == 0:
            k = -1
        return pass_start + self._starts[k] - (self._period if k < 0 else 0.0), self._levels[k - 1]

    def _split_into_passes(self, amount: float) -> tuple[float, float]:
        """How many passes are complete before the one that completes the amount, and what that one adds."""
        per_pass = self._between(0, len(self._levels))
        quotient = amount / per_pass if per_pass > 0 else _INF
        if quotient == _INF:
            return _INF, per_pass
        # A whole number of passes is complete within the last of them, not at the start of the next.
        passes = math.ceil(quotient) - 1
        rest = amount - passes * per_pass
        return (passes, min(rest, per_pass)) if rest > 0 else (passes - 1, per_pass)

    def _segment_with(self, i: int, amount: float) -> int:
        """The segment in which the amount, > 0 and counted from the start of segment i, is reached."""
        n = len(self._levels)
        target = self._sums[i] + amount
        # The running sums are rounded: they only narrow the search, which accurate differences then decide.
        first = bisect_left(self._sums, target * (1 - _BRACKET), i + 1, n)
        last = bisect_right(self._sums, target * (1 + _BRACKET), first, n)
        if first < last:
            first = bisect_left(range(last), amount, first, last, key=lambda j: self._between(i, j))
        return first - 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return self._content() == other._content()

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


def _searchable(numbers: FloatArray) -> Sequence[float]:
    """The numbers for scalar code: a list, which is faster, or the array itself where a list would take gigabytes."""
    return numbers.tolist() if len(numbers) <= _LONGEST_LIST else memoryview(numbers)  # type: ignore[arg-type]


def _check_breakpoints(times: FloatArray, values: FloatArray) -> None:
    if times.ndim != 1 or times.shape != values.shape or len(times) == 0:
        raise ValueError(
            f"times and values must have one shape (n,), n >= 1, got {times.shape} and {values.shape}"
        )
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


def _bad_time(t: float) -> str:
    return f"a trace is defined for finite times t >= 0, got {t!r}"


def _prefix_sums(levels: FloatArray, spans: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Running sums of `levels * spans` from 0, shape (n + 1,), and what rounding took from each of them."""
    contents = np.zeros(len(levels))
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(levels, spans, out=contents, where=levels > 0)
        sums = np.zeros(len(levels) + 1)
        np.cumsum(contents, out=sums[1:])
        endless = np.isinf(spans[-1]) and levels[-1] > 0
        if not np.isfinite(sums[: -1 if endless else None]).all():
            raise ValueError("the integral of the trace overflows float64")
        before, after = sums[:-1], sums[1:]
        # In place, (before - (after - added)) + (contents - added): long traces are as long as memory allows.
        added = after - before
        contents -= added
        lost = np.subtract(after, added, out=added)
        np.subtract(before, lost, out=lost)
        lost += contents
    if endless:
        lost[-1] = 0.0
    lows = np.zeros(len(levels) + 1)
    np.cumsum(lost, out=lows[1:])
    return sums, lows


def _never_unless_nothing(t0: float, amount: float) -> float:
    return t0 + 0.0 if amount == 0 else _INF


def _elementwise(function: Any, *arguments: float | FloatArray) -> FloatArray:
    """The scalar function over broadcast arrays, so that both forms give the same bits."""
    return np.asarray(np.frompyfunc(function, len(arguments), 1)(*arguments), dtype=np.float64)
