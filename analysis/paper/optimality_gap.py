"""Comparison of each decision of a policy with the optimal decision.

The most precise meaning of "within x % of the optimum": both decisions start from the same placement, use the same
observation, and are compared by the same prediction. A comparison of whole runs is less precise, because the optimum of
each interval is myopic: a run of optimal decisions may be slower than another run.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from headway.policies.optimal.exact import solve
from headway.simcore import Decision, Infeasible, IntArray, Observation, Placement, Policy, predict


@dataclass(frozen=True)
class Comparison:
    """A decision and the optimum for the same observation.

    Attributes:
        token: tokens generated before the decision.
        predicted_s: D_T + D_mig of the decision; NaN if there is no placement or it does not fit into memory.
        optimum_s: minimum of D_T + D_mig over all placements that fit; infinite if none fits.
        moved: blocks that the decision moves.
        best_moved: blocks that the optimum moves.
    """

    token: int
    predicted_s: float
    optimum_s: float
    moved: int
    best_moved: int


@dataclass(eq=False)
class ComparedPolicy:
    """A policy with the decisions of another policy, which compares them with the optimum.

    Attributes:
        inner: the policy that decides.
        every: compare every `every`-th decision, starting with the first; 0: none. Requires one layer without shards.
        comparisons: the comparisons.
        wall_s: wall time of each decision.
    """

    inner: Policy
    every: int = 1
    comparisons: list[Comparison] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the policy that decides."""
        return self.inner.name

    def decide(self, observation: Observation) -> Decision:
        """The decision of the other policy."""
        start_s = time.perf_counter()
        decision = self.inner.decide(observation)
        self.wall_s.append(time.perf_counter() - start_s)
        if self.every and (len(self.wall_s) - 1) % self.every == 0:
            self.comparisons.append(compare(observation, decision))
        return decision


def compare(observation: Observation, decision: Decision) -> Comparison:
    """Compare a decision with the optimum."""
    devices, best = _devices(observation, decision), solve(observation)
    fits = devices is not None and (observation.overflow == "swap" or predict.fits(observation, devices))
    return Comparison(
        token=observation.generated,
        predicted_s=predict.objective(observation, devices) if fits and devices is not None else np.nan,
        optimum_s=best.objective_s,
        moved=_moved(observation, devices),
        best_moved=_moved(observation, best.devices),
    )


def _devices(observation: Observation, decision: Decision) -> IntArray | None:
    """The placement after a decision; None if there is none."""
    if isinstance(decision, Placement):
        return decision.devices
    return None if isinstance(decision, Infeasible) else observation.placement


def _moved(observation: Observation, devices: IntArray | None) -> int:
    if devices is None or observation.placement is None:
        return 0
    return int((devices != observation.placement).sum())
