"""The part of a migration that is made now, so that decoding pauses no longer than the scenario allows."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.observe import Observation


def within_budget(observation: Observation, devices: IntArray) -> IntArray:
    """The placement, shape (B,), that a blocking migration to `devices` reaches now.

    It makes as many moves of one order as the budget allows, and at least one. Lost blocks are always restored.
    Blocks on devices that are too full come first in the order, then blocks of the first layers. If the placement in
    force fits, so does the result. Blocks that only find room together, because they change places, move together. If
    the placement in force does not fit, and devices may not swap, at least the moves are made that the next step needs.
    """
    now, budget_s = observation.placement, observation.pause_budget_s
    if budget_s is None or now is None or predict.pause(observation, devices) <= budget_s:
        return devices
    lost = observation.lost
    if observation.migration == "live" and not lost.any():
        return devices
    start = np.where(lost, devices, now)
    order = _order(observation, start, devices)
    stops = _stops(observation, start, devices, order, least=0 if lost.any() else 1)
    # A longer part of the same order never has a shorter pause, so bisection applies.
    most = bisect_right(
        stops, budget_s, key=lambda stop: predict.pause(observation, _part(start, devices, order[:stop]))
    )
    return _part(start, devices, order[: stops[max(most - 1, 0)]])


def _part(start: IntArray, devices: IntArray, moved: Sequence[int]) -> IntArray:
    """The placement after some of the moves."""
    placement = start.copy()
    placement[list(moved)] = devices[list(moved)]
    return placement


def _order(observation: Observation, start: IntArray, devices: IntArray) -> list[int]:
    """The blocks that move, in the order of their moves."""
    waiting = np.flatnonzero(start != devices)
    waiting = waiting[np.argsort(observation.blocks.layer[waiting], kind="stable")]
    free = observation.available_bytes + predict.TOLERANCE_BYTES - predict.held_bytes(observation, start)
    order = []
    while len(waiting):
        old, new, size = start[waiting], devices[waiting], observation.memory_bytes[waiting]
        # Where no device is too full and no block finds room, the first block makes a device too full. Then blocks
        # leave this device first, so that few blocks change places together.
        rank = 2 * (free[old] >= 0.0) + (size > free[new])
        first = int(rank.argmin())
        free[old[first]] += size[first]
        free[new[first]] -= size[first]
        order.append(int(waiting[first]))
        waiting = np.delete(waiting, first)
    return order


def _stops(
    observation: Observation, start: IntArray, devices: IntArray, order: Sequence[int], *, least: int
) -> list[int]:
    """Numbers of moves, at least `least`, after which the migration may stop; the last one is all of them."""
    now = observation.placement
    assert now is not None
    fits = not observation.lost.any() and predict.fits(observation, now)
    if not fits and observation.overflow == "swap":
        return list(range(least, len(order) + 1))
    parts = (_part(start, devices, order[:stop]) for stop in range(least, len(order)))
    enough = predict.fits if fits else _fits_next_step
    return [stop for stop, part in enumerate(parts, least) if enough(observation, part)] + [len(order)]


def _fits_next_step(observation: Observation, devices: IntArray) -> bool:
    """Whether the first step of the horizon has enough memory, on devices that are up."""
    cost = observation.steps[0].cost
    size: FloatArray = cost.memory_bytes[observation.blocks.kind]
    held = np.bincount(devices, weights=size, minlength=observation.devices)
    room = observation.available_bytes + observation.reserved_bytes - cost.activation_bytes
    enough: BoolArray = (held <= room + predict.TOLERANCE_BYTES) & observation.up
    return bool(enough[devices].all())
