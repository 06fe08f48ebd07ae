"""The optimal placement of small models by an integer programme, solved by HiGHS.

The programme chooses one way through each stage (`policies.optimal.ways`): a shortest path from the source through the
devices between the stages, on which no device may hold more than its memory. The time of each way is known exactly, and
only memory couples the stages, so the linear relaxation is close to the optimum.

The number of ways through a stage of n blocks on D devices is D^2 (n + D - 1)! / (n! (D - 1)!). Models with too many
ways are refused.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from headway.policies.optimal.solution import (
    NO_PLACEMENT,
    Solution,
    decision,
    limit_bytes,
    no_solution,
    solution,
)
from headway.policies.optimal.ways import Ways, all_ways, number_of_ways, placement, shortest_s
from headway.simcore import Decision, FloatArray, Infeasible, IntArray, Observation

MOST_WAYS = 250_000
"""Largest number of ways through all stages."""

_SCALE = 1e4
"""At most the optimum in the solver's units. HiGHS ignores differences of 1e-6, so this leaves ten digits."""

_MARGIN = 1e-4
"""Least violation of a row of memory where blocks do not fit. HiGHS ignores 1e-6."""

_FIRST_WAYS = 1000
"""Number of ways with the least reduced cost of which the first solution is made."""

_TOLERANCE = 1e-3
"""Rounding of reduced costs and of the relaxation, in the solver's units."""

_STATUS = {0: "optimal", 1: "time limit", 2: NO_PLACEMENT}
"""By the number in SciPy's result."""


@dataclass(frozen=True)
class ExactMilp:
    """The optimum of a small model by integer programming (HiGHS), or the best placement within a time limit.

    It minimises D_T + D_mig under the memory limits, with any number of layers and shards, for horizons of any number
    of steps, and with or without a placement in force. It is exact up to the gap that is set. Messages have their
    routes for themselves, and moves count one after another, also where they share links or are parallel. Under `swap`
    it treats memory as a limit: it never plans to swap, but stays if that is better. Where the moves of the optimum
    would wait for each other forever (`live`), it adopts the moves that find room, or stays.

    It returns `Infeasible` if the number of ways to place the stages is above `MOST_WAYS`.

    Attributes:
        time_limit_s: wall time for one solve; above it the best placement so far counts, and results may differ
            between machines.
        mip_rel_gap: relative gap at which the solver may stop.
    """

    name: ClassVar[str] = "exact-milp"
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "it optimises each decision alone, and two moves may cost less than one",
    }

    time_limit_s: float = 60.0
    mip_rel_gap: float = 0.0

    def __post_init__(self) -> None:
        if not self.time_limit_s > 0.0:
            raise ValueError(f"time_limit_s must be above 0, not {self.time_limit_s}")
        if not self.mip_rel_gap >= 0.0:
            raise ValueError(f"mip_rel_gap must not be negative, not {self.mip_rel_gap}")

    def decide(self, observation: Observation) -> Decision:
        """The best placement of the solver, or `Keep` if the placement in force is as good."""
        best = solve(observation, self.time_limit_s, self.mip_rel_gap)
        if best.devices is None and best.status == "time limit":
            return Infeasible(f"no placement found within {self.time_limit_s} s")
        return decision(observation, best)


def solve(observation: Observation, time_limit_s: float = 60.0, mip_rel_gap: float = 0.0) -> Solution:
    """The placement that minimises `predict.objective`, with the gap that is left."""
    count = number_of_ways(observation)
    if count > MOST_WAYS:
        ways_to_place = f"{count:,} ways to place its stages; at most {MOST_WAYS:,} are possible"
        return no_solution(f"exact-milp solves small models: this one has {ways_to_place}")
    with np.errstate(invalid="ignore"):
        ways = all_ways(observation)
    finite = ways[np.isfinite(ways.seconds)]
    best = _best_choice(observation, finite, time_limit_s, mip_rel_gap)
    if best.status != NO_PLACEMENT:
        return best
    # No placement takes a finite time: any that fits is optimal.
    possible = ways[(ways.counts[:, ~observation.up] == 0).all(axis=1)]
    timeless = replace(possible, seconds=np.zeros(len(possible.seconds)))
    return _best_choice(observation, timeless, time_limit_s, mip_rel_gap)


def _best_choice(observation: Observation, ways: Ways, time_limit_s: float, gap: float) -> Solution:
    """The best choice of one way for each stage.

    The linear relaxation prices memory and the devices between stages. A solution with a way whose reduced cost is r
    costs at least r more than the relaxation. So ways are added in the order of their reduced costs, until no other
    way can be part of a better solution.
    """
    programme = _programme(observation, ways)
    if programme is None:
        return no_solution(NO_PLACEMENT)
    least, reduced = programme.relaxed()
    order, count = np.argsort(reduced, kind="stable"), _FIRST_WAYS
    end_s = time.monotonic() + time_limit_s
    while True:
        candidates = np.sort(order[:count])
        status, best, bound = programme.solve(candidates, max(end_s - time.monotonic(), 0.0), gap)
        after = least + float(reduced[order[count]]) if count < len(order) else np.inf
        cost = np.inf if best is None else float(programme.cost[best].sum())
        if status == "time limit" or after > cost + _TOLERANCE or count >= len(order):
            break
        count *= 4
    if best is None:
        return no_solution(status)
    bound_s = min(bound, after) * programme.unit
    return solution(observation, placement(observation, ways[best]), status, bound_s)


@dataclass(frozen=True, eq=False)
class _Programme:
    """Which ways to choose: one from the source, as many to each device as from it, within the memory limits.

    Attributes:
        unit: seconds of one unit of cost.
        cost: of each way, shape (n,).
        balance: path rows, of sparse shape (devices between stages, n), and their right-hand sides.
        memory: rows of memory, of sparse shape (devices, n), and their right-hand sides.
    """

    unit: float
    cost: FloatArray
    balance: tuple[Any, FloatArray]
    memory: tuple[Any, FloatArray]

    def relaxed(self) -> tuple[float, FloatArray]:
        """The least cost of the linear relaxation, and the reduced cost of each way, shape (n,)."""
        from scipy.optimize import linprog  # noqa: PLC0415

        (path, sides), (memory, most) = self.balance, self.memory
        result = linprog(self.cost, memory, most, path, sides, options={"presolve": False})
        if result.fun is None:
            return -np.inf, np.zeros(len(self.cost))
        prices = path.T @ result.eqlin.marginals + memory.T @ result.ineqlin.marginals
        return float(result.fun), self.cost - prices

    def solve(
        self, candidates: IntArray, time_limit_s: float, gap: float
    ) -> tuple[str, IntArray | None, float]:
        """Status, the ways of the best choice among those `candidates`, and a bound on its cost."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415

        # With presolving, HiGHS 1.12 reports some feasible programmes as infeasible (its issue 3090 is similar).
        # Sometimes it prints `HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();` (issue 2783).
        result = milp(
            self.cost[candidates],
            integrality=np.ones(len(candidates), dtype=np.int64),
            bounds=Bounds(0.0, 1.0),
            constraints=[
                LinearConstraint(self.balance[0][:, candidates], self.balance[1], self.balance[1]),
                LinearConstraint(self.memory[0][:, candidates], -np.inf, self.memory[1]),
            ],
            options={"time_limit": time_limit_s, "mip_rel_gap": gap, "presolve": False},
        )
        status = _STATUS.get(int(result.status), "the solver failed")
        best = None if result.x is None else candidates[result.x > 0.5]
        return status, best, -np.inf if result.mip_dual_bound is None else float(result.mip_dual_bound)


def _programme(observation: Observation, ways: Ways) -> _Programme | None:
    """The programme; None if its linear relaxation has no solution either."""
    memory, least_s = _memory_rows(observation, ways), shortest_s(observation, ways)
    if memory is None or not np.isfinite(least_s):
        return None
    unit = least_s / _SCALE if least_s > 0.0 else 1.0
    return _Programme(unit, ways.seconds / unit, _path_rows(observation, ways), memory)


def _path_rows(observation: Observation, ways: Ways) -> tuple[Any, FloatArray]:
    """The constraints of a path: one way leaves the source, and as many ways end at a device as begin there.

    Returns:
        The rows of the matrix, and their right-hand sides.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415

    count, last = observation.devices, len(observation.step_graphs.chain.stages) - 1
    number = np.arange(len(ways.stage))
    # Row 0 is the source; row 1 + s * D + d is device d between the stages s and s + 1.
    leaves = np.where(ways.stage == 0, 0, 1 + (ways.stage - 1) * count + ways.start)
    onward = ways.stage < last
    reaches = 1 + ways.stage[onward] * count + ways.end[onward]
    values = np.concatenate((np.ones(len(number)), -np.ones(len(reaches))))
    shape = (1 + last * count, len(number))
    where = np.concatenate((leaves, reaches)), np.concatenate((number, number[onward]))
    balance = np.zeros(shape[0])
    balance[0] = 1.0
    return coo_array((values, where), shape=shape).tocsc(), balance


def _memory_rows(observation: Observation, ways: Ways) -> tuple[Any, FloatArray] | None:
    """Rows of memory of the devices that cannot hold everything, and their right-hand sides; None if nothing fits.

    A right-hand side is between the largest sum of whole blocks that fits and the smallest that does not, so that
    rounding within the solver has no effect.
    """
    from scipy.sparse import csc_array  # noqa: PLC0415

    kinds, numbers = np.unique(observation.blocks.kind, return_counts=True)
    size = np.zeros(observation.blocks.kind.max() + 1)
    size[observation.blocks.kind] = observation.memory_bytes
    multiples = [size[kind] * np.arange(n + 1) for kind, n in zip(kinds, numbers, strict=True)]
    sums = np.unique(reduce(np.add.outer, multiples))
    possible = np.searchsorted(sums, limit_bytes(observation), side="right")
    if not possible.all():
        return None
    tight = np.flatnonzero(possible < len(sums))
    fits, not_fits = sums[possible[tight] - 1], sums[possible[tight]]
    scale = np.maximum(2.0 * _MARGIN / (not_fits - fits), 1.0 / not_fits)
    kind_of = np.array([stage.kind for stage in observation.step_graphs.chain.stages])
    held = (size[kind_of[ways.stage]][:, None] * ways.counts[:, tight] * scale).T
    return csc_array(held), (fits + not_fits) / 2.0 * scale
