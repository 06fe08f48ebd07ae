"""Warm copies: weights that devices keep in free memory, so that blocks can come back without them."""

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray


class WarmCopies:
    """The copies on all devices. A device never has a copy of a block that is placed on it.

    Copies use free memory only. Where they do not fit, those of the last blocks in the block table are dropped first.

    Args:
        allowed: whether devices keep copies at all.
        weight_bytes: weights of each block, shape (blocks,). A block without weights has no copies.
        devices: number of devices.

    Attributes:
        held: whether each device has a copy of the weights of each block, shape (blocks, devices).
    """

    def __init__(self, allowed: bool, weight_bytes: FloatArray, devices: int) -> None:
        self._bytes = weight_bytes[:, None]
        self._possible = allowed & (weight_bytes > 0.0)
        self.held: BoolArray = np.zeros((len(weight_bytes), devices), dtype=np.bool_)

    @property
    def held_bytes(self) -> FloatArray:
        """Bytes of the copies on each device, shape (devices,)."""
        held: FloatArray = (self.held * self._bytes).sum(axis=0)
        return held

    def ask(self, copies: BoolArray) -> None:
        """Make the copies that a first placement asks for, shape (blocks, devices)."""
        self.held = copies & self._possible[:, None]

    def leave(self, block: int, device: int) -> None:
        """A block has left a device: its weights stay there."""
        self.held[block, device] = self._possible[block]

    def drop(self, device: int) -> None:
        """Drop all copies on a device."""
        self.held[:, device] = False

    def fit(self, room_bytes: FloatArray) -> None:
        """Drop copies that do not fit into the free memory of each device [bytes], shape (devices,)."""
        self.held &= np.cumsum(self.held * self._bytes, axis=0) <= room_bytes
