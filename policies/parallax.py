"""The fewest devices, balanced by speed, in the fastest order, after *Parallax* (github.com/GradientHQ/parallax).

Known from the source of Parallax (`scheduling/layer_allocation.py`, `scheduling/request_routing.py`). Phase one sorts
the devices by the number of layers that they can hold and divides them into pipelines: a dynamic programme maximises
k^2 / s for k pipelines with s stages together. Then *water-filling* balances each pipeline: the layers of a device are
in proportion to its compute speed, limited by its memory, in whole layers by largest remainders. Phase two finds the
shortest path of a request over the ranges of layers, by the times of devices and the round-trip times between them.

With one copy of each block there is one pipeline. So phase one is the fewest devices that hold the model; among those,
like the programme of Parallax, it leaves out large devices where smaller ones are enough. Every path then visits all
chosen devices once, so phase two is the choice of their order.

Ours:

- The order is that with the least transfer time of activations from the source over the devices and back, among all
  orders of up to seven devices. Parallax keeps the order by capacity, which is used here for more devices.
- Water-filling is done in whole units: with n units on a device of power p, the sum of n^2 / p is least. The largest
  remainders of Parallax may differ by one unit. Embedding and output head count with their bytes.
- If the chosen devices have no room for a cut in that order, more devices are used, in the end all, by capacity.
- Parallax allocates again when a layer has no device, or when copies of layers are spread unevenly. Here the plan is
  kept until it no longer fits or a device of it goes down.
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headway.policies.common.layer_units import units
from headway.policies.common.reachability import usable_first
from headway.policies.common.runs_in_order import cut_over, relative
from headway.policies.common.transfer_times import over_horizon
from headway.simcore import (
    Decision,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Observation,
    Payload,
    Placement,
    predict,
)

_MOST_ORDERED = 7


@dataclass(frozen=True)
class Parallax:
    """The fewest devices that hold the model, in the fastest order, with layers in proportion to speed; kept.

    Attributes:
        power: `compute` or `bandwidth`: the peak of a device to which its layers are proportional.
    """

    name: ClassVar[str] = "parallax"

    power: Literal["compute", "bandwidth"] = "compute"

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan no longer fits."""
        if predict.can_stay(observation):
            return Keep()
        sizes = np.array([observation.memory_bytes[rows].sum() for rows in units(observation.blocks)])
        usual = max(float(np.median(sizes)), np.finfo(np.float64).tiny)
        power = observation.flops if self.power == "compute" else observation.memory_bandwidth
        for devices in usable_first(observation):
            by_room = devices[np.argsort(-observation.available_bytes[devices], kind="stable")]
            capacity = np.minimum(observation.available_bytes[by_room] / usual, len(sizes)).astype(np.int64)
            needed = int(sizes.sum() / usual)
            for count in range(1, len(by_room) + 1):
                selection = by_room[fewest(capacity, needed, count)]
                order = fastest_order(observation, selection)
                placement = cut_over(observation, order, _fill_cost(len(sizes), power[order]))
                if placement is None and count == len(by_room):
                    placement = cut_over(observation, by_room, _fill_cost(len(sizes), power[by_room]))
                if placement is not None:
                    return Placement(placement)
        return Infeasible("no cut into runs fits, with the fewest devices or with all of them by memory")


def fewest(capacity: IntArray, needed: int, count: int) -> list[int]:
    """`count` of N devices that together hold `needed` layers, if any do; large ones are left out where possible.

    Args:
        capacity: layers that each device can hold, in decreasing order, shape (N,).
        needed: layers to hold.
        count: devices to choose.
    """
    selection: list[int] = []
    for device in range(len(capacity)):
        missing = count - len(selection)
        if not missing:
            break
        others = capacity[device + 1 : device + 1 + missing]
        if len(others) < missing or others.sum() < needed:
            selection.append(device)
            needed -= int(capacity[device])
    return selection


def fastest_order(observation: Observation, devices: IntArray) -> IntArray:
    """The order of devices with the least transfer time from the source and back; the given order if there are many."""
    if not 1 < len(devices) <= _MOST_ORDERED:
        return devices
    hop = over_horizon(observation, Payload.HIDDEN)
    orders = np.array(list(itertools.permutations(devices.tolist())))
    between = hop[orders[:, :-1], orders[:, 1:]].sum(axis=1)
    seconds = hop[observation.source, orders[:, 0]] + between + hop[orders[:, -1], observation.source]
    order: IntArray = orders[seconds.argmin()]
    return order


def _fill_cost(units_in_all: int, power: FloatArray) -> FloatArray:
    """Cost of each number of units on devices of each power, shape (N, U + 1); its least sum is the water level."""
    return np.arange(units_in_all + 1) ** 2 / np.maximum(relative(power), 1e-12)[:, None]
