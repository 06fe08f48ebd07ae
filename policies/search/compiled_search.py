"""The steepest descent of `LocalSearch` in compiled code, which takes the same steps as the array code.

Importing this module takes a quarter of a second; so the search imports it only after many steps.
"""

from typing import Any, NamedTuple

import numpy as np

from headway.policies.search.group_moves import GroupMoves
from headway.policies.search.kernels import (
    Moving,
    Placed,
    Tables,
    best_group,
    best_run,
    inlined,
    pairwise,
    price,
    set_excess,
    stage_time,
    work_memory,
)
from headway.policies.search.placement_cost import PlacementCost
from headway.policies.search.run_moves import RunMoves
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.jit import compiled

_NO_DEVICE = -1


class Search(NamedTuple):
    """What evaluations of placements have in common; see the classes in brackets.

    Attributes:
        tables: times of stages (`ChainTimes`).
        source: index of the source.
        stage_of: the stage of each block, shape (B,).
        gathers: the block that gathers the outputs of each stage, shape (S,).
        memory: bytes of each block, shape (B,).
        gatherer: whether each block gathers, shape (B,).
        keys: numbers by which blocks are grouped, without their devices, shape (B,) (`GroupMoves`).
        per_device: by how much the number of a block grows from device to device.
        touched: the stages whose times change if a stage moves (`GroupMoves`).
        holder: the stage whose block holds the input of each stage, shape (S + 1,).
        runs: first and last stage of each layer (`RunMoves`).
        whole: times of stages on one device, shape (S, D) (`ChainTimes`).
        then: loads of moves of whole stages (`Transition.stage_loads`).
        usable: devices that are up.
        available: bytes on each device, shape (D,).
        rules: of the price of moves (`Transition.rules`).
        origin: of each block, shape (B,).
        seconds: to move each block to each device, shape (B, D).
        resources: that each route loads, shape (D * D, R).
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
    rules: tuple[bool, bool, float, float]
    origin: IntArray
    seconds: FloatArray
    resources: FloatArray


def search_of(cost: PlacementCost, groups: GroupMoves, runs: RunMoves) -> Search:
    """The search under an observation. Arrays are copied, because compiled code is made anew for read-only ones."""
    times, moves = cost.times, cost.transition
    return Search(
        times.tables, cost.observation.source, times.stage_of.copy(), times.gathers.copy(),
        cost.observation.memory_bytes.copy(), groups.gatherer, groups.keys, groups.per_device, groups.touched,
        groups.holder, (runs.first, runs.last), times.whole, runs.loads, cost.usable,
        cost.observation.available_bytes.copy(), moves.rules, moves.origin.copy(), moves.seconds.copy(),
        moves.resources.copy(),
    )  # fmt: skip


@inlined
def _placed(search: Search, per_excess: FloatArray, devices: IntArray) -> Placed:
    """A placement stage by stage, and its memory."""
    stages, count = len(search.gathers), len(search.available)
    counts, starts = np.zeros((stages, count), np.int64), np.empty(stages + 1, np.int64)
    used, seconds, work = np.zeros(count), np.empty(stages), work_memory(search.tables)
    for block in range(len(devices)):
        counts[search.stage_of[block], devices[block]] += 1
        used[devices[block]] += search.memory[block]
    starts[0] = search.source
    for stage in range(stages):
        starts[stage + 1] = devices[search.gathers[stage]]
        seconds[stage] = stage_time(
            search.tables, stage, starts[stage], counts[stage], starts[stage + 1], work
        )
    back_s = search.tables.back[starts[stages]]
    delay_s = pairwise(seconds) + back_s
    return Placed(devices, counts, starts, seconds, back_s, delay_s, used, search.available, per_excess)


@inlined
def _moving(search: Search, devices: IntArray) -> Moving:
    """The moves to a placement."""
    count = len(search.available)
    by_route = np.zeros(len(search.resources))
    for block in range(len(devices)):
        by_route[search.origin[block] * count + devices[block]] += search.seconds[block, devices[block]]
    loads = np.zeros(search.resources.shape[1])
    for route in range(len(by_route)):
        if by_route[route] != 0.0:
            for r in range(len(loads)):
                loads[r] += by_route[route] * search.resources[route, r]
    return Moving(search.rules, search.origin, search.seconds, search.resources, loads)


@inlined
def _upto(search: Search, devices: IntArray) -> FloatArray:
    """See `RunMoves.upto`."""
    upto = np.zeros((len(search.gathers) + 1, len(search.available)))
    for block in range(len(devices)):
        upto[search.stage_of[block] + 1, devices[block]] += search.memory[block]
    for stage in range(1, len(upto)):
        for j in range(upto.shape[1]):
            upto[stage, j] += upto[stage - 1, j]
    return upto


@inlined
def _groups(search: Search, devices: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """See `GroupMoves.groups`."""
    keys = search.keys + search.per_device * devices
    order = np.argsort(keys, kind="mergesort")
    first, count, before = np.empty(len(order), np.int64), 0, -1
    for place in range(len(order)):
        key = keys[order[place]] >> 1
        if key != before:
            first[count], count, before = place, count + 1, key
    size = np.empty(count, np.int64)
    for group in range(count):
        end = first[group + 1] if group + 1 < count else len(order)
        size[group] = end - first[group]
    return order, first[:count], size


@inlined
def _cost(placed: Placed, moving: Moving) -> float:
    """See `PlacementCost.of_state`."""
    excess = np.empty(len(placed.used))
    set_excess(placed.used, placed.available, placed.per_excess, _NO_DEVICE, _NO_DEVICE, 0.0, excess)
    moves_s = price(moving.rules, moving.loads.max(), placed.delay_s)
    return float(placed.delay_s + pairwise(excess) + moves_s)


@inlined
def best_changes(search: Search, per_excess: FloatArray, devices: IntArray) -> Any:
    """Cost of a placement, and the results of `best_run` and `best_group`; of the latter the blocks themselves."""
    placed, moving = _placed(search, per_excess, devices), _moving(search, devices)
    run = best_run(
        search.tables, placed, moving, search.runs, search.whole, search.stage_of, _upto(search, devices),
        search.then, search.usable,
    )  # fmt: skip
    groups = _groups(search, devices)
    blocks = search.stage_of, search.memory, search.gatherer
    group_s, number, taken, device = best_group(
        search.tables, placed, moving, groups, search.touched, search.holder, blocks, search.usable
    )
    order, first, _ = groups
    rows = order[first[number] : first[number] + taken]
    return _cost(placed, moving), run, (group_s, rows, device)


@compiled
def improve(
    search: Search, per_excess: FloatArray, devices: IntArray, most_steps: int, least_gain: float
) -> None:
    """Improve a placement in place by at most `most_steps` changes, each the best one."""
    for _ in range(most_steps):
        cost_s, run, group = best_changes(search, per_excess, devices)
        run_s, a, b, d = run
        group_s, rows, device = group
        if not min(run_s, group_s) < cost_s * (1.0 - least_gain):
            break
        if run_s <= group_s:
            first, last = search.runs[0][a], search.runs[1][b]
            for block in range(len(devices)):
                if first <= search.stage_of[block] <= last:
                    devices[block] = search.usable[d]
        else:
            for row in rows:
                devices[row] = device
