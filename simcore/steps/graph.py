"""A step as a directed acyclic graph of tasks and messages, held as arrays.

A *task* is all blocks of one kind and layer on one device, computed together. A *message* goes from one device to
another; from a device to itself it takes no time. A *join* takes no time: it waits for several nodes, and
its successors wait for it. The graph has no costs: these come from the `StepCost` of each step, so that one graph
serves all steps under one placement.

The graph has three users: the event executor runs it, `simcore.predict` evaluates it in a world that does not change,
and policies read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray, immutable
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import Payload, StepCost

NONE = -1
"""The payload of a node that is not a message, and the kind of a node without blocks."""


@dataclass(frozen=True, eq=False)
class StepGraph:
    """Tasks, messages and joins, numbered from 0; arrays are read-only.

    Attributes:
        kind: `Kind` of the blocks of a task, or of the blocks that computed the payload of a message; `NONE` for a join
            and for what the source sends first, shape (nodes,).
        payload: `Payload` of a message, `NONE` of other nodes, shape (nodes,).
        device: device of a task, sender of a message, shape (nodes,).
        receiver: receiver of a message, otherwise as `device`, shape (nodes,).
        count: blocks of a task; how many times a message carries its payload. Shares of a block or a payload are
            fractions, shape (nodes,).
        layer: of the blocks; -1 before the first layer, the number of layers after the last one, shape (nodes,).
        stage: number of the stage of each node, increasing along every path, shape (nodes,).
        first_successor: successors of node i are `successor[first_successor[i]:first_successor[i + 1]]`, shape
            (nodes + 1,).
        successor: nodes that wait for each node, shape (edges,).
        branches: first nodes of the branches, if the graph is a chain of fork-join stages (`simcore.steps.fork_join`).
    """

    kind: IntArray
    payload: IntArray
    device: IntArray
    receiver: IntArray
    count: FloatArray
    layer: IntArray
    stage: IntArray
    first_successor: IntArray
    successor: IntArray
    branches: "Branches | None" = None

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def tasks(self) -> IntArray:
        """The nodes that are tasks, shape (tasks,)."""
        return immutable(np.flatnonzero((self.payload == NONE) & (self.kind != NONE)))

    @cached_property
    def messages(self) -> IntArray:
        """The nodes that are messages which leave their device, shape (messages,)."""
        return immutable(np.flatnonzero((self.payload != NONE) & (self.device != self.receiver)))

    @cached_property
    def predecessors(self) -> IntArray:
        """How many nodes each node waits for, shape (nodes,)."""
        return immutable(np.bincount(self.successor, minlength=len(self)))

    @cached_property
    def nodes(self) -> "NodeLists":
        """The graph as lists, for code that visits one node after another."""
        first, successor = self.first_successor.tolist(), self.successor.tolist()
        predecessors = self.predecessors.tolist()
        return NodeLists(
            is_task=np.isin(np.arange(len(self)), self.tasks).tolist(),
            is_sent=np.isin(np.arange(len(self)), self.messages).tolist(),
            device=self.device.tolist(),
            receiver=self.receiver.tolist(),
            predecessors=predecessors,
            successors=[successor[begin:end] for begin, end in pairwise(first)],
            first=[node for node, count in enumerate(predecessors) if count == 0],
        )

    def message_bytes(self, cost: StepCost) -> FloatArray:
        """Size of each message that leaves its device, 0 of other nodes, shape (nodes,)."""
        size = np.zeros(len(self))
        payload, count = self._of_messages
        size[self.messages] = count * cost.message_bytes[payload]
        return size

    def task_seconds(self, each: FloatArray, once: FloatArray | None = None) -> FloatArray:
        """Time of each task, 0 of other nodes, shape (nodes,).

        Args:
            each: seconds of one block of each kind on each device, shape (kinds, devices).
            once: fixed seconds of a task, independent of its number of blocks, shape (kinds, devices).
        """
        kind, device, count = self._of_tasks
        seconds = np.zeros(len(self))
        seconds[self.tasks] = count * each[kind, device] + (0.0 if once is None else once[kind, device])
        return seconds

    @cached_property
    def _of_tasks(self) -> tuple[IntArray, IntArray, FloatArray]:
        return self.kind[self.tasks], self.device[self.tasks], self.count[self.tasks]

    @cached_property
    def _of_messages(self) -> tuple[IntArray, FloatArray]:
        return self.payload[self.messages], self.count[self.messages]


@dataclass(frozen=True, eq=False)
class NodeLists:
    """The arrays of `StepGraph` as lists; do not modify them.

    Attributes:
        is_task: whether a node is one of `tasks`.
        is_sent: whether it is one of `messages`.
        device: as in `StepGraph`; so are the next two.
        successors: nodes that wait for each node.
        first: nodes without predecessors.
    """

    is_task: list[bool]
    is_sent: list[bool]
    device: list[int]
    receiver: list[int]
    predecessors: list[int]
    successors: list[list[int]]
    first: list[int]


@dataclass(frozen=True, eq=False)
class Branches:
    """A graph of consecutive stages, each with parallel branches of three nodes.

    The nodes of a branch are a message, a task and a message. The graph has the nodes of all branches first, stage by
    stage; its last node is a single message.

    Attributes:
        first: number of the first branch of each stage, shape (stages,).
        count: number of all branches.
    """

    first: IntArray
    count: int


@dataclass
class GraphBuilder:
    """Makes a `StepGraph` node by node, for patterns of any shape.

    `task`, `message` and `join` add a node and return its number; `after` names the nodes that it waits for.
    """

    _rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    _counts: list[float] = field(default_factory=list)
    _after: list[tuple[int, ...]] = field(default_factory=list)

    def task(
        self, device: int, kind: Kind, count: float = 1, *, layer: int, stage: int, after: Sequence[int] = ()
    ) -> int:
        """Compute `count` blocks of one kind and layer on a device."""
        return self._add((kind, NONE, device, device, layer, stage), count, after)

    def message(
        self,
        sender: int,
        receiver: int,
        payload: Payload,
        count: float = 1,
        *,
        kind: int,
        layer: int,
        stage: int,
        after: Sequence[int] = (),
    ) -> int:
        """Send a payload, `count` times in one message; `kind` and `layer` are those of the blocks that made it."""
        return self._add((kind, payload, sender, receiver, layer, stage), count, after)

    def join(self, device: int, *, layer: int, stage: int, after: Sequence[int]) -> int:
        """Wait for several nodes on a device."""
        return self._add((NONE, NONE, device, device, layer, stage), 0, after)

    def graph(self) -> StepGraph:
        """The graph of all nodes added so far."""
        kind, payload, device, receiver, layer, stage = (
            immutable(column.copy()) for column in np.array(self._rows, dtype=np.int64).reshape(-1, 6).T
        )
        pairs = [(before, node) for node, afters in enumerate(self._after) for before in afters]
        edges = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        out = np.bincount(edges[:, 0], minlength=len(self._rows))
        return StepGraph(
            kind=kind,
            payload=payload,
            device=device,
            receiver=receiver,
            count=immutable(np.array(self._counts, dtype=np.float64)),
            layer=layer,
            stage=stage,
            first_successor=immutable(np.concatenate(([0], np.cumsum(out)))),
            successor=immutable(edges[:, 1].copy()),
        )

    def _add(self, row: tuple[int, int, int, int, int, int], count: float, after: Sequence[int]) -> int:
        number = len(self._rows)
        wrong = [node for node in after if not 0 <= node < number]
        if wrong:
            raise ValueError(f"node {number} waits for node {wrong[0]}, which was not added before it")
        self._rows.append(row)
        self._counts.append(count)
        self._after.append(tuple(dict.fromkeys(after)))
        return number
