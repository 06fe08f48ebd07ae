"""Transfer times of messages between devices, as tables of every pair of devices."""

from collections.abc import Sequence

import numpy as np

from simcore import FloatArray, Observation


def message(seen: Observation, size: float) -> FloatArray:
    """Time of one message of `size` bytes with latency, shape (D, D)."""
    return seen.latency_s + carried(seen, size)


def carried(seen: Observation, size: float) -> FloatArray:
    """Time of the bytes of one message without latency, shape (D, D); 0 bytes take no time, even over a dead link."""
    return size * seen.per_byte_s if size > 0.0 else np.zeros((seen.devices, seen.devices))


def over_interval(seen: Observation, sizes: Sequence[float]) -> FloatArray:
    """Time of one message per step over the interval, shape (D, D).

    Args:
        seen: the interval and the world.
        sizes: bytes of the message in the steps of each run of `seen.steps`.
    """
    total = np.zeros((seen.devices, seen.devices))
    for step, size in zip(seen.steps, sizes, strict=True):
        total += step.count * message(seen, size)
    return total
