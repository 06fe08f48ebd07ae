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

import numpy as np

from headway.simcore import FloatArray, IntArray, Kind, Observation, Payload, predict
from headway.simcore.steps.fork_join import SOURCE

NOTHING_FOUND = "no device has the memory for some block, even after moving smaller ones"

_NOWHERE = -1


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

    def place(self, observation: Observation) -> IntArray | None:
        """The device of each block, shape (B,); None if no placement was found."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._place_all(_Draft(observation, self.deadline_s, self.weights))

    def _place_all(self, draft: "_Draft") -> IntArray | None:
        order = draft.order()
        refused: dict[int, set[int]] = {}
        backtracks = 0
        position = 0
        while position < len(order):
            block = order[position]
            forbidden = refused.get(position, set())
            device = draft.best(block, forbidden)
            if device == _NOWHERE:
                device = draft.make_room(block, forbidden, self.most_evictions)
            if device == _NOWHERE:
                device = draft.best(block, forbidden, late=True)
            if device != _NOWHERE:
                draft.put(block, device)
                position += 1
                continue
            if position == 0 or backtracks == self.most_backtracks:
                return None
            # Take the last choice back and forbid it; whatever was forbidden after it is open again.
            backtracks += 1
            refused.pop(position, None)
            position -= 1
            refused.setdefault(position, set()).add(draft.take(order[position]))
        return draft.devices


class _Draft:
    """A partial placement: the blocks placed so far, and what they leave of each device.

    Attributes:
        devices: device of each block, -1 for a block that is not placed yet, shape (B,).
    """

    def __init__(
        self, observation: Observation, deadline_s: float | None, weights: tuple[float, float, float] | None
    ) -> None:
        blocks = observation.blocks
        self.devices: IntArray = np.full(len(blocks), _NOWHERE, dtype=np.int64)
        self._observation = observation
        self._weights = weights
        self._kind: list[int] = blocks.kind.tolist()
        self._layer: list[int] = blocks.layer.tolist()
        self._memory: list[float] = observation.memory_bytes.tolist()
        # A device that is down has no room and no speed, not even for a block without bytes or work.
        self._free = np.where(observation.up, observation.available_bytes, -1.0)
        # All times below are shares of the deadline of one layer over the whole horizon.
        self._deadline_s = _layer_deadline(observation, deadline_s)
        block_s, task_s = observation.horizon_times
        self._block = np.where(observation.up, block_s, np.inf) / self._deadline_s
        self._compute = self._block + np.where(observation.up, task_s, np.inf) / self._deadline_s
        # Heads of one layer on one device run one after another, and so do shards: the time of those placed there.
        together = (Kind.HEAD, Kind.FFN)
        self._queue: dict[int, FloatArray] = {
            k: np.zeros((blocks.layers, observation.devices)) for k in together
        }
        self._chain = observation.step_graphs.chain
        self._no_time = np.zeros(observation.devices)
        self._sent = [self._moving(payload) for payload in Payload]
        self._migrate = np.zeros((len(blocks), 1))
        if observation.placement is not None:
            self._migrate = predict.move_seconds(observation) / self._deadline_s

    def order(self) -> list[int]:
        """Blocks layer by layer, the most demanding of a layer first."""
        observation = self._observation
        up = np.isfinite(self._compute).all(axis=0)
        fastest = self._compute[:, up].min(axis=1) if up.any() else np.zeros(len(Kind))
        memory = observation.memory_bytes / max(observation.available_bytes.max(), 1.0)
        demand = np.maximum(memory, fastest[observation.blocks.kind])
        order: list[int] = np.lexsort((-demand, observation.blocks.layer)).tolist()
        return order

    def best(self, block: int, refused: set[int], *, late: bool = False) -> int:
        """The device with the lowest score among those not refused; -1 if that score is above 1.

        With `late` only memory must fit, and times may exceed the deadline: a device that cannot be reached now may be
        reachable when the message is sent.
        """
        score, rest = self._score(block)
        if refused:
            score[list(refused)] = np.inf
        if late:
            fits = self._memory[block] <= self._free
            fits[list(refused)] = False
            score = np.where(fits, np.minimum(score, 1e300), np.inf)
        device = int((score + 1e-9 * np.minimum(rest, 1e300)).argmin())
        return device if score[device] <= 1.0 or (late and np.isfinite(score[device])) else _NOWHERE

    def put(self, block: int, device: int) -> None:
        """Place a block on a device."""
        self.devices[block] = device
        self._free[device] -= self._memory[block]
        self._count(block, device, 1)

    def take(self, block: int) -> int:
        """Remove a block from its device, and return the device."""
        device = int(self.devices[block])
        self.devices[block] = _NOWHERE
        self._free[device] += self._memory[block]
        self._count(block, device, -1)
        return device

    def make_room(self, block: int, refused: set[int], most: int) -> int:
        """Move at most `most` smaller blocks off one device so that `block` fits there.

        Returns:
            The device; -1 if no device can be freed, and then no block has moved.
        """
        score = self._score_without_memory(block)
        for device in np.argsort(score, kind="stable").tolist():
            if score[device] <= 1.0 and device not in refused and self._evict(block, device, most):
                return int(device)
        return _NOWHERE

    def _evict(self, block: int, device: int, most: int) -> bool:
        """Move at most `most` smaller blocks off `device`; False, with no block moved, if `block` does not fit then."""
        on_it: list[int] = np.flatnonzero(self.devices == device).tolist()
        smaller = [other for other in on_it if self._memory[other] < self._memory[block]]
        moved: list[int] = []
        for other in sorted(smaller, key=lambda candidate: -self._memory[candidate]):
            if self._memory[block] <= self._free[device] or len(moved) == most:
                break
            self.take(other)
            elsewhere = self.best(other, {device})
            self.put(other, device if elsewhere == _NOWHERE else elsewhere)
            if elsewhere != _NOWHERE:
                moved.append(other)
        if self._memory[block] <= self._free[device]:
            return True
        for other in reversed(moved):
            self.take(other)
            self.put(other, device)
        return False

    def _score(self, block: int) -> tuple[FloatArray, FloatArray]:
        """The score of each device, and the sum of its three shares, which decides between equal scores.

        Equal scores are common: a head pays for crossing a link once, whichever end of the link it is on.
        """
        # The share is above 1 where the block does not fit, also where no byte is free.
        memory = self._memory[block] / np.maximum(self._free, 1e-300)
        compute, moving = self._times(block)
        rest = memory + compute + moving
        if self._weights is None:
            return np.maximum(np.maximum(memory, compute), moving), rest
        total = sum(self._weights)
        weighted = self._weights[0] * memory + self._weights[1] * compute + self._weights[2] * moving
        return np.where(memory <= 1.0, weighted / total, np.inf), rest

    def _score_without_memory(self, block: int) -> FloatArray:
        return np.maximum(*self._times(block))

    def _times(self, block: int) -> tuple[FloatArray, FloatArray]:
        """The shares of the deadline that computing and moving data take on each device, shape (D,) each."""
        kind, layer = self._kind[block], self._layer[block]
        compute = self._compute[kind]
        if kind in self._queue:
            compute = compute + self._queue[kind][layer]
        return compute, self._arriving(block) + self._leaving(block) + self._migrate[block]

    def _arriving(self, block: int) -> FloatArray:
        """Time for a block's input to reach each device from the nearest upstream block that is placed, shape (D,)."""
        stages, number = self._chain.stages, self._chain.stage_of[block]
        if stages[number].kind == Kind.EMBED:
            # The input is a few bytes of token ids; their transfer is ignored.
            return self._no_time
        if number > 0:
            before = stages[number - 1]
            if before.gathers not in before.rows:
                senders = self.devices[list(before.rows)]
                if (senders != _NOWHERE).all():
                    farthest: FloatArray = self._sent[before.output][senders].max(axis=0)
                    return farthest
            elif (start := self._device(before.gathers)) != _NOWHERE:
                return self._from(start, stages[number].input)
        # Back to the begin of the layer: the layers before it are placed.
        while number > 0 and stages[number - 1].layer == stages[number].layer:
            number -= 1
        start = self._device(stages[number - 1].gathers) if number else self._observation.source
        return self._from(start, stages[number].input)

    def _leaving(self, block: int) -> FloatArray:
        """Time for a block's output to reach the next block downstream, if placed, from each device, shape (D,)."""
        payload, receivers = self._chain.receivers[block]
        for receiver in receivers:
            end = self._observation.source if receiver == SOURCE else self._device(receiver)
            if end != _NOWHERE:
                leaving: FloatArray = self._sent[payload][:, end]
                return leaving
        return self._no_time

    def _from(self, start: int, payload: Payload) -> FloatArray:
        arriving: FloatArray = self._sent[payload][start]
        return arriving

    def _device(self, block: int) -> int:
        return int(self.devices[block])

    def _count(self, block: int, device: int, sign: int) -> None:
        kind = self._kind[block]
        if kind in self._queue:
            self._queue[kind][self._layer[block], device] += sign * self._block[kind, device]

    def _moving(self, payload: Payload) -> FloatArray:
        """Time of one message per step over the horizon, between each pair of devices, shape (D, D)."""
        observation = self._observation
        total = np.zeros((observation.devices, observation.devices))
        for step in observation.steps:
            total += step.count * (
                observation.latency_s + step.cost.message_bytes[payload] * observation.per_byte_s
            )
        return total / self._deadline_s


def _layer_deadline(observation: Observation, deadline_s: float | None) -> float:
    """Deadline of one layer over the whole horizon [s]."""
    if deadline_s is not None:
        return deadline_s * observation.tokens / observation.blocks.layers
    per_device = observation.seconds_together(np.arange(len(observation.blocks)))
    up = per_device[np.isfinite(per_device)]
    # Where computing takes no time, there is nothing to derive a deadline from.
    return float(up.max()) / observation.blocks.layers if up.size and up.max() > 0.0 else 1.0
