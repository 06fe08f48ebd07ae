"""All blocks on one device."""

import numpy as np

from headway.simcore import IntArray, Observation


def fastest_alone(observation: Observation) -> IntArray | None:
    """The placement on the fastest device that can hold the whole model, shape (B,); None if there is none."""
    needed = observation.memory_bytes.sum()
    seconds = observation.seconds_of_all
    device = int(np.where(needed <= observation.available_bytes, seconds, np.inf).argmin())
    if needed > observation.available_bytes[device]:
        return None
    return np.full(len(observation.blocks), device, dtype=np.int64)
