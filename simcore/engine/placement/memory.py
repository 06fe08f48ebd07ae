"""The memory ledger: the bytes held on each device."""

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.world.blocks import BlockTable, Kind

_NOT_HELD = "the ledger was asked to give back a block that it does not hold"


class MemoryLedger:
    """Bytes held for the model on each device: by blocks and, on devices with blocks, by activations and the runtime.

    The ledger counts whole blocks per device and kind, and computes bytes only when read. Because it counts integers,
    it returns to exactly zero after any moves.
    """

    def __init__(self, runtime_bytes: FloatArray, blocks: BlockTable) -> None:
        self._blocks = blocks
        self._runtime_bytes = runtime_bytes
        self._counts: IntArray = np.zeros((len(runtime_bytes), len(Kind)), dtype=np.int64)
        self._bytes_per_block: FloatArray = np.zeros(len(Kind))
        self._activation_bytes = 0.0

    def load(self, devices: IntArray, blocks: IntArray | None = None) -> None:
        """Put blocks, all by default, on devices; both of shape (blocks,)."""
        np.add.at(self._counts, (devices, self._kinds(blocks)), 1)

    def unload(self, devices: IntArray, blocks: IntArray | None = None) -> None:
        """Take blocks, all by default, from devices; both of shape (blocks,).

        Raises:
            ValueError: a block is not on its device.
        """
        self._take(devices, self._kinds(blocks))

    def move(self, block: int, old: int, new: int) -> None:
        """Move one block from one device to another.

        Raises:
            ValueError: the block is not on the old device.
        """
        kind = self._blocks.kind[block]
        if self._counts[old, kind] == 0:
            raise ValueError(_NOT_HELD)
        self._counts[old, kind] -= 1
        self._counts[new, kind] += 1

    def resize(self, bytes_per_block: FloatArray, activation_bytes: float = 0.0) -> None:
        """Change the sizes of blocks.

        Args:
            bytes_per_block: size of one block of each kind from now on, shape (kinds,).
            activation_bytes: additional bytes on each device with blocks.
        """
        self._bytes_per_block = bytes_per_block
        self._activation_bytes = activation_bytes

    def of_blocks(self) -> FloatArray:
        """Bytes that blocks hold on each device, shape (devices,)."""
        return self.held_by_blocks(self._bytes_per_block)

    def beside(self) -> FloatArray:
        """Bytes that activations and the runtime hold on each device, shape (devices,)."""
        return self.held_beside(self._activation_bytes)

    def held_by_blocks(self, bytes_per_block: FloatArray) -> FloatArray:
        """Bytes that blocks would hold on each device at other sizes of blocks.

        Args:
            bytes_per_block: sizes by kind, shape (kinds,), or in n cases, shape (n, kinds).

        Returns:
            Shape (devices,) or (n, devices).
        """
        # Not `@`: the order of additions in BLAS depends on the processor.
        held: FloatArray = (self._counts * bytes_per_block[..., None, :]).sum(axis=-1)
        return held

    def held_beside(self, activation_bytes: float | FloatArray) -> FloatArray:
        """As `beside`, with other activations: one number, or shape (n,), for which it returns (n, devices)."""
        used = self._counts.any(axis=1)
        return np.where(used, self._runtime_bytes + np.asarray(activation_bytes)[..., None], 0.0)

    def held(self) -> FloatArray:
        """Bytes held on each device, shape (devices,)."""
        return self.of_blocks() + self.beside()

    def _kinds(self, blocks: IntArray | None) -> IntArray:
        return self._blocks.kind if blocks is None else self._blocks.kind[blocks]

    def _take(self, devices: IntArray, kinds: IntArray) -> None:
        np.subtract.at(self._counts, (devices, kinds), 1)
        if np.any(self._counts < 0):
            raise ValueError(_NOT_HELD)
