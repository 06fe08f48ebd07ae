"""Predicted memory of a placement, and the order of moves that memory allows."""

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation
from headway.simcore.world.memory import TOLERANCE_BYTES


def held_bytes(observation: Observation, devices: IntArray) -> FloatArray:
    """Bytes of the blocks on each device at the end of the horizon under the placement `devices`, shape (D,)."""
    return sum_by_device(observation, devices, observation.memory_bytes)


def fits(observation: Observation, devices: IntArray) -> bool:
    """Whether all used devices are up and have enough memory at the end of the horizon, to a byte."""
    if not observation.up[devices].all():
        return False
    return bool(np.all(held_bytes(observation, devices) - observation.available_bytes <= TOLERANCE_BYTES))


def can_stay(observation: Observation) -> bool:
    """Whether the placement in force can stay: its devices are up, and it fits or may swap."""
    if observation.placement is None or not observation.up[observation.placement].all():
        return False
    return observation.overflow == "swap" or fits(observation, observation.placement)


def live_waves(observation: Observation, devices: IntArray) -> list[IntArray]:
    """The order in which blocks move `live` from the placement in force to `devices`, shape (B,).

    A block that moves takes memory on both devices until decoding switches to its new device. The moves of a wave find
    room at both ends at the same time; the others wait for blocks to leave. Moves that can never start are in no wave.

    Returns:
        For each wave, the rows of its blocks in the block table.
    """
    assert observation.placement is not None
    waves = []
    waiting = np.flatnonzero(observation.placement != devices)
    room = observation.available_bytes + TOLERANCE_BYTES - held_bytes(observation, observation.placement)
    size_of = observation.memory_bytes.tolist()
    while len(waiting):
        free = room.tolist()
        starts = np.zeros(len(waiting), dtype=np.bool_)
        for i, (block, new) in enumerate(zip(waiting.tolist(), devices[waiting].tolist(), strict=True)):
            if size_of[block] <= free[new]:
                starts[i] = True
                free[new] -= size_of[block]
        wave, waiting = waiting[starts], waiting[~starts]
        if not len(wave):
            break
        waves.append(wave)
        old = observation.placement[wave]
        room = np.array(free) + sum_by_device(observation, old, observation.memory_bytes[wave])
    return waves


def reachable(observation: Observation, devices: IntArray) -> IntArray:
    """The placement `devices`, shape (B,), without the moves that can never start.

    Only `live` moves need room at both ends (`live_waves`). First placements are no moves, and after a loss of blocks
    every migration is blocking.
    """
    if observation.migration == "blocking" or observation.placement is None or observation.lost.any():
        return devices
    placement = observation.placement.copy()
    for wave in live_waves(observation, devices):
        placement[wave] = devices[wave]
    return placement


def sum_by_device(observation: Observation, devices: IntArray, amount: FloatArray) -> FloatArray:
    """The sum of an amount per block, shape (B,), over the blocks on each device, shape (D,)."""
    return np.bincount(devices, weights=amount, minlength=observation.devices).astype(np.float64)
