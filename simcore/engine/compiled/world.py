"""`CompiledWorld`: devices and links whose tasks and messages run in kernels, seen from SimPy.

Kernels run ahead of SimPy up to its next event, because nothing can change the world before. What they report (a step
has ended, a message has arrived) becomes one SimPy event at its time.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import simpy
from simpy.events import NORMAL

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.engine.compiled import layout, loop
from headway.simcore.engine.compiled.allocator import RowAllocator
from headway.simcore.engine.compiled.build import template_of
from headway.simcore.engine.compiled.in_flight import InFlight, MessagesInFlight, StretchInFlight
from headway.simcore.engine.compiled.layout import CLOCK, REPORTS, SUBJECTS
from headway.simcore.engine.compiled.stretch_rows import StretchLoad
from headway.simcore.engine.events import Load
from headway.simcore.engine.moments import LAST, call_at
from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.transfer import Arrived, Carried, Failed, LinkTraffic, Transfer, stalled
from headway.simcore.engine.task import stalled as task_stalled
from headway.simcore.instrument import Instrument
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.transfer_order import Order


class CompiledWorld:
    """The devices and links of a cluster; see `Network` for the messages that are no part of a step.

    Args:
        env: the SimPy environment.
        cluster: with the resources and rates of its sharing rule.
        dedicated: whether messages do not slow each other.

    Attributes:
        instrument: one that observes nothing: with any other, the event executor makes the run.
        first_device: row of device 0.
        flows: empty: the auditor watches the event executor only.
        settled: whether all rates are up to date.
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, *, dedicated: bool = False) -> None:
        self.env = env
        self.instrument = Instrument()
        self._cluster = cluster
        self._devices = len(cluster.devices)
        template = template_of(cluster)
        self._first_route, self.first_device = template.first_route, template.first_device
        self._rows = RowAllocator(template, self._devices)
        self._rows.world.rows[CLOCK].dedicated = dedicated
        self._in_flight: dict[int, InFlight] = {}
        self._stretch: StretchInFlight | None = None
        self._transfers: dict[int, Transfer] = {}
        self._due_s = math.inf
        self._due: simpy.Event | None = None
        self._reported = self._sent = 0
        self.flows: Sequence[Flow] = ()
        self.settled = True

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        traffic = LinkTraffic(self._cluster)
        routes = self._rows.world.rows[self._first_route : self._first_route + self._devices**2]
        used = np.flatnonzero(routes["messages"])
        columns = (routes[name][used].tolist() for name in ("messages", "size_bytes", "busy_s"))
        for number, messages, size_bytes, busy_s in zip(used.tolist(), *columns, strict=True):
            traffic.add(number // self._devices, number % self._devices, int(messages), size_bytes, busy_s)
        return traffic.carried

    def busy_s(self) -> FloatArray:
        """Seconds until now in which each device computed or read from disk, shape (devices,)."""
        busy_s = np.empty(self._devices)
        loop.busy(self._rows.world, float(self.env.now), self.first_device, busy_s)
        return busy_s

    def send(
        self, sender: int, receiver: int, size_bytes: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """See `Network.send`."""
        route = self._cluster.routes[sender][receiver]
        assert route is not None
        transfer = Transfer(sender, receiver, size_bytes, route, float(self.env.now), arrived, failed)
        item = self._rows.take(1)
        self._transfers[item], transfer.item = transfer, item
        rows = self._rows
        rows.amount[item], rows.state[item] = size_bytes, layout.SENT
        rows.route[item] = self._first_route + sender * self._devices + receiver
        rows.world.lists[layout.SENDING, self._sent] = item
        self._sent += 1
        self._run_at(self.env.now)
        return transfer

    def cancel(self, transfer: Transfer) -> None:
        """See `Network.cancel`."""
        if transfer.active:
            transfer.active = False
            loop.cancel_item(self._rows.world, float(self.env.now), transfer.item)
            self._rows.give_back(transfer.item, 1)
            del self._transfers[transfer.item]
            self._run_at(self.env.now)

    @property
    def network(self) -> "CompiledWorld":
        """Carries the messages that are no part of a step."""
        return self

    def step(self, graph: StepGraph, load: Load, batch: Batch = ()) -> InFlight:
        """Create a step, which has not started yet; see `Executor.step`."""
        return InFlight(self, graph, load)

    def stretch(self, graph: StepGraph, first: Load, load: StretchLoad) -> StretchInFlight:
        """Create a stretch, which has not started yet; `first` is the load of its first step."""
        return StretchInFlight(self, graph, first, load)

    def messages(
        self, senders: IntArray, receivers: IntArray, size_bytes: FloatArray, order: Order
    ) -> MessagesInFlight:
        """Create messages, which are not sent yet, between devices; each waits for others as `transfer_order` says."""
        return MessagesInFlight(self, senders, receivers, size_bytes, order)

    def begin(self, flight: InFlight, amount: FloatArray, reading_s: FloatArray) -> None:
        """Start a step, given the seconds or bytes of its nodes and their reading times, both of shape (nodes,)."""
        nodes = len(flight.graph)
        first_node = self._rows.first_node(flight.graph, idle=not self._in_flight and not self._transfers)
        flight.first_item = first = self._rows.take(nodes)
        flight.number = number = self._rows.take(1)
        rows, items = self._rows, slice(first, first + nodes)
        rows.amount[items], rows.reading_s[items] = amount, reading_s
        rows.begun_s[items] = rows.end_s[items] = np.inf
        self._in_flight[number] = flight
        if isinstance(flight, StretchInFlight):
            assert self._stretch is None, "one stretch of steps at a time"
            self._stretch = flight
        loop.begin(self._rows.world, float(self.env.now), number, first, first_node, nodes)
        self._run_at(self.env.now)

    def cancel_step(self, flight: InFlight) -> None:
        """Cancel a step unless it has ended."""
        if self._in_flight.get(flight.number) is flight:
            loop.cancel_step(self._rows.world, float(self.env.now), flight.number)
            self._release(flight)
            self._run_at(self.env.now)

    def end(self, flight: InFlight) -> tuple[float, float, float, float]:
        """Release a step that has ended; returns the seconds of the parts of its critical path."""
        parts = loop.parts(self._rows.world, flight.number)
        self._release(flight)
        return parts

    def _release(self, flight: InFlight) -> None:
        del self._in_flight[flight.number]
        flight.released(self._rows)
        self._rows.give_back(flight.first_item, len(flight.graph))
        self._rows.give_back(flight.number, 1)
        if self._stretch is flight:
            self._stretch = None

    def _run_at(self, time_s: float) -> None:
        if time_s < self._due_s:
            self._due_s = time_s
            self._due = call_at(self.env, self._run, time_s, LAST)

    def _run(self, event: simpy.Event) -> None:
        """Run until SimPy's next event, or until something is reported."""
        if event is not self._due:
            return  # another one has been scheduled for an earlier time
        self._due_s = math.inf
        times = float(self.env.now), self._sent, float(self.env.peek())
        self._sent, stretch = 0, self._stretch
        if stretch is None:
            next_s, self._reported = loop.advance(self._rows.world, *times)
        else:
            next_s, self._reported = stretch.advance(self._rows.world, self.first_device, *times)
        if self._reported or (stretch is not None and stretch.complete):
            call_at(self.env, self._tell, next_s, NORMAL)
        elif next_s < math.inf:
            self._run_at(next_s)

    def _tell(self, _: simpy.Event) -> None:
        """Call back for everything that was reported."""
        reports = self._rows.world.lists[REPORTS : SUBJECTS + 1, : self._reported].T.tolist()
        self._reported = self._rows.in_report[CLOCK] = 0
        if self._stretch is not None and self._stretch.complete:
            self._stretch.succeed()
        if len(reports) > 1:  # messages that arrive at one moment do so in the order in which they were sent
            sent = {item: place for place, item in enumerate(self._transfers)}
            reports.sort(key=lambda report: sent.get(report[1], -1))
        for sort, subject in reports:
            if sort == layout.STEP_ENDED:
                if subject in self._in_flight:
                    self._in_flight[subject].succeed()
            elif sort == layout.MESSAGE_ARRIVED:
                self._arrived(subject)
            else:
                self._stalled(sort, subject)
        self._run_at(self.env.now)

    def _arrived(self, item: int) -> None:
        transfer = self._transfers.pop(item, None)
        if transfer is None:
            return
        transfer.active = False
        transfer.flow_s = self._rows.start_s.item(item)
        transfer.busy_s = self.env.now - transfer.flow_s
        self._rows.give_back(item, 1)
        transfer.arrived(transfer)

    def _stalled(self, sort: int, item: int) -> None:
        """A task or a message can never end: the run ends."""
        of, transfer = self._rows.world.rows[item], self._transfers.pop(item, None)
        if transfer is not None:
            transfer.active = False
            self._rows.give_back(item, 1)
            transfer.failed(stalled(self._cluster, transfer, self.env.now))
            return
        if sort == layout.TASK_STALLED:
            device = self._cluster.devices[of.processor - self.first_device]
            error = task_stalled(device, float(of.start_s))
        else:
            sender, receiver = divmod(int(of.route) - self._first_route, self._devices)
            route = self._cluster.routes[sender][receiver]
            assert route is not None
            lost = Transfer(sender, receiver, float(of.amount), route, float(of.begun_s), _ignore, _ignore)
            error = stalled(self._cluster, lost, self.env.now)
        if int(of.step) in self._in_flight:
            self._in_flight[int(of.step)].fail(error)


def _ignore(_: object) -> None:
    """A message of a step has no callbacks."""
