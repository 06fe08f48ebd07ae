"""The state of a run, computed from spans and rows alone; the engine must agree with it."""

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.audit.contents import ContentHistory
from headway.simcore.audit.copies import ReferenceCopies
from headway.simcore.audit.records import Record, Row
from headway.simcore.instrument import Asked, Attempt, Compute, Formed, Message, Move, Standing
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch, after, recomputed, without_work
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import StepCost


class ReferenceState:
    """The present devices and sizes of blocks, and the present step.

    Attributes:
        rows: of the blocks in the block table, by name.
        devices: index of each device, by name.
        placement: device of each block (of a lost block, its last one), shape (blocks,); None: no placement.
        lost: whether each block was lost with its device, shape (blocks,).
        cache_lost: whether caches were lost or dropped since the last step.
        holding: bytes of a block of each kind between two steps, shape (kinds,).
        attempt: the step in progress, if there is one.
        cost: of this step.
        held_bytes: bytes on each device during the step, shape (devices,).
        of_blocks: bytes of blocks among them, shape (devices,).
        copies: warm copies of weights.
        under_way: rows of the blocks of a `live` migration, with their new devices.
        batch: of the present step.
        cached: positions in the cache, by request that was started and is not finished.
        generated: tokens generated, by request.
        served_s: end of the last step that a request was in, by request.
        waited_s: time between steps that it was in since its last token, by request.
        done: all requests were served.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._kind = scenario.block_table.kind
        self.rows = {name: row for row, name in enumerate(scenario.block_table.names)}
        self.devices = {name: i for i, name in enumerate(scenario.cluster.names)}
        self._weights: FloatArray = np.asarray(scenario.cost.idle_memory_bytes)
        self._on_disk: FloatArray = self._weights * scenario.controller.weights_on_disk
        self._unfinished = len(scenario.requests)
        self._history = ContentHistory(self._weights)
        self._counted: FloatArray | None = None
        self._asked_copies: BoolArray | None = None
        self.copies = ReferenceCopies(scenario)
        self.placement: IntArray | None = None
        self.lost: BoolArray = np.zeros(len(scenario.block_table), dtype=np.bool_)
        self.cache_lost = False
        self.holding = self._weights
        self.attempt: Attempt | None = None
        self.cost: StepCost | None = None
        self.held_bytes: FloatArray = np.zeros(len(scenario.cluster.devices))
        self.of_blocks = self.held_bytes
        self.under_way: list[tuple[int, int]] = []
        self.batch: Batch = ()
        self.cached: dict[int, int] = {}
        self.generated = dict.fromkeys(range(len(scenario.requests)), 0)
        self.served_s = {number: request.arrival_s for number, request in enumerate(scenario.requests)}
        self.waited_s = dict.fromkeys(range(len(scenario.requests)), 0.0)
        self.done = False

    def recount(self) -> FloatArray:
        """Bytes that each device must hold now, shape (devices,), recounted if the state has changed."""
        if self._counted is None:
            self._counted = self._count(self._blocks_by_kind())
        return self._counted

    def _count(self, counts: FloatArray) -> FloatArray:
        """Bytes of blocks and, on devices with blocks, of the runtime and the activations of the step."""
        size = self.holding if self.cost is None else self.cost.memory_bytes  # those at the end of a step
        beside = self._scenario.cluster.runtime_bytes + (self.cost.activation_bytes if self.cost else 0.0)
        return counts @ size + np.where(counts.any(axis=1), beside, 0.0)

    def _blocks_by_kind(self, *, moving: bool = True) -> FloatArray:
        """Number of blocks of each kind on each device, also of blocks that move to it, shape (devices, 5)."""
        counts = np.zeros((len(self.devices), len(Kind)))
        if self.placement is not None:
            present = ~self.lost
            np.add.at(counts, (self.placement[present], self._kind[present]), 1.0)
        for block, device in self.under_way if moving else ():
            counts[device, self._kind[block]] += 1.0
        return counts

    def move_bytes(self, block: int, warm: bool) -> float:
        """Bytes that a move of a block sends now; `warm`: to a device with a copy of its weights."""
        return self._sent(self._weights if self.lost[block] else self.holding, block, warm)

    def move_bytes_at(self, block: int, time_s: float, warm: bool) -> list[float]:
        """Bytes that a move of a block sent at a given time; several values if they had just changed."""
        return [self._sent(each.block_bytes, block, warm) for each in self._history.at(time_s)]

    def valid_copy(self, block: int, time_s: float, size_bytes: float, warm: bool) -> float:
        """The part of bytes sent at a given time that is still valid: weights, and caches of present sequences."""
        copy = min(
            self._history.at(time_s),
            key=lambda each: abs(self._sent(each.block_bytes, block, warm) - size_bytes),
        )
        requests = {one.request for one in self.batch}
        valid = tuple(one for one in copy.cached if one.request in requests)
        return min(size_bytes, self._sent(self._scenario.cost.step(valid).memory_bytes, block, warm))

    def _sent(self, block_bytes: FloatArray, block: int, warm: bool) -> float:
        """The part of a block that a move sends, of bytes by kind of shape (kinds,)."""
        kind = self._kind[block]
        return float(block_bytes[kind] - (self._weights if warm else self._on_disk)[kind])

    def begin(self, placement: IntArray) -> None:
        """The first placement, shape (blocks,)."""
        self.placement = placement.copy()
        self.copies.begin(placement, self._asked_copies)
        self._counted = None

    def end(self) -> None:
        """Remove the placement."""
        self.placement = self._counted = None
        self.lost[:] = False
        self.copies.end()

    def copy_beside(self, under_way: list[tuple[int, int]]) -> None:
        """Start a `live` migration of these blocks."""
        if under_way != self.under_way:
            self.under_way, self._counted = under_way, None
            self.copies.copy_beside(under_way)

    def apply(self, record: Record, now_s: float) -> None:
        """Update the state by a span or row."""
        if isinstance(record, Compute | Message):
            return
        self._counted = None
        match record:
            case Formed():
                self._form(record.batch, now_s)
            case Asked():
                self._asked(record, now_s)
            case Attempt():
                self.attempt = record
                batch = recomputed(record.batch) if self.cache_lost else record.batch
                self.cost = self._scenario.cost.step(batch)
                self.held_bytes = self.recount()
                self.of_blocks = self._blocks_by_kind() @ self.cost.memory_bytes
                self.copies.fit(self.held_bytes, record.begun_s, reserve=True)
            case Standing(cause="fault") if self.attempt is not None:
                self.attempt = self.cost = None
            case Move(outcome="moved") if self.placement is not None:
                old = None if self.lost[record.block] else int(self.placement[record.block])
                self.copies.move(record.block, old, record.new)
                self.placement[record.block] = record.new
                self.lost[record.block] = False
            case Row(table="devices") if self.cost is not None:
                self._hold(after(self.batch), self.cost.memory_bytes, now_s)
                self._step_done(now_s)
            case Row(table="faults"):
                self._lose(self.devices[record["device"]], now_s)
            case Row(table="tokens"):
                self.generated[record["request"]] += 1
                self.waited_s[record["request"]] = 0.0
            case Row(table="requests") if record["generated"] == record["output"]:
                self.cached.pop(record["request"], None)
                self._unfinished -= 1
                self.done = not self._unfinished

    def _asked(self, record: Asked, now_s: float) -> None:
        self._asked_copies = record.copies
        in_place = self._count(self._blocks_by_kind(moving=False))
        self.copies.fit(in_place, record.asked_s, reserve=False)
        if record.recomputes:
            self._drop_caches(now_s)

    def _form(self, batch: Batch, now_s: float) -> None:
        if {one.request for one in batch} != {one.request for one in self.batch}:
            cached = without_work(batch)
            self._hold(cached, self._scenario.cost.step(cached).memory_bytes, now_s)
        self.batch = batch
        for one in batch:
            if one.tokens:
                self.waited_s[one.request] += now_s - self.served_s[one.request]

    def _step_done(self, now_s: float) -> None:
        self.attempt = self.cost = None
        for one in self.batch:
            self.cached[one.request] = one.length
            if one.tokens:
                self.served_s[one.request] = now_s

    def _hold(self, cached: Batch, holding: FloatArray, now_s: float) -> None:
        self._counted = None
        self.holding, self.cache_lost = holding, False
        self._history.add(now_s, cached, holding)

    def _lose(self, device: int, now_s: float) -> None:
        if self.placement is None:
            return
        lost = (self.placement == device) & ~self.lost
        self.lost |= lost
        if (self._kind[lost] == Kind.HEAD).any():
            self._drop_caches(now_s)

    def _drop_caches(self, now_s: float) -> None:
        self._hold((), self._weights, now_s)
        self.cache_lost = True
