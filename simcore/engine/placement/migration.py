"""Migration: moves blocks from device to device.

Moves over routes that share no resource take place at the same time, unless the scenario says that all moves are serial
(`transfer_order`). A move ends when the bytes of the block have arrived and, if weights are on
disk, the new device has loaded them; sending and loading run in parallel. A device with a warm copy of the weights
receives the cache only, and loads nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.engine.events import until_done
from headway.simcore.engine.network.network import sent
from headway.simcore.engine.network.transfer import Transfer
from headway.simcore.engine.outages import Process, ordered, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.instrument import Message, Move
from headway.simcore.observe import Observation
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch, SequenceStep
from headway.simcore.world.blocks import Kind
from headway.simcore.world.transfer_order import Order, serial_order, transfer_order

if TYPE_CHECKING:  # it imports numba, which the event executor does not need
    from headway.simcore.engine.compiled.world import CompiledWorld


@dataclass
class _Move:
    """One moving block.

    Attributes:
        block: its row in the block table.
        old: the device that it leaves.
        new: the device to which it moves.
        warm: whether the new device has a copy of its weights.
        load_s: time to load its weights from the disk of the new device.
        copied_bytes: bytes sent that are still valid.
        copied: the caches that were sent with it.
        sent_bytes: all bytes sent for it.
        caught_up_bytes: of these, bytes sent while decoding waited at the end of a `live` migration.
        start_s: start of the move; None: not started.
        duration_s: duration of the move so far.
    """

    block: int
    old: int
    new: int
    warm: bool
    load_s: float
    copied_bytes: float = 0.0
    copied: Batch = ()
    sent_bytes: float = 0.0
    caught_up_bytes: float = 0.0
    start_s: float | None = None
    duration_s: float = 0.0


@dataclass(eq=False)
class _Copying:
    """A `live` migration: the step at which it was decided, its moves, and whether all copies have arrived."""

    first: SequenceStep
    moves: list[_Move]
    done: bool = False
    work: Process = field(init=False)

    @property
    def blocks(self) -> IntArray:
        """Rows of the moving blocks, shape (n,)."""
        return np.array([move.block for move in self.moves], dtype=np.int64)

    @property
    def targets(self) -> IntArray:
        """Their new devices, shape (n,)."""
        return np.array([move.new for move in self.moves], dtype=np.int64)


class Mover:
    """Moves blocks, `blocking` or `live` (while decoding continues), and records the moves.

    Attributes:
        target: the placement that waiting `live` moves are to reach, shape (blocks,); None if no move waits.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._env = run.env
        self._deployment = run.deployment
        self._names = run.scenario.cluster.names
        self._blocks = run.scenario.block_table
        self._load_s = load_seconds(run.scenario)
        serial = run.scenario.controller.moves == "serial"
        self._crossings = None if serial else run.scenario.cluster.crossings(0.0, 0.0)
        self._copying: _Copying | None = None
        self.target: IntArray | None = None

    @property
    def busy(self) -> bool:
        """Whether a `live` migration is in progress."""
        return self._copying is not None

    @property
    def targets(self) -> list[int]:
        """New devices of the blocks of the `live` migration."""
        return [] if self._copying is None else self._copying.targets.tolist()

    @property
    def under_way(self) -> list[tuple[int, int]]:
        """Rows of the blocks of the `live` migration, each with its new device, where memory is reserved for it."""
        return [] if self._copying is None else [(move.block, move.new) for move in self._copying.moves]

    @property
    def ready(self) -> bool:
        """Whether all copies of the `live` migration have arrived, so that decoding can switch to them."""
        return self._copying is not None and self._copying.done

    def move(self, first: SequenceStep, blocks: IntArray, targets: IntArray) -> Process:
        """Move blocks, shape (n,), to devices, shape (n,); the old device holds a block until its last byte arrives."""
        moves, compiled = self._moves(blocks, targets), self._run.compiled
        if compiled is None or self._load_s.any():
            yield from self._each(moves, lambda move: self._move(first, move))
        else:
            yield from self._move_in_kernels(first, moves, compiled)

    def _move(self, first: SequenceStep, move: _Move) -> Process:
        outcome = "abandoned"
        try:
            yield from self._copy(first, move)
            self._deployment.move(move.block, move.new)
            outcome = "moved"
        finally:
            self._record(first, move, outcome)

    def _move_in_kernels(self, first: SequenceStep, moves: list[_Move], compiled: "CompiledWorld") -> Process:
        """As `_move` of each; kernels send all blocks, and Python learns at the end what has happened."""
        old, new = _ends(moves)
        sizes = [self._deployment.to_send(move.block, move.warm) for move in moves]
        messages = compiled.messages(old, new, np.array(sizes), self._order(old, new))
        try:
            yield from until_done(messages)
        finally:
            for number, begun_s, end_s in messages.sent():
                move, arrived = moves[number], end_s < math.inf
                move.start_s = begun_s
                if arrived:
                    move.sent_bytes = sizes[number] * (move.old != move.new)
                    move.duration_s = end_s - begun_s
                    self._deployment.move(move.block, move.new)
                self._record(first, move, "moved" if arrived else "abandoned")

    def start(self, first: SequenceStep, observation: Observation, target: IntArray) -> None:
        """Start to copy blocks while decoding continues, to reach the placement `target`, shape (blocks,).

        Only the first of `predict.live_waves` moves, and has memory reserved on its new devices. The target is kept for
        the moves that have to wait; it is dropped when none can start.
        """
        waves = predict.live_waves(observation, target)
        self.target = target if len(waves) > 1 else None
        if not waves:
            return
        blocks, targets = waves[0], target[waves[0]]
        self._copying = copying = _Copying(first, self._moves(blocks, targets))
        self._deployment.reserve(blocks, targets)
        # The memory of their copies is part of what is reserved.
        self._deployment.copies.held[blocks, targets] = False
        copying.work = self._copy_all(copying)
        self._env.process(self._copy_beside(copying))

    def switch(self) -> Process:
        """Send what the caches have gained since the copy, then switch all blocks to their new devices."""
        assert self._copying is not None
        copying = self._copying
        yield from self._each(copying.moves, lambda move: self._catch_up(copying.first, move))
        self._copying = None
        self._deployment.free(copying.blocks, copying.targets)
        for move in copying.moves:
            self._deployment.move(move.block, move.new)
            self._record(copying.first, move, "moved")

    def _catch_up(self, first: SequenceStep, move: _Move) -> Process:
        """Send what the cache of a block has gained since its copy."""
        gained = self._deployment.to_send(move.block, move.warm) - move.copied_bytes
        if gained > 0.0:
            yield from self._send(first, move, gained)
            move.caught_up_bytes = gained

    def forget_caches(self) -> None:
        """Sequences have ended: do not count their caches as copied."""
        for move in self._copying.moves if self._copying else ():
            left_bytes = self._deployment.left_of(move.copied, move.block, move.warm)
            move.copied_bytes = min(move.copied_bytes, left_bytes)

    def abandon(self) -> None:
        """Cancel the `live` migration, if there is one: blocks stay, and new devices drop what they received."""
        self.target = None
        if self._copying is None:
            return
        copying, self._copying = self._copying, None
        copying.work.close()
        self._deployment.free(copying.blocks, copying.targets)
        for move in copying.moves:
            if move.warm:
                self._deployment.copies.leave(move.block, move.new)
            if move.start_s is not None:
                self._record(copying.first, move, "abandoned")

    def _moves(self, blocks: IntArray, targets: IntArray) -> list[_Move]:
        return list(map(self._planned, blocks.tolist(), targets.tolist()))

    def _planned(self, block: int, new: int) -> _Move:
        warm = bool(self._deployment.copies.held[block, new])
        load_s = 0.0 if warm else float(self._load_s[self._blocks.kind[block], new])
        return _Move(block, self._deployment.origin(block), new, warm, load_s)

    def _copy_beside(self, copying: _Copying) -> Process:
        """Copy all blocks, unless one of the old or new devices goes down."""
        devices = {device for move in copying.moves for device in (move.old, move.new)}
        done = yield from unless_failing(self._env, self._run.outages, devices, copying.work)
        if not done and self._copying is copying:
            self.abandon()

    def _copy_all(self, copying: _Copying) -> Process:
        yield from self._each(copying.moves, lambda move: self._copy(copying.first, move))
        copying.done = True

    def _each(self, moves: list[_Move], work: Callable[[_Move], Process]) -> Process:
        """Do the same for each of several moves, at the same time where their routes share nothing."""
        yield from ordered(self._env, self._order(*_ends(moves)), [work(move) for move in moves])

    def _order(self, old: IntArray, new: IntArray) -> Order:
        """The order of moves between devices, both of shape (n,)."""
        if self._crossings is None:
            return serial_order(len(old))
        disks = new if self._load_s.any() else None
        return transfer_order(self._crossings, old * len(self._names) + new, disks)

    def _copy(self, first: SequenceStep, move: _Move) -> Process:
        """Send the bytes of a block, and load its weights if they are on disk."""
        move.start_s = self._env.now
        move.copied_bytes = self._deployment.to_send(move.block, move.warm)
        move.copied = self._deployment.cached
        if move.copied_bytes > 0.0 and move.old != move.new:
            yield from self._send(first, move, move.copied_bytes)
        still_s = move.start_s + move.load_s - self._env.now
        if still_s > 0.0:
            yield self._env.timeout(still_s)
            move.duration_s += still_s

    def _send(self, first: SequenceStep, move: _Move, size_bytes: float) -> Process:
        begun_s = self._env.now

        def arrived(transfer: Transfer) -> None:
            of = (first.request, first.token, move.old, move.new)
            flow = transfer.flow_s, transfer.wire_bytes
            message = Message(*of, size_bytes, begun_s, *flow, self._env.now, move.block)
            self._run.instrument.block_arrived(message)
            move.sent_bytes += size_bytes
            move.duration_s += self._env.now - begun_s

        yield from sent(self._env, self._run.network, move.old, move.new, size_bytes, arrived)

    def _record(self, first: SequenceStep, move: _Move, outcome: str) -> None:
        self._run.recorder.add(
            "migrations",
            first.request,
            first.token,
            self._blocks.names[move.block],
            self._names[move.old],
            self._names[move.new],
            outcome,
            move.sent_bytes,
            move.caught_up_bytes,
            move.load_s,
            move.start_s,
            move.duration_s,
        )
        if move.start_s is not None:
            of = (first.request, first.token, move.block, move.old, move.new)
            self._run.instrument.block_moved(Move(*of, move.start_s, self._env.now, move.load_s, outcome))


def _ends(moves: list[_Move]) -> tuple[IntArray, IntArray]:
    """The old and the new device of each of several moves, shape (n,) each."""
    old, new = [move.old for move in moves], [move.new for move in moves]
    return np.array(old, dtype=np.int64), np.array(new, dtype=np.int64)


def load_seconds(scenario: Scenario) -> FloatArray:
    """Time to load the weights of a block of each kind from the disk of each device, shape (kinds, devices).

    0 if weights are not on disk but move with the block.
    """
    cluster = scenario.cluster
    if not scenario.controller.weights_on_disk:
        return np.zeros((len(Kind), len(cluster.devices)))
    return np.asarray(scenario.cost.idle_memory_bytes)[:, None] / cluster.disk_bandwidth
