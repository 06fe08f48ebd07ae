"""Value, integral and inverse of traces, bit for bit as `traces.Trace` and `traces.segments` give them."""

import numpy as np

from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import World

_INF = np.inf
_ROUNDING = 1e-12
_TICKS = 32
_BRACKET = 1e-9


@kernel
def segment_at(w: World, trace: int, phase_s: float) -> int:
    """The number of the segment in which a time of one pass lies, counted from the first of the trace."""
    first = w.rows[trace].first
    low, high = 0, w.rows[trace].count
    while low < high:
        middle = (low + high) // 2
        if phase_s < w.segments[first + middle].start_s:
            high = middle
        else:
            low = middle + 1
    return low - 1


@kernel
def value(w: World, trace: int, time_s: float) -> float:
    """See `Trace.value`."""
    of = w.rows[trace]
    if of.constant >= 0.0:
        return of.constant
    phase_s = time_s % of.period_s if of.period_s > 0.0 else time_s
    return w.segments[of.first + segment_at(w, trace, phase_s)].level


@kernel
def next_change(w: World, trace: int, time_s: float) -> float:
    """See `Trace.next_change`."""
    of = w.rows[trace]
    if of.constant >= 0.0:
        return _INF
    if of.period_s <= 0.0:
        return w.segments[of.first + segment_at(w, trace, time_s)].end_s
    phase_s = time_s % of.period_s
    i = segment_at(w, trace, phase_s)
    change_s = max(time_s - phase_s + w.segments[of.first + i].end_s, np.nextafter(time_s, _INF))
    while segment_at(w, trace, change_s % of.period_s) == i:
        change_s = np.nextafter(change_s, _INF)
    return change_s


@kernel
def integral(w: World, trace: int, start_s: float, end_s: float) -> float:
    """See `Trace.integral`."""
    of = w.rows[trace]
    if of.constant >= 0.0:
        return of.constant * (end_s - start_s)
    period_s = of.period_s
    if period_s <= 0.0:
        return _within(w, trace, start_s, end_s)
    phase0_s, phase1_s = start_s % period_s, end_s % period_s
    passes = np.rint(((end_s - phase1_s) - (start_s - phase0_s)) / period_s)
    if passes == 0.0:
        return _within(w, trace, phase0_s, phase1_s)
    whole = (passes - 1.0) * _between(w, of.first, of.first + of.count)
    return _within(w, trace, phase0_s, period_s) + whole + _within(w, trace, 0.0, phase1_s)


@kernel
def _within(w: World, trace: int, start_s: float, end_s: float) -> float:
    first = w.rows[trace].first
    i, j = first + segment_at(w, trace, start_s), first + segment_at(w, trace, end_s)
    if i == j:
        return w.segments[i].level * (end_s - start_s)
    head = w.segments[i].level * (w.segments[i].end_s - start_s)
    return head + _between(w, i + 1, j) + w.segments[j].level * (end_s - w.segments[j].start_s)


@kernel
def _between(w: World, i: int, j: int) -> float:
    """The integral from the start of one record of `segments` to the start of another of the same trace."""
    return (w.segments[j].total - w.segments[i].total) + (w.segments[j].low - w.segments[i].low)


@kernel
def reach(w: World, trace: int, start_s: float, amount: float) -> float:
    """See `Trace.reach`."""
    of = w.rows[trace]
    level = of.constant
    if level >= 0.0:
        if level > 0.0:
            return start_s + amount / level
        return start_s if amount == 0.0 else _INF
    phase_s = start_s % of.period_s if of.period_s > 0.0 else start_s
    i = of.first + segment_at(w, trace, phase_s)
    level = w.segments[i].level
    if level > 0.0 and amount <= level * (w.segments[i].end_s - phase_s):
        return start_s + amount / level
    return _reach_further(w, trace, start_s, amount, phase_s, i)


@kernel
def _reach_further(w: World, trace: int, start_s: float, amount: float, phase_s: float, i: int) -> float:
    """See `Segments.reach`; `i` and `j` are numbers of records here."""
    if amount == 0.0:
        return start_s
    if amount == _INF:
        return _INF
    of = w.rows[trace]
    end = of.first + of.count
    pass_start_s = start_s - phase_s
    rest = amount
    if w.segments[i].level > 0.0:
        rest = amount - w.segments[i].level * (w.segments[i].end_s - phase_s)
    to_end = _between(w, i + 1, end)
    if rest <= to_end:
        j = _segment_with(w, i + 1, end, rest)
        rest -= _between(w, i + 1, j)
    elif of.period_s <= 0.0:
        j, rest = end, rest - to_end
    else:
        passes, rest = _whole_passes(rest - to_end, _between(w, of.first, end))
        if passes == _INF:
            return _INF
        pass_start_s += (passes + 1.0) * of.period_s
        j = _segment_with(w, of.first, end, rest)
        rest -= _between(w, of.first, j)
    if w.segments[j - 1].level == 0.0 and rest < amount:
        outage_s, level_before = _outage_before(w, trace, j, pass_start_s)
        if rest <= amount * _ROUNDING + level_before * _TICKS * np.spacing(outage_s):
            return max(start_s, outage_s)
    if j == end:
        return _INF
    of_j = w.segments[j]
    return max(start_s, pass_start_s + min(of_j.start_s + max(0.0, rest) / of_j.level, of_j.end_s))


@kernel
def _outage_before(w: World, trace: int, j: int, pass_start_s: float) -> tuple[float, float]:
    of = w.rows[trace]
    k, last = j - 1, of.first + of.count - 1
    before = k - 1 if k > of.first else last
    if of.period_s <= 0.0:
        return w.segments[k].start_s, w.segments[before].level
    if k == of.first and w.segments[last].level == 0.0:
        return pass_start_s + w.segments[last].start_s - of.period_s, w.segments[last - 1].level
    return pass_start_s + w.segments[k].start_s, w.segments[before].level


@kernel
def _whole_passes(amount: float, per_pass: float) -> tuple[float, float]:
    quotient = amount / per_pass if per_pass > 0.0 else _INF
    if quotient == _INF:
        return _INF, per_pass
    passes = np.ceil(quotient) - 1.0
    rest = amount - passes * per_pass
    if rest > 0.0:
        return passes, min(rest, per_pass)
    return passes - 1.0, per_pass


@kernel
def _segment_with(w: World, i: int, end: int, amount: float) -> int:
    """See `Segments._segment_with`: the record in which the amount from the start of record i is complete."""
    target = w.segments[i].total + amount
    first = _first_sum(w, i + 1, end, target * (1.0 - _BRACKET), False)
    last = _first_sum(w, first, end, target * (1.0 + _BRACKET), True)
    while first < last:
        middle = (first + last) // 2
        if _between(w, i, middle) < amount:
            first = middle + 1
        else:
            last = middle
    return first - 1


@kernel
def _first_sum(w: World, low: int, high: int, target: float, beyond: bool) -> int:
    """The first record whose running sum is at least `target`, or above it if `beyond`."""
    while low < high:
        middle = (low + high) // 2
        total = w.segments[middle].total
        if total < target or (beyond and total == target):
            low = middle + 1
        else:
            high = middle
    return low
