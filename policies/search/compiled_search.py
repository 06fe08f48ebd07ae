"""The steepest descent of `LocalSearch` in compiled code, which takes the same steps as the array code.

Importing this module takes a quarter of a second; so the search imports it only after many steps.
"""

from typing import Any

import numpy as np

from headway.policies.search.group_moves import GroupMoves, groups_of
from headway.policies.search.kernels import (
    Moves,
    Search,
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
from headway.policies.search.stages import State
from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.jit import compiled

_NO_DEVICE = -1

_groups_of = inlined(groups_of)


def search_of(cost: PlacementCost, groups: GroupMoves, runs: RunMoves) -> Search:
    """The search under an observation. Arrays are copied, because compiled code is made anew for read-only ones."""
    times, moves = cost.times, cost.transition
    return Search(
        times.tables, cost.observation.source, times.stage_of.copy(), times.gathers.copy(),
        cost.observation.memory_bytes.copy(), groups.gatherer, groups.keys, groups.per_device, groups.touched,
        groups.holder, (runs.first, runs.last), times.whole, runs.loads, cost.usable,
        cost.observation.available_bytes.copy(),
        Moves(moves.rules, moves.origin.copy(), moves.seconds.copy(), moves.resources.copy()),
    )  # fmt: skip


@inlined
def _state(search: Search, devices: IntArray) -> State:
    """See `ChainTimes.state`."""
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
    return State(devices, used, counts, starts, seconds, back_s, delay_s)


@inlined
def _loads(search: Search, devices: IntArray) -> FloatArray:
    """See `Transition.loads`."""
    count, moves = len(search.available), search.moves
    by_route = np.zeros(len(moves.resources))
    for block in range(len(devices)):
        by_route[moves.origin[block] * count + devices[block]] += moves.seconds[block, devices[block]]
    loads = np.zeros(moves.resources.shape[1])
    for route in range(len(by_route)):
        if by_route[route] != 0.0:
            for r in range(len(loads)):
                loads[r] += by_route[route] * moves.resources[route, r]
    return loads


@inlined
def _upto(search: Search, devices: IntArray) -> FloatArray:
    """See `RunMoves._upto`."""
    upto = np.zeros((len(search.gathers) + 1, len(search.available)))
    for block in range(len(devices)):
        upto[search.stage_of[block] + 1, devices[block]] += search.memory[block]
    for stage in range(1, len(upto)):
        for j in range(upto.shape[1]):
            upto[stage, j] += upto[stage - 1, j]
    return upto


@inlined
def _cost(search: Search, per_excess: FloatArray, state: State, loads: FloatArray) -> float:
    """See `PlacementCost.of_state`."""
    excess = np.empty(len(state.used))
    set_excess(state.used, search.available, per_excess, _NO_DEVICE, _NO_DEVICE, 0.0, excess)
    return float(state.delay_s + pairwise(excess) + price(search.moves.rules, loads.max(), state.delay_s))


@inlined
def best_changes(search: Search, per_excess: FloatArray, devices: IntArray) -> Any:
    """Cost of a placement, and the results of `best_run` and `best_group`; of the latter the blocks themselves."""
    state, loads = _state(search, devices), _loads(search, devices)
    run = best_run(search, per_excess, state, loads, _upto(search, devices))
    groups = _groups_of(search.keys + search.per_device * devices)
    group_s, number, taken, device = best_group(search, per_excess, state, loads, groups)
    order, first, _ = groups
    rows = order[first[number] : first[number] + taken]
    return _cost(search, per_excess, state, loads), run, (group_s, rows, device)


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
