"""The calendar of future events: a binary heap in which an event can be moved.

An event belongs to the row that is visited: a route, a resource, a device or an item. Events at one time are visited in
the order in which they were scheduled, as in SimPy.
"""

import numpy as np

from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import CLOCK, HEAP, NONE, World

_INF = np.inf


@kernel
def schedule(w: World, event: int, time_s: float) -> None:
    """Schedule an event, move it to another time, or with an infinite time remove it."""
    of, clock = w.rows[event], w.rows[CLOCK]
    if time_s == _INF:
        remove(w, event)
        return
    of.time_s = time_s
    of.order = clock.scheduled
    clock.scheduled += 1
    if of.place == NONE:
        of.place = clock.in_heap
        w.lists[HEAP, of.place] = event
        clock.in_heap += 1
        _rise(w, of.place)
    else:
        _sink(w, _rise(w, of.place))


@kernel
def remove(w: World, event: int) -> None:
    """Remove an event if it is scheduled."""
    place = w.rows[event].place
    if place == NONE:
        return
    w.rows[event].place = NONE
    w.rows[CLOCK].in_heap -= 1
    last = w.rows[CLOCK].in_heap
    if place < last:
        w.lists[HEAP, place] = w.lists[HEAP, last]
        w.rows[w.lists[HEAP, place]].place = place
        _sink(w, _rise(w, place))


@kernel
def next_time(w: World) -> float:
    """Time of the next event; infinite if there is none."""
    if w.rows[CLOCK].in_heap == 0:
        return _INF
    return w.rows[w.lists[HEAP, 0]].time_s


@kernel
def pop(w: World) -> int:
    """Remove and return the next event."""
    event = w.lists[HEAP, 0]
    remove(w, event)
    return event


@kernel
def _before(w: World, one: int, other: int) -> bool:
    a, b = w.rows[one], w.rows[other]
    return a.time_s < b.time_s or (a.time_s == b.time_s and a.order < b.order)


@kernel
def _rise(w: World, place: int) -> int:
    """Move the event at a place towards the top; returns its new place."""
    event = w.lists[HEAP, place]
    while place > 0:
        parent = (place - 1) // 2
        if not _before(w, event, w.lists[HEAP, parent]):
            break
        w.lists[HEAP, place] = w.lists[HEAP, parent]
        w.rows[w.lists[HEAP, place]].place = place
        place = parent
    w.lists[HEAP, place] = event
    w.rows[event].place = place
    return place


@kernel
def _sink(w: World, place: int) -> None:
    """Move the event at a place away from the top."""
    event, size = w.lists[HEAP, place], w.rows[CLOCK].in_heap
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _before(w, w.lists[HEAP, child + 1], w.lists[HEAP, child]):
            child += 1
        if not _before(w, w.lists[HEAP, child], event):
            break
        w.lists[HEAP, place] = w.lists[HEAP, child]
        w.rows[w.lists[HEAP, place]].place = place
        place = child
    w.lists[HEAP, place] = event
    w.rows[event].place = place
