"""The common parts of policies that solve placement problems: solutions, and decisions from them."""

from dataclasses import dataclass

import numpy as np

from headway.simcore import Decision, FloatArray, Infeasible, IntArray, Keep, Observation, Placement, predict

NO_PLACEMENT = "no placement fits into memory (proven)"


@dataclass(frozen=True, eq=False)
class Solution:
    """The result of a solver.

    Attributes:
        devices: device of each block, shape (B,); None when there is none.
        objective_s: `predict.objective` of it; infinite when there is none, or when no finite one fits.
        gap: how far below `objective_s` the optimum may be, as a share of it, if moves take place one after another;
            0 is a proof.
        status: `optimal`, `time limit`, `NO_PLACEMENT`, `moves wait for each other` (under `live` migration, the best
            placement cannot be reached), or the reason why the solver does not apply.
    """

    devices: IntArray | None
    objective_s: float
    gap: float
    status: str


def no_solution(status: str) -> Solution:
    """The result of a solver without a placement."""
    return Solution(None, np.inf, 0.0 if status == NO_PLACEMENT else np.inf, status)


def solution(
    observation: Observation, devices: IntArray, status: str = "optimal", least_s: float = np.inf
) -> Solution:
    """The result of a solver with a placement, shape (B,).

    Under `live` migration, some of its moves may never find room. Then its reachable part counts, or staying.

    Args:
        observation: the problem.
        devices: the placement, which fits.
        status: of the solver.
        least_s: lower bound of the solver for all placements that fit [s]; by default the placement is the optimum.
    """
    least_s = min(least_s, predict.objective(observation, devices))
    reachable = predict.reachable(observation, devices)
    if not np.array_equal(reachable, devices):
        status = "moves wait for each other"
        assert observation.placement is not None
        options = [option for option in (reachable, observation.placement) if fits(observation, option)]
        if not options:
            return no_solution(status)
        devices = min(options, key=lambda option: predict.objective(observation, option))
    objective_s = predict.objective(observation, devices)
    gap = 1.0 - least_s / objective_s if 0.0 < objective_s < np.inf else 0.0
    return Solution(devices, objective_s, max(gap, 0.0), status)


def decision(observation: Observation, best: Solution) -> Decision:
    """The decision of a policy with this solution: `Keep` if the placement in force is as good."""
    if best.devices is None:
        return Infeasible(best.status)
    swaps = observation.overflow == "swap" and predict.can_stay(observation)
    if observation.placement is not None and (swaps or fits(observation, observation.placement)):
        staying_s = predict.horizon_delay(observation, observation.placement)
        if staying_s <= best.objective_s or np.array_equal(observation.placement, best.devices):
            return Keep()
    return Placement(best.devices)


def fits(observation: Observation, devices: IntArray) -> bool:
    """Whether all devices of a placement are up and have memory for it, without swapping."""
    held = predict.held_bytes(observation, devices)
    return bool(observation.up[devices].all() and np.all(held <= limit_bytes(observation)))


def limit_bytes(observation: Observation) -> FloatArray:
    """Bytes that blocks may hold on each device, shape (D,), with a tolerance for rounding."""
    if observation.overflow == "fail":
        return observation.available_bytes + predict.TOLERANCE_BYTES
    # Under `swap`, each byte too many is read from disk at every step.
    return observation.available_bytes * (1.0 + 1e-12)
