"""Parts of the simulator that others write: given as objects, found by name, and told of where they cannot be."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from typing import cast

import numpy as np
import pytest
import simpy
from worlds import Shuffled, varied

import headway.simcore.registry
from headway.simcore import (
    Cluster,
    Decision,
    Device,
    Link,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Request,
    Result,
    Route,
    RunOptions,
    Scenario,
    simulate,
)
from headway.simcore.engine.compute import DISCIPLINES, Discipline
from headway.simcore.engine.fifo import FifoProcessor
from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.network import SHARING_RULES, SharingRule
from headway.simcore.engine.network.transfer import Carried, Transfer
from headway.simcore.engine.network.transport import TRANSPORTS, Transport, TransportSpec
from headway.simcore.engine.task import Processor, Task
from headway.simcore.errors import RunEndedError
from headway.simcore.registry import Named, Registry
from headway.traces import InputError, Trace


class Fixed:
    """A processor that serves in order and takes a while to turn to each task."""

    def __init__(self, inner: Processor, setup_s: float) -> None:
        self._inner = inner
        self._setup_s = setup_s

    @property
    def busy_s(self) -> float:
        return self._inner.busy_s

    def submit(
        self,
        nominal_s: float,
        disk_s: float,
        done: Callable[[Task], None],
        failed: Callable[[RunEndedError], None],
    ) -> Task:
        return self._inner.submit(nominal_s, disk_s + self._setup_s, done, failed)

    def cancel(self, task: Task) -> None:
        self._inner.cancel(task)


SET_UP = Discipline("set-up", lambda env, device: Fixed(FifoProcessor(env, device), 0.25))
"""In order, with a fixed time before each task."""


class LifoProcessor:
    """The last that came is the next."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._stack: list[Task] = []
        self._running: Task | None = None
        self.busy_s = 0.0

    def submit(
        self,
        nominal_s: float,
        disk_s: float,
        done: Callable[[Task], None],
        failed: Callable[[RunEndedError], None],
    ) -> Task:
        task = Task(nominal_s, disk_s, self._env.now, done, failed)
        self._stack.append(task)
        self._next()
        return task

    def cancel(self, task: Task) -> None:
        self._stack = [one for one in self._stack if one is not task]

    def _next(self) -> None:
        if self._running is None and self._stack:
            task = self._running = self._stack.pop()
            task.start_s = self._env.now
            self._env.timeout(task.disk_s + task.nominal_s, task).callbacks.append(self._end)

    def _end(self, event: simpy.Event) -> None:
        task = cast("Task", event.value)
        task.end_s, self._running = self._env.now, None
        self.busy_s += task.end_s - task.start_s
        self._next()
        task.done(task)


LIFO = Discipline("lifo", lambda env, _: LifoProcessor(env))


class Double:
    """Sends everything twice."""

    name = "double"

    def open(self) -> Transport:
        return self

    def begin(
        self, ends: tuple[int, int], route: Route, round_trip_s: float, size_bytes: float, now: float
    ) -> tuple[float, float]:
        return 0.0, 2.0 * size_bytes

    def end(self, ends: tuple[int, int], now: float) -> None:
        pass

    def reset(self, ends: tuple[int, int]) -> None:
        pass


class PostNetwork:
    """Every message takes as long as every other one."""

    flows: Sequence[Flow] = ()
    settled = True

    def __init__(self, env: simpy.Environment, cluster: Cluster, takes_s: float) -> None:
        self._env = env
        self._cluster = cluster
        self._takes_s = takes_s
        self.carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)

    def send(
        self,
        sender: int,
        receiver: int,
        size_bytes: float,
        arrived: Callable[[Transfer], None],
        failed: Callable[[RunEndedError], None],
    ) -> Transfer:
        route = self._cluster.routes[sender][receiver]
        assert route is not None
        transfer = Transfer(sender, receiver, size_bytes, route, self._env.now, arrived, failed)
        self._env.timeout(self._takes_s, transfer).callbacks.append(self._end)
        return transfer

    def cancel(self, transfer: Transfer) -> None:
        transfer.active = False

    def _end(self, event: simpy.Event) -> None:
        transfer = cast("Transfer", event.value)
        if transfer.active:
            transfer.active = False
            self._enter(transfer)
            transfer.arrived(transfer)

    def _enter(self, transfer: Transfer) -> None:
        at = self._cluster.names[transfer.sender]
        for number in transfer.route.links:
            first, second = self._cluster.links[number].ends
            book = self.carried[number, first == at]
            book.messages += 1
            book.size_bytes += transfer.wire_bytes
            book.busy_s += self._takes_s
            at = second if first == at else first


POST = SharingRule("post", lambda env, cluster, _: PostNetwork(env, cluster, 0.125))


def world(**device: Named | str) -> Scenario:
    """Two devices with a link between them, and a model of one layer."""
    model = ModelSpec(
        name="tiny", layers=1, width=4, heads=2, kv_heads=2, head_size=2, ffn_width=16, gated_ffn=False,
        vocabulary=10, bytes_per_weight=4, bytes_per_kv=4, bytes_per_activation=4,
    )  # fmt: skip
    devices = tuple(Device(name=name, memory_bytes=1e9, flops=1e3, **device) for name in "ab")  # type: ignore[arg-type]
    link = Link(name="l", ends=("a", "b"), bandwidth=Trace.constant(100.0))
    return Scenario(
        name="parts", model=model, cost=PaperCost(model), cluster=Cluster(devices, (link,), "a"),
        requests=(Request(prompt=3, output=4), Request(prompt=2, output=3)),
    )  # fmt: skip


class Apart:
    """The first head on the one device, all else on the other."""

    name = "apart"

    def decide(self, seen: Observation) -> Decision:
        where = np.ones(len(seen.blocks), dtype=np.int64)
        where[seen.blocks.names.index("L0.head0")] = 0
        return Placement(where)


def run(scenario: Scenario) -> Result:
    """Audited, though of parts that it does not know the auditor can say little."""
    result = simulate(scenario, Apart(), options=RunOptions(audit=True))
    assert result.runs.status.tolist() == ["complete"]
    return result


def test_a_discipline_of_ones_own_serves_a_whole_run() -> None:
    """A set-up of 1/4 s per task is seen as time at the disk; what is busy is busy with it."""
    plain, slow = run(world()), run(world(discipline=SET_UP))
    parts = ["compute_s", "transfer_s", "disk_s", "wait_s", "migration_s", "decision_s", "fault_s"]
    assert (plain.tokens.disk_s == 0.0).all()
    steps = slow.tokens.disk_s / 0.25
    np.testing.assert_allclose(steps, steps.round())
    assert (steps >= 4).all()  # embedding, head, projection, feed-forward network, ...
    np.testing.assert_allclose(slow.tokens[parts].sum(axis=1), slow.tokens.latency_s)
    assert (slow.devices.busy_s > plain.devices.busy_s).all()


def test_a_discipline_is_that_of_its_device_alone() -> None:
    scenario = world()
    first, second = scenario.cluster.devices
    mixed = replace(
        scenario.cluster,
        devices=(first, replace(second, discipline=LIFO)),
    )
    known = run(scenario)
    assert run(varied(scenario, cluster=mixed)).tokens.equals(known.tokens)  # one task at a time has no order


def test_an_order_of_ones_own_is_kept_where_tasks_meet() -> None:
    env = simpy.Environment()
    device = DISCIPLINES.find(LIFO).processor(env, Device(name="d", memory_bytes=1.0, flops=1.0))
    ended: list[float] = []
    for nominal_s in (1.0, 2.0, 3.0):
        device.submit(nominal_s, 0.0, lambda task: ended.append(task.nominal_s), lambda _: None)
    env.run()
    assert ended == [1.0, 3.0, 2.0]


@pytest.mark.parametrize("sharing", ["fair", "dedicated"])
def test_a_transport_of_ones_own_carries_a_whole_run(sharing: str) -> None:
    """Bytes are doubled; without latency, that is a link of half the rate."""
    scenario = varied(world(), sharing=sharing)
    single, double = run(scenario), run(varied(scenario, transport=Double()))
    np.testing.assert_allclose(double.links.size_bytes, 2.0 * single.links.size_bytes)
    assert double.links.messages.equals(single.links.messages)
    (link,) = scenario.cluster.links
    half = replace(scenario.cluster, links=(replace(link, bandwidth=Trace.constant(50.0)),))
    np.testing.assert_allclose(double.tokens.latency_s, run(varied(scenario, cluster=half)).tokens.latency_s)


def test_a_rule_of_sharing_of_ones_own_carries_a_whole_run() -> None:
    """Every message takes 1/8 s, so that transfers take multiples of it, and links are busy for as long."""
    result = run(varied(world(), sharing=POST))
    tokens, links = result.tokens, result.links
    np.testing.assert_allclose(links.busy_s, 0.125 * links.messages)
    hops = tokens.transfer_s / 0.125
    np.testing.assert_allclose(hops, hops.round(), atol=1e-9)
    assert (hops >= 2).all()


@pytest.mark.parametrize("shipped", ["fair", "dedicated"])
def test_shipped_parts_are_the_same_as_objects(shipped: str) -> None:
    by_name = varied(world(discipline="ps"), sharing=shipped, transport="tcp")
    by_object = varied(
        world(discipline=DISCIPLINES.find("ps")),
        sharing=SHARING_RULES.find(shipped),
        transport=TRANSPORTS.find("tcp"),
    )
    assert run(by_name).tokens.equals(run(by_object).tokens)


PARTS = [
    pytest.param(
        DISCIPLINES,
        "headway.disciplines",
        LIFO,
        id="discipline",
    ),
    pytest.param(
        SHARING_RULES,
        "headway.sharing",
        POST,
        id="sharing",
    ),
    pytest.param(TRANSPORTS, "headway.transports", Double(), id="transport"),
]
SHIPPED = {"headway.disciplines": "fifo", "headway.sharing": "fair", "headway.transports": "tcp"}


def with_part(group: str, part: Named | str) -> Scenario:
    """The world with a part of this group."""
    match group:
        case "headway.disciplines":
            return world(discipline=part)
        case "headway.sharing":
            return varied(world(), sharing=part)
        case _:
            return varied(world(), transport=part)


def install(patch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    """Let packages have these entry points, and no others."""

    def entry_points(group: str) -> EntryPoints:
        return EntryPoints(entries).select(group=group)

    patch.setattr(headway.simcore.registry, "entry_points", entry_points)


MINE: dict[str, Discipline | SharingRule | TransportSpec] = {
    "headway.disciplines": LIFO,
    "headway.sharing": POST,
    "headway.transports": Double(),
}
"""What the entry points of the tests lead to."""

DOUBLE = MINE["headway.transports"]


@pytest.mark.parametrize(("registry", "group", "part"), PARTS)
def test_an_unknown_name_is_told_with_all_that_are_known(
    registry: Registry[Named], group: str, part: Named
) -> None:
    with pytest.raises(InputError) as caught:
        simulate(with_part(group, SHIPPED[group] + "x"), Shuffled(0))
    assert caught.value.got == repr(SHIPPED[group] + "x")
    assert ", ".join(registry.names()) in caught.value.expected
    assert f"did you mean {SHIPPED[group]!r}?" in caught.value.expected
    with pytest.raises(InputError, match=r"^lab\.yaml:7: got 'nothing'"):
        registry.find("nothing", "lab.yaml:7")


@pytest.mark.parametrize(("registry", "group", "part"), PARTS)
def test_a_part_of_an_installed_package_is_found_by_name(
    registry: Registry[Named], group: str, part: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = registry.names()
    value = {"headway.disciplines": "LIFO", "headway.sharing": "POST", "headway.transports": "DOUBLE"}[group]
    entry = EntryPoint(part.name, f"{__name__}:{value}", group)
    other = EntryPoint("elsewhere", f"{__name__}:{value}", "headway.others")
    install(monkeypatch, entry, entry, other)  # a package may be found twice
    assert registry.names() == tuple(sorted({*before, part.name}))
    assert registry.find(part.name) is MINE[group]
    assert registry.find(SHIPPED[group]).name == SHIPPED[group]
    assert run(with_part(group, part.name)).tokens.equals(run(with_part(group, part)).tokens)


@pytest.mark.parametrize(("registry", "group", "part"), PARTS)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no_such_package:PART", "ModuleNotFoundError: No module named 'no_such_package'"),
        (f"{__name__}:NOTHING", "AttributeError: "),
    ],
)
def test_a_part_that_cannot_be_loaded_is_told(
    registry: Registry[Named],
    group: str,
    part: Named,
    value: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, EntryPoint("broken", value, group))
    assert "broken" in registry.names()
    with pytest.raises(InputError) as caught:
        simulate(with_part(group, "broken"), Shuffled(0))
    assert caught.value.got.startswith(f"'broken', which cannot be imported ({says}")
    assert run(with_part(group, SHIPPED[group])).runs.status.tolist() == ["complete"]


@pytest.mark.parametrize(("registry", "group", "part"), PARTS)
def test_two_packages_with_one_name_are_told(
    registry: Registry[Named], group: str, part: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the name is that of a shipped part, which no package replaces."""
    names = ("twice", "twice", SHIPPED[group])
    values = ("one.package:PART", "another.package:PART", "one.package:PART")
    install(monkeypatch, *(EntryPoint(*both, group) for both in zip(names, values, strict=True)))
    with pytest.raises(InputError) as caught:
        simulate(with_part(group, "twice"), Shuffled(0))
    assert caught.value.got == "'twice', which is another.package:PART and one.package:PART"
    assert registry.find(SHIPPED[group]).name == SHIPPED[group]
