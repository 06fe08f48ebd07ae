"""Advances a world from one control event to the next."""

from headway.simcore.arrays import FloatArray
from headway.simcore.engine.compiled import calendar, processors, sharing, steps, traces
from headway.simcore.engine.compiled.jit import entry, kernel
from headway.simcore.engine.compiled.layout import (
    CLOCK,
    DEVICE,
    ITEM,
    MESSAGE,
    NONE,
    REPORTS,
    RESOURCE,
    ROUTE,
    SENDING,
    SENT,
    STEP_ENDED,
    SUBJECTS,
    TASK,
    World,
)
from headway.simcore.engine.compiled.stretch_rows import NO_SWAP, SWAP_ALL, StretchLoad, StretchRows
from headway.simcore.world.memory import TOLERANCE_BYTES


@entry
def advance(w: World, now_s: float, sent: int, until_s: float) -> tuple[float, int]:
    """Visit all events before a time, or until something is reported.

    Args:
        w: the world.
        now_s: the present time of SimPy.
        sent: how many messages of `SENDING` are sent now.
        until_s: the time of its next event.

    Returns:
        The time of the next event, or of the reports, and the number of reports.
    """
    _synchronise(w, now_s)
    _send(w, sent)
    return _advance(w, until_s), w.rows[CLOCK].reported


@kernel
def _advance(w: World, until_s: float) -> float:
    clock = w.rows[CLOCK]
    while True:
        if clock.reported:
            return clock.now_s
        if clock.in_changed:
            sharing.settle(w)
            continue
        next_s = calendar.next_time(w)
        if next_s >= until_s:
            return next_s
        clock.now_s = max(clock.now_s, next_s)
        while calendar.next_time(w) <= clock.now_s:
            _visit(w, calendar.pop(w))


@kernel
def _visit(w: World, row: int) -> None:
    """What happens at the event of a row."""
    sort = w.rows[row].what
    if sort == ROUTE:
        item = sharing.take_ended(w, row)
        while item != NONE:
            steps.arrive(w, item)
            item = sharing.take_ended(w, row)
    elif sort == RESOURCE:
        sharing.capacity_changes(w, row)
    elif sort == DEVICE:
        steps.task_ends(w, row)
    elif sort == ITEM:
        steps.waited(w, row)


@kernel
def _synchronise(w: World, now_s: float) -> None:
    """Tell the world the present time of SimPy. Rounding may have put the world just ahead of it."""
    w.rows[CLOCK].now_s = max(w.rows[CLOCK].now_s, now_s)


@entry
def begin(w: World, now_s: float, step: int, first_item: int, first_node: int, nodes: int) -> None:
    """Start a step whose items have their amounts."""
    _synchronise(w, now_s)
    of = w.rows[step]
    of.first_item, of.first_node, of.nodes = first_item, first_node, nodes
    steps.begin(w, step)


@kernel
def _send(w: World, count: int) -> None:
    """Send the first messages of `SENDING` unless they are cancelled."""
    for i in range(count):
        item = w.lists[SENDING, i]
        of = w.rows[item]
        if of.state == SENT:
            of.what, of.place, of.step = ITEM, NONE, NONE
            steps.send(w, item)


@entry
def cancel_step(w: World, now_s: float, step: int) -> None:
    """Cancel all nodes of a step that have not ended."""
    _synchronise(w, now_s)
    steps.cancel(w, step)


@entry
def cancel_item(w: World, now_s: float, item: int) -> None:
    """Cancel a message that has not arrived."""
    _synchronise(w, now_s)
    steps.cancel_item(w, item)


@entry
def busy(w: World, now_s: float, first_device: int, busy_s: FloatArray) -> None:
    """Write the seconds in which each device was busy until now, shape (devices,)."""
    _synchronise(w, now_s)
    for i in range(len(busy_s)):
        busy_s[i] = processors.busy_s(w, first_device + i)


@entry
def stretch(
    w: World,
    step: int,
    first_device: int,
    done: int,
    now_s: float,
    sent: int,
    until_s: float,
    load: StretchLoad,
    out: StretchRows,
) -> tuple[bool, int, float, int]:
    """Run the steps of a stretch until they all have ended, or a time comes, or something else is reported.

    Args:
        w: the world, in which step number `done` of the stretch is in flight.
        step: its row.
        first_device: row of device 0.
        done: how many steps of the stretch have ended.
        now_s: the present time of SimPy.
        sent: how many messages of `SENDING` are sent now.
        until_s: the time of its next event.
        load: of all steps.
        out: rows of the steps that have ended.

    Returns:
        Whether the stretch ends here, how many steps have ended, and what `advance` returns.
    """
    _synchronise(w, now_s)
    _send(w, sent)
    clock, count = w.rows[CLOCK], len(out.end_s)
    while True:
        next_s = _advance(w, until_s)
        if clock.reported != 1 or w.lists[REPORTS, 0] != STEP_ENDED or w.lists[SUBJECTS, 0] != step:
            return False, done, next_s, clock.reported
        clock.reported = 0
        _write(w, step, first_device, done, out)
        done += 1
        if done == count or clock.now_s >= load.until_s or not _fits(w, first_device, done, load, out):
            return True, done, clock.now_s, 0
        if load.swap != NO_SWAP:
            _swap(done, load, out)
        _load(w, step, first_device, done, load, out)
        steps.begin(w, step)


@kernel
def _write(w: World, step: int, first_device: int, done: int, out: StretchRows) -> None:
    """Keep the rows of a step that has ended."""
    out.end_s[done] = w.rows[CLOCK].now_s
    out.parts_s[done, 0], out.parts_s[done, 1], out.parts_s[done, 2], out.parts_s[done, 3] = steps.parts(
        w, step
    )
    for i in range(out.busy_s.shape[1]):
        out.busy_s[done, i] = processors.busy_s(w, first_device + i)


@kernel
def _fits(w: World, first_device: int, number: int, load: StretchLoad, out: StretchRows) -> bool:
    """Whether each device has as much memory as a step expects; also keeps how much it has."""
    now_s, fits = w.rows[CLOCK].now_s, True
    for i in range(out.busy_s.shape[1]):
        of = w.rows[first_device + i]
        available = 0.0
        if traces.value(w, of.up, now_s) > 0.0:
            available = max(of.memory_bytes - traces.value(w, of.used, now_s), 0.0)
        out.available_bytes[number, i] = available
        fits = fits and load.least_bytes[number, i] <= available < load.most_bytes[i]
    return fits


@kernel
def _swap(number: int, load: StretchLoad, out: StretchRows) -> None:
    """Set the seconds of reading per byte of blocks, as `swapped_share` and `disk_seconds` do."""
    for i in range(len(out.reading)):
        of_blocks = load.of_blocks[number, i]
        room = out.available_bytes[number, i] - load.beside[number, i]
        excess = min(max(of_blocks - room, 0.0), of_blocks)
        if load.swap == SWAP_ALL:
            share = 1.0 if excess > TOLERANCE_BYTES else 0.0
        else:
            share = excess / of_blocks if excess > 0.0 else 0.0
        out.reading[i] = share / load.disk_bandwidth[i] if share > 0.0 else 0.0


@kernel
def _load(w: World, step: int, first_device: int, number: int, load: StretchLoad, out: StretchRows) -> None:
    """Set the amounts of the items of a step."""
    of = w.rows[step]
    for i in range(of.nodes):
        node, item = w.rows[of.first_node + i], w.rows[of.first_item + i]
        if node.does == TASK:
            device = node.processor - first_device
            block_s = load.block_s[number, node.kind, device]
            item.amount = node.blocks * block_s + load.task_s[number, node.kind, device]
            size_bytes = load.memory_bytes[number, node.kind]
            item.reading_s = node.blocks * (size_bytes * out.reading[device]) if size_bytes > 0.0 else 0.0
        elif node.does == MESSAGE:
            item.amount = node.blocks * load.message_bytes[number, node.payload]


@entry
def parts(w: World, step: int) -> tuple[float, float, float, float]:
    """Seconds of computing, reading, sending and waiting on the critical path of a step that has ended."""
    return steps.parts(w, step)
