"""Predicted delays of tokens under a placement.

What a step does is read from its graph (`simcore.steps`). Under the pattern `gathered` that is the closed form of arXiv
2505.02533, generalised to N layers: layer by layer, the slowest branch (input to a head device, its heads one after
another, their outputs to the projection), then projection, transfer, feed-forward network; at the end the output head
and the way back to the source.
"""

from collections.abc import Callable, Hashable
from functools import partial

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation
from headway.simcore.predict.fork_join_delay import delay_without_meetings
from headway.simcore.predict.memory import sum_by_device
from headway.simcore.steps.graph import StepGraph
from headway.simcore.steps.makespan import makespan, shared_makespan
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import TaskTimes
from headway.simcore.world.memory import disk_seconds, swapped_share

_MOST_KNOWN = 64
"""Predictions that an observation remembers."""


def horizon_delay(observation: Observation, devices: IntArray) -> float:
    """Predicted D_T [s]: inference delay of all tokens of the horizon under the placement `devices`, shape (B,)."""
    return _delay(observation, devices, sharing=False)


def shared_delay(observation: Observation, devices: IntArray) -> float:
    """`horizon_delay` [s] in which messages share the network, max-min fair at every moment, if the scenario says so.

    The event engine takes exactly as long in a world that does not change, if devices have the discipline `fifo`, the
    transport is `ideal` and no blocks move meanwhile. It takes longer to compute than `horizon_delay`.
    """
    return _delay(observation, devices, sharing=observation.sharing)


def _delay(observation: Observation, devices: IntArray, *, sharing: bool) -> float:
    total_s = 0.0
    for number, step in enumerate(observation.steps):
        one = partial(_step_delay, observation, devices, number, sharing)
        total_s += step.count * remembered(observation, (step.cost, step.pieces, sharing), devices, one)
    return total_s


def remembered(
    observation: Observation, what: Hashable, devices: IntArray, compute: Callable[[], float]
) -> float:
    """A prediction for a placement, shape (B,), computed only if it is not known from before.

    The engine predicts again, for its records, what the policy has predicted. Predictions stay with the observation;
    those of other horizons (`with_steps`) share them.
    """
    known: dict[Hashable, float] = vars(observation).setdefault("_known", {})
    key = what, devices.tobytes()
    if key not in known:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[key] = compute()
    return known[key]


def _step_delay(observation: Observation, devices: IntArray, number: int, sharing: bool) -> float:
    step, times = observation.steps[number], observation.step_times[number]
    reading_s = swap_seconds(observation, devices, step.cost) if observation.overflow == "swap" else None
    if sharing:
        seconds = delay_without_meetings(observation, devices, step.cost, times, reading_s)
        if seconds is not None:
            return seconds
    graph = observation.step_graphs.of(devices, observation.source, step.pieces)
    fixed_s, flow_s = _node_seconds(observation, graph, step.cost, times, reading_s)
    alone_s = fixed_s + flow_s
    if not sharing:
        return makespan(graph, alone_s)
    if not np.isfinite(alone_s).all():
        return np.inf
    size_bytes, crossings = graph.message_bytes(step.cost), observation.crossings
    return shared_makespan(graph, fixed_s, size_bytes, crossings, observation.devices)


def _node_seconds(
    observation: Observation, graph: StepGraph, cost: StepCost, times: TaskTimes, reading_s: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Seconds of tasks and latencies of messages, and seconds of the bytes of messages alone, shape (nodes,) each.

    `times` as in `Observation.step_times`; `reading_s` as in `swap_seconds`, None if devices do not swap.
    """
    fixed_s, flow_s = graph.task_seconds(*times), np.zeros(len(graph))
    if reading_s is not None:
        swap_s = graph.task_seconds(reading_s)
        fixed_s = np.maximum(fixed_s, swap_s) if observation.swap == "prefetch" else fixed_s + swap_s
    sent = graph.messages
    ends = graph.device[sent], graph.receiver[sent]
    fixed_s[sent] = observation.latency_s[ends]
    flow_s[sent] = flow_seconds(observation, *ends, graph.message_bytes(cost)[sent])
    return fixed_s, flow_s


def swap_seconds(observation: Observation, devices: IntArray, cost: StepCost) -> FloatArray:
    """Seconds to read a block of each kind from the disk of each device under `swap`, shape (kinds, D)."""
    block_bytes = sum_by_device(observation, devices, cost.memory_bytes[observation.blocks.kind])
    room_bytes = observation.available_bytes + observation.reserved_bytes - cost.activation_bytes
    share = swapped_share(block_bytes, room_bytes, observation.swap)
    return disk_seconds(cost.memory_bytes, share, observation.disk_bandwidth)


def flow_seconds(
    observation: Observation, start: IntArray, end: IntArray, size_bytes: FloatArray
) -> FloatArray:
    """Bytes over rate between devices; 0 bytes take no time, even over a dead link."""
    with np.errstate(invalid="ignore"):
        return np.where(size_bytes > 0.0, size_bytes * observation.per_byte_s[start, end], 0.0)
