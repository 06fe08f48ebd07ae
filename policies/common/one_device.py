"""All blocks on one device."""

import numpy as np

from headway.simcore import Observation


def fastest_alone(seen: Observation) -> int | None:
    """The fastest device that can hold the whole model; None if there is none."""
    needed = seen.memory_bytes.sum()
    seconds = seen.seconds_together(np.arange(len(seen.blocks)))
    device = int(np.where(needed <= seen.available_bytes, seconds, np.inf).argmin())
    return device if needed <= seen.available_bytes[device] else None
