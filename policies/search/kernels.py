"""Compiled forms of `ChainTimes.seconds`, `GroupMoves.best` and `RunMoves.best`, with the same bits.

They visit one change after another where the array forms compute all changes at once. Sums have the order of additions
of NumPy.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headway.policies.search.transition import BEYOND, SLOWED
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.jit import compiled, version_of

inlined = partial(compiled, inline=True)

_PROBES = 8

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


class Tables(NamedTuple):
    """Times of the branches of stages, for K steps, V variants of stages, D devices and R resources.

    Attributes:
        variant: of each stage, shape (S,).
        repeats: how often each step occurs in the horizon, shape (K,).
        once: see `chain_times.StepTables`, as all fields below; shape (K, V, D, D, D).
        each: shape (K, V, D, D).
        in_bytes: shape (K, V).
        out_bytes: shape (K, V).
        out_bytes_each: shape (K, V).
        per_byte: seconds per byte between devices, shape (D, D).
        shared: seconds per byte of each shared resource between devices, shape (D, D, R).
        back: time of the result from each device to the source, shape (D,).
        different: see `ChainTimes`; 0 if the arguments of a time do not fit into a key.
        known: the times computed so far, records of `KNOWN` at places given by hashes of keys, shape (2 ** n,).
    """

    variant: IntArray
    repeats: FloatArray
    once: FloatArray
    each: FloatArray
    in_bytes: FloatArray
    out_bytes: FloatArray
    out_bytes_each: FloatArray
    per_byte: FloatArray
    shared: FloatArray
    back: FloatArray
    different: int
    known: Any


class Placed(NamedTuple):
    """A placement, as in `chain_times.State`, and memory in bytes: used and available, shape (D,).

    `per_excess` as in `PlacementCost`.
    """

    devices: IntArray
    counts: IntArray
    starts: IntArray
    seconds: FloatArray
    back_s: float
    delay_s: float
    used: FloatArray
    available: FloatArray
    per_excess: FloatArray


class Moving(NamedTuple):
    """Moves from the placement in force, as in `Transition`; `loads` of shape (R,) of those to the placement."""

    rules: tuple[bool, bool, float, float]
    origin: IntArray
    seconds: FloatArray
    resources: FloatArray
    loads: FloatArray


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
    placed: Placed,
    moving: Moving,
    move: tuple[int, int, float, bool],
    stages: tuple[int, IntArray, IntArray],
    usable: IntArray,
    best: float,
    memory: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[float, int]:
    """The best device for blocks of a stage, and the cost of the placement after their move if it is below `best`.

    `move` has a block, the number of blocks like it that move, their bytes, and whether their stage gathers on it;
    `stages` has their stage, the stages that change, and `holder` of `best_group`.
    """
    lead, taken, size_bytes, gathers = move
    (stage, affected, holder), (work, excess, now) = stages, memory
    counts, starts, seconds = placed.counts, placed.starts, placed.seconds
    variant_of, different, known = tables.variant, tables.different, tables.known
    rules, live = moving.rules, moving.rules[1]
    source, route, best_target, at_stake_s = placed.devices[lead], moving.origin[lead] * len(excess), -1, 0.0
    for at in affected:
        at_stake_s += placed.back_s if at == len(seconds) else seconds[at]
    for r in range(len(now)):
        now[r] = moving.seconds[lead, source] * moving.resources[route + source, r]
    for target in usable:
        if target == source:
            continue
        set_excess(placed.used, placed.available, placed.per_excess, source, target, size_bytes, excess)
        excess_s = pairwise(excess)
        pause = _pause(
            moving.loads, moving.resources, route + target, moving.seconds[lead, target], taken, now
        )
        # The stages that change take no negative time, and a live migration costs at least its load.
        least_s = SLOWED * pause if live else price(rules, pause, 0.0)
        floor_s = placed.delay_s - at_stake_s + excess_s + least_s
        if floor_s - _ROUNDING * abs(floor_s) > best:
            continue
        back, delta = 0.0, 0.0
        for at in affected:
            if at == len(seconds):
                back = tables.back[target] - placed.back_s
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
        delay = placed.delay_s + (back + delta)
        cost_s = delay + excess_s + price(rules, pause, delay)
        best, best_target = (cost_s, target) if cost_s < best else (best, best_target)
    return best, best_target


@compiled
def best_group(
    tables: Tables,
    placed: Placed,
    moving: Moving,
    groups: tuple[IntArray, IntArray, IntArray],
    touched: tuple[IntArray, IntArray, IntArray],
    holder: IntArray,
    blocks: tuple[IntArray, FloatArray, BoolArray],
    usable: IntArray,
) -> tuple[float, int, int, int]:
    """See `GroupMoves.best`.

    Args:
        tables: of the observation.
        placed: the placement.
        moving: from the placement in force.
        groups: see `GroupMoves.groups`.
        touched: see `GroupMoves.touched`.
        holder: the stage whose block holds the input of each stage, shape (S + 1,).
        blocks: the stage of each block, its bytes, and whether it gathers, shape (B,) each.
        usable: devices that are up.

    Returns:
        The least cost [s], the number of the group, of the blocks that move, and of their device.
    """
    order, first, size = groups
    stage_of, memory, gatherer = blocks
    best, best_group_, best_taken, best_target = np.inf, 0, 0, 0
    scratch = (work_memory(tables), np.empty(len(placed.used)), np.empty(len(moving.loads)))
    for choice in range(3):
        for group in range(len(first)):
            if size[group] <= 2 - choice:
                continue
            taken = 1 if choice == 0 else (size[group] + 1) // 2 if choice == 1 else size[group]
            lead = order[first[group]]
            stage = stage_of[lead]
            gathers = gatherer[order[first[group] + size[group] - 1]] and taken == size[group]
            affected = touched[2][touched[1][stage] : touched[1][stage] + touched[0][stage]]
            if not gathers:
                affected = stage_of[lead : lead + 1]
            move = (lead, taken, memory[lead] * taken, gathers)
            cost_s, target = _best_target(
                tables, placed, moving, move, (stage, affected, holder), usable, best, scratch
            )
            if target >= 0:
                best, best_group_, best_taken, best_target = cost_s, group, taken, target
    return best, best_group_, best_taken, best_target


@compiled
def _gained(
    moving: Moving, placement: IntArray, devices: int, stage_of: IntArray, then: FloatArray
) -> FloatArray:
    """The loads that moves of all stages before each one add, shape (S + 1, m, R); see `Transition.run_loads`."""
    stages, width, resources = then.shape
    now = np.zeros((stages, resources))
    for block in range(len(placement)):
        device = placement[block]
        seconds = moving.seconds[block, device]
        if seconds != 0.0:
            route = moving.origin[block] * devices + device
            for r in range(resources):
                now[stage_of[block] + 1, r] += seconds * moving.resources[route, r]
    gained = np.empty(then.shape)
    for stage in range(stages):
        for d in range(width):
            for r in range(resources):
                before = gained[stage - 1, d, r] if stage else 0.0
                gained[stage, d, r] = before + (then[stage, d, r] - now[stage, r])
    return gained


@compiled
def _run_ends(
    tables: Tables, placed: Placed, first: IntArray, last: IntArray, whole: FloatArray, usable: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How a move of a run changes the times of its first stage and of the stage after it, and those inside, summed.

    The first two by layer and usable device, shape (n, m), the last by stage, shape (S, m).
    """
    devices, stages, count, width = len(placed.used), len(placed.seconds), len(first), len(usable)
    work, all_there = work_memory(tables), np.zeros(devices, np.int64)
    entry, leave = np.empty((count, width)), np.empty((count, width))
    inner = np.empty((stages, width))
    for d in range(width):
        device, total_s = usable[d], 0.0
        for stage in range(stages):
            total_s += whole[stage, device] - placed.seconds[stage]
            inner[stage, d] = total_s
        for a in range(count):
            stage, after = first[a], last[a] + 1
            all_there[device] = placed.counts[stage].sum()
            arriving_s = stage_time(tables, stage, placed.starts[stage], all_there, device, work)
            entry[a, d] = arriving_s - placed.seconds[stage]
            if after < stages:
                leaving_s = stage_time(
                    tables, after, device, placed.counts[after], placed.starts[after + 1], work
                )
                leave[a, d] = leaving_s - placed.seconds[after]
            else:
                leave[a, d] = tables.back[device] - placed.back_s
        all_there[device] = 0
    return entry, leave, inner


@compiled
def best_run(
    tables: Tables,
    placed: Placed,
    moving: Moving,
    runs: tuple[IntArray, IntArray],
    whole: FloatArray,
    stage_of: IntArray,
    upto: FloatArray,
    then: FloatArray,
    usable: IntArray,
) -> tuple[float, int, int, int]:
    """See `RunMoves.best`.

    Args:
        tables: of the observation.
        placed: the placement.
        moving: from the placement in force.
        runs: first and last stage of each layer, shape (n,) each.
        whole: see `ChainTimes.whole`.
        stage_of: the stage of each block, shape (B,).
        upto: bytes of the stages before each, on each device, shape (S + 1, D).
        then: see `Transition.stage_loads`.
        usable: devices that are up.

    Returns:
        The least cost [s], the first and the last layer, and the number of the device in `usable`.
    """
    first, last = runs
    devices, count, width = len(placed.used), len(first), len(usable)
    entry, leave, inner = _run_ends(tables, placed, first, last, whole, usable)
    gained = _gained(moving, placed.devices, devices, stage_of, then)
    best, best_a, best_b, best_d = np.inf, 0, 0, 0
    moved, without = np.empty(devices), np.empty(devices)
    for a in range(count):
        for b in range(a, count):
            for j in range(devices):
                moved[j] = upto[last[b] + 1, j] - upto[first[a], j]
                over = placed.used[j] - moved[j] - placed.available[j]
                without[j] = (over if over > 0.0 else 0.0) * placed.per_excess[j]
            all_bytes, without_s = pairwise(moved), pairwise(without)
            for d in range(width):
                device = usable[d]
                delay = placed.delay_s + (
                    (entry[a, d] - inner[first[a], d]) + (inner[last[b], d] + leave[b, d])
                )
                over = placed.used[device] - moved[device] - placed.available[device] + all_bytes
                there_s = (over if over > 0.0 else 0.0) * placed.per_excess[device]
                pause = -np.inf
                for r in range(len(moving.loads)):
                    load = moving.loads[r] + gained[last[b] + 1, d, r] - gained[first[a], d, r]
                    pause = max(pause, load)
                total = delay + (without_s + (there_s - without[device])) + price(moving.rules, pause, delay)
                if total < best:
                    best, best_a, best_b, best_d = total, a, b, d
    return best, best_a, best_b, best_d
