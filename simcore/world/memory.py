"""Swapping: the bytes that do not fit in the memory of a device, and the time to read them from disk."""

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.world.options import Swap

TOLERANCE_BYTES = 1.0
"""Tolerance for overfull devices: sums of a thousand fractional sizes depend on their order."""


def swapped_bytes(block_bytes: FloatArray, room_bytes: FloatArray) -> FloatArray:
    """Bytes of the blocks on each device that do not fit, shape (D,) as both arguments.

    Args:
        block_bytes: memory of the blocks.
        room_bytes: memory available for them; negative if activations and runtime alone are too large.
    """
    return np.minimum(np.maximum(block_bytes - room_bytes, 0.0), block_bytes)


def swapped_share(block_bytes: FloatArray, room_bytes: FloatArray, swap: Swap) -> FloatArray:
    """The share of each block on a device that is read from disk in a step, shape (D,); arguments as above.

    Under `lru` all bytes are read as soon as one does not fit: a step reads the blocks in a cycle, so each is evicted
    before its next use.
    """
    excess = swapped_bytes(block_bytes, room_bytes)
    if swap == "lru":
        return np.where(excess > TOLERANCE_BYTES, 1.0, 0.0)
    with np.errstate(invalid="ignore"):
        return np.where(excess > 0.0, excess / block_bytes, 0.0)


def disk_seconds(memory_bytes: FloatArray, share: FloatArray, disk_bandwidth: FloatArray) -> FloatArray:
    """Time to read a block of each kind from the disk of each device, shape (kinds, D).

    Args:
        memory_bytes: of a block of each kind, shape (kinds,).
        share: of each device, see `swapped_share`, shape (D,).
        disk_bandwidth: of each device [bytes/s], shape (D,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        per_byte = np.where(share > 0.0, share / disk_bandwidth, 0.0)
        return np.where(memory_bytes[:, None] > 0.0, memory_bytes[:, None] * per_byte, 0.0)
