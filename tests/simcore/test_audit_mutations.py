"""The auditor is tested by mutation: each fault, made by hand in the real engine, is caught by the law it breaks.

Where the engine can be given a part (a pattern of execution, a discipline, a rule of sharing, a transport, a model of
device times), the fault is in a part that has the name of the sound one; other faults are patched in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pytest
import simpy
from patterns import OneByOne
from worlds import Shuffled, varied, with_devices

import headway.simcore.engine.network.maxmin_incremental
import headway.simcore.run
from headway.simcore import (
    PAPER_CONTROLLER,
    AuditError,
    BlockTable,
    Cluster,
    DecodeCost,
    Device,
    Ideal,
    IntArray,
    Kind,
    Link,
    Medium,
    ModelSpec,
    Request,
    Roofline,
    Route,
    RunOptions,
    Scenario,
    StepCost,
    StepGraph,
    TaskTimes,
    predict,
    simulate,
)
from headway.simcore.audit import Law
from headway.simcore.audit.records import ReportingRecorder
from headway.simcore.engine.compute import Discipline
from headway.simcore.engine.events import LatencyParts, StepInFlight
from headway.simcore.engine.fifo import FifoProcessor
from headway.simcore.engine.network.event_calendar import EventCalendar
from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.fluid import Fluid
from headway.simcore.engine.network.network import DedicatedNetwork, FairNetwork, SharingRule
from headway.simcore.engine.network.transfer import Carried, Transfer
from headway.simcore.engine.network.transport import Transport
from headway.simcore.engine.placement.copies import WarmCopies
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.processor_sharing import SharedProcessor
from headway.simcore.engine.task import Processor, Task
from headway.simcore.errors import RunEndedError
from headway.simcore.steps.graph import NONE
from headway.simcore.steps.patterns.gathered import Gathered
from headway.simcore.steps.patterns.star import Star
from headway.simcore.world.device_time import Machines
from headway.simcore.world.maxmin import Allocation, max_min
from headway.simcore.world.memory import disk_seconds
from headway.traces import Trace, on_off

Fault: TypeAlias = Callable[[pytest.MonkeyPatch], None]
Change: TypeAlias = Callable[[Scenario], Scenario]

MODEL = ModelSpec(
    name="small",
    layers=2,
    width=64,
    heads=4,
    kv_heads=4,
    head_size=16,
    ffn_width=256,
    gated_ffn=True,
    vocabulary=1000,
    bytes_per_weight=2.0,
    bytes_per_kv=2.0,
    bytes_per_activation=2.0,
)


def world() -> Scenario:
    """Three devices around an access point, two of them on the air; blocks move after every other token."""
    devices = tuple(
        Device(
            name=f"d{i}",
            memory_bytes=1e9,
            flops=(1 + i) * 1e8,
            memory_bandwidth=1e9,
            overhead_s=1e-5,
            disk_bandwidth=1e8,
            availability=Trace([0.0, 0.013 + 0.001 * i], [1.0, 0.4], end="loop", duration=0.031),
        )
        for i in range(3)
    )
    links = (
        Link(name="wire", ends=("d0", "hub"), bandwidth=Trace([0.0, 0.005], [2e7, 1e7], end="loop", duration=0.012)),
        Link(name="air1", ends=("d1", "hub"), medium="air", latency_s=1e-4),
        Link(name="air2", ends=("d2", "hub"), medium="air", latency_s=2e-4),
    )  # fmt: skip
    air = Medium(
        name="air", bandwidth=Trace([0.0, 0.004, 0.006], [3e7, 0.0, 2e7], end="loop", duration=0.009)
    )
    return Scenario(
        name="small",
        model=MODEL,
        cost=DecodeCost(MODEL),
        cluster=Cluster(devices, links, "d0", relays=("hub",), media=(air,)),
        requests=(Request(prompt=6, output=6), Request(prompt=3, output=4, arrival_s=0.02)),
        controller=replace(PAPER_CONTROLLER, interval=2),
    )


def as_it_is(scenario: Scenario) -> Scenario:
    return scenario


def live(scenario: Scenario) -> Scenario:
    return varied(scenario, migration="live")


def warm(scenario: Scenario) -> Scenario:
    """So many decisions that blocks come back to devices that have copies of them."""
    return varied(
        scenario, warm_copies=True, interval=1, requests=(Request(prompt=6, output=30),), sharing="dedicated"
    )


def warm_live(scenario: Scenario) -> Scenario:
    return warm(live(scenario))


def warm_and_small(scenario: Scenario) -> Scenario:
    return warm(with_devices(scenario, memory_bytes=3e5))


def warm_and_failing(scenario: Scenario) -> Scenario:
    return warm(failing(scenario))


def recomputing(scenario: Scenario) -> Scenario:
    return varied(scenario, caches="recompute")


def dedicated(scenario: Scenario) -> Scenario:
    return varied(scenario, sharing="dedicated")


def shared(scenario: Scenario) -> Scenario:
    return with_devices(scenario, discipline="ps")


def small(scenario: Scenario) -> Scenario:
    return with_devices(varied(scenario, overflow="swap"), memory_bytes=2e5)


def too_small(scenario: Scenario) -> Scenario:
    return with_devices(scenario, memory_bytes=2e5)


def failing(scenario: Scenario) -> Scenario:
    """The last device goes down while it computes, and twice again while tokens are made."""
    return with_devices(scenario, "d2", up=on_off([(0.0035, 0.0037), (0.055, 0.075), (0.3, 0.31)]))


def slow_and_failing(scenario: Scenario) -> Scenario:
    """What a device has to do when another goes down takes longer than the blocks of that one take to move."""
    slow = with_devices(scenario, flops=1e6, availability=Trace.constant(1.0))
    return with_devices(slow, "d2", flops=1e8, up=on_off([(0.5, 0.501), (1.5, 1.501)]))


def live_failing(scenario: Scenario) -> Scenario:
    return live(failing(scenario))


# Faults of messages


def lose_a_byte(patch: pytest.MonkeyPatch) -> None:
    start = Fluid.start

    def losing(self: Fluid, route: Route, size_bytes: float, *calls: Callable[[], None]) -> Flow:
        return start(self, route, max(0.0, size_bytes - 1.0), *calls)

    patch.setattr(Fluid, "start", losing)


def lose_a_byte_of_messages_alone(patch: pytest.MonkeyPatch) -> None:
    reach = Route.reach
    patch.setattr(Route, "reach", lambda self, start, size: reach(self, start, max(0.0, size - 1.0)))


def ignore_an_outage(patch: pytest.MonkeyPatch) -> None:
    def rate(way: Route, start_s: float) -> float:
        return min(float(trace.values.max()) for trace in way.bandwidths if isinstance(trace, Trace))

    patch.setattr(Route, "reach", lambda self, start, size: start + size / rate(self, start))


class Swallowing(FairNetwork):
    """One message is said to have arrived, but nothing of it ever flows."""

    sent = 0

    def send(
        self,
        sender: int,
        receiver: int,
        size_bytes: float,
        arrived: Callable[[Transfer], None],
        failed: Callable[[RunEndedError], None],
    ) -> Transfer:
        self.sent += 1
        if self.sent != 6:
            return super().send(sender, receiver, size_bytes, arrived, failed)
        route = self._cluster.routes[sender][receiver]
        assert route is not None
        transfer = Transfer(sender, receiver, size_bytes, route, self._env.now, arrived, failed)
        self._env.timeout(1e-6).callbacks.append(lambda _: arrived(transfer))
        return transfer


def swallow_a_message(scenario: Scenario) -> Scenario:
    return varied(scenario, sharing=SharingRule("fair", Swallowing))


@dataclass(frozen=True)
class Wrong(Gathered):
    """The pattern `gathered`, except for what is changed in its graphs."""

    change: Callable[[StepGraph], StepGraph]

    def graphs(self, blocks: BlockTable) -> Any:
        sound = super().graphs(blocks)
        return lambda placement, source: self.change(sound(placement, source))


def wrong(scenario: Scenario, change: Callable[[StepGraph], StepGraph]) -> Scenario:
    return replace(scenario, execution=Wrong(change))


def next_device(devices: IntArray, where: IntArray | int) -> IntArray:
    devices = devices.copy()
    devices[where] = (devices[where] + 1) % 3
    return devices


def leave_a_message_out(scenario: Scenario) -> Scenario:
    """The last message of each step is never sent."""

    def shorter(graph: StepGraph) -> StepGraph:
        last = graph.messages[-1]
        receiver = graph.receiver.copy()
        receiver[last] = graph.device[last]
        return replace(graph, receiver=receiver)

    return wrong(scenario, shorter)


def deliver_elsewhere(scenario: Scenario) -> Scenario:
    """The token returns to the wrong device."""
    return wrong(scenario, lambda graph: replace(graph, receiver=next_device(graph.receiver, -1)))


class Hasty(Ideal):
    """Bytes flow before the latency of their route has been paid."""

    def open(self) -> Transport:
        return self

    def begin(
        self, ends: tuple[int, int], route: Route, round_trip_s: float, size_bytes: float, now: float
    ) -> tuple[float, float]:
        return -route.latency_s, size_bytes


def do_not_pay_latency(scenario: Scenario) -> Scenario:
    return varied(scenario, transport=Hasty())


class OnWrongLinks(FairNetwork):
    """Accounts the traffic of each link for the next link."""

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        return {((link + 1) % 3, forward): each for (link, forward), each in super().carried.items()}


def record_on_the_wrong_link(scenario: Scenario) -> Scenario:
    return varied(scenario, sharing=SharingRule("fair", OnWrongLinks))


class Backwards(DedicatedNetwork):
    """Accounts the traffic of each direction of a link for the other direction."""

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        return {(link, not forward): each for (link, forward), each in super().carried.items()}


def record_the_wrong_direction(scenario: Scenario) -> Scenario:
    return varied(scenario, sharing=SharingRule("dedicated", Backwards))


# Faults of sharing


def share_more_than_there_is(patch: pytest.MonkeyPatch) -> None:
    def generous(capacity: dict[int, float], *what: Any) -> Allocation:
        return max_min({resource: 1.5 * each for resource, each in capacity.items()}, *what)

    patch.setattr(headway.simcore.engine.network.maxmin_incremental, "max_min", generous)


def prefer_the_first(patch: pytest.MonkeyPatch) -> None:
    """The first flow has the share of two."""

    def unfair(capacity: Any, paths: Any, *what: Any) -> Allocation:
        found = max_min(capacity, [paths[0], *paths], *what)
        (one, other, *rates), (_, *bottlenecks) = found.rates, found.bottlenecks
        return Allocation([one + other, *rates], found.spare, bottlenecks)

    patch.setattr(headway.simcore.engine.network.maxmin_incremental, "max_min", unfair)


def waste_some(patch: pytest.MonkeyPatch) -> None:
    def wasteful(capacity: dict[int, float], *what: Any) -> Allocation:
        return max_min({resource: 0.9 * each for resource, each in capacity.items()}, *what)

    patch.setattr(headway.simcore.engine.network.maxmin_incremental, "max_min", wasteful)


def overlook_breakpoints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EventCalendar, "note_change", lambda self, time, state: None)


def forget_to_share_anew(patch: pytest.MonkeyPatch) -> None:
    """Who is left alone goes on at half the rate."""
    patch.setattr(Flow, "go_alone", lambda self, now: self.go_at(self.rate, self.bottleneck, now))


def settle_too_late(patch: pytest.MonkeyPatch) -> None:
    settle = Fluid.settle

    def later(self: Fluid, event: simpy.Event) -> None:
        self._env.timeout(1e-4).callbacks.append(lambda _: settle(self, event))

    patch.setattr(Fluid, "settle", later)


# Faults of work


def disguised(
    scenario: Scenario, make: Callable[[simpy.Environment, Device], Processor], name: str = "fifo"
) -> Scenario:
    return with_devices(scenario, discipline=Discipline(name, make))


def hurried(kind: type[FifoProcessor] | type[SharedProcessor], factor: float) -> Any:
    """A processor for which a task is `factor` times as long as it says."""

    class Hurried(kind):  # type: ignore[misc, valid-type]
        def submit(self, nominal_s: float, disk_s: float, *calls: Any) -> Task:
            task: Task = super().submit(factor * nominal_s, disk_s, *calls)
            task.nominal_s = nominal_s
            return task

    return Hurried


def work_too_fast(scenario: Scenario) -> Scenario:
    return disguised(scenario, hurried(FifoProcessor, 0.9))


def work_too_fast_together(scenario: Scenario) -> Scenario:
    return disguised(scenario, hurried(SharedProcessor, 0.9), "ps")


def rest_between_tasks(scenario: Scenario) -> Scenario:
    return disguised(scenario, hurried(SharedProcessor, 1.1), "ps")


def ignore_background_load(scenario: Scenario) -> Scenario:
    def idle(env: simpy.Environment, device: Device) -> Processor:
        return FifoProcessor(env, replace(device, availability=Trace.constant(1.0)))

    return disguised(scenario, idle)


class AtOnce(FifoProcessor):
    """A task does not wait for the one before it."""

    def submit(self, nominal_s: float, disk_s: float, *calls: Any) -> Task:
        self._free_at_s = 0.0
        return super().submit(nominal_s, disk_s, *calls)


def one_by_one(scenario: Scenario) -> Scenario:
    """Heads come as tasks of their own; no fault."""
    return replace(scenario, execution=OneByOne("gathered"))


def serve_two_at_once(scenario: Scenario) -> Scenario:
    return disguised(one_by_one(scenario), AtOnce)


def serve_all_at_full_speed(scenario: Scenario) -> Scenario:
    """Where devices are to be shared by the tasks that are there."""
    return disguised(one_by_one(scenario), AtOnce, "ps")


def keep_the_time_of_what_was_dropped(scenario: Scenario) -> Scenario:
    class Keeping(FifoProcessor):
        def cancel(self, task: Task) -> None:
            if task in self._queue:
                self._queue.remove(task)
                assert task.timer is not None
                task.timer.callbacks.clear()

    return disguised(scenario, Keeping)


def change_counts(graph: StepGraph, by: int) -> StepGraph:
    several = (graph.count > 1) & (graph.payload == NONE)
    return replace(graph, count=np.where(several, graph.count + by, graph.count))


def skip_a_block(scenario: Scenario) -> Scenario:
    return wrong(scenario, lambda graph: change_counts(graph, -1))


def compute_a_block_twice(scenario: Scenario) -> Scenario:
    return wrong(scenario, lambda graph: change_counts(graph, 1))


@dataclass(frozen=True)
class HalfAttention(Star):
    """The pattern `star-4`, but the source computes the attention of half of the heads."""

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        build = super().graphs(blocks)

        def half(placement: IntArray, source: int) -> StepGraph:
            graph = build(placement, source)
            return replace(graph, count=np.where(graph.kind == Kind.ATTENTION, graph.count / 2, graph.count))

        return half


def attend_with_half_of_the_heads(scenario: Scenario) -> Scenario:
    return replace(scenario, cost=DecodeCost(MODEL, projection="sharded"), execution=HalfAttention(4))


def star(scenario: Scenario) -> Scenario:
    """The source computes the attention of all heads; no fault."""
    return replace(scenario, cost=DecodeCost(MODEL, projection="sharded"), execution="star-4")


def compute_elsewhere(scenario: Scenario) -> Scenario:
    """The projection is computed by the device next to the one that holds it."""

    def moved(graph: StepGraph) -> StepGraph:
        proj = graph.tasks[graph.kind[graph.tasks] == Kind.PROJ]
        return replace(
            graph, device=next_device(graph.device, proj), receiver=next_device(graph.receiver, proj)
        )

    return wrong(scenario, moved)


class WithoutOverhead(Roofline):
    """The roofline, but for what each task takes whatever it does."""

    def times(self, cost: StepCost, machines: Machines) -> TaskTimes:
        block_s, task_s = super().times(cost, machines)
        return TaskTimes(block_s, np.zeros_like(task_s))


def forget_the_overhead(scenario: Scenario) -> Scenario:
    return replace(scenario, device_time=WithoutOverhead())


def forget_the_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(headway.simcore.run, "disk_seconds", lambda *what: 0.0 * disk_seconds(*what))


def work_while_down(patch: pytest.MonkeyPatch) -> None:
    def heedless(env: object, outages: object, devices: object, work: Any) -> Any:
        yield from work
        return True

    patch.setattr(headway.simcore.run, "unless_failing", heedless)


def count_what_was_dropped_as_busy(scenario: Scenario) -> Scenario:
    class Busy(FifoProcessor):
        @property
        def busy_s(self) -> float:
            return self._promised_s + self._env.now

    return disguised(scenario, Busy)


# Faults of memory


def count_twice(patch: pytest.MonkeyPatch) -> None:
    load = MemoryLedger.load

    def twice(self: MemoryLedger, *what: Any) -> None:
        load(self, *what)
        load(self, *what)

    patch.setattr(MemoryLedger, "load", twice)


def never_free(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "free", lambda self, blocks, devices: None)


def never_release(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLedger, "unload", lambda self, devices, blocks=None: None)


def book_on_both(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        MemoryLedger,
        "move",
        lambda self, block, old, new: self.load(np.array([new]), np.array([block])),
    )


def do_not_grow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "make_room", lambda self, cost: None)


def keep_the_cache_of_the_last_sequence(patch: pytest.MonkeyPatch) -> None:
    keep = Deployment.keep
    patch.setattr(
        Deployment, "keep", lambda self, cached: keep(self, cached) if self.placement is None else None
    )


def overlook_that_it_is_too_much(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(headway.simcore.run, "TOLERANCE_BYTES", np.inf)


# Faults of places and moves


def book_elsewhere(patch: pytest.MonkeyPatch) -> None:
    move = Deployment.move
    patch.setattr(Deployment, "move", lambda self, block, device: move(self, block, (device + 1) % 3))


def forget_what_is_lost(patch: pytest.MonkeyPatch) -> None:
    lose = Deployment.lose

    def forgetting(self: Deployment, device: int) -> int:
        gone = lose(self, device)
        self.lost[:] = False
        return gone

    patch.setattr(Deployment, "lose", forgetting)


def do_not_prefill_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "due", lambda self, batch: batch)


def move_weights_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Deployment, "to_send", lambda self, block, warm: self._without_weights(2 * self._weights, block, True)
    )


def forget_the_cache_that_was_gained(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mover, "_catch_up", lambda self, first, move: (one for one in range(0)))


def send_weights_that_are_there(patch: pytest.MonkeyPatch) -> None:
    to_send = Deployment.to_send
    patch.setattr(Deployment, "to_send", lambda self, block, warm: to_send(self, block, False))


def keep_caches_that_a_migration_drops(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "drop_caches", lambda self: None)


def drop_caches_that_are_to_be_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(predict, "recomputes", lambda observation, devices: True)


def keep_copies_without_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WarmCopies, "fit", lambda self, room_bytes: None)


def forget_that_a_cache_is_of_no_use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mover, "forget_caches", lambda self: None)


def move_elsewhere(patch: pytest.MonkeyPatch) -> None:
    move = Mover.move
    patch.setattr(
        Mover, "move", lambda self, first, blocks, targets: move(self, first, blocks, (targets + 1) % 3)
    )


def reserve_elsewhere(patch: pytest.MonkeyPatch) -> None:
    reserve = Deployment.reserve
    patch.setattr(
        Deployment, "reserve", lambda self, blocks, targets: reserve(self, blocks, (targets + 1) % 3)
    )


def leave_one_where_it_is(patch: pytest.MonkeyPatch) -> None:
    move = Mover.move
    patch.setattr(
        Mover, "move", lambda self, first, blocks, targets: move(self, first, blocks[1:], targets[1:])
    )


def give_up_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """A migration is abandoned when its copies have arrived, although all devices are up."""
    ready = Mover.ready.__get__

    def tiring(self: Mover) -> bool:
        if ready(self):
            self.abandon()
        return False

    patch.setattr(Mover, "ready", property(tiring))


# Faults of order


def compute_before_the_input_is_there(scenario: Scenario) -> Scenario:
    """What goes to a device with heads is sent when they have been computed."""

    def hasty(graph: StepGraph) -> StepGraph:
        order = np.arange(len(graph))
        heads = graph.tasks[graph.kind[graph.tasks] == Kind.HEAD]
        order[heads], order[heads - 1] = heads - 1, heads
        columns = ("kind", "payload", "device", "receiver", "count", "layer")
        return replace(graph, **{name: getattr(graph, name)[order] for name in columns})

    return wrong(scenario, hasty)


def do_not_wait_for_all(scenario: Scenario) -> Scenario:
    """A stage ends when its first branch has, whatever the others do."""

    def impatient(graph: StepGraph) -> StepGraph:
        first, successor = [0], list[int]()
        awaited = set[int]()
        for successors in graph.nodes.successors:
            kept = [node for node in successors if graph.count[node] or node not in awaited]
            awaited.update(successors)
            successor += kept
            first.append(len(successor))
        return replace(graph, first_successor=np.array(first), successor=np.array(successor), branches=None)

    return wrong(scenario, impatient)


class Dawdling(FifoProcessor):
    """Turns to a task only after a while."""

    def submit(self, nominal_s: float, disk_s: float, *calls: Any) -> Task:
        submit = super().submit

        def late(_: simpy.Event) -> None:
            submit(nominal_s, disk_s, *calls)

        self._env.timeout(1e-3).callbacks.append(late)
        return Task(nominal_s, disk_s, self._env.now, *calls)


def dawdle(scenario: Scenario) -> Scenario:
    return disguised(scenario, Dawdling)


def change_parts(patch: pytest.MonkeyPatch, change: Callable[[LatencyParts], LatencyParts]) -> None:
    parts = StepInFlight.parts
    patch.setattr(StepInFlight, "parts", lambda self: change(parts(self)))


def take_computing_for_sending(patch: pytest.MonkeyPatch) -> None:
    change_parts(patch, lambda one: LatencyParts(0.0, one.disk_s, one.transfer_s + one.compute_s, one.wait_s))


# Faults of the clock and of tables


def leave_out_a_part(patch: pytest.MonkeyPatch) -> None:
    change_parts(patch, lambda one: replace(one, transfer_s=0.0))


def take_the_shortest_branch(patch: pytest.MonkeyPatch) -> None:
    parts = StepInFlight.parts

    def shortest(self: StepInFlight) -> LatencyParts:
        for node, successors in enumerate(self._nodes.successors):
            for later in successors:
                if self._end_s[node] < self._end_s[self._decisive[later]]:
                    self._decisive[later] = node
        return parts(self)

    patch.setattr(StepInFlight, "parts", shortest)


def keep_a_wait_to_itself(patch: pytest.MonkeyPatch) -> None:
    """What a request has waited for its turn is in no part of its first token."""
    add = ReportingRecorder.add

    def without(self: ReportingRecorder, table: str, *row: Any) -> None:
        if table == "tokens" and row[1] == 0:
            row = (*row[:7], 0.0, *row[8:])
        add(self, table, *row)

    patch.setattr(ReportingRecorder, "add", without)


def misreport_what_was_sent(patch: pytest.MonkeyPatch) -> None:
    """The bytes of each migration are one more in its table."""
    add = ReportingRecorder.add

    def more(self: ReportingRecorder, table: str, *row: Any) -> None:
        if table == "migrations":
            row = (*row[:6], row[6] + 1.0, *row[7:])
        add(self, table, *row)

    patch.setattr(ReportingRecorder, "add", more)


def turn_back_time(patch: pytest.MonkeyPatch) -> None:
    step = simpy.Environment.step

    def back(self: simpy.Environment) -> None:
        step(self)
        self._now *= 1.0 - 1e-3 * (len(self._queue) == 2)

    patch.setattr(simpy.Environment, "step", back)


FAULTS: list[tuple[Fault, Law, Change]] = [
    (lose_a_byte, "bytes", as_it_is),
    (lose_a_byte_of_messages_alone, "bytes", dedicated),
    (ignore_an_outage, "bytes", dedicated),
    (ignore_an_outage, "bytes", as_it_is),
    (move_weights_alone, "bytes", as_it_is),
    (move_weights_alone, "bytes", live),
    (forget_the_cache_that_was_gained, "bytes", live),
    (send_weights_that_are_there, "bytes", warm),
    (send_weights_that_are_there, "bytes", warm_live),
    (keep_copies_without_room, "memory", warm_and_small),
    (keep_caches_that_a_migration_drops, "memory", recomputing),
    (drop_caches_that_are_to_be_sent, "place", as_it_is),
    (forget_that_a_cache_is_of_no_use, "bytes", live),
    (misreport_what_was_sent, "bytes", as_it_is),
    (share_more_than_there_is, "fairness", as_it_is),
    (prefer_the_first, "fairness", as_it_is),
    (waste_some, "fairness", as_it_is),
    (overlook_breakpoints, "fairness", as_it_is),
    (forget_to_share_anew, "fairness", as_it_is),
    (settle_too_late, "fairness", as_it_is),
    (forget_the_disk, "work", small),
    (work_while_down, "work", failing),
    (do_not_prefill_again, "memory", failing),
    (count_twice, "memory", as_it_is),
    (never_free, "memory", live),
    (never_release, "memory", as_it_is),
    (book_on_both, "memory", as_it_is),
    (do_not_grow, "memory", as_it_is),
    (keep_the_cache_of_the_last_sequence, "memory", as_it_is),
    (overlook_that_it_is_too_much, "memory", too_small),
    (book_elsewhere, "place", as_it_is),
    (forget_what_is_lost, "place", failing),
    (move_elsewhere, "place", as_it_is),
    (reserve_elsewhere, "memory", live),
    (give_up_for_nothing, "place", live),
    (leave_one_where_it_is, "place", as_it_is),
    (take_computing_for_sending, "order", as_it_is),
    (leave_out_a_part, "clock", as_it_is),
    (take_the_shortest_branch, "clock", as_it_is),
    (keep_a_wait_to_itself, "clock", as_it_is),
    (turn_back_time, "clock", as_it_is),
]

PARTS: list[tuple[Change, Law, Change]] = [
    (swallow_a_message, "bytes", as_it_is),
    (leave_a_message_out, "bytes", as_it_is),
    (record_on_the_wrong_link, "bytes", as_it_is),
    (record_the_wrong_direction, "bytes", as_it_is),
    (deliver_elsewhere, "bytes", as_it_is),
    (do_not_pay_latency, "bytes", as_it_is),
    (work_too_fast, "work", as_it_is),
    (work_too_fast_together, "work", shared),
    (ignore_background_load, "work", dedicated),
    (serve_two_at_once, "work", as_it_is),
    (serve_all_at_full_speed, "work", shared),
    (rest_between_tasks, "work", shared),
    (skip_a_block, "work", as_it_is),
    (compute_a_block_twice, "work", as_it_is),
    (compute_elsewhere, "work", as_it_is),
    (attend_with_half_of_the_heads, "work", as_it_is),
    (forget_the_overhead, "work", as_it_is),
    (count_what_was_dropped_as_busy, "work", as_it_is),
    (compute_before_the_input_is_there, "order", as_it_is),
    (dawdle, "order", dedicated),
    (keep_the_time_of_what_was_dropped, "work", slow_and_failing),
    (do_not_wait_for_all, "order", as_it_is),
]
"""Faulty parts, and what they are put into."""


def run(change: Change) -> None:
    simulate(change(world()), Shuffled(3), options=RunOptions(audit=True))


@pytest.mark.parametrize(
    "change",
    [
        *(as_it_is, dedicated, live, shared, small, failing, slow_and_failing, live_failing, one_by_one),
        *(warm, warm_live, warm_and_small, warm_and_failing, recomputing, star),
    ],
)
def test_the_engine_as_it_is_passes(change: Change) -> None:
    run(change)


@pytest.mark.parametrize(
    ("fault", "law", "change"),
    FAULTS,
    ids=[f"{fault.__name__}-{change.__name__}" for fault, _, change in FAULTS],
)
def test_a_fault_is_caught_by_the_law_that_it_breaks(
    fault: Fault, law: Law, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with pytest.raises(AuditError) as caught:
        run(change)
    assert caught.value.law == law, str(caught.value)


@pytest.mark.parametrize(
    ("part", "law", "change"), PARTS, ids=[f"{part.__name__}-{change.__name__}" for part, _, change in PARTS]
)
def test_a_faulty_part_is_caught_by_the_law_that_it_breaks(part: Change, law: Law, change: Change) -> None:
    with pytest.raises(AuditError) as caught:
        run(lambda scenario: part(change(scenario)))
    assert caught.value.law == law, str(caught.value)
