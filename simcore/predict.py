"""The closed form of what a placement costs: inference delay, migration delay, memory.

For dedicated links and a world that does not change during the interval, predictions equal the event simulation; tests
compare the two to 1e-9. Policies use predictions to compare placements.

What a step does is read from its graph (`simcore.steps`). Under the pattern `gathered` that is the closed form of arXiv
2505.02533, generalised to N layers: layer by layer, the slowest branch (input to a head device, its heads one after
another, their outputs to the projection), then projection, transfer, feed-forward network; at the end the output head
and the way back to the source.
"""

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation
from headway.simcore.steps.graph import StepGraph
from headway.simcore.steps.makespan import makespan
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import TaskTimes
from headway.simcore.world.memory import TOLERANCE_BYTES, disk_seconds, swapped_share

__all__ = [
    "TOLERANCE_BYTES",
    "can_stay",
    "excess_on_the_way",
    "fits",
    "held_bytes",
    "interval_delay",
    "migration_delay",
    "move_seconds",
    "objective",
    "swap_seconds",
]


def interval_delay(seen: Observation, devices: IntArray) -> float:
    """Predicted D_T [s]: inference delay of all tokens of the interval under the placement `devices`, shape (B,)."""
    graph = seen.step_graphs.of(devices, seen.source)
    return sum(
        step.count * _step_delay(seen, devices, graph, step.cost, times)
        for step, times in zip(seen.steps, seen.step_times, strict=True)
    )


def migration_delay(seen: Observation, devices: IntArray) -> float:
    """Predicted D_mig [s]: the moves from the placement in force to `devices`, one after another; 0 for a first one."""
    if seen.placement is None:
        return 0.0
    moved = np.flatnonzero((seen.placement != devices) | seen.lost)
    return float(_move_seconds(seen, moved, devices[moved]).sum())


def move_seconds(seen: Observation) -> FloatArray:
    """Seconds to move each block from where it is to each device, shape (B, D); all 0 before the first placement."""
    if seen.placement is None:
        return np.zeros((len(seen.blocks), seen.devices))
    return _move_seconds(seen, np.arange(len(seen.blocks))[:, None], np.arange(seen.devices))


def objective(seen: Observation, devices: IntArray) -> float:
    """D_T + D_mig [s], which the policies of the paper minimise."""
    return interval_delay(seen, devices) + migration_delay(seen, devices)


def held_bytes(seen: Observation, devices: IntArray) -> FloatArray:
    """What blocks hold on each device by the end of the interval under the placement `devices` [bytes], shape (D,)."""
    return _sum_by_device(seen, devices, seen.memory_bytes)


def excess_on_the_way(seen: Observation, devices: IntArray) -> FloatArray:
    """By how much the moves to the placement `devices` overfill each device [bytes], shape (D,).

    In a `live` migration a block takes memory on both devices. A device to which no block moves has no excess, however
    full it is, so that blocks can still leave it. The excess is 0 for first placements and `blocking` migrations; after
    a loss of blocks every migration is blocking.
    """
    if seen.migration == "blocking" or seen.placement is None or seen.lost.any():
        return np.zeros(seen.devices)
    moved = np.flatnonzero(seen.placement != devices)
    coming = _sum_by_device(seen, devices[moved], seen.memory_bytes[moved])
    excess = held_bytes(seen, seen.placement) + coming - seen.available_bytes
    return np.where(coming > 0.0, np.maximum(excess, 0.0), 0.0)


def fits(seen: Observation, devices: IntArray) -> bool:
    """Whether all used devices are up and have enough memory, after the migration and during it, to a byte."""
    if not seen.up[devices].all():
        return False
    then = held_bytes(seen, devices) - seen.available_bytes
    return bool(np.all(np.maximum(then, excess_on_the_way(seen, devices)) <= TOLERANCE_BYTES))


def can_stay(seen: Observation) -> bool:
    """Whether the placement in force can stay: its devices are up, and it fits or may swap."""
    if seen.placement is None or not seen.up[seen.placement].all():
        return False
    return seen.overflow == "swap" or fits(seen, seen.placement)


def _step_delay(
    seen: Observation, devices: IntArray, graph: StepGraph, cost: StepCost, times: TaskTimes
) -> float:
    """Delay of one step [s]; `times` as in `Observation.step_times`."""
    seconds = graph.task_seconds(*times)
    if seen.overflow == "swap":
        reading_s = graph.task_seconds(swap_seconds(seen, devices, cost))
        seconds = np.maximum(seconds, reading_s) if seen.swap == "prefetch" else seconds + reading_s
    sent = graph.messages
    seconds[sent] = _transfer(seen, graph.device[sent], graph.receiver[sent], graph.message_bytes(cost)[sent])
    return makespan(graph, seconds)


def swap_seconds(seen: Observation, devices: IntArray, cost: StepCost) -> FloatArray:
    """Seconds to read a block of each kind from the disk of each device under `swap`, shape (5, D)."""
    block_bytes = _sum_by_device(seen, devices, cost.memory_bytes[seen.blocks.kind])
    room_bytes = seen.available_bytes + seen.reserved_bytes - cost.activation_bytes
    share = swapped_share(block_bytes, room_bytes, seen.swap)
    return disk_seconds(cost.memory_bytes, share, seen.disk_bandwidth)


def _move_seconds(seen: Observation, blocks: IntArray, new: IntArray) -> FloatArray:
    """Seconds to move blocks to their new devices, by row of the block table and device index."""
    assert seen.placement is not None
    assert seen.origin is not None
    size, old = seen.moving_bytes[blocks], seen.origin[blocks]
    sending = _transfer(seen, old, new, size)
    coming = (seen.placement[blocks] != new) | seen.lost[blocks]
    loading = np.where(coming, seen.load_seconds[seen.blocks.kind[blocks], new], 0.0)
    # A block that holds nothing yet moves in no time, even over a dead link.
    return np.maximum(np.where(size > 0.0, sending, 0.0), loading)


def _sum_by_device(seen: Observation, devices: IntArray, amount: FloatArray) -> FloatArray:
    return np.bincount(devices, weights=amount, minlength=seen.devices).astype(np.float64)


def _transfer(seen: Observation, start: IntArray, end: IntArray, size_bytes: FloatArray) -> FloatArray:
    """Latency plus bytes over rate between devices; 0 bytes take only the latency, even over a dead link."""
    with np.errstate(invalid="ignore"):
        flowing = np.where(size_bytes > 0.0, size_bytes * seen.per_byte_s[start, end], 0.0)
    return seen.latency_s[start, end] + flowing
