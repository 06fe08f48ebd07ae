"""Layer-wise placement that moves whole layers away from devices under pressure.

The dynamic layer-wise baseline to which *Large Language Model Partitioning for Low-Latency Inference at the Edge*
(arXiv 2505.02533) compares its head-wise migration: whole layers migrate when a device runs short. The algorithm of
this baseline is not published; all of the following is ours.

- Units are those of `edgeshard`: layers, or attention, projection and feed-forward network of a single one.
- The first placement fills the devices one after another: the source, then the others from the fastest to the slowest,
  each up to the memory threshold, or completely if that is not enough. Devices that are down or cut off come last.
- A device is short of memory when the blocks it will hold by the end of the horizon pass `memory_threshold` of what
  is available, and short of compute when others take more than `compute_threshold` of it, or when it is down or cut
  off. A device's share of the work does not count: layers run one after another, so an even share does not make a
  token faster.
- A device short of memory gives up its smallest unit that helps, or the largest if none alone does, to the device with
  most room; one short of compute gives up its last unit to the device with the least load from others. Only devices
  that are short of neither, also after the move, receive units; so no unit comes back while the world does not change.
  If there is no such device, a device that is overfull or down may fill others completely.
- At most `most_moves` units move in one decision, of overfull devices first. If that is not enough for everything to
  fit, the answer is `Infeasible`, or keep when the scenario swaps.
- A placement in force that splits a unit, left by another policy, is replaced by a first placement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from headway.policies.common.layer_units import plan_of, spread, units
from headway.policies.common.packing import packed
from headway.policies.common.reachability import usable
from headway.simcore import Decision, FloatArray, Infeasible, IntArray, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class DynamicLayer:
    """Whole layers, filled in at first, and moved off devices that run short of memory or compute.

    Attributes:
        memory_threshold: share of the available memory of a device that blocks may use, in (0, 1].
        compute_threshold: share of a device that other programs may use, in [0, 1].
        most_moves: units that may move in one decision.
    """

    name: ClassVar[str] = "dynamic-layer"
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {
        "stable": "thresholds are checked again after layers have moved, and more layers may then move",
        "worth-moving": "thresholds decide when layers move, not what it costs",
    }

    memory_threshold: float = 0.9
    compute_threshold: float = 0.8
    most_moves: int = 4

    def __post_init__(self) -> None:
        if not 0.0 < self.memory_threshold <= 1.0:
            raise ValueError(f"memory_threshold must be above 0 and at most 1, not {self.memory_threshold}")
        if not 0.0 <= self.compute_threshold <= 1.0:
            raise ValueError(f"compute_threshold must be from 0 to 1, not {self.compute_threshold}")
        if self.most_moves < 1:
            raise ValueError(f"most_moves must be at least 1, not {self.most_moves}")

    def decide(self, observation: Observation) -> Decision:
        """Fill the devices at first; later move units off devices that run short."""
        blocks, placement = observation.blocks, observation.placement
        sizes = np.array([observation.memory_bytes[rows].sum() for rows in units(blocks)])
        plan = None if placement is None else plan_of(blocks, placement)
        if plan is None:
            target = self._first_placement(observation, sizes)
        else:
            target = self._after_moves(observation, sizes, plan)
        if target is not None:
            devices = spread(blocks, target)
            if predict.fits(observation, devices):
                return Keep() if plan is not None and np.array_equal(target, plan) else Placement(devices)
        if observation.overflow == "swap" and predict.can_stay(observation):
            return Keep()
        return Infeasible("no placement of whole layers was found that fits, or it takes too many moves")

    def _first_placement(self, observation: Observation, sizes: FloatArray) -> IntArray | None:
        """A first placement: the device of each unit; None if none was found."""
        seconds = observation.seconds_together(np.arange(len(observation.blocks)))
        elsewhere = np.arange(observation.devices) != observation.source
        order = np.lexsort((seconds, elsewhere, self._busy(observation)))
        for limit in (self.memory_threshold, 1.0):
            plan = _first_fit(sizes, limit * observation.available_bytes, order)
            if plan is not None:
                return plan
        return packed(sizes, observation.available_bytes, usable(observation))

    def _busy(self, observation: Observation) -> NDArray[np.bool_]:
        """Which devices are short of compute, shape (D,)."""
        return (1.0 - observation.availability > self.compute_threshold) | ~usable(observation)

    def _after_moves(self, observation: Observation, sizes: FloatArray, plan: IntArray) -> IntArray:
        """The placement in force with up to `most_moves` units on other devices."""
        target = plan.copy()
        for _ in range(self.most_moves):
            move = self._next_move(observation, sizes, target)
            if move is None:
                break
            unit, device = move
            target[unit] = device
        return target

    def _next_move(
        self, observation: Observation, sizes: FloatArray, plan: IntArray
    ) -> tuple[int, int] | None:
        """A unit and its new device; None if no device is short, or no device can receive a unit."""
        held = np.bincount(plan, sizes, observation.devices).astype(np.float64)
        excess = held - self.memory_threshold * observation.available_bytes
        full = excess > predict.TOLERANCE_BYTES
        over = held - observation.available_bytes > predict.TOLERANCE_BYTES
        used = np.isin(np.arange(observation.devices), plan)
        pressed = np.flatnonzero((full | self._busy(observation)) & used)
        for old in pressed[np.lexsort((-excess[pressed], ~full[pressed], ~over[pressed]))].tolist():
            for room in self._rooms(observation, held, old, over=bool(over[old])):
                needed = float(excess[old]) if full[old] else None
                unit = _to_move(sizes, np.flatnonzero(plan == old), float(room.max()), needed)
                if unit is not None:
                    return unit, _receiver(observation, room, float(sizes[unit]), by_room=bool(full[old]))
        return None

    def _rooms(self, observation: Observation, held: FloatArray, old: int, *, over: bool) -> list[FloatArray]:
        """Bytes that each device may receive from `old`, shape (D,) each, in order of preference.

        `old` itself receives nothing: it exceeds the bound.
        """
        below_threshold = self.memory_threshold * observation.available_bytes - held
        rooms = [np.where(self._busy(observation), -np.inf, below_threshold)]
        if over or not usable(observation)[old]:
            rooms.append(np.where(usable(observation), observation.available_bytes - held, -np.inf))
        if over:
            rooms.append(observation.available_bytes - held)
        return rooms


def _first_fit(sizes: FloatArray, room: FloatArray, order: IntArray) -> IntArray | None:
    """Each unit on the first device of `order` with room; None if a unit fits nowhere."""
    free = room.copy()
    plan = np.empty(len(sizes), dtype=np.int64)
    for unit, size in enumerate(sizes):
        fitting = order[free[order] >= size]
        if not len(fitting):
            return None
        plan[unit] = fitting[0]
        free[fitting[0]] -= size
    return plan


def _to_move(sizes: FloatArray, candidates: IntArray, most: float, needed: float | None) -> int | None:
    """The unit to move off a device, of at most `most` bytes; a device short of memory must free `needed` bytes."""
    later_first = candidates[sizes[candidates] <= most][::-1]
    if needed is not None:
        later_first = later_first[sizes[later_first] > 0.0]
        enough = later_first[sizes[later_first] >= needed]
        by_size = enough[sizes[enough].argsort(kind="stable")]
        later_first = by_size if len(enough) else later_first[(-sizes[later_first]).argsort(kind="stable")]
    return int(later_first[0]) if len(later_first) else None


def _receiver(observation: Observation, room: FloatArray, size: float, *, by_room: bool) -> int:
    """The device with most room for a unit, or with the least load from others; ties: the other criterion."""
    candidates = np.flatnonzero(size <= room)
    keys = (-room[candidates], -observation.availability[candidates])
    return int(candidates[np.lexsort(keys[::-1] if by_room else keys)[0]])
