"""Transfer times of messages between devices, as tables of every pair of devices; and how large messages are."""

import numpy as np

from headway.simcore import FloatArray, Observation, Payload, Stage, StepCost
from headway.simcore.world.cost import PER_BLOCK


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
    total = np.zeros((observation.devices, observation.devices))
    for step in observation.steps:
        total += step.count * message(observation, float(step.cost.message_bytes[payload]))
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
