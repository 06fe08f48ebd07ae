"""Compiled forms of `ChainTimes.seconds`, `GroupMoves.best` and `RunMoves.best`, with the same bits.

They visit one change after another where the array forms compute all changes at once. Sums have the order of additions
of NumPy.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headway.policies.search.stages import State, Tables
from headway.policies.search.transition import BEYOND, SLOWED
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.jit import compiled, version_of

inlined = partial(compiled, inline=True)

_PROBES = 8

_MOST_KNOWN = 1 << 15
"""Number of times that compiled code remembers."""

_ROUNDING = 1e-9
"""Relative tolerance of sums of times."""


KNOWN = np.dtype(
    {
        "names": ["key", "seconds", f"version_{version_of(Path(__file__).parent)}"],
        "formats": ["i8", "f8", "f8"],
        "offsets": [0, 8, 0],
        "itemsize": 16,
    }
)
"""A time by its key, which is -1 in a record without use. A field without use names the version of the code."""


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


def nothing_known() -> Any:
    """Memory for times, records of `KNOWN` at places given by hashes of keys, shape (2 ** n,)."""
    known = np.recarray(_MOST_KNOWN, KNOWN)
    known.key = -1
    return known


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


@inlined
def _known(known: Any, key: int) -> float:
    """The time of a key, or -1.0 if it is not known."""
    place = _place(known, key)
    return known[place].seconds if known[place].key == key else -1.0


@inlined
def _place(known: Any, key: int) -> int:
    """Where a key is, or is to be: by a multiplicative hash and linear probing over a few places."""
    mask = len(known) - 1
    place = ((key * 0x9E3779B97F4A7C1) >> 20) & mask
    for _ in range(_PROBES):
        if known[place].key == key or known[place].key < 0:
            break
        place = (place + 1) & mask
    return place


@inlined
def _key(different: int, variant: int, start: int, counts: IntArray, end: int) -> int:
    """A number for the arguments of a time; -2 if there are too many of them."""
    if different == 0:
        return -2
    key = (variant * len(counts) + start) * len(counts) + end
    for j in range(len(counts)):
        key = key * different + counts[j]
    return key


@compiled
def _computed(
    tables: Tables, variant: int, start: int, counts: IntArray, end: int, key: int, work: FloatArray
) -> float:
    """Time of a stage over the horizon; `work` is memory for intermediate results, see `work_memory`."""
    devices, used = len(counts), 0
    for j in range(devices):
        used += counts[j] > 0
    shares = used > 1 and tables.shared.shape[2] > 0
    total = 0.0
    for step in range(len(tables.repeats)):
        if shares:
            _waiting(tables, step, variant, start, counts, end, work)
        slowest = 0.0
        for j in range(devices):
            if counts[j] > 0:
                branch = (
                    tables.once[step, variant, start, j, end] + counts[j] * tables.each[step, variant, j, end]
                )
                if shares:
                    branch += work[0, j]
                slowest = max(slowest, branch)
        total += tables.repeats[step] * slowest
    if key >= 0:
        place = _place(tables.known, key)
        tables.known[place].key, tables.known[place].seconds = key, total
    return float(total)


@compiled
def stage_time(tables: Tables, stage: int, start: int, counts: IntArray, end: int, work: FloatArray) -> float:
    """Time of a stage over the horizon, computed once for each different placement of its blocks."""
    variant = tables.variant[stage]
    key = _key(tables.different, variant, start, counts, end)
    seconds = _known(tables.known, key)
    return float(seconds if seconds >= 0.0 else _computed(tables, variant, start, counts, end, key, work))


@compiled
def work_memory(tables: Tables) -> FloatArray:
    """Memory for the intermediate results of `_waiting`."""
    return np.empty((4, max(tables.shared.shape[0], tables.shared.shape[2])))


@compiled
def stage_seconds(
    tables: Tables, stages: IntArray, starts: IntArray, counts: IntArray, ends: IntArray
) -> FloatArray:
    """See `ChainTimes.seconds`."""
    seconds, work = np.empty(len(stages)), work_memory(tables)
    for i in range(len(stages)):
        seconds[i] = stage_time(tables, stages[i], starts[i], counts[i], ends[i], work)
    return seconds


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


@inlined
def _pause(
    loads: FloatArray, resources: FloatArray, route: int, seconds: float, taken: int, now: FloatArray
) -> float:
    """The largest load after `taken` blocks have moved over a route; `now` is the load of one before, shape (R,)."""
    pause = -np.inf
    for r in range(len(now)):
        pause = max(pause, loads[r] + taken * (seconds * resources[route, r] - now[r]))
    return pause


@compiled
def _best_target(
    tables: Tables,
    moves: Moves,
    limits: tuple[FloatArray, FloatArray],
    state: State,
    loads: FloatArray,
    move: tuple[int, int, float, bool],
    stages: tuple[int, IntArray, IntArray],
    usable: IntArray,
    best: float,
    memory: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[float, int]:
    """The best device for blocks of a stage, and the cost of the placement after their move if it is below `best`.

    `limits`: bytes available on each device, and the cost of a byte beyond. `move`: a block, how many like it move,
    their bytes, and whether their stage gathers on it. `stages`: their stage, the stages that change, and the holders.
    """
    lead, taken, size_bytes, gathers = move
    (stage, affected, holder), (work, excess, now), (available, per_excess) = stages, memory, limits
    counts, starts, seconds = state.counts, state.starts, state.seconds
    variant_of, different, known = tables.variant, tables.different, tables.known
    rules, live = moves.rules, moves.rules[1]
    source, route, best_target, at_stake_s = state.devices[lead], moves.origin[lead] * len(excess), -1, 0.0
    for at in affected:
        at_stake_s += state.back_s if at == len(seconds) else seconds[at]
    for r in range(len(now)):
        now[r] = moves.seconds[lead, source] * moves.resources[route + source, r]
    for target in usable:
        if target == source:
            continue
        set_excess(state.used, available, per_excess, source, target, size_bytes, excess)
        excess_s = pairwise(excess)
        pause = _pause(loads, moves.resources, route + target, moves.seconds[lead, target], taken, now)
        # The stages that change take no negative time, and a live migration costs at least its load.
        least_s = SLOWED * pause if live else price(rules, pause, 0.0)
        floor_s = state.delay_s - at_stake_s + excess_s + least_s
        if floor_s - _ROUNDING * abs(floor_s) > best:
            continue
        back, delta = 0.0, 0.0
        for at in affected:
            if at == len(seconds):
                back = tables.back[target] - state.back_s
                continue
            begin = target if gathers and holder[at] == stage else starts[at]
            end = target if gathers and holder[at + 1] == stage else starts[at + 1]
            moved = taken if at == stage else 0
            counts[at, source] -= moved
            counts[at, target] += moved
            key = _key(different, variant_of[at], begin, counts[at], end)
            after_s = _known(known, key)
            if after_s < 0.0:
                after_s = _computed(tables, variant_of[at], begin, counts[at], end, key, work)
            counts[at, source] += moved
            counts[at, target] -= moved
            delta += after_s - seconds[at]
        delay = state.delay_s + (back + delta)
        cost_s = delay + excess_s + price(rules, pause, delay)
        best, best_target = (cost_s, target) if cost_s < best else (best, best_target)
    return best, best_target


@compiled
def best_group(
    search: Search,
    per_excess: FloatArray,
    state: State,
    loads: FloatArray,
    groups: tuple[IntArray, IntArray, IntArray],
) -> tuple[float, int, int, int]:
    """See `GroupMoves.best`; `per_excess` of `PlacementCost`, `loads` of `Transition`, `groups` of `groups_of`.

    Returns:
        The least cost [s], the number of the group, of the blocks that move, and of their device.
    """
    order, first, size = groups
    best, best_group_, best_taken, best_target = np.inf, 0, 0, 0
    stage_of, (numbers, begins, touched) = search.stage_of, search.touched
    tables, moves, usable, limits = search.tables, search.moves, search.usable, (search.available, per_excess)
    scratch = (work_memory(tables), np.empty(len(state.used)), np.empty(len(loads)))
    for choice in range(3):
        for group in range(len(first)):
            if size[group] <= 2 - choice:
                continue
            taken = 1 if choice == 0 else (size[group] + 1) // 2 if choice == 1 else size[group]
            lead = order[first[group]]
            stage = stage_of[lead]
            last = order[first[group] + size[group] - 1]
            gathers = search.gatherer[last] and taken == size[group]
            affected = touched[begins[stage] : begins[stage] + numbers[stage]]
            if not gathers:
                affected = stage_of[lead : lead + 1]
            move = (lead, taken, search.memory[lead] * taken, gathers)
            stages = stage, affected, search.holder
            cost_s, target = _best_target(
                tables, moves, limits, state, loads, move, stages, usable, best, scratch
            )
            if target >= 0:
                best, best_group_, best_taken, best_target = cost_s, group, taken, target
    return best, best_group_, best_taken, best_target


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
def _run_ends(search: Search, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How a move of a run changes the times of its first stage and of the stage after it, and those inside, summed.

    The first two by layer and usable device, shape (n, m), the last by stage, shape (S, m).
    """
    tables, (first, last) = search.tables, search.runs
    devices, stages, count, width = len(state.used), len(state.seconds), len(first), len(search.usable)
    work, all_there = work_memory(tables), np.zeros(devices, np.int64)
    entry, leave = np.empty((count, width)), np.empty((count, width))
    inner = np.empty((stages, width))
    for d in range(width):
        device, total_s = search.usable[d], 0.0
        for stage in range(stages):
            total_s += search.whole[stage, device] - state.seconds[stage]
            inner[stage, d] = total_s
        for a in range(count):
            stage, after = first[a], last[a] + 1
            all_there[device] = state.counts[stage].sum()
            arriving_s = stage_time(tables, stage, state.starts[stage], all_there, device, work)
            entry[a, d] = arriving_s - state.seconds[stage]
            if after < stages:
                leaving_s = stage_time(
                    tables, after, device, state.counts[after], state.starts[after + 1], work
                )
                leave[a, d] = leaving_s - state.seconds[after]
            else:
                leave[a, d] = tables.back[device] - state.back_s
        all_there[device] = 0
    return entry, leave, inner


@compiled
def best_run(
    search: Search, per_excess: FloatArray, state: State, loads: FloatArray, upto: FloatArray
) -> tuple[float, int, int, int]:
    """See `RunMoves.best`; `upto` are the bytes of the stages before each on each device, shape (S + 1, D).

    Returns:
        The least cost [s], the first and the last layer, and the number of the device in `usable`.
    """
    (first, last), usable, rules = search.runs, search.usable, search.moves.rules
    used, available = state.used, search.available
    devices, count, width = len(used), len(first), len(usable)
    entry, leave, inner = _run_ends(search, state)
    gained = _gained(search, state.devices)
    best, best_a, best_b, best_d = np.inf, 0, 0, 0
    moved, without = np.empty(devices), np.empty(devices)
    for a in range(count):
        for b in range(a, count):
            for j in range(devices):
                moved[j] = upto[last[b] + 1, j] - upto[first[a], j]
                over = used[j] - moved[j] - available[j]
                without[j] = (over if over > 0.0 else 0.0) * per_excess[j]
            all_bytes, without_s = pairwise(moved), pairwise(without)
            for d in range(width):
                device = usable[d]
                delay = state.delay_s + (
                    (entry[a, d] - inner[first[a], d]) + (inner[last[b], d] + leave[b, d])
                )
                over = used[device] - moved[device] - available[device] + all_bytes
                there_s = (over if over > 0.0 else 0.0) * per_excess[device]
                pause = -np.inf
                for r in range(len(loads)):
                    load = loads[r] + gained[last[b] + 1, d, r] - gained[first[a], d, r]
                    pause = max(pause, load)
                total = delay + (without_s + (there_s - without[device])) + price(rules, pause, delay)
                if total < best:
                    best, best_a, best_b, best_d = total, a, b, d
    return best, best_a, best_b, best_d
