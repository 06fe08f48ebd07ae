"""The resource-aware, myopic policy of *Large Language Model Partitioning for Low-Latency Inference at the Edge*.

At every interval the policy searches for a new placement of all blocks by their scores (`policies.common.score_search`
describes the search, and our choices where the paper, arXiv 2505.02533, leaves gaps). It adopts the new placement only
if inference and migration together are predicted to be faster than staying.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from headway.policies.common.score_search import NOTHING_FOUND, ScoreSearch
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class ResourceAware(ScoreSearch):
    """Score-based head-level placement, replanned at every interval.

    Attributes:
        deadline_s: time for one token, by which the times in a score are divided; by default the time of a token with
            every block on the slowest device that is up.
        weights: of memory, computing and moving data; with weights the score is their weighted sum instead of their
            maximum. Memory must still fit.
        most_evictions: blocks that may be moved to make room for one block.
        most_backtracks: choices that may be undone in one decision.
    """

    name: ClassVar[str] = "resource-aware"
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "scores count moves from where blocks are, so a second look may find something better still",
    }

    def decide(self, seen: Observation) -> Decision:
        """Search for a new placement; keep the present one unless the new one is predicted to be faster."""
        target = self.place(seen)
        if target is None:
            return Infeasible(NOTHING_FOUND)
        target = predict.reachable(seen, target)
        if _may_stay(seen, target):
            return Keep()
        return Placement(target)


def _may_stay(seen: Observation, target: IntArray) -> bool:
    """Whether the placement in force can stay, and moving to `target` is not predicted to be faster."""
    if seen.placement is None or not predict.can_stay(seen):
        return False
    return predict.horizon_delay(seen, seen.placement) <= predict.objective(seen, target)
