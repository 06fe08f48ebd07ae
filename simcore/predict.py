"""Predictions of the costs of a placement: inference delay, migration delay, memory.

In a world that does not change during the horizon, `shared_delay` equals the event simulation; `horizon_delay` does if
links are dedicated. Tests compare them to 1e-9. Policies use predictions to compare placements.

What a step does is read from its graph (`simcore.steps`). Under the pattern `gathered` that is the closed form of arXiv
2505.02533, generalised to N layers: layer by layer, the slowest branch (input to a head device, its heads one after
another, their outputs to the projection), then projection, transfer, feed-forward network; at the end the output head
and the way back to the source.
"""

from dataclasses import replace

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation, Step
from headway.simcore.steps.graph import StepGraph
from headway.simcore.steps.makespan import makespan, shared_makespan
from headway.simcore.world.cost import StepCost
from headway.simcore.world.crossings import at_the_same_time
from headway.simcore.world.crossings import makespan as makespan_of_moves
from headway.simcore.world.device_time import TaskTimes
from headway.simcore.world.memory import TOLERANCE_BYTES, disk_seconds, swapped_share

__all__ = [
    "TOLERANCE_BYTES",
    "can_stay",
    "fits",
    "held_bytes",
    "horizon_delay",
    "live_waves",
    "migration_delay",
    "move_seconds",
    "objective",
    "pause",
    "reachable",
    "recomputes",
    "recomputing_delay",
    "shared_delay",
    "swap_seconds",
]


def horizon_delay(observation: Observation, devices: IntArray) -> float:
    """Predicted D_T [s]: inference delay of all tokens of the horizon under the placement `devices`, shape (B,)."""
    graph = observation.step_graphs.of(devices, observation.source)
    return sum(
        step.count * makespan(graph, np.add(*_node_seconds(observation, devices, graph, step.cost, times)))
        for step, times in zip(observation.steps, observation.step_times, strict=True)
    )


def shared_delay(observation: Observation, devices: IntArray) -> float:
    """`horizon_delay` [s] in which messages share the network, max-min fair at every moment, if the scenario says so.

    The event engine takes exactly as long in a world that does not change, if devices have the discipline `fifo`, the
    transport is `ideal` and no blocks move meanwhile. It takes longer to compute than `horizon_delay`.
    """
    if not observation.sharing:
        return horizon_delay(observation, devices)
    graph = observation.step_graphs.of(devices, observation.source)
    total_s = 0.0
    for step, times in zip(observation.steps, observation.step_times, strict=True):
        fixed_s, flow_s = _node_seconds(observation, devices, graph, step.cost, times)
        if not np.isfinite(fixed_s + flow_s).all():
            return np.inf
        size_bytes = graph.message_bytes(step.cost)
        total_s += step.count * shared_makespan(
            graph, fixed_s, size_bytes, observation.crossings, observation.devices
        )
    return total_s


def migration_delay(observation: Observation, devices: IntArray) -> float:
    """Predicted D_mig [s]: how much later the next step ends by the moves from the placement in force to `devices`.

    The `pause`, and the time to compute caches again. 0 for a first placement.
    """
    return pause(observation, devices) + recomputing_delay(observation, devices)


def pause(observation: Observation, devices: IntArray) -> float:
    """Predicted time of the moves from the placement in force to `devices` [s]; 0 for a first placement.

    Moves over routes that share nothing take place at the same time (`at_the_same_time`), unless moves are `serial`.
    """
    return _moves_delay(observation, devices, caches=not recomputes(observation, devices))


def recomputing_delay(observation: Observation, devices: IntArray) -> float:
    """How much longer the next step takes because the migration to `devices` drops all caches [s]; 0 if it does not."""
    if not recomputes(observation, devices):
        return 0.0
    return _longer(observation, devices)


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
    return _moves_delay(observation, devices, caches=False) + _longer(observation, devices) < sending_s


def _can_recompute(observation: Observation, devices: IntArray) -> bool:
    cost = observation.recompute_cost
    assert cost is not None
    held = (
        _sum_by_device(observation, devices, cost.memory_bytes[observation.blocks.kind])
        + cost.activation_bytes
    )
    room = observation.available_bytes + observation.reserved_bytes + TOLERANCE_BYTES
    used = np.unique(devices)
    return observation.overflow == "swap" or bool((held <= room)[used].all())


def _longer(observation: Observation, devices: IntArray) -> float:
    """How much longer the next step takes if it computes all caches again [s]."""
    assert observation.next_cost is not None
    assert observation.recompute_cost is not None
    seconds = [
        shared_delay(replace(observation, steps=(Step(cost, 1),)), devices)
        for cost in (observation.recompute_cost, observation.next_cost)
    ]
    return seconds[0] - seconds[1] if np.isfinite(seconds[1]) else np.inf


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
    order = at_the_same_time(
        observation.crossings, observation.origin[moved] * observation.devices + new, disks
    )
    return makespan_of_moves(order, seconds)


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


def held_bytes(observation: Observation, devices: IntArray) -> FloatArray:
    """What blocks hold on each device by the end of the horizon under the placement `devices` [bytes], shape (D,)."""
    return _sum_by_device(observation, devices, observation.memory_bytes)


def live_waves(observation: Observation, devices: IntArray) -> list[IntArray]:
    """The order in which blocks move `live` from the placement in force to `devices`, shape (B,).

    A block that moves takes memory on both devices until decoding switches to its new device. The moves of a wave find
    room at both ends at the same time; those that do not find it wait for blocks to leave. Moves that would wait for
    ever are in no wave.

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
        room = np.array(free) + _sum_by_device(
            observation, observation.placement[wave], observation.memory_bytes[wave]
        )
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


def _node_seconds(
    observation: Observation, devices: IntArray, graph: StepGraph, cost: StepCost, times: TaskTimes
) -> tuple[FloatArray, FloatArray]:
    """Seconds of tasks and latencies of messages, and seconds of the bytes of messages alone, shape (nodes,) each.

    `times` as in `Observation.step_times`.
    """
    fixed_s, flow_s = graph.task_seconds(*times), np.zeros(len(graph))
    if observation.overflow == "swap":
        reading_s = graph.task_seconds(swap_seconds(observation, devices, cost))
        fixed_s = np.maximum(fixed_s, reading_s) if observation.swap == "prefetch" else fixed_s + reading_s
    sent = graph.messages
    ends = graph.device[sent], graph.receiver[sent]
    fixed_s[sent] = observation.latency_s[ends]
    flow_s[sent] = _flow_seconds(observation, *ends, graph.message_bytes(cost)[sent])
    return fixed_s, flow_s


def swap_seconds(observation: Observation, devices: IntArray, cost: StepCost) -> FloatArray:
    """Seconds to read a block of each kind from the disk of each device under `swap`, shape (5, D)."""
    block_bytes = _sum_by_device(observation, devices, cost.memory_bytes[observation.blocks.kind])
    room_bytes = observation.available_bytes + observation.reserved_bytes - cost.activation_bytes
    share = swapped_share(block_bytes, room_bytes, observation.swap)
    return disk_seconds(cost.memory_bytes, share, observation.disk_bandwidth)


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
    sending = observation.latency_s[old, new] + _flow_seconds(observation, old, new, size)
    loading = np.where(coming, observation.load_seconds[observation.blocks.kind[blocks], new], 0.0)
    # A block that holds nothing yet moves in no time, even over a dead link.
    return np.maximum(np.where(size > 0.0, sending, 0.0), loading)


def _sum_by_device(observation: Observation, devices: IntArray, amount: FloatArray) -> FloatArray:
    return np.bincount(devices, weights=amount, minlength=observation.devices).astype(np.float64)


def _flow_seconds(
    observation: Observation, start: IntArray, end: IntArray, size_bytes: FloatArray
) -> FloatArray:
    """Bytes over rate between devices; 0 bytes take no time, even over a dead link."""
    with np.errstate(invalid="ignore"):
        return np.where(size_bytes > 0.0, size_bytes * observation.per_byte_s[start, end], 0.0)
