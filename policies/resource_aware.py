"""The resource-aware, myopic policy of *Large Language Model Partitioning for Low-Latency Inference at the Edge*.

At every decision the policy searches for a new placement of all blocks by their scores (`policies.common.score_search`
describes the search, and our choices where the paper, arXiv 2505.02533, leaves gaps). It adopts the new placement only
if inference and migration together are predicted to be faster than staying. The paper's controller decides at fixed
intervals and plans for one interval (`PAPER_CONTROLLER`).

Two things are ours. The policy also considers the fastest device that can hold the whole model, and the best runs of
consecutive layers: the scores alone sometimes miss them (`alternatives`). And it can improve a placement by changes of
single blocks (`moves: single`), which the paper does not do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.one_device import fastest_alone
from headway.policies.common.score_search import NOTHING_FOUND, ScoreSearch
from headway.policies.search.local_search import LocalSearch
from headway.simcore import Decision, Infeasible, IntArray, Keep, Kind, Observation, Placement, predict

_MOST_CHANGES = 100

_ROUNDING = 1e-9
"""Relative tolerance of sums of times."""


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
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "scores count moves from where blocks are, so a second look may find something better still",
    }

    moves: Literal["whole", "single"] = "whole"
    alternatives: bool = True

    def decide(self, observation: Observation) -> Decision:
        """Search for a new placement; keep the present one unless the new one is predicted to be faster."""
        staying = observation.placement if predict.can_stay(observation) else None
        stay_s = np.inf if staying is None else predict.shared_delay(observation, staying)
        choice = _Choice(observation, staying, stay_s)
        scored = self.place(observation)
        choice.consider(scored)
        if self.alternatives and (scored is None or not _whole_layers_lose(observation, choice.least_s)):
            choice.consider(fastest_alone(observation))
            choice.consider(layer_runs(observation, observation.source))
        if self.moves == "single":
            search = LocalSearch(observation, np.inf)
            for start in (scored, staying):
                improved = None if start is None else search.improved(start, _MOST_CHANGES)
                if improved is not None and predict.fits(observation, improved):
                    choice.consider(improved)
        if not choice.found or choice.best is None:
            return Infeasible(NOTHING_FOUND)
        return Keep() if choice.best is staying else Placement(choice.best)


@dataclass
class _Choice:
    """The best of the placements considered so far.

    Attributes:
        observation: the world.
        best: shape (B,); at first the one in force, None if it cannot stay.
        least_s: its predicted time, with migration.
        found: whether another one was considered.
    """

    observation: Observation
    best: IntArray | None
    least_s: float
    found: bool = False

    def consider(self, target: IntArray | None) -> None:
        """Compare with one more placement, shape (B,), as far as it can be reached."""
        if target is None:
            return
        self.found = True
        one = _reachable(self.observation, target)
        seconds = predict.shared_delay(self.observation, one)
        # Moves take no negative time, unless caches are computed again.
        if seconds < self.least_s or self.observation.caches != "send":
            seconds += predict.migration_delay(self.observation, one)
        if seconds < self.least_s or self.best is None:
            self.least_s, self.best = seconds, one


def _whole_layers_lose(observation: Observation, limit_s: float) -> bool:
    """Whether placements with a device per layer, or per kind in a single layer, compute longer than `limit_s`."""
    if observation.step_graphs.stages is None or observation.caches != "send":
        return False
    block_s, task_s = observation.horizon_times
    blocks = observation.blocks
    number = np.array([blocks.heads.shape[1], 1, blocks.shards.shape[1]])
    kinds = [Kind.HEAD, Kind.PROJ, Kind.FFN]
    seconds = number[:, None] * block_s[kinds] + task_s[kinds]
    least_s = seconds.min(axis=1).sum() if blocks.layers == 1 else blocks.layers * seconds.sum(axis=0).min()
    return bool(least_s > limit_s * (1.0 + _ROUNDING))


def _reachable(observation: Observation, target: IntArray) -> IntArray:
    """The part of a placement that `live` moves reach; the whole placement if that part does not fit."""
    part = predict.reachable(observation, target)
    return part if predict.fits(observation, part) else target
