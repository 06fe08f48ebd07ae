"""The steepest descent of `LocalSearch` in compiled code, which takes the same steps as the array code.

Importing this module takes a quarter of a second; so the search imports it only after many steps.
"""

from typing import Any

import numpy as np

from headway.policies.search.group_moves import GroupMoves
from headway.policies.search.kernels import (
    CODE,
    Moves,
    Search,
    best_group,
    best_run,
    inlined,
    nothing_known,
    pairwise,
    price,
    set_excess,
    update,
)
from headway.policies.search.placement_cost import PlacementCost
from headway.policies.search.run_moves import RunMoves
from headway.policies.search.stages import State
from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.jit import compiled

_NO_DEVICE = -1


def search_of(cost: PlacementCost, groups: GroupMoves, runs: RunMoves) -> Search:
    """The search under an observation. Arrays are copied, because compiled code is made anew for read-only ones."""
    times, moves, chain = cost.times, cost.transition, cost.observation.step_graphs.chain.arrays
    return Search(
        times.tables, cost.observation.source, times.stage_of.copy(), times.gathers.copy(),
        cost.observation.memory_bytes.copy(), groups.gatherer, groups.keys, groups.per_device, groups.touched,
        groups.holder, (runs.first, runs.last), times.whole, runs.loads, cost.usable,
        cost.observation.available_bytes.copy(),
        Moves(moves.rules, moves.origin.copy(), moves.seconds.copy(), moves.resources.copy()),
        np.argsort(times.stage_of, kind="stable"), chain.begin.copy(),
        nothing_known(len(times.stage_of), len(times.gathers), len(runs.first), len(cost.usable)), CODE,
    )  # fmt: skip


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


@compiled
def best_changes(search: Search, per_excess: FloatArray, devices: IntArray) -> Any:
    """Cost of a placement, and the results of `best_run` and `best_group`; of the latter the blocks themselves."""
    state, loads = update(search, devices), _loads(search, devices)
    run = best_run(search, per_excess, state, loads, _upto(search, devices), np.inf)
    group_s, first, taken, device = best_group(search, per_excess, state, loads, np.inf)
    rows = search.known.order[first : first + taken]
    return _cost(search, per_excess, state, loads), run, (group_s, rows.copy(), device)


@compiled
def improve(
    search: Search, per_excess: FloatArray, devices: IntArray, most_steps: int, least_gain: float
) -> None:
    """Improve a placement in place by at most `most_steps` changes, each the best one."""
    for _ in range(most_steps):
        state, loads = update(search, devices), _loads(search, devices)
        limit = _cost(search, per_excess, state, loads) * (1.0 - least_gain)
        run_s, a, b, d = best_run(search, per_excess, state, loads, _upto(search, devices), limit)
        _, begin, taken, device = best_group(search, per_excess, state, loads, run_s)
        if taken > 0:
            devices[search.known.order[begin : begin + taken]] = device
        elif run_s < limit:
            first, last = search.runs[0][a], search.runs[1][b]
            devices[search.rows[search.begin[first] : search.begin[last + 1]]] = search.usable[d]
        else:
            break
