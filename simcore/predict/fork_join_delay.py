"""The delay of a step of fork-join stages whose messages do not slow each other, without its graph.

Messages of a stage may meet where their routes cross; then only the graph tells the delay. Most placements worth a
prediction have few messages, which never meet.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from headway.simcore import jit
from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.observe import Observation
from headway.simcore.steps.fork_join import Stages
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import TaskTimes

_plain = jit.PlainWork(1_000)
"""Predictions by graphs."""


class Tables(NamedTuple):
    """Times and sizes, for D devices and R routes.

    Attributes:
        block_s: seconds of a block of each kind, shape (kinds, D).
        task_s: fixed seconds of a task of each kind, shape (kinds, D).
        reading_s: seconds to read a block of each kind from disk, shape (kinds, D), or (0, 0) if none is swapped.
        prefetch: whether devices read while they compute.
        payload_bytes: size of each payload.
        latency_s: between devices, shape (D, D).
        per_byte_s: as in `Observation`, shape (D, D).
        seconds_per_byte: as in `Crossings`, shape (R,).
        begin: as in `Crossings`, shape (R + 1,).
        resource: as in `Crossings`, shape (crossings,).
    """

    block_s: FloatArray
    task_s: FloatArray
    reading_s: FloatArray
    prefetch: bool
    payload_bytes: FloatArray
    latency_s: FloatArray
    per_byte_s: FloatArray
    seconds_per_byte: FloatArray
    begin: IntArray
    resource: IntArray


def delay_without_meetings(
    observation: Observation,
    devices: IntArray,
    cost: StepCost,
    times: TaskTimes,
    reading_s: FloatArray | None,
) -> float | None:
    """`shared_delay` of a step [s] by compiled code, with the same bits.

    Args:
        observation: in which messages share the network.
        devices: the placement, shape (B,).
        cost: of the step.
        times: as in `Observation.step_times`.
        reading_s: as in `predict.swap_seconds`; None if devices do not swap.

    Returns:
        None if messages may meet or something takes for ever, or if there was too little work so far for compiled code.
    """
    stages = observation.step_graphs.stages
    if stages is None:
        return None
    _plain.done += 1
    if not _plain.is_enough:
        return None
    # Placements are copied, because compiled code is made anew for read-only ones.
    seconds = _compiled()(
        stages,
        np.array(devices, dtype=np.int64),
        observation.source,
        _tables(observation, cost, times, reading_s),
    )
    return None if math.isnan(seconds) else float(seconds)


def _tables(
    observation: Observation, cost: StepCost, times: TaskTimes, reading_s: FloatArray | None
) -> Tables:
    """The tables of a step; arguments as in `delay_without_meetings`."""
    crossings = observation.crossings
    return Tables(
        block_s=times.block_s,
        task_s=times.task_s,
        reading_s=np.empty((0, 0)) if reading_s is None else reading_s,
        prefetch=observation.swap == "prefetch",
        payload_bytes=cost.message_bytes,
        latency_s=observation.latency_s,
        per_byte_s=observation.per_byte_s,
        seconds_per_byte=crossings.seconds_per_byte,
        begin=crossings.begin,
        resource=crossings.resource,
    )


@cache
def _compiled() -> Any:
    return jit.compiled(_delay, (_flow_s, _task_s, _meets), error_model="numpy")


def _delay(stages: Stages, placement: IntArray, source: int, table: Tables) -> float:
    """Seconds of a step; not a number if messages may meet, or something takes for ever.

    The operations and their order are those of `steps.makespan`, which has them for all branches at once.
    """
    devices = len(table.latency_s)
    count, used = np.zeros(devices, dtype=np.int64), np.empty(devices, dtype=np.int64)
    # Messages of a stage with bytes: two of each device at most.
    route, begin_s, end_s = (
        np.empty(2 * devices, dtype=np.int64),
        np.empty(2 * devices),
        np.empty(2 * devices),
    )
    total_s, start = 0.0, source
    for stage in range(len(stages.gathers)):
        end, kind = placement[stages.gathers[stage]], stages.kind[stage]
        width, sent = 0, 0
        for i in range(stages.begin[stage], stages.begin[stage + 1]):
            device = placement[stages.rows[i]]
            if count[device] == 0:
                used[width] = device
                width += 1
            count[device] += 1
        slowest_s = 0.0
        for i in range(width):
            device = used[i]
            blocks, count[device] = count[device], 0
            now_s = 0.0
            if device != start:
                size = table.payload_bytes[stages.input[stage]]
                begin_s[sent] = table.latency_s[start, device]
                now_s = begin_s[sent] + _flow_s(table, start, device, size)
                if size > 0.0:
                    route[sent], end_s[sent] = start * devices + device, now_s
                    sent += 1
            now_s += _task_s(table, kind, device, blocks)
            if device != end:
                size = table.payload_bytes[stages.output[stage]] * (blocks if stages.per_block[stage] else 1)
                begin_s[sent] = now_s + table.latency_s[device, end]
                now_s = begin_s[sent] + _flow_s(table, device, end, size)
                if size > 0.0:
                    route[sent], end_s[sent] = device * devices + end, now_s
                    sent += 1
            if not np.isfinite(now_s):
                return np.nan
            slowest_s = max(slowest_s, now_s)
        if _meets(table, route[:sent], begin_s, end_s):
            return np.nan
        total_s += slowest_s
        start = end
    if start == source:
        return total_s
    back_s = table.latency_s[start, source] + _flow_s(
        table, start, source, table.payload_bytes[stages.result]
    )
    return total_s + back_s if np.isfinite(back_s) else np.nan


def _flow_s(table: Tables, start: int, end: int, size: float) -> float:
    """Seconds in which the bytes of a message flow; not a number if that never ends."""
    if size == 0.0:
        return 0.0
    route = start * len(table.latency_s) + end
    if not np.isfinite(size * table.per_byte_s[start, end]) or route >= len(table.seconds_per_byte):
        return np.nan
    # Divide by the rate, as the event executor does, for equal bits.
    return float(size / (1.0 / table.seconds_per_byte[route]))


def _task_s(table: Tables, kind: int, device: int, blocks: int) -> float:
    """Seconds of a task with a number of blocks of one kind."""
    seconds = blocks * table.block_s[kind, device] + table.task_s[kind, device]
    if len(table.reading_s) == 0:
        return float(seconds)
    reading_s = blocks * table.reading_s[kind, device]
    if table.prefetch and np.isfinite(reading_s):
        return float(max(seconds, reading_s))
    return float(seconds + reading_s)


def _meets(table: Tables, route: IntArray, begin_s: FloatArray, end_s: FloatArray) -> bool:
    """Whether two messages cross the same resource at the same time."""
    for one in range(len(route)):
        for other in range(one):
            if begin_s[one] > end_s[other] or begin_s[other] > end_s[one]:
                continue
            for i in range(table.begin[route[one]], table.begin[route[one] + 1]):
                for j in range(table.begin[route[other]], table.begin[route[other] + 1]):
                    if table.resource[i] == table.resource[j]:
                        return True
    return False
