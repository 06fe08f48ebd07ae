"""What a policy decides, beside what the best decision would have been at that moment.

The cleanest sense of "within x % of the optimum": both start from the same placement, see the same observation and are
judged by the same prediction. Whole runs cannot say it, for the optimum of each interval is myopic too: a run of best
decisions may end up slower than another.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from headway.policies.optimal.exact import solve
from headway.simcore import Decision, Infeasible, IntArray, Observation, Placement, Policy, predict


@dataclass(frozen=True)
class Judgement:
    """One decision beside the optimum of the same observation.

    Attributes:
        token: tokens generated before it.
        predicted_s: D_T + D_mig of what was decided; NaN if that was nothing, or does not fit into memory.
        optimum_s: the least D_T + D_mig of all placements that fit; infinite where there is none.
        moved: blocks that the decision moves.
        best_moved: blocks that the optimum moves.
    """

    token: int
    predicted_s: float
    optimum_s: float
    moved: int
    best_moved: int


@dataclass(eq=False)
class JudgedPolicy:
    """A policy that decides as another does, and keeps what it needs to be judged.

    Attributes:
        inner: the policy that decides.
        every: judge the first of so many decisions; 0 judges none. The optimum is that of one layer without shards.
        judgements: of the decisions that were judged.
        wall_s: how long the other policy took, one per decision.
    """

    inner: Policy
    every: int = 1
    judgements: list[Judgement] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the policy that decides."""
        return self.inner.name

    def decide(self, seen: Observation) -> Decision:
        """The other policy's decision."""
        begun = time.perf_counter()
        decision = self.inner.decide(seen)
        self.wall_s.append(time.perf_counter() - begun)
        if self.every and (len(self.wall_s) - 1) % self.every == 0:
            self.judgements.append(judge(seen, decision))
        return decision


def judge(seen: Observation, decision: Decision) -> Judgement:
    """A decision beside the optimum."""
    devices, best = _devices(seen, decision), solve(seen)
    fits = devices is not None and (seen.overflow == "swap" or predict.fits(seen, devices))
    return Judgement(
        token=seen.generated,
        predicted_s=predict.objective(seen, devices) if fits and devices is not None else np.nan,
        optimum_s=best.objective_s,
        moved=_moved(seen, devices),
        best_moved=_moved(seen, best.devices),
    )


def _devices(seen: Observation, decision: Decision) -> IntArray | None:
    """The placement that a decision leads to; None if it leads to none."""
    if isinstance(decision, Placement):
        return decision.devices
    return None if isinstance(decision, Infeasible) else seen.placement


def _moved(seen: Observation, devices: IntArray | None) -> int:
    if devices is None or seen.placement is None:
        return 0
    return int((devices != seen.placement).sum())
