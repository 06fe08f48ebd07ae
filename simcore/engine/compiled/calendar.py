"""The calendar of future events: a binary heap in which an event can be moved, and a queue of events in order.

Waits for the same latency end in the order in which they begin, so they need no heap.

An event belongs to the row that is visited: a route, a resource, a device or an item. Events at one time are visited in
the order in which they were scheduled, as in SimPy.
"""

from typing import Any

import numpy as np

from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import CLOCK, NONE, World

_INF = np.inf
_QUEUED = -2
"""The place of the event at the begin of the queue; those of the next ones are lower by 1 each."""


@kernel
def schedule(w: World, row: int, time_s: float) -> None:
    """Schedule the event of a row, move it to another time, or with an infinite time remove it."""
    if time_s == _INF:
        remove(w, row)
        return
    clock, place = w.rows[CLOCK], w.rows[row].place
    clock.scheduled += 1.0
    if place == NONE:
        place = clock.in_heap
        clock.in_heap += 1
        _rise(w, place, time_s, clock.scheduled, row)
    elif time_s < w.heap[place].time_s:
        _rise(w, place, time_s, clock.scheduled, row)
    else:
        _sink(w, place, time_s, clock.scheduled, row)


@kernel
def append(w: World, row: int, time_s: float) -> None:
    """Schedule the event of a row that has none; fast if no event that was appended before it comes later."""
    clock = w.rows[CLOCK]
    end = clock.last_queued
    if end == len(w.queue) or (end > clock.first_queued and time_s < w.queue[end - 1].time_s):
        schedule(w, row, time_s)
        return
    clock.scheduled += 1.0
    clock.last_queued += 1
    event = w.queue[end]
    event.time_s, event.order, event.row = time_s, clock.scheduled, row
    w.rows[row].place = _QUEUED - end


@kernel
def remove(w: World, row: int) -> None:
    """Remove the event of a row if it is scheduled."""
    place = w.rows[row].place
    if place == NONE:
        return
    w.rows[row].place = NONE
    if place <= _QUEUED:
        w.queue[_QUEUED - place].row = NONE
        _skip(w)
        return
    w.rows[CLOCK].in_heap -= 1
    last = w.heap[w.rows[CLOCK].in_heap]
    if place < w.rows[CLOCK].in_heap:
        # Most events from the end of the heap belong near its end: go there first, and then up if necessary.
        time_s, order, moved = last.time_s, last.order, last.row
        _rise(w, _sink_gap(w, place), time_s, order, moved)


@kernel
def next_time(w: World) -> float:
    """Time of the next event; infinite if there is none."""
    clock = w.rows[CLOCK]
    time_s = w.heap[0].time_s if clock.in_heap > 0 else _INF
    if clock.first_queued < clock.last_queued:
        return min(time_s, w.queue[clock.first_queued].time_s)
    return time_s


@kernel
def pop(w: World) -> int:
    """Remove the next event and return its row."""
    clock = w.rows[CLOCK]
    row = w.heap[0].row
    if clock.first_queued < clock.last_queued:
        first = w.queue[clock.first_queued]
        if clock.in_heap == 0 or _before(first.time_s, first.order, w.heap[0]):
            row = first.row
    remove(w, row)
    return row


@kernel
def _skip(w: World) -> None:
    """Let the queue begin with an event that was not removed; an empty queue begins anew."""
    clock = w.rows[CLOCK]
    while clock.first_queued < clock.last_queued and w.queue[clock.first_queued].row == NONE:
        clock.first_queued += 1
    if clock.first_queued == clock.last_queued:
        clock.first_queued = clock.last_queued = 0


@kernel
def _before(time_s: float, order: float, other: Any) -> bool:
    return time_s < other.time_s or (time_s == other.time_s and order < other.order)


@kernel
def _put(w: World, place: int, time_s: float, order: float, row: int) -> None:
    entry = w.heap[place]
    entry.time_s, entry.order, entry.row = time_s, order, row
    w.rows[row].place = place


@kernel
def _rise(w: World, place: int, time_s: float, order: float, row: int) -> None:
    """Put an event at a place, or nearer to the top."""
    while place > 0:
        parent = w.heap[(place - 1) // 2]
        if not _before(time_s, order, parent):
            break
        _put(w, place, parent.time_s, parent.order, parent.row)
        place = (place - 1) // 2
    _put(w, place, time_s, order, row)


@kernel
def _sink_gap(w: World, place: int) -> int:
    """Fill an empty place with the earlier event below it, and so on; returns the place that stays empty."""
    child = _earlier_child(w, place)
    while child != NONE:
        lower = w.heap[child]
        _put(w, place, lower.time_s, lower.order, lower.row)
        place = child
        child = _earlier_child(w, place)
    return place


@kernel
def _sink(w: World, place: int, time_s: float, order: float, row: int) -> None:
    """Put an event at a place, or further from the top."""
    child = _earlier_child(w, place)
    while child != NONE:
        lower = w.heap[child]
        if _before(time_s, order, lower):
            break
        _put(w, place, lower.time_s, lower.order, lower.row)
        place = child
        child = _earlier_child(w, place)
    _put(w, place, time_s, order, row)


@kernel
def _earlier_child(w: World, place: int) -> int:
    """The place of the earlier one of the events below a place; `NONE` if there is none."""
    child, size = 2 * place + 1, w.rows[CLOCK].in_heap
    if child >= size:
        return NONE
    if child + 1 < size and _before(w.heap[child + 1].time_s, w.heap[child + 1].order, w.heap[child]):
        return child + 1
    return child
