"""The resource-aware, myopic policy of *Large Language Model Partitioning for Low-Latency Inference at the Edge*.

At every interval it places the blocks anew, the most demanding first, each on the device with the lowest score; the
score of block i on device j is the largest of the shares that i would take of j's free memory, of the deadline by
computing, and of the deadline by moving data. When no device is left with a score of at most 1, smaller blocks are
moved off a device to make room, and if no device can be freed the last choices are taken back. The new placement is
adopted only if inference and migration together are predicted to be faster than staying.

Ours, because the paper leaves it open (arXiv 2505.02533):

- The paper has one layer. With several, layers are placed in the order in which a token meets them, and blocks by
  decreasing demand within a layer, so that what a block talks to is mostly known; where the next neighbour has no place
  yet, the nearest one upstream that has stands for it.
- The deadline is by default what a token would take with every block on the slowest device that is up, so that a device
  is refused for its speed only if the data cannot move. It is shared equally among the layers.
- Before choices are taken back, a device is accepted that has the memory but misses the deadline: late is not the same
  as impossible, and a block that must leave a full device over a slow link is always late.
- The search is bounded by counts and not by wall-clock time, which would make results depend on the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.common.live_moves import in_reach, placement_in_reach
from simcore import Decision, FloatArray, Infeasible, IntArray, Keep, Kind, Observation, predict

_NOWHERE = -1


@dataclass(frozen=True)
class ResourceAware:
    """Score-based head-level placement, replanned at every interval.

    Attributes:
        deadline_s: time that one token may take, as the yardstick of scores; by default derived, see above.
        weights: of memory, computing and moving data; with weights the score is their weighted sum instead of the
            largest. Memory must fit all the same.
        most_evictions: blocks that may be moved to make room for one block.
        most_backtracks: choices that may be taken back in one decision.
    """

    name: ClassVar[str] = "resource-aware"
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "scores count moves from where blocks are, so a second look may find something better still",
    }

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

    def decide(self, seen: Observation) -> Decision:
        """Place all blocks anew, and stay if that is not predicted to be slower."""
        target = self._search(seen)
        if target is None:
            return Infeasible("no device has the memory for some block, even after moving smaller ones")
        if _may_stay(seen, target):
            return Keep()
        return placement_in_reach(seen, target)

    def _search(self, seen: Observation) -> IntArray | None:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._place_all(_Draft(seen, self.deadline_s, self.weights))

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


def _may_stay(seen: Observation, target: IntArray) -> bool:
    """Whether the placement in force may go on, and moving to `target` is impossible or not predicted to be faster."""
    if seen.placement is None or not predict.can_stay(seen):
        return False
    if not in_reach(seen, target):
        return True
    return predict.interval_delay(seen, seen.placement) <= predict.objective(seen, target)


class _Draft:
    """A placement in the making.

    Attributes:
        devices: device of each block, -1 while it has none, shape (B,).
    """

    def __init__(
        self, seen: Observation, deadline_s: float | None, weights: tuple[float, float, float] | None
    ) -> None:
        blocks = seen.blocks
        self.devices: IntArray = np.full(len(blocks), _NOWHERE, dtype=np.int64)
        self._seen = seen
        self._weights = weights
        self._kind: list[int] = blocks.kind.tolist()
        self._layer: list[int] = blocks.layer.tolist()
        self._memory: list[float] = seen.memory_bytes.tolist()
        # Where nothing is there is no room and no speed, not even for a block without bytes or work.
        self._free = np.where(seen.up, seen.available_bytes, -1.0)
        # From here on times are shares of what one layer may take over the whole interval.
        self._deadline_s = _layer_deadline(seen, deadline_s)
        self._compute = np.where(seen.up, seen.kind_seconds, np.inf) / self._deadline_s
        # Heads of one layer on one device run one after another, shards likewise: what is already queued there.
        self._queue = {kind: np.zeros((blocks.layers, seen.devices)) for kind in (Kind.HEAD, Kind.FFN)}
        self._input = self._moving([step.cost.input_bytes for step in seen.steps])
        self._output = [
            self._moving([float(step.cost.out_bytes[kind]) for step in seen.steps]) for kind in Kind
        ]
        head_bytes = [float(step.cost.out_bytes[Kind.HEAD]) + step.cost.head_sum_bytes for step in seen.steps]
        self._head_output = self._moving(head_bytes)
        self._shard_output = self._moving([step.cost.ffn_sum_bytes for step in seen.steps])
        self._migrate = np.zeros((len(blocks), 1))
        if seen.placement is not None:
            self._migrate = predict.move_seconds(seen) / self._deadline_s

    def order(self) -> list[int]:
        """Blocks layer by layer, the most demanding of a layer first."""
        seen = self._seen
        up = np.isfinite(self._compute).all(axis=0)
        fastest = self._compute[:, up].min(axis=1) if up.any() else np.zeros(len(Kind))
        memory = seen.memory_bytes / max(seen.available_bytes.max(), 1.0)
        demand = np.maximum(memory, fastest[seen.blocks.kind])
        order: list[int] = np.lexsort((-demand, seen.blocks.layer)).tolist()
        return order

    def best(self, block: int, refused: set[int], *, late: bool = False) -> int:
        """The device with the lowest score that is not refused; -1 if it is above 1.

        With `late` only memory must fit, and time may exceed the deadline: even a device that cannot be reached now may
        be when its turn comes.
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
        """Give a block its place."""
        self.devices[block] = device
        self._free[device] -= self._memory[block]
        self._count(block, device, 1)

    def take(self, block: int) -> int:
        """Take a block from its place, and say which it was."""
        device = int(self.devices[block])
        self.devices[block] = _NOWHERE
        self._free[device] += self._memory[block]
        self._count(block, device, -1)
        return device

    def make_room(self, block: int, refused: set[int], most: int) -> int:
        """Move smaller blocks off a device until `block` fits there; the device, or -1 with nothing changed."""
        score = self._score_without_memory(block)
        for device in np.argsort(score, kind="stable").tolist():
            if score[device] <= 1.0 and device not in refused and self._evict(block, device, most):
                return int(device)
        return _NOWHERE

    def _evict(self, block: int, device: int, most: int) -> bool:
        """Move up to `most` smaller blocks off a device; whether `block` fits then (if not, nothing has moved)."""
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
        """The score of each device, and the sum of all shares, which decides between equal scores.

        Equal ones are common: a head at either end of a link pays for crossing it once.
        """
        # More than 1 where the block does not fit, also where nothing is free.
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
        """Computing and moving data as shares of the deadline, on each device, shape (D,) each."""
        kind, layer = self._kind[block], self._layer[block]
        compute = self._compute[kind]
        if kind in self._queue:
            compute = compute + self._queue[Kind(kind)][layer]
        return compute, self._arriving(kind, layer) + self._leaving(block) + self._migrate[block]

    def _arriving(self, kind: int, layer: int) -> FloatArray:
        """Time for a block's input to reach each device, from the nearest upstream block that has a place."""
        blocks = self._seen.blocks
        if kind == Kind.EMBED:
            # A few bytes of token ids; the source is where they are.
            return np.zeros(self._seen.devices)
        if kind == Kind.LM_HEAD:
            message, start = self._output[Kind.FFN], self._device(blocks.ffn[-1])
        elif kind == Kind.FFN and self._device(blocks.proj[layer]) != _NOWHERE:
            message, start = self._output[Kind.PROJ], self._device(blocks.proj[layer])
        elif kind == Kind.PROJ and (self.devices[blocks.heads[layer]] != _NOWHERE).all():
            farthest: FloatArray = self._head_output[self.devices[blocks.heads[layer]]].max(axis=0)
            return farthest
        else:
            message, start = self._input, self._holder(layer)
        arriving: FloatArray = message[start]
        return arriving

    def _leaving(self, block: int) -> FloatArray:
        """Time for a block's output to reach, from each device, the next block downstream that has a place."""
        blocks, kind, layer = self._seen.blocks, self._kind[block], self._layer[block]
        end, message = _NOWHERE, self._head_output if kind == Kind.HEAD else self._output[kind]
        if kind == Kind.FFN and block != blocks.ffn[layer]:
            end, message = self._device(blocks.ffn[layer]), self._shard_output
        elif kind == Kind.LM_HEAD or (
            kind == Kind.FFN and layer == blocks.layers - 1 and blocks.lm_head is None
        ):
            end = self._seen.source
        elif kind == Kind.HEAD and self._device(blocks.proj[layer]) != _NOWHERE:
            end = self._device(blocks.proj[layer])
        elif kind in {Kind.HEAD, Kind.PROJ}:
            end = self._device(blocks.ffn[layer])
        if end == _NOWHERE:
            return np.zeros(self._seen.devices)
        leaving: FloatArray = message[:, end]
        return leaving

    def _holder(self, layer: int) -> int:
        """The device with a layer's input."""
        blocks = self._seen.blocks
        if layer > 0:
            return self._device(blocks.ffn[layer - 1])
        return self._seen.source if blocks.embed is None else self._device(blocks.embed)

    def _device(self, block: int | np.int64) -> int:
        return int(self.devices[block])

    def _count(self, block: int, device: int, sign: int) -> None:
        kind = self._kind[block]
        if kind in self._queue:
            self._queue[Kind(kind)][self._layer[block], device] += sign * self._compute[kind, device]

    def _moving(self, sizes: list[float]) -> FloatArray:
        """Time that one message per step takes between devices over the interval, shape (D, D)."""
        seen = self._seen
        total = np.zeros((seen.devices, seen.devices))
        for step, size in zip(seen.steps, sizes, strict=True):
            total += step.count * (seen.latency_s + size * seen.per_byte_s)
        return total / self._deadline_s


def _layer_deadline(seen: Observation, deadline_s: float | None) -> float:
    """Seconds that one layer may take over the whole interval."""
    if deadline_s is not None:
        return deadline_s * seen.tokens / seen.blocks.layers
    per_device = seen.kind_seconds[seen.blocks.kind].sum(axis=0)
    up = per_device[np.isfinite(per_device)]
    # A world in which nothing takes any time needs no yardstick.
    return float(up.max()) / seen.blocks.layers if up.size and up.max() > 0.0 else 1.0
