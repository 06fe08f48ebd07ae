"""Transfer times of messages between devices, as tables of every pair of devices; and how large messages are."""

from collections.abc import Iterable

import numpy as np

from headway.simcore import FloatArray, Observation, Payload, Stage, StepCost
from headway.simcore.world.cost import PER_BLOCK

_MOST_SHARED = 4000
"""Maximum number of devices times resources for which sharing is counted."""

_UNREACHABLE_S = 1e9
"""A time in place of infinity, over dead links and on stopped devices, so that differences of times are numbers."""


def finite(seconds: FloatArray) -> FloatArray:
    """Times [s] with a very long time in place of infinity, same shape."""
    return np.minimum(seconds, _UNREACHABLE_S)


def message(observation: Observation, size: float) -> FloatArray:
    """Time of one message of `size` bytes with latency, shape (D, D)."""
    return observation.latency_s + carried(observation, size)


def carried(observation: Observation, size: float) -> FloatArray:
    """Time of the bytes of one message without latency, shape (D, D); 0 bytes take no time, even over a dead link."""
    return (
        size * observation.per_byte_s if size > 0.0 else np.zeros((observation.devices, observation.devices))
    )


def over_horizon(observation: Observation, payload: Payload) -> FloatArray:
    """Time of one message with this payload per step over the horizon, shape (D, D)."""
    return messages_s(observation, [step.cost.message_bytes[payload] for step in observation.steps])


def messages_s(observation: Observation, sizes: Iterable[float]) -> FloatArray:
    """Time of one message per step over the horizon, shape (D, D); `sizes` in bytes, one for each entry of `steps`."""
    total = np.zeros((observation.devices, observation.devices))
    for step, size in zip(observation.steps, sizes, strict=True):
        total += step.count * message(observation, float(size))
    return total


def output_bytes(stage: Stage, cost: StepCost) -> tuple[float, float]:
    """What a device sends on after a stage: for all its blocks together, and for each of them."""
    size = float(cost.message_bytes[stage.output])
    return (0.0, size) if stage.output in PER_BLOCK else (size, 0.0)


def branches(observation: Observation, stage: Stage, number: int) -> tuple[FloatArray, FloatArray]:
    """Times of the branches of a stage in one step of the entry `number` of `steps`, each with its route for itself.

    Returns:
        The time of a branch whatever the number of its blocks, by start, device and end, shape (D, D, D), and in
        addition for each of its blocks, by device and end, shape (D, D).
    """
    cost, times = observation.steps[number].cost, observation.step_times[number]
    sum_bytes, block_bytes = output_bytes(stage, cost)
    incoming = message(observation, float(cost.message_bytes[stage.input]))
    outgoing = times.task_s[stage.kind][:, None] + message(observation, sum_bytes)
    each = times.block_s[stage.kind][:, None] + carried(observation, block_bytes)
    return incoming[:, :, None] + outgoing[None], each


def shared_seconds_per_byte(observation: Observation) -> FloatArray | None:
    """Seconds per byte of each resource for messages between two devices, shape (D, D, R); 0: it is not crossed.

    None if no two messages of a stage share a resource, or if there are too many resources to count.
    """
    crossings, count = observation.crossings, observation.devices
    resources = int(crossings.resource.max(initial=-1)) + 1
    if not observation.sharing or resources * count > _MOST_SHARED:
        return None
    table = np.zeros((count * count, resources))
    with np.errstate(divide="ignore"):
        table[crossings.route, crossings.resource] = finite(1.0 / crossings.rate)
    by_pair = table.reshape(count, count, resources)
    crossed = by_pair > 0.0
    shared = (crossed.sum(axis=1) > 1).any(axis=0) | (crossed.sum(axis=0) > 1).any(axis=0)
    return by_pair[:, :, shared] if shared.any() else None
