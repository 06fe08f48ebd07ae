"""What is in flight in a `CompiledWorld`: a step, steps that follow each other, or messages in an order."""

import math
from typing import Protocol

import numpy as np
import simpy

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.engine.compiled import loop
from headway.simcore.engine.compiled.allocator import RowAllocator
from headway.simcore.engine.compiled.layout import NONE, World
from headway.simcore.engine.compiled.stretch_rows import StretchLoad, empty_rows
from headway.simcore.engine.events import LatencyParts, Load
from headway.simcore.errors import RunEndedError
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.cost import Payload
from headway.simcore.world.transfer_order import Order


class _Carrier(Protocol):
    """What a `CompiledWorld` does for what is in flight in it."""

    env: simpy.Environment

    def begin(self, flight: "InFlight", amount: FloatArray, reading_s: FloatArray) -> None: ...

    def cancel_step(self, flight: "InFlight") -> None: ...

    def end(self, flight: "InFlight") -> tuple[float, float, float, float]: ...


class InFlight:
    """A step in flight.

    Attributes:
        graph: of the step.
        done: fires when the last node has ended; fails with a `RunEndedError` if a node can never end.
        number: its row in the world.
        first_item: row of the item of its first node.
    """

    def __init__(self, world: _Carrier, graph: StepGraph, load: Load) -> None:
        self.graph = graph
        self.done = world.env.event()
        self.number = self.first_item = NONE
        self._world = world
        self._load = load
        self._parts = 0.0, 0.0, 0.0, 0.0

    def begin(self) -> None:
        """Start all nodes without predecessors."""
        self._world.begin(self, self._load.amount, self._load.reading_s)

    def cancel(self) -> None:
        """Cancel all nodes that have not ended; no callback follows."""
        self.done.defused = True
        self._world.cancel_step(self)

    def parts(self) -> LatencyParts:
        """The parts of the duration of a finished step: those of its critical path."""
        return LatencyParts(*self._parts)

    def released(self, rows: RowAllocator) -> None:
        """Its rows are about to be used again: it has ended, or it was cancelled."""

    def succeed(self) -> None:
        """The last node has ended."""
        if not self.done.triggered:
            self._parts = self._world.end(self)
            self.done.succeed()

    def fail(self, error: RunEndedError) -> None:
        """A node can never end."""
        if not self.done.triggered:
            self.done.fail(error)


class StretchInFlight(InFlight):
    """Steps in flight that follow each other at once.

    Attributes:
        rows: of the steps that have ended.
        ended: their number.
        complete: whether the stretch ends here: with its last step, or before one for which memory is not as expected.
    """

    def __init__(self, world: _Carrier, graph: StepGraph, first: Load, load: StretchLoad) -> None:
        super().__init__(world, graph, first)
        self.rows = empty_rows(load)
        self.ended = 0
        self.complete = False
        self._ahead = load

    def advance(
        self, world: World, first_device: int, now_s: float, sent: int, until_s: float
    ) -> tuple[float, int]:
        """Run the stretch until a time; arguments and results as those of `loop.advance`."""
        of = world, self.number, first_device, self.ended, now_s, sent, until_s
        self.complete, self.ended, next_s, reported = loop.stretch(*of, self._ahead, self.rows)
        return next_s, reported


class MessagesInFlight(InFlight):
    """Messages in flight that are no part of a step, of which some are sent when others have arrived.

    An empty message, or one from a device to itself, arrives at once.

    Args:
        world: carries them.
        senders: device of each message, shape (n,).
        receivers: device of each message, shape (n,).
        size_bytes: of each message, shape (n,).
        order: of all messages, see `transfer_order`.
    """

    def __init__(
        self,
        world: _Carrier,
        senders: IntArray,
        receivers: IntArray,
        size_bytes: FloatArray,
        order: Order,
    ) -> None:
        self._numbers = order.number.tolist()
        nothing, size = np.zeros(len(senders)), size_bytes[order.number]
        graph = _in_order(senders[order.number], receivers[order.number], size, order)
        super().__init__(world, graph, Load(nothing, nothing, size))
        self._times = np.full((2, len(senders)), np.inf)

    def released(self, rows: RowAllocator) -> None:
        """See `InFlight.released`."""
        items = slice(self.first_item, self.first_item + len(self.graph))
        self._times = np.stack([rows.begun_s[items], rows.end_s[items]])

    def sent(self) -> list[tuple[int, float, float]]:
        """The messages that were sent, in the order in which they arrived, when `done` has fired or after `cancel`.

        Returns:
            For each its number, when it was sent, and when it arrived; infinite if it did not.
        """
        begun_s, end_s = self._times.tolist()
        nodes = np.lexsort(self._times).tolist()
        return [(self._numbers[i], begun_s[i], end_s[i]) for i in nodes if begun_s[i] < math.inf]


def _in_order(senders: IntArray, receivers: IntArray, size_bytes: FloatArray, order: Order) -> StepGraph:
    """Messages as a graph, with a node for each in this order; those without bytes are joins.

    Kind, layer and stage do not matter: sizes are given, and no instrument observes these messages.
    """
    count, sent = len(senders), size_bytes > 0.0
    nothing = np.zeros(count, dtype=np.int64)
    waiting = np.repeat(np.arange(count), np.diff(order.first))
    return StepGraph(
        kind=np.full(count, NONE),
        payload=np.where(sent, Payload.PROMPT, NONE),
        device=np.where(sent, senders, receivers),
        receiver=receivers,
        count=sent.astype(np.float64),
        layer=nothing,
        stage=nothing,
        first_successor=np.concatenate(([0], np.cumsum(np.bincount(order.waits, minlength=count)))),
        successor=waiting[np.argsort(order.waits, kind="stable")],
    )
