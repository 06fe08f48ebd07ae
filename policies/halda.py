"""Windows of layers on a ring of devices by integer programmes, after *Halda* of prima.cpp (arXiv 2504.08791).

Known from the source of prima.cpp (github.com/Lizonghang/prima.cpp, `assign_layers_to_device` in `common/common.cpp`).
The devices form a ring, of which the first one, the head device, has embedding and output head. A token goes round the
ring k times (*piped ring*). In each round device m computes a window of w_m layers, so that k * sum(w) is the number of
layers. For each k that divides it, HiGHS minimises k * sum(a_m w_m) under limits of memory, where a_m is the time of a
layer on device m; the best k is taken. A device whose share turns out too small is removed, except the head device. The
paper also counts the transfers of each round; in the source they are 0.

Not modelled: prima.cpp may give a device more layers than its memory holds. It adds the time to read them from disk to
a_m, and searches for the set of such devices (its sets M1 to M3). Here a plan that exceeds memory is infeasible, so all
devices are in its set M4. Accelerators beside the CPU of a device and prefetching between rounds are not modelled.

Ours:

- A share is too small if it is zero. The source gives each device at least one layer, removes those that get only one,
  and solves again; with zero allowed, solving again would change nothing.
- Transfers do not count, as in the source. Every plan of k rounds has a plan of one round with the same shares and
  fewer transfers. So without prefetching one round is the best choice and the default; `rounds` sets another number.
- The head device is the source, and its layers count as 1 % faster, as a port documents for prima.cpp. If the
  source has no room for its part, the device with the most memory takes its place. The others follow by memory.
- The parts of a model of one layer count as equal; one device that holds all of it needs no such estimate.
- The plan is kept until it no longer fits or a device of it goes down.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.layer_units import ends_and_layers, on_devices
from headway.policies.common.reachability import usable_first
from headway.simcore import (
    Decision,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Observation,
    Placement,
    predict,
)

_HEAD_PRIORITY = 1.01
"""Factor on the speed of the head device."""


@dataclass(frozen=True)
class Halda:
    """Windows of layers on a ring of devices, sized by integer programmes on HiGHS, and kept (prima.cpp).

    Attributes:
        rounds: how often a token goes round the ring; it must divide the number of layers.
    """

    name: ClassVar[str] = "halda"

    rounds: int = 1

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, not {self.rounds}")

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan no longer fits."""
        if predict.can_stay(observation):
            return Keep()
        model = _Layers(observation)
        if len(model.rows) % self.rounds:
            return Infeasible(f"{self.rounds} rounds do not divide {len(model.rows)} layers")
        for devices in usable_first(observation):
            by_room = devices[np.argsort(-observation.available_bytes[devices], kind="stable")].tolist()
            for head in dict.fromkeys([*(d for d in by_room if d == observation.source), *by_room]):
                placement = model.placement([head, *(d for d in by_room if d != head)], self.rounds)
                if placement is not None and predict.fits(observation, placement):
                    return Placement(placement)
        return Infeasible("no windows of whole layers fit on the ring")


class _Layers:
    """The layers of a model without embedding and output head, with their times and memory.

    Attributes:
        rows: blocks of each layer.
    """

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._ends, self.rows = ends_and_layers(observation.blocks)
        self._layer_bytes = max(float(observation.memory_bytes[rows].sum()) for rows in self.rows)
        self._seconds = observation.seconds_together(np.concatenate(self.rows)) / len(self.rows)

    def placement(self, ring: list[int], rounds: int) -> IntArray | None:
        """The device of each block, shape (B,), with windows on a ring; None if none fit."""
        sizes = window_sizes(self._seconds[ring], self._most(ring) // rounds, len(self.rows) // rounds)
        if sizes is None:
            return None
        plan = np.tile(np.repeat(ring, sizes), rounds)
        return on_devices(self._observation.blocks, self.rows, plan, ring[0])

    def _most(self, ring: list[int]) -> IntArray:
        """Layers that fit on each device of a ring, whose first one holds embedding and output head too."""
        # Sums depend on their order by rounding: what fits by one order must not overflow by another.
        room = self._observation.available_bytes[ring] * (1.0 + 1e-12)
        all_fit = room >= self._observation.memory_bytes.sum()
        room[0] -= self._observation.memory_bytes[self._ends].sum()
        most = np.maximum(room, -1.0) / max(self._layer_bytes, np.finfo(np.float64).tiny)
        most = np.where(all_fit, len(self.rows), np.minimum(np.floor(most), len(self.rows)))
        most[room < 0.0] = -1
        return most.astype(np.int64)


def window_sizes(seconds: FloatArray, most: IntArray, layers: int) -> IntArray | None:
    """The layers of each device in one round with the least sum of times, at least one for the first device.

    Args:
        seconds: of a layer on each device, shape (N,).
        most: layers of a round that fit on each device, shape (N,).
        layers: of one round.

    Returns:
        Shape (N,); None if they do not fit.
    """
    if most[0] < 1 or np.maximum(most, 0).sum() < layers:
        return None
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 (half a second of import)

    seconds = np.where(np.arange(len(seconds)) == 0, seconds / _HEAD_PRIORITY, seconds)
    finite = np.where(np.isfinite(seconds), seconds, 0.0)
    # A device without speed serves only where no other has room.
    cost = np.where(np.isfinite(seconds), finite / (finite.max() or 1.0), 10.0 * layers)
    result = milp(
        cost,
        integrality=np.ones(len(cost), dtype=np.int64),
        bounds=Bounds(np.arange(len(cost)) == 0, np.maximum(most, 0)),
        constraints=LinearConstraint(np.ones((1, len(cost))), layers, layers),
        options={"mip_rel_gap": 0.0, "presolve": False},
    )
    return None if result.x is None else np.rint(result.x).astype(np.int64)
