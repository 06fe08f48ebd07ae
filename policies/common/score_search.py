"""Search for a placement by scores, from *Large Language Model Partitioning for Low-Latency Inference at the Edge*.

The search places one block after another, the most demanding first, each on the device with the lowest score. The score
of block i on device j is the largest of three shares: the share of j's free memory that i takes, the share of the
deadline that computing takes, and the share of the deadline that moving data takes. If no device has a score of at most
1, the search moves smaller blocks off a device to make room; if no device can be freed, it takes the last choices back.

The paper (arXiv 2505.02533) leaves the following open:

- The paper has one layer. With several layers, the search places them in the order in which a token meets them, and the
  blocks of a layer by decreasing demand, so that the blocks with which a block exchanges messages are mostly placed. If
  the next block upstream is not placed yet, the nearest one upstream that is placed stands for it.
- The deadline of a token is by default the time that it would take with every block on the slowest device that is up,
  so that a device is refused for its speed only if data cannot move. All layers have equal shares of the deadline.
- Before choices are taken back, the search accepts a device that has the memory but misses the deadline. A placement
  that is late is still possible, and a block that must leave a full device over a slow link is always late.
- Counts bound the search, not wall-clock time, which would make results depend on the machine.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from headway.policies.common import score_kernel
from headway.policies.common.score_kernel import NOWHERE, Draft
from headway.simcore import FloatArray, IntArray, Kind, Observation, Payload, jit, predict

NOTHING_FOUND = "no device has the memory for some block, even after moving smaller ones"

_plain = jit.PlainWork(500_000)
"""Blocks times devices of searches."""

_QUEUES = np.isin(np.arange(len(Kind)), (Kind.HEAD, Kind.FFN))
"""Whether blocks of a kind and layer on one device run one after another, shape (kinds,)."""


@dataclass(frozen=True)
class ScoreSearch:
    """A score-based search for a placement of all blocks.

    Attributes:
        deadline_s: time that one token may take, of which the times in a score are shares; by default derived.
        weights: of memory, computing and moving data; with weights the score is their weighted sum instead of the
            largest. Memory must fit all the same.
        most_evictions: blocks that may be moved to make room for one block.
        most_backtracks: choices that may be taken back in one search.
    """

    deadline_s: float | None = None
    weights: tuple[float, float, float] | None = None
    most_evictions: int = 64
    most_backtracks: int = 32

    def __post_init__(self) -> None:
        if self.deadline_s is not None and not self.deadline_s > 0.0:
            raise ValueError(f"deadline_s must be above 0, not {self.deadline_s}")
        if self.weights is not None and not (min(self.weights) >= 0.0 and sum(self.weights) > 0.0):
            raise ValueError(f"weights must not be negative or all 0, not {self.weights}")
        if self.most_evictions < 0 or self.most_backtracks < 0:
            raise ValueError("most_evictions and most_backtracks must not be negative")

    def place(self, observation: Observation, compiled: bool | None = None) -> IntArray | None:
        """The device of each block, shape (B,); None if no placement was found.

        With `compiled`, compiled code searches, which finds the same placement; None: after much work.
        """
        _plain.done += len(observation.blocks) * observation.devices
        chain = observation.step_graphs.chain
        rows = self.most_backtracks + 2, observation.devices
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            draft = self._draft(observation)
            order = _order(observation, draft.compute_s)
        numbers = self.most_evictions, self.most_backtracks
        if not (_plain.is_enough if compiled is None else compiled):
            columns: list[Any] = [one.tolist() if isinstance(one, np.ndarray) else one for one in draft]
            lists = Draft(*columns)
            complete = score_kernel.place_all(
                lists, chain.lists, order.tolist(), *numbers, [[False] * rows[1] for _ in range(rows[0])]
            )
            return np.array(lists.devices, dtype=np.int64) if complete else None
        complete = _compiled()(draft, chain.arrays, order, *numbers, np.zeros(rows, dtype=np.bool_))
        return draft.devices if complete else None

    def _draft(self, observation: Observation) -> Draft:
        """The tables that the scores depend on, and no block placed. Times are shares of the deadline of one layer."""
        blocks, up = observation.blocks, observation.up
        deadline_s = _layer_deadline(observation, self.deadline_s)
        block_s, task_s = observation.horizon_times
        block = np.where(up, block_s, np.inf) / deadline_s
        sent = _sent(observation) / deadline_s
        move = predict.move_seconds(observation)
        weights = [float(weight) for weight in self.weights or (0.0, 0.0, 0.0)]
        return Draft(
            devices=np.full(len(blocks), NOWHERE, dtype=np.int64),
            # A device that is down has no room and no speed, not even for a block without bytes or work.
            free=np.where(up, observation.available_bytes, -1.0),
            queue=np.zeros((len(Kind), blocks.layers, observation.devices)),
            memory=observation.memory_bytes.copy(),
            kind=blocks.kind.copy(),
            layer=np.where(_QUEUES[blocks.kind], blocks.layer, 0),
            queues=_QUEUES,
            block_s=block,
            compute_s=block + np.where(up, task_s, np.inf) / deadline_s,
            sent_s=sent,
            arrives_s=sent.transpose(0, 2, 1).copy(),
            move_s=move / deadline_s,
            source=observation.source,
            weights=(weights[0], weights[1], weights[2], sum(weights)),
            moving_s=np.empty(observation.devices),
            score=np.empty(observation.devices),
        )


@cache
def _compiled() -> Any:
    """The compiled form of `score_kernel.place_all`."""
    return jit.compiled(score_kernel.place_all, score_kernel.HELPERS)


def _order(observation: Observation, compute_s: FloatArray) -> IntArray:
    """Blocks layer by layer, the most demanding of a layer first; `compute_s` as in `Draft`."""
    up = np.isfinite(compute_s).all(axis=0)
    fastest = compute_s[:, up].min(axis=1) if up.any() else np.zeros(len(Kind))
    memory = observation.memory_bytes / max(observation.available_bytes.max(), 1.0)
    demand = np.maximum(memory, fastest[observation.blocks.kind])
    return np.lexsort((-demand, observation.blocks.layer))


def _sent(observation: Observation) -> FloatArray:
    """Time of a message with each payload per step over the horizon, from device to device, shape (6, D, D)."""
    total = np.zeros((len(Payload), observation.devices, observation.devices))
    for step in observation.steps:
        size_bytes = step.cost.message_bytes[:, None, None]
        total += step.count * (observation.latency_s + size_bytes * observation.per_byte_s)
    return total


def _layer_deadline(observation: Observation, deadline_s: float | None) -> float:
    """Deadline of one layer over the whole horizon [s]."""
    if deadline_s is not None:
        return deadline_s * observation.tokens / observation.blocks.layers
    per_device = observation.seconds_of_all
    up = per_device[np.isfinite(per_device)]
    # Where computing takes no time, there is nothing to derive a deadline from.
    return float(up.max()) / observation.blocks.layers if up.size and up.max() > 0.0 else 1.0
