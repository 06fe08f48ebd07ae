"""Compiled forms of `ChainTimes.seconds`, `GroupMoves.best` and `RunMoves.best`, with the same bits.

They visit one change after another where the array forms compute all changes at once. Between two placements, they
remember how changes of stages that stay as they are would change the delay (`Known`), and they do not complete the cost
of a change that cannot be the best one. Sums have the order of additions of NumPy.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headway.policies.search.group_moves import group_bounds
from headway.policies.search.stages import State, Tables
from headway.policies.search.transition import BEYOND, SLOWED
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.jit import compiled, version_of

inlined = partial(compiled, inline=True)

_group_bounds = inlined(group_bounds)

CODE: Any = np.empty(0, [(f"version_{version_of(Path(__file__).parent)}", "i1")])
"""An empty array whose type names the version of the code; see `Search.code`."""


class Known(NamedTuple):
    """What is known of a placement and its changes. From one placement to the next, few stages change.

    Changes are by how much the delay grows, for S stages, B blocks, n layers and m usable devices.

    Attributes:
        devices: of each block, shape (B,).
        starts: as in `State`, shape (S + 1,).
        seconds: of each stage, shape (S,).
        order: the blocks, group by group (see `groups_of`), shape (B,).
        group: change if one, half or all blocks of a group move to a device, by the block that leads the group, shape
            (B, 3, m). NaN for the first device: not known.
        entry: change of the first stage of a run that begins with a layer, by device, shape (n, m).
        leave: change of the stage after a run that ends with a layer, by device, shape (n, m).
    """

    devices: IntArray
    starts: IntArray
    seconds: FloatArray
    order: IntArray
    group: FloatArray
    entry: FloatArray
    leave: FloatArray


class Moves(NamedTuple):
    """Moves from the placement in force, see `Transition`."""

    rules: tuple[bool, bool, float, float]
    origin: IntArray
    seconds: FloatArray
    resources: FloatArray


class Search(NamedTuple):
    """What evaluations of placements have in common.

    `tables`, `stage_of`, `gathers` and `whole` are those of `ChainTimes`; `gatherer`, `keys`, `per_device`, `touched`
    and `holder` those of `GroupMoves`; `runs` are the first and last stages of `RunMoves`, and `then` its loads.

    Attributes:
        source: index of the source.
        memory: bytes of each block, shape (B,).
        usable: devices that are up.
        available: bytes on each device, shape (D,).
        moves: from the placement in force.
        rows: the blocks, stage by stage and rising within each, shape (B,).
        begin: the rows of stage s are `rows[begin[s]:begin[s + 1]]`, shape (S + 1,).
        known: of placements.
        code: `CODE`, for which numba compiles again what it has compiled for another version of the code.
    """

    tables: Tables
    source: int
    stage_of: IntArray
    gathers: IntArray
    memory: FloatArray
    gatherer: BoolArray
    keys: IntArray
    per_device: int
    touched: tuple[IntArray, IntArray, IntArray]
    holder: IntArray
    runs: tuple[IntArray, IntArray]
    whole: FloatArray
    then: FloatArray
    usable: IntArray
    available: FloatArray
    moves: Moves
    rows: IntArray
    begin: IntArray
    known: Known
    code: Any


def nothing_known(blocks: int, stages: int, layers: int, width: int) -> Known:
    """Memory for what will be known of placements; `width` is the number of usable devices."""
    return Known(
        devices=np.full(blocks, -1),
        starts=np.full(stages + 1, -1),
        seconds=np.empty(stages),
        order=np.empty(blocks, np.int64),
        group=np.full((blocks, 3, width), np.nan),
        entry=np.empty((layers, width)),
        leave=np.empty((layers, width)),
    )


@compiled
def pairwise(values: FloatArray) -> float:
    """The sum, in the order in which NumPy adds numbers that lie side by side in memory."""
    count = len(values)
    if count < 8:
        total = 0.0
        for i in range(count):
            total += values[i]
        return total
    if count > 128:
        half = count // 2
        half -= half % 8
        return float(pairwise(values[:half]) + pairwise(values[half:]))
    lane = values[:8].copy()
    end = count - count % 8
    for i in range(8, end, 8):
        for j in range(8):
            lane[j] += values[i + j]
    total = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]))
    for i in range(end, count):
        total += values[i]
    return float(total)


@compiled
def _waiting(
    tables: Tables, step: int, variant: int, start: int, counts: IntArray, end: int, work: FloatArray
) -> None:
    """By how much the messages of each branch take longer because they share resources; into `work[0]`."""
    devices, resources = len(counts), tables.shared.shape[2]
    waiting, size, into, out = work[0], work[1], work[2], work[3]
    for r in range(resources):
        into[r] = out[r] = 0.0
    for j in range(devices):
        if counts[j] > 0:
            size[j] = tables.out_bytes[step, variant] + counts[j] * tables.out_bytes_each[step, variant]
            for r in range(resources):
                into[r] += tables.shared[start, j, r]
                out[r] += size[j] * tables.shared[j, end, r]
    for j in range(devices):
        if counts[j] > 0:
            shared_in = shared_out = 0.0
            for r in range(resources):
                if tables.shared[start, j, r] > 0.0:
                    shared_in = max(shared_in, into[r])
                if tables.shared[j, end, r] > 0.0:
                    shared_out = max(shared_out, out[r])
            waiting[j] = max(shared_in - tables.per_byte[start, j], 0.0) * tables.in_bytes[step, variant]
            waiting[j] += max(shared_out - size[j] * tables.per_byte[j, end], 0.0)


@compiled
def set_times(
    tables: Tables, stages: IntArray, starts: IntArray, counts: IntArray, ends: IntArray, seconds: FloatArray
) -> None:
    """Set `seconds` to the times of stages, see `ChainTimes.seconds`."""
    repeats, once, each = tables.repeats, tables.once, tables.each
    devices, resources = counts.shape[1], tables.shared.shape[2]
    work = np.empty((4, max(devices, resources)))
    for i in range(len(seconds)):
        variant, start, end, used = tables.variant[stages[i]], starts[i], ends[i], 0
        for j in range(devices):
            used += counts[i, j] > 0
        shares = used > 1 and resources > 0
        total = 0.0
        for step in range(len(repeats)):
            if shares:
                _waiting(tables, step, variant, start, counts[i], end, work)
            slowest = 0.0
            for j in range(devices):
                if counts[i, j] > 0:
                    branch = once[step, variant, start, j, end] + counts[i, j] * each[step, variant, j, end]
                    if shares:
                        branch += work[0, j]
                    slowest = max(slowest, branch)
            total += repeats[step] * slowest
        seconds[i] = total


@inlined
def price(rules: tuple[bool, bool, float, float], pause_s: float, delay_s: float) -> float:
    """See `Transition.price`, and for the rules `Transition.rules`."""
    first, live, most_pause_s, stay_s = rules
    if first:
        return 0.0
    if live:
        slower = max(1.0 - delay_s / stay_s, 0.0) if stay_s > 0.0 else 0.0
        return min(pause_s, stay_s) * slower + SLOWED * pause_s
    return pause_s + BEYOND * max(pause_s - most_pause_s, 0.0)


@inlined
def set_excess(
    used: FloatArray,
    available: FloatArray,
    per_excess: FloatArray,
    source: int,
    target: int,
    size_bytes: float,
    excess: FloatArray,
) -> None:
    """Set `excess` to the cost of the memory that is lacking on each device after a move, shape (D,)."""
    for j in range(len(excess)):
        over = used[j] - available[j]
        over += size_bytes if j == target else -size_bytes if j == source else 0.0
        excess[j] = (over if over > 0.0 else 0.0) * per_excess[j]


@compiled
def _load(
    loads: FloatArray, moves: Moves, lead: int, source: int, target: int, taken: int, resource: int
) -> float:
    """The load of a resource, at least 0, after `taken` blocks like `lead` have moved from `source` to `target`."""
    route, seconds = moves.origin[lead] * moves.seconds.shape[1], moves.seconds[lead]
    now = seconds[source] * moves.resources[route + source, resource]
    then = seconds[target] * moves.resources[route + target, resource]
    return max(float(loads[resource] + taken * (then - now)), 0.0)


@inlined
def _cases(count: int, devices: int) -> tuple[IntArray, IntArray, IntArray, IntArray, FloatArray]:
    """Memory for the arguments of `set_times`, for `count` times."""
    return (
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty((count, devices), np.int64),
        np.empty(count, np.int64),
        np.empty(count),
    )


@compiled
def _set_group(
    search: Search,
    state: State,
    move: tuple[int, int, bool],
    changes: FloatArray,
    cases: tuple[IntArray, IntArray, IntArray, IntArray, FloatArray],
) -> None:
    """Set the changes of the delay if blocks move to each usable device, shape (m,).

    `move`: a block, how many like it move, and whether their stage gathers on it. `cases`: memory for the arguments of
    `set_times`.
    """
    (lead, taken, gathers), (stages, starts, counts, ends, seconds) = move, cases
    (numbers, begins, touched), holder, usable = search.touched, search.holder, search.usable
    source, stage, back = state.devices[lead], search.stage_of[lead], False
    changes[:] = 0.0
    for i in range(numbers[stage] if gathers else 1):
        at = touched[begins[stage] + i] if gathers else stage
        if at == len(state.seconds):
            back = True
            continue
        moved = taken if at == stage else 0
        for d in range(len(usable)):
            target = usable[d]
            stages[d] = at
            starts[d] = target if gathers and holder[at] == stage else state.starts[at]
            ends[d] = target if gathers and holder[at + 1] == stage else state.starts[at + 1]
            for j in range(counts.shape[1]):
                counts[d, j] = state.counts[at, j]
            counts[d, source] -= moved
            counts[d, target] += moved
        set_times(search.tables, stages, starts, counts, ends, seconds)
        for d in range(len(usable)):
            changes[d] += seconds[d] - state.seconds[at]
    if back:
        for d in range(len(usable)):
            changes[d] += search.tables.back[usable[d]] - state.back_s


@compiled
def best_group(
    search: Search, per_excess: FloatArray, state: State, loads: FloatArray, limit: float
) -> tuple[float, int, int, int]:
    """See `GroupMoves.best`; `per_excess` of `PlacementCost`, `loads` of `Transition`.

    Returns:
        The least cost [s] below `limit`, the place of the first block that moves in `Known.order`, the number of blocks
        and their device. If no cost is below `limit`, no block moves.
    """
    known, usable, moves = search.known, search.usable, search.moves
    order = known.order
    best, best_first, best_taken, best_target = limit, 0, 0, 0
    excess, busiest = np.empty(len(state.used)), int(loads.argmax())
    cases = _cases(len(usable), len(excess))
    first, sizes = _group_bounds(search.keys[order] + search.per_device * state.devices[order])
    for choice in range(3):
        for group in range(len(first)):
            begin, size = first[group], sizes[group]
            if size <= 2 - choice:
                continue
            taken = 1 if choice == 0 else (size + 1) // 2 if choice == 1 else size
            lead = order[begin]
            changes, source = known.group[lead, choice], state.devices[lead]
            if np.isnan(changes[0]):
                gathers = bool(search.gatherer[order[begin + size - 1]]) and taken == size
                _set_group(search, state, (lead, taken, gathers), changes, cases)
            for d in range(len(usable)):
                target, delay = usable[d], state.delay_s + changes[d]
                if target == source or delay >= best:
                    continue
                # Memory has no negative price, and the pause is at least the load of any resource.
                pause = _load(loads, moves, lead, source, target, taken, busiest)
                if delay + price(moves.rules, pause, delay) >= best:
                    continue
                size_bytes = search.memory[lead] * taken
                set_excess(state.used, search.available, per_excess, source, target, size_bytes, excess)
                cost_s = delay + pairwise(excess)
                if cost_s >= best:
                    continue
                for r in range(len(loads)):
                    pause = max(pause, _load(loads, moves, lead, source, target, taken, r))
                cost_s += price(moves.rules, pause, delay)
                if cost_s < best:
                    best, best_first, best_taken, best_target = cost_s, begin, taken, target
    return best, best_first, best_taken, best_target


@compiled
def _gained(search: Search, devices: IntArray) -> FloatArray:
    """The loads that moves of all stages before each one add, shape (S + 1, m, R); see `Transition.run_loads`."""
    then, moves, stage_of = search.then, search.moves, search.stage_of
    stages, width, resources = then.shape
    now, count = np.zeros((stages, resources)), len(search.available)
    for block in range(len(devices)):
        device = devices[block]
        seconds = moves.seconds[block, device]
        if seconds != 0.0:
            route = moves.origin[block] * count + device
            for r in range(resources):
                now[stage_of[block] + 1, r] += seconds * moves.resources[route, r]
    gained = np.empty(then.shape)
    for stage in range(stages):
        for d in range(width):
            for r in range(resources):
                before = gained[stage - 1, d, r] if stage else 0.0
                gained[stage, d, r] = before + (then[stage, d, r] - now[stage, r])
    return gained


@compiled
def best_run(
    search: Search, per_excess: FloatArray, state: State, loads: FloatArray, upto: FloatArray, limit: float
) -> tuple[float, int, int, int]:
    """See `RunMoves.best`; `upto` are the bytes of the stages before each on each device, shape (S + 1, D).

    Returns:
        The least cost [s] below `limit`, the first and the last layer, and the number of the device in `usable`. If no
        cost is below `limit`, it is `limit`.
    """
    (first, last), usable, rules = search.runs, search.usable, search.moves.rules
    used, available, entry, leave = state.used, search.available, search.known.entry, search.known.leave
    devices, stages, count, width = len(used), len(state.seconds), len(first), len(usable)
    inner = np.empty((stages, width))
    for d in range(width):
        total_s = 0.0
        for stage in range(stages):
            total_s += search.whole[stage, usable[d]] - state.seconds[stage]
            inner[stage, d] = total_s
    gained = _gained(search, state.devices)
    best, best_a, best_b, best_d = limit, 0, 0, 0
    busiest = int(loads.argmax())
    moved, without = np.empty(devices), np.empty(devices)
    for a in range(count):
        for b in range(a, count):
            begin, end = first[a], last[b] + 1
            all_bytes, without_s = -1.0, 0.0
            for d in range(width):
                device = usable[d]
                delay = state.delay_s + ((entry[a, d] - inner[begin, d]) + (inner[end - 1, d] + leave[b, d]))
                if delay >= best:
                    continue
                # Memory has no negative price, and the pause is at least the load of any resource.
                load = loads[busiest] + gained[end, d, busiest] - gained[begin, d, busiest]
                pause = max(load, 0.0)
                if delay + price(rules, pause, delay) >= best:
                    continue
                if all_bytes < 0.0:
                    for j in range(devices):
                        moved[j] = upto[end, j] - upto[begin, j]
                        over = used[j] - moved[j] - available[j]
                        without[j] = (over if over > 0.0 else 0.0) * per_excess[j]
                    all_bytes, without_s = pairwise(moved), pairwise(without)
                over = used[device] - moved[device] - available[device] + all_bytes
                there_s = (over if over > 0.0 else 0.0) * per_excess[device]
                total = delay + (without_s + (there_s - without[device]))
                if total >= best:
                    continue
                for r in range(len(loads)):
                    pause = max(pause, loads[r] + gained[end, d, r] - gained[begin, d, r])
                total += price(rules, pause, delay)
                if total < best:
                    best, best_a, best_b, best_d = total, a, b, d
    return best, best_a, best_b, best_d


@compiled
def update(search: Search, devices: IntArray) -> State:
    """See `ChainTimes.state`; computes again what is known of the stages that have changed."""
    known, stages, count = search.known, len(search.gathers), len(search.available)
    counts, starts = np.zeros((stages, count), np.int64), np.empty(stages + 1, np.int64)
    used, changed = np.zeros(count), np.zeros(stages + 1, np.bool_)
    for block in range(len(devices)):
        stage, device = search.stage_of[block], devices[block]
        counts[stage, device] += 1
        used[device] += search.memory[block]
        changed[stage] |= device != known.devices[block]
        known.devices[block] = device
    starts[0] = search.source
    starts[1:] = devices[search.gathers]
    for i in range(stages + 1):
        if starts[i] != known.starts[i]:
            changed[i] = True
            if i > 0:
                changed[i - 1] = True
    known.starts[:] = starts
    at = np.flatnonzero(changed[:stages])
    seconds = np.empty(len(at))
    set_times(search.tables, at, starts[at], counts[at], starts[at + 1], seconds)
    known.seconds[at] = seconds
    _forget_groups(search, devices, changed)
    _set_ends(search, counts, starts, changed)
    back_s = search.tables.back[starts[stages]]
    return State(devices, used, counts, starts, known.seconds, back_s, pairwise(known.seconds) + back_s)


@compiled
def _set_ends(search: Search, counts: IntArray, starts: IntArray, changed: BoolArray) -> None:
    """Set the changes of the first stages of runs, and of the stages after them, that have changed."""
    tables, (first, last), usable, known = search.tables, search.runs, search.usable, search.known
    stages = len(counts)
    at, begin, there, end, seconds = _cases(len(usable), counts.shape[1])
    for layer in range(len(first)):
        stage, after = first[layer], last[layer] + 1
        if changed[stage]:
            at[:], begin[:], there[:] = stage, starts[stage], 0
            for d in range(len(usable)):
                end[d], there[d, usable[d]] = usable[d], counts[stage].sum()
            set_times(tables, at, begin, there, end, seconds)
            known.entry[layer] = seconds - known.seconds[stage]
        if changed[after] and after < stages:
            at[:], end[:] = after, starts[after + 1]
            for d in range(len(usable)):
                begin[d] = usable[d]
                there[d] = counts[after]
            set_times(tables, at, begin, there, end, seconds)
            known.leave[layer] = seconds - known.seconds[after]
        elif changed[after]:
            known.leave[layer] = tables.back[usable] - tables.back[starts[stages]]


@compiled
def _forget_groups(search: Search, devices: IntArray, changed: BoolArray) -> None:
    """Forget the changes by moves of blocks that touch a changed stage, and group the blocks of changed stages."""
    (numbers, begins, touched), known = search.touched, search.known
    for stage in range(len(changed) - 1):
        rows = search.rows[search.begin[stage] : search.begin[stage + 1]]
        if changed[stage]:
            keys = search.keys[rows] + search.per_device * devices[rows]
            order = rows[np.argsort(keys, kind="mergesort")]
            known.order[search.begin[stage] : search.begin[stage + 1]] = order
        for at in touched[begins[stage] : begins[stage] + numbers[stage]]:
            if changed[at]:
                known.group[rows] = np.nan
                break
