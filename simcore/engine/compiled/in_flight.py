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
from headway.simcore.steps import graph as steps
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.cost import Payload
from headway.simcore.world.crossings import Order


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
        nothing = np.zeros(len(size_bytes))
        graph = _in_order(senders, receivers, size_bytes, order)
        super().__init__(world, graph, Load(nothing, nothing, size_bytes))
        self._order = order
        self._times = np.full((2, len(order)), np.inf)

    def released(self, rows: RowAllocator) -> None:
        """See `InFlight.released`."""
        items = slice(self.first_item, self.first_item + len(self.graph))
        self._times = np.stack([rows.begun_s[items], rows.end_s[items]])

    def sent(self) -> list[tuple[int, float, float]]:
        """The messages that were sent, in the order in which they arrived, when `done` has fired or after `cancel`.

        Returns:
            For each its number, when it was sent, and when it arrived; infinite if it did not.
        """
        number = np.array([number for number, _ in self._order])
        begun_s, end_s = self._times[:, number]
        number = number[np.lexsort((begun_s, end_s))]
        times = self._times[:, number].T.tolist()
        return [(one, *of) for one, of in zip(number.tolist(), times, strict=True) if of[0] < math.inf]


def _in_order(senders: IntArray, receivers: IntArray, size_bytes: FloatArray, order: Order) -> StepGraph:
    """Messages as a graph; without bytes they are joins. Their payload does not matter, because their size is given."""
    count = len(order)
    successors: list[list[int]] = [[] for _ in range(count)]
    for number, earlier in order:
        for before in earlier:
            successors[before].append(number)
    nothing = np.full(count, steps.NONE)
    return StepGraph(
        kind=nothing,
        payload=np.where(size_bytes > 0.0, Payload.PROMPT, steps.NONE),
        device=senders,
        receiver=receivers,
        count=np.ones(count),
        layer=nothing,
        stage=nothing,
        first_successor=np.cumsum([0, *map(len, successors)]),
        successor=np.array([later for each in successors for later in each], dtype=np.int64),
    )
