"""`Segments`: the pieces of a trace in the form that scalar code searches, with prefix sums of their integrals."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_INF = math.inf

_ROUNDING = 1e-12
"""Share of an amount that counts as rounding error where an outage begins."""

_TICKS = 32
"""Number of float64 steps of the clock whose content counts as rounding error there."""

_BRACKET = 1e-9
"""Relative width of the first search in the running sums; far above their rounding errors."""

_LONGEST_LIST = 200_000
"""Length up to which numbers are kept in lists, which are faster than arrays and take four times the memory."""


class Segments:
    """One pass of a trace: segment i has the value `levels[i]` from `starts[i]` to `ends[i]`.

    Neighbouring segments of equal value are merged. `sums[i] + lows[i]` is the integral from 0 to the start of segment
    i. The low parts are the rounding errors of the running sum (compensated summation, Ogita, Rump & Oishi 2005): with
    them, the difference of two large and close prefix sums keeps all its digits.

    Args:
        starts: shape (n,), n >= 1, strictly increasing from 0 [s].
        levels: shape (n,), finite and not negative.
        period: length of the pass, after which it repeats [s]; None if the last segment has no end.

    Raises:
        ValueError: an integral overflows.
    """

    __slots__ = ("ends", "levels", "lows", "period", "starts", "sums")

    def __init__(self, starts: FloatArray, levels: FloatArray, period: float | None) -> None:
        keep = np.append(True, levels[1:] != levels[:-1])
        if not keep.all():
            starts, levels = starts[keep], levels[keep]
        edges = np.append(starts, _INF if period is None else period)
        sums, lows = _prefix_sums(levels, np.diff(edges))
        self.period = period
        self.starts, self.ends = _searchable(edges[:-1]), _searchable(edges[1:])
        self.levels, self.sums, self.lows = map(_searchable, (levels, sums, lows))

    def next_change(self, t: float) -> float:
        """The first time after t [s] at which the value may change, or infinity if it never does."""
        if self.period is None:
            return self.ends[bisect_right(self.starts, t) - 1]
        phase = t % self.period
        i = bisect_right(self.starts, phase) - 1
        change = max(t - phase + self.ends[i], math.nextafter(t, _INF))
        # Rounding may land just before the breakpoint, where the old value still holds.
        while bisect_right(self.starts, change % self.period) - 1 == i:
            change = math.nextafter(change, _INF)
        return change

    def integral(self, t0: float, t1: float) -> float:
        """The integral between two times of any passes."""
        period = self.period
        if period is None:
            return self._within(t0, t1)
        # The remainder of a float division is exact, so a phase is never rounded up to the period itself.
        phase0, phase1 = t0 % period, t1 % period
        passes = round(((t1 - phase1) - (t0 - phase0)) / period)
        if passes == 0:
            return self._within(phase0, phase1)
        whole = (passes - 1) * self._between(0, len(self.levels))
        return self._within(phase0, period) + whole + self._within(0.0, phase1)

    def _within(self, t0: float, t1: float) -> float:
        """The integral between two times of one pass."""
        i = bisect_right(self.starts, t0) - 1
        j = bisect_right(self.starts, t1, i) - 1
        if i == j:
            return self.levels[i] * (t1 - t0)
        first = self.levels[i] * (self.ends[i] - t0)
        return first + self._between(i + 1, j) + self.levels[j] * (t1 - self.starts[j])

    def _between(self, i: int, j: int) -> float:
        """The integral from the start of segment i to the start of segment j."""
        return (self.sums[j] - self.sums[i]) + (self.lows[j] - self.lows[i])

    def reach(self, t0: float, amount: float, phase: float, i: int) -> float:
        """The time at which an amount is complete that segment i alone does not complete.

        Args:
            t0: the start [s].
            amount: the amount of the integral.
            phase: t0 as a time of one pass [s].
            i: the segment at t0.
        """
        if amount in (0, _INF):
            return t0 + 0.0 if amount == 0 else _INF
        pass_start = t0 - phase
        rest = amount - self.levels[i] * (self.ends[i] - phase) if self.levels[i] > 0 else amount
        to_end = self._between(i + 1, len(self.levels))
        if rest <= to_end:
            j = self._segment_with(i + 1, rest)
            rest -= self._between(i + 1, j)
        elif self.period is None:
            j, rest = len(self.levels), rest - to_end
        else:
            passes, rest = self._whole_passes(rest - to_end)
            pass_start += (passes + 1) * self.period
            j = self._segment_with(0, rest)
            rest -= self._between(0, j)
        if self.levels[j - 1] == 0 and rest < amount:
            outage, level_before = self._outage_before(j, pass_start)
            if rest <= amount * _ROUNDING + level_before * _TICKS * math.ulp(outage):
                return max(t0, outage)
        if j == len(self.levels):
            return _INF
        # Where the level is tiny compared with the amount, the rounding of the rest may point beyond the segment.
        reached = min(self.starts[j] + max(0.0, rest) / self.levels[j], self.ends[j])
        return max(t0, pass_start + reached)

    def _outage_before(self, j: int, pass_start: float) -> tuple[float, float]:
        """The start of the outage that ends with the start of segment j, and the level before it."""
        k = j - 1
        if self.period is None:
            return self.starts[k], self.levels[k - 1]
        # An outage at the start of a pass may continue one at the end of the pass before.
        if k == 0 and self.levels[-1] == 0:
            k = -1
        return pass_start + self.starts[k] - (self.period if k < 0 else 0.0), self.levels[k - 1]

    def _whole_passes(self, amount: float) -> tuple[float, float]:
        """The number of passes before the one that completes the amount, and the amount that this one adds."""
        per_pass = self._between(0, len(self.levels))
        quotient = amount / per_pass if per_pass > 0 else _INF
        if quotient == _INF:
            return _INF, per_pass
        # A whole number of passes is complete within the last of them, not at the start of the next.
        passes = math.ceil(quotient) - 1
        rest = amount - passes * per_pass
        return (passes, min(rest, per_pass)) if rest > 0 else (passes - 1, per_pass)

    def _segment_with(self, i: int, amount: float) -> int:
        """The segment in which the amount, > 0 and counted from the start of segment i, is complete."""
        n = len(self.levels)
        target = self.sums[i] + amount
        # The running sums are rounded: they only narrow the search, which accurate differences then decide.
        first = bisect_left(self.sums, target * (1 - _BRACKET), i + 1, n)
        last = bisect_right(self.sums, target * (1 + _BRACKET), first, n)
        if first < last:
            first = bisect_left(range(last), amount, first, last, key=lambda j: self._between(i, j))
        return first - 1


def _searchable(numbers: FloatArray) -> Sequence[float]:
    """The numbers for scalar code: a list, or the array itself where a list would take gigabytes."""
    return numbers.tolist() if len(numbers) <= _LONGEST_LIST else memoryview(numbers)  # type: ignore[arg-type]


def _prefix_sums(levels: FloatArray, spans: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Running sums of `levels * spans` from 0, shape (n + 1,), and the rounding error of each."""
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
