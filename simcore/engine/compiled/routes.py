"""Rates of routes without other traffic, as `world.route.Route` and `world.airtime.CellRate` give them."""

import numpy as np

from headway.simcore.engine.compiled import traces
from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import NONE, World

_INF = np.inf
_MOST_IDLE_CHANGES = 100_000
_MOST_STEPS = 10_000
_ROUNDING = 1e-12


@kernel
def latency(w: World, route: int, time_s: float) -> float:
    """See `Route.latency_at`."""
    of = w.rows[route]
    total_s = of.latency_s
    for i in range(of.latencies):
        total_s += traces.value(w, w.others[of.first_latency + i], time_s)
    return total_s


@kernel
def rate(w: World, crossing: int, time_s: float) -> float:
    """The rate of a resource on a route without other traffic."""
    of = w.rows[crossing]
    if of.cell == NONE:
        return traces.value(w, of.supply, time_s)
    airtime = cell_airtime(w, of.cell, time_s)
    return 1.0 / airtime if airtime > 0.0 else 0.0


@kernel
def cell_airtime(w: World, cell: int, time_s: float) -> float:
    """Airtime of a byte in a cell; 0 while nothing can be sent."""
    of = w.rows[cell]
    total_s = of.frame_s
    for i in range(of.first, of.first + of.count):
        phy_rate = traces.value(w, w.rows[i].medium_trace, time_s)
        if w.rows[i].link_trace != NONE:
            phy_rate = min(phy_rate, traces.value(w, w.rows[i].link_trace, time_s))
        if phy_rate <= 0.0:
            return 0.0
        total_s += 1.0 / phy_rate
    return total_s


@kernel
def next_change(w: World, crossing: int, time_s: float) -> float:
    """When the rate of a resource on a route may change next."""
    of = w.rows[crossing]
    if of.cell == NONE:
        return traces.next_change(w, of.supply, time_s)
    change_s = _INF
    for i in range(w.rows[of.cell].first, w.rows[of.cell].first + w.rows[of.cell].count):
        change_s = min(change_s, traces.next_change(w, w.rows[i].medium_trace, time_s))
        if w.rows[i].link_trace != NONE:
            change_s = min(change_s, traces.next_change(w, w.rows[i].link_trace, time_s))
    return change_s


@kernel
def _narrowest(w: World, route: int, time_s: float) -> tuple[float, float]:
    """The rate of a route, and when it may change."""
    of = w.rows[route]
    least, change_s = _INF, _INF
    for i in range(of.first, of.first + of.count):
        least = min(least, rate(w, i, time_s))
        change_s = min(change_s, next_change(w, i, time_s))
    return least, change_s


@kernel
def _only_trace(w: World, route: int) -> int:
    """The trace of a route that crosses one resource; `NONE` if it crosses others, or a cell."""
    of = w.rows[route]
    if of.supply != NONE or of.count != 1:
        return of.supply
    return w.rows[of.first].supply


@kernel
def integral(w: World, route: int, start_s: float, end_s: float) -> float:
    """See `Route.integral`."""
    supply = _only_trace(w, route)
    if supply != NONE:
        return traces.integral(w, supply, start_s, end_s)
    total, now_s = 0.0, start_s
    while now_s < end_s:
        least, change_s = _narrowest(w, route, now_s)
        until_s = min(end_s, change_s)
        total += least * (until_s - now_s)
        now_s = until_s
    return total


@kernel
def reach(w: World, route: int, start_s: float, size_bytes: float) -> float:
    """See `Route.reach`."""
    supply = _only_trace(w, route)
    if supply != NONE:
        return traces.reach(w, supply, start_s, size_bytes)
    if size_bytes == 0.0:
        return start_s
    of = w.rows[route]
    now_s, left, idle, steps = start_s, size_bytes, 0, 0
    while idle < _MOST_IDLE_CHANGES:
        steps += 1
        if steps == _MOST_STEPS and of.period_s > 0.0:
            carried = integral(w, route, 0.0, of.period_s)
            if carried > 0.0:
                # Do not skip the last two periods: so the rest is larger than rounding errors.
                periods = max(0.0, np.floor(left / carried) - 2.0)
                now_s, left = now_s + periods * of.period_s, left - periods * carried
        least, change_s = _narrowest(w, route, now_s)
        end_s = now_s + left / least if least > 0.0 else _INF
        if end_s <= change_s:
            return end_s
        left -= least * (change_s - now_s)
        if left <= _ROUNDING * size_bytes:
            return change_s
        idle = 0 if least > 0.0 else idle + 1
        now_s = change_s
    return _INF


@kernel
def wakes(w: World, route: int, now_s: float) -> float:
    """See `Route.wakes`."""
    of = w.rows[route]
    for _ in range(_MOST_IDLE_CHANGES):
        change_s = -1.0
        for i in range(of.first, of.first + of.count):
            if rate(w, i, now_s) == 0.0:
                change_s = max(change_s, next_change(w, i, now_s))
        if change_s < 0.0:
            return now_s
        if change_s == _INF:
            return _INF
        now_s = change_s
    return _INF
