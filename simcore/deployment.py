"""Where the blocks are, and what devices hold because of it."""

import numpy as np

from simcore.arrays import FloatArray, IntArray, sealed
from simcore.cost import StepCost
from simcore.decode import Pipeline, pipeline
from simcore.memory import MemoryLedger
from simcore.scenario import Scenario


class Deployment:
    """The placement in force, with the memory that it takes. Nothing is placed at first.

    Attributes:
        ledger: what each device holds.
        holding: what a block of each kind has in memory between two tokens, shape (5,). While a token is made, the
            ledger counts what blocks will hold by its end.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._blocks = scenario.blocks
        self._source = scenario.cluster.source_index
        self._weights: FloatArray = np.asarray(scenario.cost.idle_memory_bytes)
        self._on_disk: FloatArray = self._weights * scenario.weights_on_disk
        self._devices: IntArray | None = None
        self._placement: IntArray | None = None
        self._way: Pipeline | None = None
        self.ledger = MemoryLedger(len(scenario.cluster.devices), scenario.blocks)
        self.empty_caches()

    @property
    def placement(self) -> IntArray | None:
        """Device of each block, shape (blocks,), read-only; the same array until something moves. None: not placed."""
        if self._placement is None and self._devices is not None:
            self._placement = sealed(self._devices.copy())
        return self._placement

    @property
    def way(self) -> Pipeline:
        """The placement as a token meets it; there must be one."""
        if self._way is None:
            assert self.placement is not None
            self._way = pipeline(self._blocks, self.placement, self._source)
        return self._way

    @property
    def moving_bytes(self) -> FloatArray:
        """What a migration of each block has to send if it happens now, shape (blocks,)."""
        sent: FloatArray = (self.holding - self._on_disk)[self._blocks.kind]
        return sent

    def to_send(self, block: int) -> float:
        """The same for one block."""
        kind = self._blocks.kind[block]
        return float(self.holding[kind] - self._on_disk[kind])

    def lasting(self, block: int) -> float:
        """What of `to_send` outlives the sequence [bytes]: the weights, unless they are on disk."""
        kind = self._blocks.kind[block]
        return float(self._weights[kind] - self._on_disk[kind])

    def empty_caches(self) -> None:
        """From now on blocks hold their weights alone."""
        self.hold(self._weights)

    def hold(self, memory_bytes: FloatArray) -> None:
        """Let blocks of each kind hold so much between two tokens, shape (5,)."""
        self.holding = memory_bytes
        self.ledger.resize(memory_bytes)

    def make_room(self, cost: StepCost) -> None:
        """Let blocks grow to what they hold by the end of a step."""
        self.ledger.resize(cost.memory_bytes)

    def place(self, devices: IntArray) -> None:
        """Put every block on a device for the first time; shape (blocks,)."""
        self.ledger.load(devices)
        self._changed(devices.copy())

    def move(self, block: int, device: int) -> None:
        """Book one block to another device."""
        assert self._devices is not None
        self.ledger.move(block, int(self._devices[block]), device)
        self._devices[block] = device
        self._changed(self._devices)

    def reserve(self, blocks: IntArray, devices: IntArray) -> None:
        """Hold room for blocks, shape (n,), on devices to which they are under way, shape (n,)."""
        self.ledger.load(devices, blocks)

    def free(self, blocks: IntArray, devices: IntArray) -> None:
        """Give back what `reserve` held."""
        self.ledger.unload(devices, blocks)

    def release(self) -> None:
        """Give all memory back; nothing is placed any more."""
        if self._devices is not None:
            self.ledger.unload(self._devices)
        self._changed(None)

    def _changed(self, devices: IntArray | None) -> None:
        self._devices = devices
        self._placement = self._way = None
