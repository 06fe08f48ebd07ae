"""The event executor: runs the nodes of a step graph as events, each when its predecessors have ended.

Tasks go to the processors of their devices and messages to the network, which call back at their ends. Several steps
may be in flight at once; they share only devices and links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import simpy

from headway.simcore.arrays import FloatArray
from headway.simcore.engine.network.network import Network
from headway.simcore.engine.network.transfer import Transfer
from headway.simcore.engine.outages import Process
from headway.simcore.engine.task import Processor, Task
from headway.simcore.errors import RunEndedError
from headway.simcore.instrument import Instrument
from headway.simcore.steps.graph import NONE, StepGraph
from headway.simcore.world.batch import Batch


@dataclass(frozen=True)
class Load:
    """The costs of the nodes of a graph in one step, shape (nodes,) each.

    Attributes:
        nominal_s: of a task, its duration on the fully available device.
        disk_s: of a task, the time to read its swapped bytes from disk.
        size_bytes: of a message.
    """

    nominal_s: Sequence[float] | FloatArray
    disk_s: Sequence[float] | FloatArray
    size_bytes: Sequence[float] | FloatArray

    @cached_property
    def amount(self) -> FloatArray:
        """Seconds of tasks and bytes of messages, shape (nodes,)."""
        return np.add(self.nominal_s, self.size_bytes)

    @cached_property
    def reading_s(self) -> FloatArray:
        """`disk_s` as an array."""
        return np.asarray(self.disk_s)


@dataclass
class LatencyParts:
    """The parts of a latency [s], as columns of the table `tokens`.

    Attributes:
        compute_s: computing tasks.
        disk_s: reading swapped bytes.
        transfer_s: sending messages.
        wait_s: tasks waiting in queues, or the sequence waiting for its next step.
        migration_s: decoding paused while blocks moved.
        decision_s: decisions that are charged to simulated time.
        fault_s: waiting for a device, or a step that was lost when a device went down.
    """

    compute_s: float = 0.0
    disk_s: float = 0.0
    transfer_s: float = 0.0
    wait_s: float = 0.0
    migration_s: float = 0.0
    decision_s: float = 0.0
    fault_s: float = 0.0

    def values(self) -> tuple[float, ...]:
        """All parts, in the order of the columns."""
        return tuple(vars(self).values())

    def add(self, other: "LatencyParts") -> None:
        """Add the parts of a step."""
        for name, seconds in vars(other).items():
            setattr(self, name, getattr(self, name) + seconds)


@dataclass(frozen=True, eq=False)
class Executor:
    """Runs steps on the processors and the network of a simulated world.

    Attributes:
        env: the SimPy environment.
        network: carries the messages.
        processors: one per device.
        instrument: its hooks are called for every task and message that has ended.
    """

    env: simpy.Environment
    network: Network
    processors: Sequence[Processor]
    instrument: Instrument

    def step(self, graph: StepGraph, load: Load, batch: Batch = ()) -> "StepInFlight":
        """Create a step of a batch; it has not started yet."""
        return StepInFlight(self, graph, load, batch)

    def busy_s(self) -> FloatArray:
        """Seconds until now in which each device computed or read from disk, shape (devices,)."""
        return np.array([processor.busy_s for processor in self.processors])


class StepInFlight:
    """A step in flight.

    Attributes:
        graph: of the step.
        done: fires when the last node has ended; fails with a `RunEndedError` if a node can never end.
    """

    def __init__(self, executor: Executor, graph: StepGraph, load: Load, batch: Batch) -> None:
        self.graph = graph
        self._batch = batch
        self.done = executor.env.event()
        self._env = executor.env
        self._network = executor.network
        self._processors = executor.processors
        self._instrument = executor.instrument
        self._nodes = graph.nodes
        self._load = load
        self._missing = graph.nodes.predecessors.copy()
        self._left = len(graph)
        self._last = NONE
        self._under_way: dict[int, Task | Transfer] = {}
        self._begin_s = [0.0] * len(graph)
        self._end_s = [0.0] * len(graph)
        # Of each task: its time in the queue and its reading time.
        self._delays: dict[int, tuple[float, float]] = {}
        # Of each node: the predecessor that ended last, which determined its start.
        self._decisive = [NONE] * len(graph)

    def begin(self) -> None:
        """Start all nodes without predecessors."""
        for node in self._nodes.first:
            if self._begins_and_ends(node):
                self._end(node)
        if not self._begin_s:
            self.done.succeed()

    def cancel(self) -> None:
        """Cancel all nodes that have not ended; no callback follows."""
        self.done.defused = True
        under_way, self._under_way = self._under_way, {}
        for node, work in under_way.items():
            if isinstance(work, Task):
                self._processors[self._nodes.device[node]].cancel(work)
            else:
                self._network.cancel(work)

    def parts(self) -> LatencyParts:
        """The parts of the duration of a finished step: those of its critical path, from the last node backwards."""
        parts = LatencyParts()
        path = [self._last]
        while (before := self._decisive[path[-1]]) != NONE:
            path.append(before)
        for node in reversed(path):
            length_s = self._end_s[node] - self._begin_s[node]
            if self._nodes.is_task[node]:
                wait_s, disk_s = self._delays[node]
                parts.wait_s += wait_s
                parts.disk_s += disk_s
                parts.compute_s += length_s - wait_s - disk_s
            else:
                parts.transfer_s += length_s
        return parts

    def _begins_and_ends(self, node: int) -> bool:
        """Start a node; whether it ended at once because it takes no time."""
        nodes, load = self._nodes, self._load
        self._begin_s[node] = self._env.now
        if nodes.is_task[node]:
            processor = self._processors[nodes.device[node]]
            done = partial(self._task_done, node)
            task = processor.submit(load.nominal_s[node], load.disk_s[node], done, self._fail)
            self._under_way[node] = task
            return False
        if nodes.is_sent[node]:
            ends, arrived = (nodes.device[node], nodes.receiver[node]), partial(self._arrived, node)
            self._under_way[node] = self._network.send(*ends, load.size_bytes[node], arrived, self._fail)
            return False
        return True

    def _task_done(self, node: int, task: Task) -> None:
        del self._under_way[node]
        self._delays[node] = task.start_s - task.submitted_s, task.disk_s
        times = task.submitted_s, task.start_s, task.disk_s, self._env.now, task.nominal_s
        self._instrument.task_done(self._batch, self.graph, node, *times)
        self._end(node)

    def _arrived(self, node: int, transfer: Transfer) -> None:
        del self._under_way[node]
        flow = transfer.size_bytes, transfer.sent_s, transfer.flow_s, transfer.wire_bytes
        self._instrument.message_arrived(self._batch, self.graph, node, *flow, self._env.now)
        self._end(node)

    def _end(self, node: int) -> None:
        """A node has ended: start the nodes that waited for it alone, and so on."""
        now, end_s, missing, decisive = self._env.now, self._end_s, self._missing, self._decisive
        ended = [node]
        for one in ended:
            end_s[one] = now
            for later in self._nodes.successors[one]:
                before = decisive[later]
                # Break ties by the lowest node number, so that the order of callbacks does not matter.
                if before == NONE or end_s[before] < now or one < before:
                    decisive[later] = one
                missing[later] -= 1
                if missing[later] == 0 and self._begins_and_ends(later):
                    ended.append(later)
        self._left -= len(ended)
        if self._left == 0:
            self._last = ended[-1]
            self.done.succeed()

    def _fail(self, error: RunEndedError) -> None:
        if not self.done.triggered:
            self.done.fail(error)


class _Flight(Protocol):
    done: simpy.Event

    def begin(self) -> None: ...

    def cancel(self) -> None: ...


def until_done(step: _Flight) -> Process:
    """Start a step and wait for its end, in either executor; closing the generator cancels the step.

    Raises:
        RunEndedError: a node can never end.
    """
    try:
        step.begin()
        yield step.done
    finally:
        step.cancel()
