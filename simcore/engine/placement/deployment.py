"""Where the blocks are, and what devices hold because of it."""

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray, immutable
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.simcore.scenario import Scenario
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch, recomputed
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import StepCost


class Deployment:
    """The placement in force, with the memory that it takes. Nothing is placed at first.

    Attributes:
        ledger: what each device holds.
        holding: what a block of each kind has in memory between two tokens, shape (5,). While a token is made, the
            ledger counts what blocks will hold by its end.
        lost: blocks whose device went down with them, shape (blocks,). They keep their place, but nothing is there.
        cached: the sequences of which blocks hold caches, each with what is cached of it.
        cache_lost: whether the caches are gone, because a head was lost.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._blocks = scenario.block_table
        self._cost = scenario.cost
        self._step_graphs = scenario.step_graphs
        self._source = scenario.cluster.source_index
        self._weights: FloatArray = np.asarray(scenario.cost.idle_memory_bytes)
        self._on_disk: FloatArray = self._weights * scenario.controller.weights_on_disk
        self._devices: IntArray | None = None
        self._placement: IntArray | None = None
        self._graph: StepGraph | None = None
        self._in_use: frozenset[int] | None = None
        self.lost: BoolArray = np.zeros(len(scenario.block_table), dtype=np.bool_)
        self.ledger = MemoryLedger(scenario.cluster.runtime_bytes, scenario.block_table)
        self.hold((), self._weights)

    @property
    def placement(self) -> IntArray | None:
        """Device of each block, shape (blocks,), read-only; the same array until something moves. None: not placed."""
        if self._placement is None and self._devices is not None:
            self._placement = immutable(self._devices.copy())
        return self._placement

    @property
    def graph(self) -> StepGraph:
        """The graph of a step under the placement; there must be one."""
        if self._graph is None:
            assert self.placement is not None
            self._graph = self._step_graphs.of(self.placement, self._source)
        return self._graph

    @property
    def moving_bytes(self) -> FloatArray:
        """What a migration of each block has to send if it happens now, shape (blocks,)."""
        kind = self._blocks.kind
        whole: FloatArray = np.where(self.lost, self._weights[kind], self.holding[kind])
        return whole - self._on_disk[kind]

    def to_send(self, block: int) -> float:
        """The same for one block."""
        kind = self._blocks.kind[block]
        return self.lasting(block) if self.lost[block] else float(self.holding[kind] - self._on_disk[kind])

    def lasting(self, block: int) -> float:
        """What of `to_send` outlives the sequence [bytes]: the weights, unless they are on disk."""
        kind = self._blocks.kind[block]
        return float(self._weights[kind] - self._on_disk[kind])

    @property
    def in_use(self) -> frozenset[int]:
        """Devices that are needed to make a token: the source, and all that have blocks."""
        if self._in_use is None:
            there = [] if self._devices is None else np.unique(self._devices[~self.lost]).tolist()
            self._in_use = frozenset([self._source, *there])
        return self._in_use

    def origin(self, block: int) -> int:
        """The device from which a block comes when it moves: a lost one from the source, which has all files."""
        assert self._devices is not None
        return self._source if self.lost[block] else int(self._devices[block])

    def keep(self, cached: Batch) -> None:
        """Let blocks hold the caches of these sequences and no others."""
        self.hold(cached, self._cost.step(cached).memory_bytes)

    def hold(self, cached: Batch, memory_bytes: FloatArray) -> None:
        """Let blocks of each kind hold so much between two steps, shape (5,); all caches are there."""
        self.cached = cached
        self.holding = memory_bytes
        self.cache_lost = False
        self.ledger.resize(memory_bytes)

    def left_of(self, copied: Batch, block: int) -> float:
        """What still counts of a block that was copied with some caches: weights, and caches of `cached` [bytes]."""
        there = {one.request for one in self.cached}
        kind = self._blocks.kind[block]
        still = tuple(one for one in copied if one.request in there)
        return float(self._cost.step(still).memory_bytes[kind] - self._on_disk[kind])

    def due(self, batch: Batch) -> Batch:
        """A step as it must be made: where the caches are lost, it computes them again."""
        return recomputed(batch) if self.cache_lost else batch

    def make_room(self, cost: StepCost) -> None:
        """Let blocks grow to what they hold by the end of a step, and make room for its activations."""
        self.ledger.resize(cost.memory_bytes, cost.activation_bytes)

    def give_up_step(self) -> None:
        """Back to what blocks held before a step that was not finished."""
        self.ledger.resize(self.holding)

    def place(self, devices: IntArray) -> None:
        """Put every block on a device for the first time; shape (blocks,)."""
        self.ledger.load(devices)
        self._changed(devices.copy())

    def move(self, block: int, device: int) -> None:
        """Book one block to another device, or a lost one to any."""
        assert self._devices is not None
        old = int(self._devices[block])
        if self.lost[block]:
            self.ledger.load(np.array([device]), np.array([block]))
            self.lost[block] = False
            self._in_use = None
        else:
            self.ledger.move(block, old, device)
        if device != old:
            self._devices[block] = device
            self._changed(self._devices)

    def lose(self, device: int) -> int:
        """Lose all blocks on a device; how many there were.

        With a head goes its part of the sequence, and what the other heads have of it is of no use any more.
        """
        if self._devices is None:
            return 0
        gone = np.flatnonzero((self._devices == device) & ~self.lost)
        self.ledger.unload(self._devices[gone], gone)
        self.lost[gone] = True
        self._in_use = None
        if np.any(self._blocks.kind[gone] == Kind.HEAD):
            self.hold(self.cached, self._weights)
            self.cache_lost = True
        return len(gone)

    def reserve(self, blocks: IntArray, devices: IntArray) -> None:
        """Hold room for blocks, shape (n,), on devices to which they are under way, shape (n,)."""
        self.ledger.load(devices, blocks)

    def free(self, blocks: IntArray, devices: IntArray) -> None:
        """Give back what `reserve` held."""
        self.ledger.unload(devices, blocks)

    def release(self) -> None:
        """Give all memory back; nothing is placed any more."""
        if self._devices is not None:
            left = np.flatnonzero(~self.lost)
            self.ledger.unload(self._devices[left], left)
        self.lost[:] = False
        self._changed(None)

    def _changed(self, devices: IntArray | None) -> None:
        self._devices = devices
        self._placement = self._graph = self._in_use = None
