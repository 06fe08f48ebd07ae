"""The resource-aware, myopic policy of *Large Language Model Partitioning for Low-Latency Inference at the Edge*.

At every decision the policy searches for a new placement of all blocks by their scores (`policies.common.score_search`
describes the search, and our choices where the paper, arXiv 2505.02533, leaves gaps). It adopts the new placement only
if inference and migration together are predicted to be faster than staying. The paper's controller decides at fixed
intervals and plans for one interval (`PAPER_CONTROLLER`).

Two things are ours. The policy also considers the fastest device that can hold the whole model, and the best runs of
consecutive layers: the scores alone sometimes miss them (`alternatives`). And it can improve a placement by changes of
single blocks (`moves: single`), which the paper does not do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.one_device import fastest_alone
from headway.policies.common.score_search import NOTHING_FOUND, ScoreSearch
from headway.policies.search.local_search import LocalSearch
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, predict

_MOST_CHANGES = 100


@dataclass(frozen=True)
class ResourceAware(ScoreSearch):
    """Score-based head-level placement, replanned at every decision.

    Attributes:
        deadline_s: time for one token, by which the times in a score are divided; by default the time of a token with
            every block on the slowest device that is up.
        weights: of memory, computing and moving data; with weights the score is their weighted sum instead of their
            maximum. Memory must still fit.
        most_evictions: blocks that may be moved to make room for one block.
        most_backtracks: choices that may be undone in one decision.
        moves: `whole`: the placement of the search as it is; `single`: improved by changes of blocks of one kind and
            layer, and of runs of layers.
        alternatives: also consider one device for the whole model, and runs of consecutive layers. The paper does not.
    """

    name: ClassVar[str] = "resource-aware"
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "scores count moves from where blocks are, so a second look may find something better still",
    }

    moves: Literal["whole", "single"] = "whole"
    alternatives: bool = True

    def decide(self, observation: Observation) -> Decision:
        """Search for a new placement; keep the present one unless the new one is predicted to be faster."""
        targets = [_reachable(observation, one) for one in self._targets(observation)]
        if not targets:
            return Infeasible(NOTHING_FOUND)
        least_s, best = min(
            (predict.shared_delay(observation, one) + predict.migration_delay(observation, one), i)
            for i, one in enumerate(targets)
        )
        staying = observation.placement if predict.can_stay(observation) else None
        if staying is not None and predict.shared_delay(observation, staying) <= least_s:
            return Keep()
        return Placement(targets[best])

    def _targets(self, observation: Observation) -> Iterator[IntArray]:
        scored = self.place(observation)
        if scored is not None:
            yield scored
        if self.alternatives:
            if (alone := fastest_alone(observation)) is not None:
                yield alone
            if (runs := layer_runs(observation)) is not None:
                yield runs
        if self.moves == "single":
            search = LocalSearch(observation, np.inf)
            staying = observation.placement if predict.can_stay(observation) else None
            for start in (scored, staying):
                if start is not None and predict.fits(
                    observation, improved := search.improved(start, _MOST_CHANGES)
                ):
                    yield improved


def _reachable(observation: Observation, target: IntArray) -> IntArray:
    """The part of a placement that `live` moves reach; the whole placement if that part does not fit."""
    part = predict.reachable(observation, target)
    return part if predict.fits(observation, part) else target
