"""Predicted times of migrations from the placement in force to another one."""

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation, Step
from headway.simcore.predict.delay import flow_seconds, horizon_delay, remembered, shared_delay
from headway.simcore.predict.memory import sum_by_device
from headway.simcore.world.memory import TOLERANCE_BYTES
from headway.simcore.world.transfer_order import transfer_makespan


def migration_delay(observation: Observation, devices: IntArray) -> float:
    """Predicted D_mig [s]: the delay of the next step by the moves from the placement in force to `devices`.

    The `pause`, and the time to compute caches again. 0 for a first placement.
    """
    return pause(observation, devices) + recomputing_delay(observation, devices)


def pause(observation: Observation, devices: IntArray) -> float:
    """Predicted time of the moves from the placement in force to `devices` [s]; 0 for a first placement.

    Moves over routes that share nothing take place at the same time, unless moves are `serial`.
    """

    def compute() -> float:
        return _moves_delay(observation, devices, caches=not recomputes(observation, devices))

    return remembered(observation, "pause", devices, compute)


def recomputing_delay(observation: Observation, devices: IntArray) -> float:
    """Additional time of the next step because the migration to `devices` drops all caches [s]; 0 if it does not."""
    return _recomputing_seconds(observation, devices) if recomputes(observation, devices) else 0.0


def recomputes(observation: Observation, devices: IntArray) -> bool:
    """Whether the migration to `devices` drops all caches, which the next step computes again (`caches`).

    That needs a blocking migration of a block with a cache, and, unless devices may swap, the memory to recompute.
    """
    if observation.caches == "send" or observation.placement is None:
        return False
    moved = (observation.placement != devices) | observation.lost
    blocking = observation.migration == "blocking" or bool(observation.lost.any())
    if not (blocking and observation.cache_bytes[moved].any() and _can_recompute(observation, devices)):
        return False
    if observation.caches == "recompute":
        return True
    sending_s = _moves_delay(observation, devices, caches=True)
    moving_s = _moves_delay(observation, devices, caches=False)
    return moving_s + _recomputing_seconds(observation, devices) < sending_s


def _can_recompute(observation: Observation, devices: IntArray) -> bool:
    cost = observation.recompute_cost
    assert cost is not None
    of_blocks = sum_by_device(observation, devices, cost.memory_bytes[observation.blocks.kind])
    held = of_blocks + cost.activation_bytes
    room = observation.available_bytes + observation.reserved_bytes + TOLERANCE_BYTES
    used = np.unique(devices)
    return observation.overflow == "swap" or bool((held <= room)[used].all())


def _recomputing_seconds(observation: Observation, devices: IntArray) -> float:
    """Additional time of the next step if it computes all caches again [s]."""
    assert observation.next_cost is not None
    assert observation.recompute_cost is not None
    recomputing_s, normal_s = (
        shared_delay(observation.with_steps((Step(cost, 1),)), devices)
        for cost in (observation.recompute_cost, observation.next_cost)
    )
    return recomputing_s - normal_s if np.isfinite(normal_s) else np.inf


def _moves_delay(observation: Observation, devices: IntArray, *, caches: bool) -> float:
    """Time of the moves to `devices` [s], with the caches of blocks or without."""
    if observation.placement is None:
        return 0.0
    assert observation.origin is not None
    moved = np.flatnonzero((observation.placement != devices) | observation.lost)
    new = devices[moved]
    seconds = _move_seconds(observation, moved, new, caches)
    if observation.moves == "serial" or len(moved) < 2:
        return float(seconds.sum())
    if not np.isfinite(seconds).all():
        return np.inf
    disks = new if observation.load_seconds.any() else None
    routes = observation.origin[moved] * observation.devices + new
    return transfer_makespan(observation.crossings, routes, seconds, disks)


def move_seconds(observation: Observation) -> FloatArray:
    """Seconds to move each block from where it is to each device, shape (B, D); all 0 before the first placement.

    Without their caches under `caches: recompute`; with them under `faster`.
    """
    if observation.placement is None:
        return np.zeros((len(observation.blocks), observation.devices))
    rows = np.arange(len(observation.blocks))[:, None]
    return _move_seconds(observation, rows, np.arange(observation.devices), observation.caches != "recompute")


def objective(observation: Observation, devices: IntArray) -> float:
    """D_T + D_mig [s], which the policies of the paper minimise."""
    return horizon_delay(observation, devices) + migration_delay(observation, devices)


def _move_seconds(observation: Observation, blocks: IntArray, new: IntArray, caches: bool) -> FloatArray:
    """Seconds to move blocks, with their caches or without, by row of the block table and index of the new device.

    A device with a warm copy of the weights receives the cache only, and loads nothing from disk.
    """
    assert observation.placement is not None
    assert observation.origin is not None
    size, old = observation.moving_bytes[blocks], observation.origin[blocks]
    coming = (observation.placement[blocks] != new) | observation.lost[blocks]
    if observation.copies.any():
        warm = observation.copies[blocks, new]
        size, coming = np.where(warm, observation.cache_bytes[blocks], size), coming & ~warm
    if not caches:
        size = size - observation.cache_bytes[blocks]
    sending = observation.latency_s[old, new] + flow_seconds(observation, old, new, size)
    loading = np.where(coming, observation.load_seconds[observation.blocks.kind[blocks], new], 0.0)
    # A block that holds nothing yet moves in no time, even over a dead link.
    return np.maximum(np.where(size > 0.0, sending, 0.0), loading)
