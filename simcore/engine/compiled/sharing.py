"""Flows on routes that share resources, max-min fair at every moment, as `engine.network.fluid` shares them.

All flows of one route have one rate, so rates belong to routes. A change recomputes the rates of all routes that are
connected with it through shared resources, by progressive filling (see `world.maxmin`). If these were most of many
routes, the next fillings recompute all rates without a search for what is connected: the rates are the same.
"""

from typing import Any

import numpy as np

from headway.simcore.engine.compiled import calendar, routes, traces
from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import (
    CHANGED,
    CLOCK,
    FLOWING,
    IDLE,
    LEVELS,
    MEMBERS,
    MESSAGE_STALLED,
    NONE,
    SHARING,
    World,
)
from headway.simcore.engine.compiled.reports import report

_INF = np.inf
_ROUNDING = 1e-12

_WIDE, _MANY = 16, 16
"""How many fillings recompute all rates after one that reached most routes, and at least so many."""


@kernel
def start(w: World, item: int) -> None:
    """Start the flow of a message now."""
    now_s, of = w.rows[CLOCK].now_s, w.rows[item]
    route = w.rows[of.route]
    of.state, of.left, of.end_s, of.start_s = FLOWING, of.amount, _INF, now_s
    if route.flows == 0:
        route.since_s, route.rate, route.bottleneck = now_s, 0.0, NONE
    else:
        _advance(w, of.route)
    if route.flows == _most_apart(route):
        for i in range(route.first, route.first + route.count):
            _join(w, i)
    of.previous, of.next = route.tail, NONE
    if route.tail == NONE:
        route.head = item
    else:
        w.rows[route.tail].next = item
    route.tail = item
    route.flows += 1
    route.fresh = 1
    if _is_alone(w, of.route):
        _go_alone(w, of.route)
    else:
        _change(w, of.route)


@kernel
def stop(w: World, item: int) -> None:
    """Remove a flow, so that others can use its share."""
    of = w.rows[item]
    route = w.rows[of.route]
    if route.flows > 1:
        _advance(w, of.route)
    of.state = IDLE
    if of.previous == NONE:
        route.head = of.next
    else:
        w.rows[of.previous].next = of.next
    if of.next == NONE:
        route.tail = of.previous
    else:
        w.rows[of.next].previous = of.previous
    route.flows -= 1
    route.fresh = 1
    if route.flows == 0:
        calendar.remove(w, of.route)
        _share_no_more(w, of.route)
    if route.flows == _most_apart(route):
        for i in range(route.first, route.first + route.count):
            _leave(w, i)
    if route.slot != NONE:
        _change(w, of.route)


@kernel
def take_ended(w: World, route: int) -> int:
    """Remove one flow of a route that has ended by now; returns its item, or `NONE`."""
    item = w.rows[route].head
    while item != NONE:
        if w.rows[item].end_s <= w.rows[CLOCK].now_s:
            stop(w, item)
            return item
        item = w.rows[item].next
    return NONE


@kernel
def capacity_changes(w: World, resource: int) -> None:
    """Recompute rates where a changed capacity affects them."""
    of = w.rows[resource]
    before, of.watched_s = of.noticed, _INF
    crossing, every_alone, load = of.head, True, 0.0
    while crossing != NONE:
        route = w.rows[w.rows[crossing].route]
        every_alone = every_alone and route.slot == NONE
        load += route.rate * w.rows[crossing].load * route.flows
        crossing = w.rows[crossing].next
    if every_alone:
        return
    _watch(w, resource)
    if of.airtime or (of.capacity < before and load > of.capacity):
        _change(w, w.rows[of.head].route)
    elif of.capacity > before:
        _change_limited(w, resource)


@kernel
def settle(w: World) -> None:
    """Recompute the rates of all routes that changes of this moment affect."""
    clock, together = w.rows[CLOCK], _zero()
    changed, clock.in_changed = clock.in_changed, 0
    for i in range(changed):
        number = w.lists[CHANGED, i]
        route = w.rows[number]
        route.mark = 0
        if route.flows == 0:
            continue
        if _is_alone(w, number):
            _advance(w, number)
            _share_no_more(w, number)
            route.bottleneck, route.rate = NONE, 0.0
            _go_alone(w, number)
        else:
            if route.slot == NONE:
                _advance(w, number)
                route.slot, route.rate = clock.in_sharing, -1.0
                w.lists[SHARING, route.slot] = number
                clock.in_sharing += 1
            w.lists[MEMBERS, together] = number
            together += 1
    if together:
        _share(w, together)


@kernel
def _go_alone(w: World, number: int) -> None:
    """Schedule the end of the only flow of a route that shares no resource, or report that it can never end."""
    item = w.rows[w.rows[number].head]
    item.end_s = routes.reach(w, number, w.rows[CLOCK].now_s, item.left)
    calendar.schedule(w, number, item.end_s)
    if item.end_s == _INF:
        _give_up(w, number)


@kernel
def _share_no_more(w: World, number: int) -> None:
    """Remove a route from the list of those that share resources, if it is there."""
    place = w.rows[number].slot
    if place == NONE:
        return
    w.rows[CLOCK].in_sharing -= 1
    last = w.lists[SHARING, w.rows[CLOCK].in_sharing]
    w.lists[SHARING, place], w.rows[last].slot = last, place
    w.rows[number].slot = NONE


@kernel
def _zero() -> int:
    """0 for a counter: for a plain 0, numba would compile the functions that receive the counter a second time."""
    return np.int64(0)  # type: ignore[return-value]


@kernel
def _most_apart(route: Any) -> int:
    """Up to how many flows of a route are not known to its resources: one flow of a private route concerns no other."""
    return 1 if route.supply != NONE else 0


@kernel
def _join(w: World, crossing: int) -> None:
    """Add a route to a resource; a route that was alone there shares it now."""
    of = w.rows[crossing]
    resource = w.rows[of.resource]
    if resource.routes == 1:
        _change(w, w.rows[resource.head].route)
    if resource.airtime:
        resource.until_s = min(resource.until_s, _update_airtime(w, crossing))
    of.previous, of.next = NONE, resource.head
    if resource.head != NONE:
        w.rows[resource.head].previous = crossing
    resource.head = crossing
    resource.routes += 1


@kernel
def _leave(w: World, crossing: int) -> None:
    """Remove a route from a resource; the routes that it limits, and a last one, can go faster."""
    of = w.rows[crossing]
    resource = w.rows[of.resource]
    if of.previous == NONE:
        resource.head = of.next
    else:
        w.rows[of.previous].next = of.next
    if of.next != NONE:
        w.rows[of.next].previous = of.previous
    resource.routes -= 1
    if resource.routes == 1:
        _change(w, w.rows[resource.head].route)
    else:
        _change_limited(w, of.resource)


@kernel
def _change(w: World, route: int) -> None:
    """Recompute the rate of a route before time advances."""
    if w.rows[route].mark != NONE:
        w.rows[route].mark = NONE
        w.lists[CHANGED, w.rows[CLOCK].in_changed] = route
        w.rows[CLOCK].in_changed += 1


@kernel
def _change_limited(w: World, resource: int) -> None:
    """Recompute the routes that a resource limits; one of them is enough, since all are connected."""
    crossing = w.rows[resource].head
    while crossing != NONE:
        if w.rows[w.rows[crossing].route].bottleneck == resource:
            _change(w, w.rows[crossing].route)
            return
        crossing = w.rows[crossing].next


@kernel
def _is_alone(w: World, number: int) -> bool:
    route = w.rows[number]
    if route.flows > 1 or route.supply != NONE:
        return route.flows <= 1
    for i in range(route.first, route.first + route.count):  # noqa: SIM110 (numba compiles no generators here)
        if w.rows[w.rows[i].resource].routes > 1:
            return False
    return True


@kernel
def _advance(w: World, number: int) -> None:
    """Update the bytes that are left of the flows of a route."""
    flown = _flown(w, number)
    if flown == 0.0:
        return
    item = w.rows[number].head
    while item != NONE:
        w.rows[item].left = max(0.0, w.rows[item].left - flown)
        item = w.rows[item].next


@kernel
def _flown(w: World, number: int) -> float:
    """The bytes that each flow of a route has sent since `since_s`, which becomes the present."""
    route, since_s, now_s = w.rows[number], w.rows[number].since_s, w.rows[CLOCK].now_s
    if now_s <= since_s:
        return 0.0
    route.since_s = now_s
    if route.slot == NONE:
        return routes.integral(w, number, since_s, now_s)
    return route.rate * (now_s - since_s)


@kernel
def _update_airtime(w: World, crossing: int) -> float:
    """Update the airtime per byte of a route in a cell; returns when it may change."""
    of, now_s = w.rows[crossing], w.rows[CLOCK].now_s
    airtime = routes.cell_airtime(w, of.cell, now_s)
    # While the rate is 0, the airtime has no effect: the cell has no capacity.
    of.load = airtime if airtime > 0.0 else 1.0
    return routes.next_change(w, crossing, now_s)


@kernel
def _refresh(w: World, number: int) -> None:
    """Update the capacity of a resource and, for a cell, the airtime per byte of its routes."""
    of, now_s = w.rows[number], w.rows[CLOCK].now_s
    if of.until_s > now_s:
        return
    of.capacity = traces.value(w, of.supply, now_s)
    of.until_s = traces.next_change(w, of.supply, now_s)
    if of.airtime:
        crossing = of.head
        while crossing != NONE:
            of.until_s = min(of.until_s, _update_airtime(w, crossing))
            crossing = w.rows[crossing].next


@kernel
def _watch(w: World, number: int) -> None:
    """Schedule the next change of a capacity."""
    _refresh(w, number)
    of = w.rows[number]
    if of.watched_s == _INF:
        of.noticed = of.capacity
    if of.until_s < of.watched_s:
        of.watched_s = of.until_s
        calendar.schedule(w, number, of.until_s)


@kernel
def _share(w: World, changed: int) -> None:
    """Set the rates of all routes that are connected with the first `changed` of the members."""
    clock = w.rows[CLOCK]
    clock.filling += 2
    if clock.wide > 0:
        clock.wide -= 1
        members = clock.in_sharing
        touched = _prepare(w, SHARING, members)
    else:
        members = _connect(w, changed)
        touched = _prepare(w, MEMBERS, members)
        clock.wide = _WIDE if members >= max(_MANY, clock.in_sharing // 2) else 0
    _fill(w, members, touched)
    for i in range(members):
        _go_on(w, w.lists[MEMBERS, i])


@kernel
def _connect(w: World, members: int) -> int:
    """Add all routes to the members that are connected with the first of them; returns the number of members."""
    filling, i = w.rows[CLOCK].filling, _zero()
    for k in range(members):
        w.rows[w.lists[MEMBERS, k]].mark = filling
    while i < members:
        route = w.rows[w.lists[MEMBERS, i]]
        i += 1
        for j in range(route.first, route.first + route.count):
            resource = w.rows[w.rows[j].resource]
            if resource.mark == filling:
                continue
            resource.mark = filling
            crossing = resource.head
            while crossing != NONE:
                other = w.rows[crossing].route
                if w.rows[other].mark != filling:
                    w.rows[other].mark = filling
                    w.lists[MEMBERS, members] = other
                    members += 1
                crossing = w.rows[crossing].next
    return members


@kernel
def _prepare(w: World, routes: int, count: int) -> int:
    """Prepare the resources of the first routes of a list for progressive filling; returns the number of resources."""
    prepared, touched = w.rows[CLOCK].filling + 1, _zero()
    for i in range(count):
        route = w.rows[w.lists[routes, i]]
        for j in range(route.first, route.first + route.count):
            number = w.rows[j].resource
            of = w.rows[number]
            if of.mark != prepared:
                _watch(w, number)
                of.mark, of.rising, of.spare, of.demand = prepared, of.routes, of.capacity, 0.0
                w.lists[LEVELS, touched] = number
                touched += 1
            of.demand += w.rows[j].load * route.flows
    for i in range(touched):
        of = w.rows[w.lists[LEVELS, i]]
        w.levels[i] = of.spare / of.demand
    return touched


@kernel
def _fill(w: World, members: int, touched: int) -> None:
    """Progressive filling of the touched resources, see `world.maxmin.max_min`; writes the members as they stop."""
    for i in range(touched // 2 - 1, -1, -1):
        _sink_level(w, i, touched)
    size, stopped, level = touched, _zero(), 0.0
    while stopped < members:
        number = w.lists[LEVELS, 0]
        of = w.rows[number]
        if of.rising > 0:
            if of.airtime:
                # Differences of loads of very different size would lose the small ones.
                of.demand = _demand(w, number)
            present = max(level, of.spare / of.demand)
            if present > w.levels[0] and size > 1 and present > _second_level(w, size):
                w.levels[0] = present
                _sink_level(w, _zero(), size)
                continue
            level = present
            stopped = _stop_rising(w, number, level, stopped)
        size -= 1
        w.lists[LEVELS, 0], w.levels[0] = w.lists[LEVELS, size], w.levels[size]
        _sink_level(w, _zero(), size)


@kernel
def _demand(w: World, number: int) -> float:
    """The load of the routes on a resource that still rise, per unit of rate."""
    demand, crossing, stopped = 0.0, w.rows[number].head, w.rows[CLOCK].filling + 1
    while crossing != NONE:
        route = w.rows[w.rows[crossing].route]
        if route.mark != stopped:
            demand += w.rows[crossing].load * route.flows
        crossing = w.rows[crossing].next
    return demand


@kernel
def _stop_rising(w: World, number: int, level: float, stopped: int) -> int:
    """Give the routes on a full resource that still rise their rate; returns how many routes have stopped."""
    crossing, mark = w.rows[number].head, w.rows[CLOCK].filling + 1
    while crossing != NONE:
        route = w.rows[w.rows[crossing].route]
        if route.mark != mark:
            w.lists[MEMBERS, stopped] = w.rows[crossing].route
            stopped += 1
            route.next_rate, route.bottleneck, route.mark = level, number, mark
            for i in range(route.first, route.first + route.count):
                of = w.rows[w.rows[i].resource]
                load = w.rows[i].load * route.flows
                of.rising -= 1
                of.demand -= load
                of.spare -= level * load
        crossing = w.rows[crossing].next
    return stopped


@kernel
def _go_on(w: World, number: int) -> None:
    """Apply the next rate of a route to its flows, and schedule the first end; report flows that can never end."""
    route, now_s = w.rows[number], w.rows[CLOCK].now_s
    rate, changes = route.next_rate, route.next_rate != route.rate
    if not changes and route.fresh == 0 and rate > 0.0:
        return
    route.fresh = 0
    flown = 0.0
    if changes:
        flown = _flown(w, number)
        route.rate = rate
    item, first_s, waits = route.head, _INF, False
    while item != NONE:
        of = w.rows[item]
        if changes or of.end_s == _INF:
            of.left = max(0.0, of.left - flown)
            of.end_s = _INF
            if of.left <= _ROUNDING * of.amount:
                of.end_s = now_s
            elif rate > 0.0:
                of.end_s = now_s + of.left / rate
        first_s = min(first_s, of.end_s)
        waits = waits or of.end_s == _INF
        item = of.next
    if waits and routes.wakes(w, number, now_s) == _INF:
        _give_up(w, number)
    calendar.schedule(w, number, first_s)


@kernel
def _give_up(w: World, number: int) -> None:
    """Stop and report the flows of a route that can never end."""
    item = w.rows[number].head
    while item != NONE:
        following = w.rows[item].next
        if w.rows[item].end_s == _INF:
            stop(w, item)
            report(w, MESSAGE_STALLED, item)
        item = following


@kernel
def _second_level(w: World, size: int) -> float:
    """The second lowest level of the heap."""
    return min(w.levels[1], w.levels[2]) if size > 2 else w.levels[1]


@kernel
def _sink_level(w: World, place: int, size: int) -> None:
    """Move a resource away from the top of the heap of levels."""
    number, level = w.lists[LEVELS, place], w.levels[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and w.levels[child + 1] < w.levels[child]:
            child += 1
        if w.levels[child] >= level:
            break
        w.lists[LEVELS, place], w.levels[place] = w.lists[LEVELS, child], w.levels[child]
        place = child
    w.lists[LEVELS, place], w.levels[place] = number, level
