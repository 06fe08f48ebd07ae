"""The price of moving from the placement in force to another one."""

from functools import reduce

import numpy as np

from headway.policies.common.transfer_times import finite
from headway.simcore import FloatArray, IntArray, Observation, predict

_MOST_LOADS = 2000
SLOWED = 0.1
"""Share of the time of a `live` migration that decoding loses because its messages share links with the moves."""

BEYOND = 10.0
"""Price of a second of pause beyond the most that is wished."""


class Transition:
    """Loads of resources by moves, and what they cost.

    A move loads every resource on its route for its duration, and the pause is at least the largest load. Where moves
    are serial, or there are too many resources to count, one load stands for all.

    Attributes:
        rules: whether this is the first placement; whether blocks move `live`; the longest pause wished [s]; the delay
            of staying [s].
        origin_key: a number for the origin of each block, whether it is lost, and where it has warm copies, shape (B,).
            Blocks of one kind with the same number take equally long to move.
        origin: the device from which each block comes, shape (B,).
        seconds: to move each block to each device, shape (B, D).
        resources: whether each route loads each resource, shape (D * D, R).
    """

    def __init__(self, observation: Observation, most_pause_s: float) -> None:
        count, in_force = observation.devices, observation.placement
        self._observation = observation
        # Where the scenario spreads long migrations, no pause is too long.
        if observation.pause_budget_s is not None and observation.pause_budget_s <= most_pause_s:
            most_pause_s = np.inf
        live = observation.migration == "live" and not observation.lost.any()
        stay_s = np.inf
        if in_force is not None and observation.up[in_force].all():
            stay_s = predict.horizon_delay(observation, in_force)
        self.rules = in_force is None, bool(live), float(most_pause_s), float(stay_s)
        none = np.zeros(len(observation.blocks), dtype=np.int64)
        self.origin: IntArray = none if observation.origin is None else observation.origin
        self.origin_key: IntArray = self.origin + count * observation.lost
        if observation.copies.any():
            copies = np.unique(observation.copies, axis=0, return_inverse=True)[1].ravel()
            self.origin_key = self.origin_key + 2 * count * copies
        self.seconds = finite(predict.move_seconds(observation))
        self.resources = self._incidence()

    def _incidence(self) -> FloatArray:
        observation, count = self._observation, self._observation.devices
        resources = int(observation.crossings.resource.max(initial=-1)) + 1
        disks = count if observation.load_seconds.any() else 0
        if (
            observation.placement is None
            or observation.moves == "serial"
            or (resources + disks) * count > _MOST_LOADS
            or not resources
        ):
            return np.ones((count * count, 1))
        table = np.zeros((count * count, resources + disks))
        table[observation.crossings.route, observation.crossings.resource] = 1.0
        if disks:
            route = np.arange(count * count)
            table[route, resources + route % count] = 1.0
        return table[:, table.any(axis=0)]

    def loads(self, devices: IntArray) -> FloatArray:
        """Load that the moves to a placement put on each resource, shape (R,)."""
        route = self.origin * self._observation.devices + devices
        seconds = self.seconds[np.arange(len(devices)), devices]
        by_route = np.bincount(route, weights=seconds, minlength=len(self.resources))
        crossed = np.flatnonzero(by_route)
        if not len(crossed):
            return np.zeros(self.resources.shape[1])
        # One route after another: the order in which `@` and `sum` add depends on the processor and on R.
        added = np.add.accumulate(by_route[crossed, None] * self.resources[crossed], axis=0)
        loads: FloatArray = added[-1]
        return loads

    def group_loads(
        self, devices: IntArray, lead: IntArray, source: IntArray, target: IntArray, taken: IntArray
    ) -> FloatArray:
        """Loads if `taken` blocks like `lead` move from `source` to `target`, for n changes, shape (n, R)."""
        count, start = self._observation.devices, self.origin[lead]
        now = self.seconds[lead, source][:, None] * self.resources[start * count + source]
        then = self.seconds[lead, target][:, None] * self.resources[start * count + target]
        changed: FloatArray = self.loads(devices) + taken[:, None] * (then - now)
        return changed

    def stage_loads(self, stage_of: IntArray, targets: IntArray) -> FloatArray:
        """Loads of the moves of each stage to each target, after a row of zeros, shape (S + 1, targets, R)."""
        count = self._observation.devices
        then = np.zeros((int(stage_of.max()) + 2, len(targets), self.resources.shape[1]))
        for i, target in enumerate(targets.tolist()):
            load = self.seconds[:, target][:, None] * self.resources[self.origin * count + target]
            np.add.at(then[:, i], stage_of + 1, load)
        return then

    def run_loads(
        self, devices: IntArray, stage_of: IntArray, first: IntArray, last: IntArray, then: FloatArray
    ) -> FloatArray:
        """Loads if all blocks of the stages from `first` to `last` move to a target, for n runs, shape (n, targets, R).

        `then` are the `stage_loads` of the targets, which do not depend on the placement.
        """
        count = self._observation.devices
        now = np.zeros((len(then), self.resources.shape[1]))
        seconds = self.seconds[np.arange(len(devices)), devices]
        moved = np.flatnonzero(seconds)
        route = self.origin[moved] * count + devices[moved]
        np.add.at(now, stage_of[moved] + 1, seconds[moved, None] * self.resources[route])
        delta = np.cumsum(then - now[:, None, :], axis=0)
        return (self.loads(devices) + delta)[last + 1] - delta[first]

    def price(self, loads: FloatArray, delay_s: FloatArray | float) -> FloatArray:
        """What moves cost [s]; `loads` of shape (..., R), the delays of the placements of shape (...)."""
        first, live, most_pause_s, stay_s = self.rules
        if first:
            return np.zeros(loads.shape[:-1])
        # One resource after another, because NumPy is slow along short axes. Rounded loads may be below 0.
        pause = np.maximum(reduce(np.maximum, np.moveaxis(loads, -1, 0)), 0.0)
        return live_price(pause, delay_s, stay_s) if live else pause_price(pause, most_pause_s)


def pause_price(pause_s: FloatArray, most_pause_s: float) -> FloatArray:
    """Price of pauses [s], same shape: their time, and more for the part above `most_pause_s`."""
    return pause_s + BEYOND * np.maximum(pause_s - most_pause_s, 0.0)


def live_price(moving_s: FloatArray | float, delay_s: FloatArray | float, stay_s: float) -> FloatArray:
    """What a `live` migration costs [s]: meanwhile decoding continues at the present speed.

    Args:
        moving_s: how long blocks move [s].
        delay_s: delay over the horizon under the new placement [s].
        stay_s: delay over the horizon under the placement in force [s].
    """
    slower = np.maximum(1.0 - np.asarray(delay_s) / stay_s, 0.0) if stay_s > 0.0 else 0.0
    return np.minimum(moving_s, stay_s) * slower + SLOWED * moving_s
