"""Processors that compute one task after another, as `engine.fifo` does."""

import numpy as np

from headway.simcore.engine.compiled import calendar, traces
from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import CLOCK, COMPUTING, IDLE, NONE, TASK_STALLED, World
from headway.simcore.engine.compiled.reports import report

_INF = np.inf


@kernel
def submit(w: World, item: int, device: int) -> None:
    """Submit a task now."""
    now_s, of, queue = w.rows[CLOCK].now_s, w.rows[item], w.rows[device]
    of.start_s = max(now_s, queue.free_at_s)
    of.end_s = traces.reach(w, queue.supply, of.start_s + of.reading_s, of.amount)
    if of.end_s == _INF:
        report(w, TASK_STALLED, item)
        return
    of.state = COMPUTING
    queue.promised_s += of.end_s - of.start_s
    queue.free_at_s = of.end_s
    of.previous, of.next = queue.tail, NONE
    queue.tail = item
    if of.previous == NONE:
        queue.head = item
        calendar.schedule(w, device, of.end_s)
    else:
        w.rows[of.previous].next = item


@kernel
def take_ended(w: World, device: int) -> int:
    """Remove and return the first task of the queue, which ends now."""
    queue = w.rows[device]
    item = queue.head
    _leave(w, item, device)
    return item


@kernel
def cancel(w: World, item: int, device: int) -> None:
    """Remove a task; the tasks behind it start earlier."""
    now_s, of, queue = w.rows[CLOCK].now_s, w.rows[item], w.rows[device]
    behind = of.next
    one = item
    while one != NONE:
        queue.promised_s -= w.rows[one].end_s - w.rows[one].start_s
        one = w.rows[one].next
    queue.promised_s += max(0.0, now_s - of.start_s)
    queue.free_at_s = w.rows[of.previous].end_s if of.previous != NONE else now_s
    queue.tail = of.previous
    if of.previous == NONE:
        queue.head = NONE
        calendar.remove(w, device)
    else:
        w.rows[of.previous].next = NONE
    of.state = IDLE
    while behind != NONE:
        following = w.rows[behind].next
        submit(w, behind, device)
        behind = following


@kernel
def busy_s(w: World, device: int) -> float:
    """Seconds until now in which a device computed or read from disk."""
    queue = w.rows[device]
    return queue.promised_s - max(0.0, queue.free_at_s - w.rows[CLOCK].now_s)


@kernel
def _leave(w: World, item: int, device: int) -> None:
    of, queue = w.rows[item], w.rows[device]
    of.state = IDLE
    queue.head = of.next
    if of.next == NONE:
        queue.tail = NONE
    else:
        w.rows[of.next].previous = NONE
        calendar.schedule(w, device, w.rows[of.next].end_s)
