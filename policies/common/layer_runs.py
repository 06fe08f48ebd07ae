"""Runs of consecutive layers on devices, chosen by dynamic programming.

With few devices `shortest_runs` finds the plan of least latency. Other plans come from `runs_by_states`, which is exact
until there are more states than it keeps.
"""

import numpy as np

from headway.policies.common.layer_chain import Cost, LayerChain, joined, layer_chain, prolonged
from headway.policies.common.layer_units import plan_of, spread
from headway.policies.common.runs_by_states import runs_by_states
from headway.policies.common.shortest_runs import shortest_runs
from headway.simcore import IntArray, Observation

MOST_STATES = 2048


def layer_runs(
    observation: Observation,
    first: int | None,
    objective: Cost = "latency",
    most_states: int = MOST_STATES,
) -> IntArray | None:
    """The best placement in which each device holds at most one run of consecutive units.

    Args:
        observation: the observation; moves are not counted.
        first: the device that has the first unit as long as such a plan takes a finite time; None: any.
        objective: `latency` of one token; `throughput` of a pipeline, which its slowest stage or transfer limits; or
            the `longest` stage, which is computing and sending on together.
        most_states: states kept per unit.

    Returns:
        The device of each block, shape (B,); None if no plan fits.
    """
    chain = layer_chain(observation)
    cost, plan = (np.inf, None) if first is None else _best_runs(chain, objective, most_states, first)
    if np.isinf(cost):
        elsewhere, other = _best_runs(chain, objective, most_states, None)
        if plan is None or elsewhere < cost:
            plan = other
    return None if plan is None else spread(observation.blocks, plan)


def _best_runs(
    chain: LayerChain, objective: Cost, most_states: int, first: int | None
) -> tuple[float, IntArray | None]:
    """The lowest cost found and the device of each unit, with the first unit on device `first`, if one is given."""
    devices = len(chain.memory)
    if objective == "latency" and devices << devices <= most_states:
        cost, plan = shortest_runs(chain, first)
        if plan is not None or chain.is_finite:
            return cost, plan
    return runs_by_states(chain, objective, most_states, first)


def cost_of_runs(observation: Observation, devices: IntArray, objective: Cost) -> float:
    """The objective of `layer_runs` for a placement, shape (B,) [s]; infinite if it splits a unit."""
    chain, plan = layer_chain(observation), plan_of(observation.blocks, devices)
    if plan is None:
        return float("inf")
    finished, stage, at = np.zeros(1), np.zeros(1), observation.source
    for unit, device in enumerate(plan.tolist()):
        seconds = chain.seconds[unit, [device]]
        if unit and device == at:
            finished, stage = prolonged(objective, finished, stage, seconds)
        else:
            message = chain.moving(unit)[[at], [device]]
            finished, stage = joined(objective, finished, stage, message, seconds)
        at = device
    back = chain.moving(len(plan))[[at], [observation.source]]
    return float(joined(objective, finished, stage, back, np.zeros(1))[0][0])
