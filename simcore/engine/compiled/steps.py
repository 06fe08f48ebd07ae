"""Steps in flight: each node starts when its predecessors have ended, as `engine.events` does it."""

from headway.simcore.engine.compiled import calendar, processors, routes, sharing
from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import (
    CLOCK,
    COMPUTING,
    FLOWING,
    IDLE,
    ITEM,
    MESSAGE,
    MESSAGE_ARRIVED,
    MESSAGE_STALLED,
    NONE,
    STACK,
    STEP_ENDED,
    TASK,
    WAITING,
    World,
)
from headway.simcore.engine.compiled.reports import report

_INF = float("inf")


@kernel
def begin(w: World, step: int) -> None:
    """Start all nodes of a step without predecessors; amounts of its items are set."""
    of = w.rows[step]
    of.remaining, of.last = of.nodes, NONE
    # The stack is longer than twice the nodes, and ends of nodes use only its beginning.
    first = len(w.lists[STACK])
    for i in range(of.nodes - 1, -1, -1):
        item, node = w.rows[of.first_item + i], w.rows[of.first_node + i]
        item.what, item.place = ITEM, NONE
        item.does, item.processor, item.route = node.does, node.processor, node.route
        item.first, item.count = node.first, node.count
        item.state, item.step = IDLE, step
        item.missing, item.decisive = node.predecessors, NONE
        if node.predecessors == 0:
            first -= 1
            w.lists[STACK, first] = of.first_item + i
    for i in range(first, len(w.lists[STACK])):
        if _begins_and_ends(w, w.lists[STACK, i]):
            _end(w, w.lists[STACK, i])
    if of.nodes == 0:
        report(w, STEP_ENDED, step)


@kernel
def cancel(w: World, step: int) -> None:
    """Cancel all nodes that have not ended."""
    of = w.rows[step]
    for item in range(of.first_item, of.first_item + of.nodes):
        cancel_item(w, item)


@kernel
def cancel_item(w: World, item: int) -> None:
    """Cancel a task or a message that has not ended."""
    of = w.rows[item]
    if of.state == IDLE:
        return
    if of.state == COMPUTING:
        processors.cancel(w, item, of.processor)
    elif of.state == WAITING:
        calendar.remove(w, item)
    elif of.state == FLOWING:
        sharing.stop(w, item)
    of.state, of.end_s = IDLE, _INF


@kernel
def send(w: World, item: int) -> None:
    """Send a message now: its bytes flow after the latency of its route."""
    now_s, of = w.rows[CLOCK].now_s, w.rows[item]
    of.begun_s = now_s
    wait_s = routes.latency(w, of.route, now_s)
    of.start_s = now_s + wait_s
    if w.rows[CLOCK].dedicated:
        of.end_s = routes.reach(w, of.route, of.start_s, of.amount)
        if of.end_s == _INF:
            report(w, MESSAGE_STALLED, item)
            return
        of.state = WAITING
        calendar.schedule(w, item, of.end_s)
    elif wait_s > 0.0:
        of.state = WAITING
        calendar.append(w, item, of.start_s)
    else:
        sharing.start(w, item)


@kernel
def waited(w: World, item: int) -> None:
    """The wait of a message is over: it flows now, or under `dedicated` it has arrived."""
    if w.rows[CLOCK].dedicated:
        w.rows[item].state = IDLE
        arrive(w, item)
    else:
        sharing.start(w, item)


@kernel
def arrive(w: World, item: int) -> None:
    """A message has arrived."""
    of = w.rows[item]
    route = w.rows[of.route]
    route.messages += 1.0
    route.size_bytes += of.amount
    route.busy_s += w.rows[CLOCK].now_s - of.start_s
    if of.step == NONE:
        report(w, MESSAGE_ARRIVED, item)
    else:
        _end(w, item)


@kernel
def task_ends(w: World, device: int) -> None:
    """The first task of a device has ended."""
    _end(w, processors.take_ended(w, device))


@kernel
def parts(w: World, step: int) -> tuple[float, float, float, float]:
    """Seconds of computing, reading, sending and waiting on the critical path of a finished step."""
    compute_s, disk_s, transfer_s, wait_s = 0.0, 0.0, 0.0, 0.0
    item = w.rows[step].last
    while item != NONE:
        of = w.rows[item]
        length_s = of.end_s - of.begun_s
        if of.does == TASK:
            waited_s = of.start_s - of.begun_s
            wait_s += waited_s
            disk_s += of.reading_s
            compute_s += length_s - waited_s - of.reading_s
        else:
            transfer_s += length_s
        item = of.decisive
    return compute_s, disk_s, transfer_s, wait_s


@kernel
def _begins_and_ends(w: World, item: int) -> bool:
    """Start a node; whether it ended at once because it takes no time."""
    of = w.rows[item]
    of.begun_s = w.rows[CLOCK].now_s
    if of.does == TASK:
        processors.submit(w, item, of.processor)
        return False
    if of.does == MESSAGE:
        send(w, item)
        return False
    return True


@kernel
def _end(w: World, first: int) -> None:
    """A node has ended: start the nodes that waited for it alone, and so on."""
    now_s, step = w.rows[CLOCK].now_s, w.rows[first].step
    of = w.rows[step]
    w.lists[STACK, 0] = first
    ended, i = 1, 0
    while i < ended:
        one = w.lists[STACK, i]
        i += 1
        done = w.rows[one]
        done.end_s = now_s
        for k in range(done.first, done.first + done.count):
            later = of.first_item + w.others[k]
            item = w.rows[later]
            before = item.decisive
            # Break ties by the lowest node number, so that the order of events does not matter.
            if before == NONE or w.rows[before].end_s < now_s or one < before:
                item.decisive = one
            item.missing -= 1
            if item.missing == 0 and _begins_and_ends(w, later):
                w.lists[STACK, ended] = later
                ended += 1
    of.remaining -= ended
    if of.remaining == 0:
        of.last = w.lists[STACK, ended - 1]
        report(w, STEP_ENDED, step)
