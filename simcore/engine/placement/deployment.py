"""The placement in force and the memory that it takes."""

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray, immutable
from headway.simcore.engine.placement.copies import WarmCopies
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.simcore.scenario import Scenario
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch, recomputed
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import StepCost


class Deployment:
    """The placement in force, with the memory that it takes; empty at first.

    Attributes:
        ledger: bytes held on each device.
        holding: bytes of a block of each kind between two steps, shape (kinds,). During a step, the ledger counts
            blocks at their size at the end of the step.
        lost: whether each block was lost with its device, shape (blocks,). It keeps its device in `placement`.
        cached: the sequences whose caches the blocks hold, each with its cached positions.
        cache_lost: whether the caches are lost or dropped, so that the next step computes them again.
        copies: warm copies of the weights of blocks.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._blocks = scenario.block_table
        self._step_cost = scenario.step_cost
        self._step_graphs = scenario.step_graphs
        self._source = scenario.cluster.source_index
        self._weights: FloatArray = np.asarray(scenario.cost.idle_memory_bytes)
        self._on_disk: FloatArray = self._weights * scenario.controller.weights_on_disk
        self._devices: IntArray | None = None
        self._placement: IntArray | None = None
        self._graph: tuple[int, StepGraph] | None = None
        self._in_use: frozenset[int] | None = None
        self.lost: BoolArray = np.zeros(len(scenario.block_table), dtype=np.bool_)
        self.ledger = MemoryLedger(scenario.cluster.runtime_bytes, scenario.block_table)
        self._runtime_bytes = scenario.cluster.runtime_bytes
        self.copies = WarmCopies(
            scenario.controller.warm_copies, self._weights[self._blocks.kind], len(self._runtime_bytes)
        )
        self.hold((), self._weights)

    @property
    def placement(self) -> IntArray | None:
        """Device of each block, shape (blocks,), read-only; the same array until a block moves; None at first."""
        if self._placement is None and self._devices is not None:
            self._placement = immutable(self._devices.copy())
        return self._placement

    def graph(self, batch: Batch) -> StepGraph:
        """The graph of the step of a batch under the placement, which must exist."""
        pieces = self._step_graphs.pieces(self.due(batch))
        if self._graph is None or self._graph[0] != pieces:
            assert self.placement is not None
            self._graph = pieces, self._step_graphs.of(self.placement, self._source, pieces)
        return self._graph[1]

    @property
    def moving_bytes(self) -> FloatArray:
        """Bytes that a migration of each block sends now to a device without a copy, shape (blocks,)."""
        kind = self._blocks.kind
        whole: FloatArray = np.where(self.lost, self._weights[kind], self.holding[kind])
        return whole - self._on_disk[kind]

    @property
    def cache_bytes(self) -> FloatArray:
        """Bytes that a migration of each block sends now to a device with a copy: its cache, shape (blocks,)."""
        kind = self._blocks.kind
        return np.where(self.lost, 0.0, (self.holding - self._weights)[kind])

    def to_send(self, block: int, warm: bool) -> float:
        """Bytes that a migration of a block sends now; `warm`: to a device with a copy of its weights."""
        return self._without_weights(self._weights if self.lost[block] else self.holding, block, warm)

    def _without_weights(self, block_bytes: FloatArray, block: int, warm: bool) -> float:
        """Bytes to send of a block whose size is that of its kind in `block_bytes`, shape (kinds,)."""
        kind = self._blocks.kind[block]
        return float(block_bytes[kind] - (self._weights if warm else self._on_disk)[kind])

    @property
    def in_use(self) -> frozenset[int]:
        """Devices that a step needs: the source, and all devices with blocks."""
        if self._in_use is None:
            there = [] if self._devices is None else np.unique(self._devices[~self.lost]).tolist()
            self._in_use = frozenset([self._source, *there])
        return self._in_use

    def origin(self, block: int) -> int:
        """The device that sends a block when it moves; the source, which has all files, sends lost blocks."""
        assert self._devices is not None
        return self._source if self.lost[block] else int(self._devices[block])

    def keep(self, cached: Batch) -> None:
        """Keep the caches of these sequences only."""
        self.hold(cached, self._step_cost(cached).memory_bytes)

    def hold(self, cached: Batch, memory_bytes: FloatArray) -> None:
        """Set the bytes of blocks of each kind between two steps, shape (kinds,), with complete caches."""
        self.cached = cached
        self.holding = memory_bytes
        self.cache_lost = False
        self.ledger.resize(memory_bytes)

    def left_of(self, copied: Batch, block: int, warm: bool) -> float:
        """The part of bytes that were sent of a block that is still valid: weights, and caches of `cached`."""
        there = {one.request for one in self.cached}
        still = tuple(one for one in copied if one.request in there)
        return self._without_weights(self._step_cost(still).memory_bytes, block, warm)

    def due(self, batch: Batch) -> Batch:
        """The step to run: if the caches are lost, it computes them again."""
        return recomputed(batch) if self.cache_lost else batch

    def make_room(self, cost: StepCost) -> None:
        """Let blocks grow to their size at the end of a step, and reserve memory for its activations."""
        self.ledger.resize(cost.memory_bytes, cost.activation_bytes)

    def give_up_step(self) -> None:
        """Undo `make_room` after a step that did not finish."""
        self.ledger.resize(self.holding)

    def place(self, devices: IntArray, copies: BoolArray | None = None) -> None:
        """Set the first placement, shape (blocks,), and the copies that it asks for, shape (blocks, devices)."""
        self.ledger.load(devices)
        if copies is not None:
            self.copies.ask(copies)
            self.copies.held[np.arange(len(devices)), devices] = False
        self._changed(devices.copy())

    def fit_copies(self, available_bytes: FloatArray) -> None:
        """Drop copies that do not fit beside all else, given the memory of each device [bytes], shape (devices,)."""
        if self.copies.held.any():
            self.copies.fit(available_bytes - np.maximum(self.ledger.held(), self._runtime_bytes))

    def move(self, block: int, device: int) -> None:
        """Move one block to another device, or a lost block to any device. Its weights stay where it was as a copy."""
        assert self._devices is not None
        old = int(self._devices[block])
        if self.lost[block]:
            self.ledger.load(np.array([device]), np.array([block]))
            self.lost[block] = False
            self._in_use = None
        else:
            self.ledger.move(block, old, device)
            self.copies.leave(block, old)
        self.copies.held[block, device] = False
        if device != old:
            self._devices[block] = device
            self._changed(self._devices)

    def lose(self, device: int) -> int:
        """Mark all blocks on a device as lost; returns their number.

        If a head is lost, all caches are lost: the caches of the other heads alone are useless.
        """
        if self._devices is None:
            return 0
        gone = np.flatnonzero((self._devices == device) & ~self.lost)
        self.ledger.unload(self._devices[gone], gone)
        self.lost[gone] = True
        self._in_use = None
        if np.any(self._blocks.kind[gone] == Kind.HEAD):
            self.drop_caches()
        return len(gone)

    def drop_caches(self) -> None:
        """Drop all caches; the next step computes them again."""
        self.hold(self.cached, self._weights)
        self.cache_lost = True

    def reserve(self, blocks: IntArray, devices: IntArray) -> None:
        """Reserve memory for moving blocks, shape (n,), on their new devices, shape (n,)."""
        self.ledger.load(devices, blocks)

    def free(self, blocks: IntArray, devices: IntArray) -> None:
        """Free the memory that `reserve` took."""
        self.ledger.unload(devices, blocks)

    def release(self) -> None:
        """Free all memory and remove the placement."""
        if self._devices is not None:
            left = np.flatnonzero(~self.lost)
            self.ledger.unload(self._devices[left], left)
        self.lost[:] = False
        self.copies.held[:] = False
        self._changed(None)

    def _changed(self, devices: IntArray | None) -> None:
        self._devices = devices
        self._placement = self._graph = self._in_use = None
