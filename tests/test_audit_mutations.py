"""The auditor is tested by mutation: each fault, made by hand in the real engine, is caught by the law it breaks."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
import simcore.engine.decode
import simpy
from simcore.engine.decode import Decoder, Parts, Pipeline, _Step
from worlds import Shuffled, varied

import simcore.engine.network.maxmin_incremental
import simcore.engine.network.network
from simcore import (
    AuditError,
    Cluster,
    ControllerOptions,
    DecodeCost,
    Device,
    IntArray,
    Link,
    Medium,
    ModelSpec,
    Request,
    Scenario,
    simulate,
)
from simcore.audit import Law
from simcore.engine.compute import FifoProcessor, SharedProcessor
from simcore.engine.network.flow import Flow
from simcore.engine.network.fluid import Fluid
from simcore.engine.network.maxmin import Allocation, max_min
from simcore.engine.network.network import FairNetwork, _Books
from simcore.engine.placement.deployment import Deployment
from simcore.engine.placement.memory import MemoryLedger
from simcore.engine.placement.migration import Mover
from simcore.world.blocks import Kind
from simcore.world.cost import Stage
from simcore.world.route import Route
from traces import Trace, on_off

Fault: TypeAlias = Callable[[pytest.MonkeyPatch], None]
Change: TypeAlias = Callable[[Scenario], Scenario]

SIMULATE = importlib.import_module("simcore.simulate")
"""The module; the function has its name in the package."""

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
        controller=ControllerOptions(interval=2),
    )


def as_it_is(scenario: Scenario) -> Scenario:
    return scenario


def live(scenario: Scenario) -> Scenario:
    return varied(scenario, migration="live")


def dedicated(scenario: Scenario) -> Scenario:
    return varied(scenario, sharing="dedicated")


def devices(scenario: Scenario, **changes: Any) -> Scenario:
    changed = tuple(replace(device, **changes) for device in scenario.cluster.devices)
    return replace(scenario, cluster=replace(scenario.cluster, devices=changed))


def shared(scenario: Scenario) -> Scenario:
    return devices(scenario, discipline="ps")


def small(scenario: Scenario) -> Scenario:
    return devices(varied(scenario, overflow="swap"), memory_bytes=2e5)


def too_small(scenario: Scenario) -> Scenario:
    return devices(scenario, memory_bytes=2e5)


def failing(scenario: Scenario) -> Scenario:
    """The last device goes down while it computes, and twice again while tokens are made."""
    first, second, third = scenario.cluster.devices
    third = replace(third, up=on_off([(0.0035, 0.0037), (0.055, 0.075), (0.3, 0.31)]))
    return replace(scenario, cluster=replace(scenario.cluster, devices=(first, second, third)))


def live_failing(scenario: Scenario) -> Scenario:
    return live(failing(scenario))


# Faults of messages


def lose_a_byte(patch: pytest.MonkeyPatch) -> None:
    carry = Fluid.carry
    patch.setattr(
        Fluid, "carry", lambda self, way, size, weight=1.0: carry(self, way, max(0.0, size - 1.0), weight)
    )


def lose_a_byte_of_messages_alone(patch: pytest.MonkeyPatch) -> None:
    reach = Route.reach
    patch.setattr(Route, "reach", lambda self, start, size: reach(self, start, max(0.0, size - 1.0)))


def ignore_an_outage(patch: pytest.MonkeyPatch) -> None:
    def rate(way: Route, start_s: float) -> float:
        return min(float(trace.values.max()) for trace in way.bandwidths)

    patch.setattr(Route, "reach", lambda self, start, size: start + size / rate(self, start))


def swallow_a_message(patch: pytest.MonkeyPatch) -> None:
    send, count = FairNetwork.send, iter(range(10**6))

    def swallowing(self: FairNetwork, start: int, end: int, size: float) -> Any:
        if next(count) == 5:
            yield self._env.timeout(1e-6)
            return None
        return (yield from send(self, start, end, size))

    patch.setattr(FairNetwork, "send", swallowing)


def deliver_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """The token returns to the wrong device."""
    token = Decoder.token

    def elsewhere(self: Decoder, way: Pipeline, *rest: Any) -> Any:
        return token(self, replace(way, source=(way.source + 1) % 3), *rest)

    patch.setattr(Decoder, "token", elsewhere)


def do_not_pay_latency(patch: pytest.MonkeyPatch) -> None:
    begin = simcore.engine.network.network._begin
    patch.setattr(simcore.engine.network.network, "_begin", lambda *what: (0.0, begin(*what)[1]))


def record_on_the_wrong_link(patch: pytest.MonkeyPatch) -> None:
    books = _Books._open_books

    def wrong(self: _Books, route: Route, start: int, end: int) -> Any:
        return books(self, replace(route, links=route.links[:1]), start, end)

    patch.setattr(_Books, "_open_books", wrong)


def record_the_wrong_direction(patch: pytest.MonkeyPatch) -> None:
    books = _Books._open_books
    patch.setattr(_Books, "_open_books", lambda self, route, start, end: books(self, route, end, start))


# Faults of sharing


def share_more_than_there_is(patch: pytest.MonkeyPatch) -> None:
    def generous(capacity: dict[int, float], *what: Any) -> Allocation:
        return max_min({resource: 1.5 * each for resource, each in capacity.items()}, *what)

    patch.setattr(simcore.engine.network.maxmin_incremental, "max_min", generous)


def prefer_the_first(patch: pytest.MonkeyPatch) -> None:
    def unfair(capacity: Any, paths: Any, weights: Sequence[float]) -> Allocation:
        return max_min(capacity, paths, [2.0 * weights[0], *weights[1:]])

    patch.setattr(simcore.engine.network.maxmin_incremental, "max_min", unfair)


def waste_some(patch: pytest.MonkeyPatch) -> None:
    def wasteful(capacity: dict[int, float], *what: Any) -> Allocation:
        return max_min({resource: 0.9 * each for resource, each in capacity.items()}, *what)

    patch.setattr(simcore.engine.network.maxmin_incremental, "max_min", wasteful)


def overlook_breakpoints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fluid, "_notice", lambda self, state: None)


def forget_to_share_anew(patch: pytest.MonkeyPatch) -> None:
    """Who is left alone goes on at half the rate."""
    patch.setattr(Flow, "go_alone", lambda self, now: self.go_at(self.rate, self.bottleneck, now))


def settle_too_late(patch: pytest.MonkeyPatch) -> None:
    settle = Fluid._settle

    def later(self: Fluid, event: simpy.Event) -> None:
        self._env.timeout(1e-4).callbacks.append(lambda _: settle(self, event))

    patch.setattr(Fluid, "_settle", later)


# Faults of work


def work_too_fast(patch: pytest.MonkeyPatch) -> None:
    for kind in (FifoProcessor, SharedProcessor):
        submit = kind.submit
        patch.setattr(kind, "submit", lambda self, s, disk=0.0, submit=submit: submit(self, 0.9 * s, disk))


def ignore_background_load(patch: pytest.MonkeyPatch) -> None:
    free = FifoProcessor.__init__

    def idle(self: FifoProcessor, env: simpy.Environment, device: Device) -> None:
        free(self, env, replace(device, availability=Trace.constant(1.0)))

    patch.setattr(FifoProcessor, "__init__", idle)


def serve_two_at_once(patch: pytest.MonkeyPatch) -> None:
    """Heads come as tasks of their own, and a task does not wait for the one before it."""
    submit = FifoProcessor.submit

    def at_once(self: FifoProcessor, nominal_s: float, disk_s: float = 0.0) -> simpy.Event:
        self._free_at_s = 0.0
        return submit(self, nominal_s, disk_s)

    one_by_one(patch)
    patch.setattr(FifoProcessor, "submit", at_once)


def serve_all_at_full_speed(patch: pytest.MonkeyPatch) -> None:
    """Where devices are to be shared by the tasks that are there."""
    serve_two_at_once(patch)
    patch.setattr(SIMULATE, "processor", FifoProcessor)


def rest_between_tasks(patch: pytest.MonkeyPatch) -> None:
    submit = SharedProcessor.submit
    patch.setattr(SharedProcessor, "submit", lambda self, s, disk=0.0: submit(self, 1.1 * s, disk))


def one_by_one(patch: pytest.MonkeyPatch) -> None:
    def split(where: IntArray) -> tuple[tuple[int, int], ...]:
        return tuple((device, 1) for device in sorted(where.tolist()))

    patch.setattr(simcore.engine.decode, "_counted", split)


def change_counts(patch: pytest.MonkeyPatch, by: int) -> None:
    counted = simcore.engine.decode._counted
    patch.setattr(
        simcore.engine.decode,
        "_counted",
        lambda where: tuple((device, n + by if n > 1 else n) for device, n in counted(where)),
    )


def skip_a_block(patch: pytest.MonkeyPatch) -> None:
    change_counts(patch, -1)


def compute_a_block_twice(patch: pytest.MonkeyPatch) -> None:
    change_counts(patch, 1)


def compute_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """The projection is computed by the device next to the one that holds it."""
    pipeline = simcore.engine.decode.pipeline

    def moved(*what: Any) -> Pipeline:
        way = pipeline(*what)
        layers = tuple(replace(layer, proj=(layer.proj + 1) % 3) for layer in way.layers)
        return replace(way, layers=layers)

    patch.setattr("simcore.engine.placement.deployment.pipeline", moved)


def forget_the_overhead(patch: pytest.MonkeyPatch) -> None:
    seconds = SIMULATE.nominal_seconds
    patch.setattr(SIMULATE, "nominal_seconds", lambda *what: seconds(*what[:3], 0.0 * what[3]))


def forget_the_disk(patch: pytest.MonkeyPatch) -> None:
    seconds = SIMULATE.disk_seconds
    patch.setattr(SIMULATE, "disk_seconds", lambda *what: 0.0 * seconds(*what))


def work_while_down(patch: pytest.MonkeyPatch) -> None:
    def heedless(env: object, outages: object, devices: object, work: Any) -> Any:
        yield from work
        return True

    patch.setattr(SIMULATE, "unless_failing", heedless)


def count_what_was_dropped_as_busy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FifoProcessor, "busy_s", property(lambda self: self._promised_s + self._env.now))


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
    begun = Deployment.begin_sequence
    patch.setattr(Deployment, "begin_sequence", lambda self: begun(self) if self.placement is None else None)


def overlook_that_it_is_too_much(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SIMULATE, "swapped_bytes", lambda held, available: np.zeros_like(held))


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
    patch.setattr(Deployment, "step", lambda self, turn: self._cost.step(turn.request.prompt, turn.generated))


def move_weights_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "to_send", Deployment.lasting)


def forget_the_cache_that_was_gained(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Deployment, "moving_bytes", property(lambda self: np.zeros(len(self._blocks.kind))), raising=True
    )


def forget_that_a_cache_is_of_no_use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mover, "forget_caches", lambda self: None)


def move_elsewhere(patch: pytest.MonkeyPatch) -> None:
    moves = Mover._moves
    patch.setattr(Mover, "_moves", lambda self, blocks, targets: moves(self, blocks, (targets + 1) % 3))


def leave_one_where_it_is(patch: pytest.MonkeyPatch) -> None:
    moves = Mover._moves
    patch.setattr(Mover, "_moves", lambda self, blocks, targets: moves(self, blocks, targets)[1:])


def give_up_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def tiring(self: Mover, copying: Any) -> Any:
        yield from copying.work
        self.abandon()

    patch.setattr(Mover, "_copy_beside", tiring)


# Faults of order


def compute_before_the_input_is_there(patch: pytest.MonkeyPatch) -> None:
    def hasty(self: _Step, stage: Stage, start: int, device: int, count: int, end: int, parts: Parts) -> Any:
        yield from self.compute(device, stage.kind, count, parts)
        yield from self.send(start, device, stage.input_bytes, parts)
        yield from self.send(device, end, count * stage.block_bytes + stage.sum_bytes, parts)
        return self.env.now

    patch.setattr(_Step, "branch", hasty)


def dawdle(patch: pytest.MonkeyPatch) -> None:
    compute = _Step.compute

    def idle(self: _Step, device: int, kind: Kind, count: int, parts: Parts) -> Any:
        yield self.env.timeout(1e-3)
        parts.compute_s += 1e-3
        yield from compute(self, device, kind, count, parts)

    patch.setattr(_Step, "compute", idle)


def take_computing_for_sending(patch: pytest.MonkeyPatch) -> None:
    add = Parts.add

    def wrong(self: Parts, other: Parts) -> None:
        add(self, Parts(0.0, other.disk_s, other.transfer_s + other.compute_s, other.wait_s))

    patch.setattr(Parts, "add", wrong)


# Faults of the clock and of tables


def leave_out_a_part(patch: pytest.MonkeyPatch) -> None:
    add = Parts.add
    patch.setattr(Parts, "add", lambda self, other: add(self, replace(other, transfer_s=0.0)))


def take_the_shortest_branch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(simcore.engine.decode, "max", min, raising=False)


def keep_a_wait_to_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SIMULATE, "Parts", lambda wait_s: Parts())


def misreport_what_was_sent(patch: pytest.MonkeyPatch) -> None:
    record = Mover._record

    def wrong(self: Mover, turn: Any, move: Any, outcome: str) -> None:
        move.sent_bytes += 1.0
        record(self, turn, move, outcome)

    patch.setattr(Mover, "_record", wrong)


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
    (swallow_a_message, "bytes", as_it_is),
    (deliver_elsewhere, "bytes", as_it_is),
    (do_not_pay_latency, "bytes", as_it_is),
    (record_on_the_wrong_link, "bytes", as_it_is),
    (record_the_wrong_direction, "bytes", dedicated),
    (move_weights_alone, "bytes", as_it_is),
    (move_weights_alone, "bytes", live),
    (forget_the_cache_that_was_gained, "bytes", live),
    (forget_that_a_cache_is_of_no_use, "bytes", live),
    (misreport_what_was_sent, "bytes", as_it_is),
    (share_more_than_there_is, "fairness", as_it_is),
    (prefer_the_first, "fairness", as_it_is),
    (waste_some, "fairness", as_it_is),
    (overlook_breakpoints, "fairness", as_it_is),
    (forget_to_share_anew, "fairness", as_it_is),
    (settle_too_late, "fairness", as_it_is),
    (work_too_fast, "work", as_it_is),
    (work_too_fast, "work", shared),
    (ignore_background_load, "work", dedicated),
    (serve_two_at_once, "work", as_it_is),
    (serve_all_at_full_speed, "work", shared),
    (rest_between_tasks, "work", shared),
    (skip_a_block, "work", as_it_is),
    (compute_a_block_twice, "work", as_it_is),
    (compute_elsewhere, "work", as_it_is),
    (forget_the_overhead, "work", as_it_is),
    (forget_the_disk, "work", small),
    (work_while_down, "work", failing),
    (do_not_prefill_again, "work", failing),
    (count_what_was_dropped_as_busy, "work", as_it_is),
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
    (move_elsewhere, "memory", live),
    (give_up_for_nothing, "place", live),
    (leave_one_where_it_is, "place", as_it_is),
    (compute_before_the_input_is_there, "order", as_it_is),
    (dawdle, "order", dedicated),
    (take_computing_for_sending, "order", as_it_is),
    (leave_out_a_part, "clock", as_it_is),
    (take_the_shortest_branch, "clock", as_it_is),
    (keep_a_wait_to_itself, "clock", as_it_is),
    (turn_back_time, "clock", as_it_is),
]


def run(change: Change) -> None:
    simulate(change(world()), Shuffled(3), audit=True)


@pytest.mark.parametrize("change", [as_it_is, dedicated, live, shared, small, failing, live_failing])
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
