"""All blocks on one device."""

import numpy as np

from headway.simcore import IntArray, Observation


def fastest_alone(seen: Observation) -> IntArray | None:
    """The placement on the fastest device that can hold the whole model, shape (B,); None if there is none."""
    needed = seen.memory_bytes.sum()
    seconds = seen.seconds_together(np.arange(len(seen.blocks)))
    device = int(np.where(needed <= seen.available_bytes, seconds, np.inf).argmin())
    if needed > seen.available_bytes[device]:
        return None
    return np.full(len(seen.blocks), device, dtype=np.int64)
