"""Everything at once: a machine builds up worlds, runs any policy in them under audit, and compares runs.

The auditor checks after every event what must always hold; the rules of the machine are the laws that compare runs:
scaling, monotony, renaming, repetition, and that policies share one world.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from worlds import Scripted, Shuffled, blinking, clusters, reals, scenarios, varied, varying

from headway import policies
from headway.policies.contract.strategies import needed_bytes, placements, with_memory
from headway.policies.contract.views import difference as different
from headway.simcore import (
    TABLES,
    Decision,
    Device,
    Ideal,
    Infeasible,
    IntArray,
    Keep,
    Link,
    Medium,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Request,
    Result,
    RunOptions,
    Scenario,
    Tcp,
    simulate,
)
from headway.simcore.observe import is_fixed
from headway.simcore.registry import name_of
from headway.traces import Trace, on_off, scaled

FOREVER = Trace.constant(1.0)
NOTHING = Trace.constant(0.0)
LIMIT_S = 0.03
"""For the one policy that needs it; the others have the usual time."""

STATUSES = {"complete", "out-of-memory", "infeasible", "stalled"}


# Policies


@dataclass
class Acts:
    """Decides as a function of what it sees and of how often it was asked says."""

    deed: Callable[[Observation, int], Any]
    name: ClassVar[str] = "acts"

    def __post_init__(self) -> None:
        self._asked = itertools.count()

    def decide(self, observation: Observation) -> Decision:
        decision: Decision = self.deed(observation, next(self._asked))
        return decision


def everything_on(observation: Observation, device: int) -> Placement:
    return Placement(np.full(len(observation.blocks), device % observation.devices))


def garbage(observation: Observation, asked: int) -> Any:
    return [
        None,
        Placement(np.full(len(observation.blocks), np.nan)),
        Placement(np.full(len(observation.blocks), -1)),
        everything_on(observation, 0),
        Placement(np.zeros(0, dtype=np.int64)),
        "keep",
    ][asked % 6]


def doubtful(observation: Observation, asked: int) -> Decision:
    """Finds nothing every other time, whatever there is."""
    return Infeasible("not in the mood") if asked % 2 else everything_on(observation, asked // 2)


def keeps(observation: Observation, _: int) -> Decision:
    return (
        Keep()
        if observation.placement is not None
        else Placement(np.arange(len(observation.blocks)) % observation.devices)
    )


def remembers(observation: Observation, asked: int, given_out: list[IntArray]) -> Decision:
    """Changes what it has answered, and gives out the same array again."""
    if asked == 0:
        given_out[:] = [np.arange(len(observation.blocks)) % observation.devices]
    np.copyto(given_out[0], (given_out[0] + 1) % observation.devices)
    return Placement(given_out[0])


def raises(observation: Observation, asked: int) -> Decision:
    if asked:
        raise ValueError("asked too often")
    return everything_on(observation, observation.source)


def grabs(observation: Observation, asked: int) -> Decision:
    return Placement(np.zeros(2**52 + asked, dtype=np.int64))


def broods(observation: Observation, asked: int) -> Decision:
    while asked:
        pass
    return everything_on(observation, observation.source)


ADVERSARIES: Mapping[str, Callable[[], Policy]] = {
    "garbage": lambda: Acts(garbage),
    "doubtful": lambda: Acts(doubtful),
    "keeps": lambda: Acts(keeps),
    "remembers": lambda: Acts(lambda observation, asked, given=[]: remembers(observation, asked, given)),  # type: ignore[misc]
    "one device": lambda: Acts(lambda observation, _: everything_on(observation, -1)),
    "ping-pong": lambda: Acts(lambda observation, asked: everything_on(observation, asked % 2)),
    "moves all": lambda: Acts(
        lambda observation, asked: Placement(
            (np.arange(len(observation.blocks)) + asked) % observation.devices
        )
    ),
    "shuffled": lambda: Shuffled(7),
}
MISBEHAVED: Mapping[str, Callable[[], Policy]] = {
    "raises": lambda: Acts(raises),
    "grabs": lambda: Acts(grabs),
    "broods": lambda: Acts(broods),
}
SHIPPED: Mapping[str, Callable[[], Policy]] = {
    # Its solver takes a tenth of a second for each decision.
    name: lambda name=name: policies.create(name)  # type: ignore[misc]
    for name in policies.names()
    if name != "exact-milp"
}
POLICIES = {**SHIPPED, **ADVERSARIES}


class Watching:
    """Decides as another policy does, and remembers the first that it saw."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name = policy.name
        self.fixed = is_fixed(policy)  # a policy that is asked less often makes other runs
        self.observation: Observation | None = None

    def decide(self, observation: Observation) -> Decision:
        self.observation = self.observation or observation
        return self._policy.decide(observation)


# Worlds


def changed(scenario: Scenario, *, devices: Any = None, links: Any = None, **others: Any) -> Scenario:
    """The scenario with each of its devices or links replaced by what a function makes of it."""
    cluster = scenario.cluster
    return replace(
        scenario,
        cluster=replace(
            cluster,
            devices=tuple(map(devices, cluster.devices)) if devices else cluster.devices,
            links=tuple(map(links, cluster.links)) if links else cluster.links,
            **others,
        ),
    )


def only(number: int, **changes: Any) -> Callable[[Any], Any]:
    """Changes one device or link, in the order in which they come."""
    count = itertools.count()
    return lambda one: replace(one, **changes) if next(count) == number else one


def in_time(trace: Trace, k: float, by: float = 1.0) -> Trace:
    """The trace k times as fast, its values multiplied."""
    duration = None if trace.duration is None else trace.duration / k
    return scaled(Trace(trace.times / k, trace.values, end=trace.end, duration=duration), by)


def faster(scenario: Scenario, k: float) -> Scenario:
    """The same world in which everything happens k times as fast."""

    def rate(trace: Trace | None) -> Trace | None:
        return None if trace is None else in_time(trace, k, k)

    def device(one: Device) -> Device:
        return replace(
            one,
            flops=one.flops * k,
            memory_bandwidth=one.memory_bandwidth * k,
            disk_bandwidth=one.disk_bandwidth * k,
            overhead_s=one.overhead_s / k,
            availability=in_time(one.availability, k),
            used_bytes=in_time(one.used_bytes, k),
            up=in_time(one.up, k),
            nic_up=rate(one.nic_up),
            nic_down=rate(one.nic_down),
        )

    def link(one: Link) -> Link:
        latency = one.latency_s
        return replace(
            one,
            bandwidth=rate(one.bandwidth),
            latency_s=in_time(latency, k, 1 / k) if isinstance(latency, Trace) else latency / k,
            overhead_s=one.overhead_s / k,
            up=in_time(one.up, k),
        )

    media = tuple(replace(one, bandwidth=in_time(one.bandwidth, k, k)) for one in scenario.cluster.media)
    charged = scenario.controller.decision_time
    return varied(
        changed(scenario, devices=device, links=link, media=media),
        window_s=scenario.controller.window_s / k,
        decision_time=charged / k if isinstance(charged, float) else charged,
        requests=tuple(replace(one, arrival_s=one.arrival_s / k) for one in scenario.requests),
    )


def renamed(scenario: Scenario, names: Mapping[str, str]) -> Scenario:
    def link(one: Link) -> Link:
        return replace(one, ends=(names[one.ends[0]], names[one.ends[1]]))

    return changed(
        scenario,
        devices=lambda one: replace(one, name=names[one.name]),
        links=link,
        source=names[scenario.cluster.source],
    )


def assert_same(one: Result, other: Result, *, but: frozenset[str] = frozenset({"timings"})) -> None:
    for table in TABLES.keys() - but:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True, obj=table)


def assert_sound(result: Result) -> None:
    """What anybody can see in the tables."""
    assert set(result.runs.status) <= STATUSES
    tokens = result.tokens
    parts = ["compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s"]
    assert (tokens.latency_s > 0.0).all()
    assert (tokens[parts] >= 0.0).all(axis=None)
    np.testing.assert_allclose(tokens[parts].sum(axis=1), tokens.latency_s, rtol=1e-9, atol=1e-12)
    ends = (tokens.start_s + tokens.latency_s).to_numpy()
    assert (np.diff(ends) >= 0.0).all()


def one_of(many: tuple[Any, ...], draw: int) -> int:
    """The index of one of many; of none, one that nothing has."""
    return draw % len(many) if many else -1


class Machine(RuleBasedStateMachine):
    """Builds up a world step by step, and runs policies in it."""

    @initialize(
        scenario=scenarios(cluster=clusters(most=4), requests=2, most_tokens=4, most_shards=2),
        sharing=st.sampled_from(["fair", "dedicated"]),
    )
    def begin(self, scenario: Scenario, sharing: Any) -> None:
        # Requests that arrive next to nothing apart arrive at once where time is finer still.
        requests = tuple(replace(one, arrival_s=round(one.arrival_s, 9)) for one in scenario.requests)
        self.scenario = varied(scenario, sharing=sharing, overflow="swap", requests=requests)
        self.calm_s = max(1e-3, float(simulate(self.scenario, Shuffled(1)).runs.end_s[0]))

    def run(self, name: str, scenario: Scenario | None = None) -> Result:
        result = simulate(scenario or self.scenario, POLICIES[name](), options=RunOptions(audit=True))
        assert_sound(result)
        return result

    # What the world is like

    @rule(draw=st.integers(0, 9), flops=reals(1e8, 1e10), rate=reals(1e5, 1e8), latency_s=reals(0.0, 1e-2))
    def add_a_device(self, draw: int, flops: float, rate: float, latency_s: float) -> None:
        cluster = self.scenario.cluster
        if len(cluster.devices) > 5:
            return
        name = f"e{len(cluster.devices)}"
        near = cluster.names[one_of(cluster.names, draw)]
        device = replace(cluster.devices[0], name=name, flops=flops, up=FOREVER)
        link = Link(name=f"to-{name}", ends=(near, name), bandwidth=Trace.constant(rate), latency_s=latency_s)
        bigger = replace(cluster, devices=(*cluster.devices, device), links=(*cluster.links, link))
        self.scenario = replace(self.scenario, cluster=bigger)

    @rule(draw=st.integers(0, 9), rate=st.one_of(varying(1e5, 1e8), blinking().map(lambda t: scaled(t, 1e6))))
    def vary_a_link(self, draw: int, rate: Trace) -> None:
        number = one_of(self.scenario.cluster.links, draw)
        self.scenario = changed(self.scenario, links=only(number, bandwidth=rate))

    @rule(draw=st.integers(0, 9), share=varying(0.1, 1.0), discipline=st.sampled_from(["fifo", "ps"]))
    def load_a_device(self, draw: int, share: Trace, discipline: str) -> None:
        number = one_of(self.scenario.cluster.devices, draw)
        self.scenario = changed(
            self.scenario, devices=only(number, availability=share, discipline=discipline)
        )

    @rule(draw=st.integers(0, 9), up=varying(1e5, 1e7), down=varying(1e5, 1e7))
    def limit_an_interface(self, draw: int, up: Trace, down: Trace) -> None:
        number = one_of(self.scenario.cluster.devices, draw)
        self.scenario = changed(self.scenario, devices=only(number, nic_up=up, nic_down=down))

    @rule(budget=varying(1e5, 1e7), count=st.integers(1, 4))
    def share_the_air(self, budget: Trace, count: int) -> None:
        number = itertools.count()
        self.scenario = changed(
            self.scenario,
            links=lambda one: replace(one, medium="air" if next(number) < count else None),
            media=(Medium(name="air", bandwidth=budget),),
        )

    @rule(shares=st.lists(reals(0.01, 1.0), min_size=6, max_size=6), plenty=reals(1.01, 4.0))
    def make_memory_scarce(self, shares: list[float], plenty: float) -> None:
        parts = np.array(shares[: len(self.scenario.cluster.devices)])
        room = plenty * needed_bytes(self.scenario) * parts / parts.sum()
        self.scenario = with_memory(self.scenario, room.tolist())

    @rule(draw=st.integers(0, 9), taken=varying(0.0, 0.9))
    def take_memory(self, draw: int, taken: Trace) -> None:
        devices = self.scenario.cluster.devices
        number = one_of(devices, draw)
        room = min(devices[number].memory_bytes, 2 * needed_bytes(self.scenario))
        self.scenario = changed(self.scenario, devices=only(number, used_bytes=scaled(taken, room)))

    @rule(
        draw=st.integers(0, 9),
        begins=reals(0.01, 0.9),
        lasts=st.one_of(reals(0.01, 0.5), st.just(np.inf)),
        kind=st.sampled_from(["device", "link"]),
    )
    def have_something_fail(self, draw: int, begins: float, lasts: float, kind: str) -> None:
        up = on_off([(begins * self.calm_s, (begins + lasts) * self.calm_s)])
        cluster = self.scenario.cluster
        if kind == "device":
            devices = only(one_of(cluster.devices, draw), up=up)
            self.scenario = changed(self.scenario, devices=devices)
        elif cluster.links:
            self.scenario = changed(self.scenario, links=only(one_of(cluster.links, draw), up=up))

    @rule(prompt=st.integers(1, 20), output=st.integers(1, 4), arrival_s=reals(0.0, 1.0))
    def ask_for_more(self, prompt: int, output: int, arrival_s: float) -> None:
        if len(self.scenario.requests) < 4:
            request = Request(prompt=prompt, output=output, arrival_s=round(arrival_s, 9))
            self.scenario = replace(self.scenario, requests=(*self.scenario.requests, request))

    @rule(
        sharing=st.sampled_from(["fair", "dedicated"]),
        transport=st.sampled_from([Ideal(), Tcp(), Tcp(connection="persistent")]),
    )
    def send_otherwise(self, sharing: Any, transport: Ideal | Tcp) -> None:
        self.scenario = varied(self.scenario, sharing=sharing, transport=transport)

    @rule(
        migration=st.sampled_from(["blocking", "live"]),
        on_disk=st.booleans(),
        interval=st.integers(1, 4),
        decision_time=st.sampled_from(["free", 1e-4, 0.01]),
        window_s=st.sampled_from([0.0, 1e-3, 1.0]),
        warm_copies=st.booleans(),
        caches=st.sampled_from(["send", "recompute", "faster"]),
    )
    def decide_otherwise(
        self,
        migration: Any,
        on_disk: bool,
        interval: int,
        decision_time: Any,
        window_s: float,
        warm_copies: bool,
        caches: Any,
    ) -> None:
        self.scenario = varied(
            self.scenario,
            migration=migration,
            weights_on_disk=on_disk,
            interval=interval,
            decision_time=decision_time,
            window_s=window_s,
            warm_copies=warm_copies,
            caches=caches,
        )

    @rule(overflow=st.sampled_from(["fail", "swap"]), on_infeasible=st.sampled_from(["keep", "fail"]))
    def be_strict(self, overflow: Any, on_infeasible: Any) -> None:
        self.scenario = varied(self.scenario, overflow=overflow, on_infeasible=on_infeasible)

    # What must hold

    @rule(name=st.sampled_from(sorted(POLICIES)))
    def run_and_repeat(self, name: str) -> None:
        """The same seed gives the same bytes, and audited or not."""
        first = self.run(name)
        assert_same(first, simulate(self.scenario, POLICIES[name]()))

    @rule(name=st.sampled_from(sorted(MISBEHAVED)))
    def run_what_misbehaves(self, name: str) -> None:
        """It ends as a result, if it is not asked the second time, or with the policy's mistake."""
        limit_s = LIMIT_S if name == "broods" else 60.0
        try:
            result = simulate(
                self.scenario, MISBEHAVED[name](), options=RunOptions(audit=True, decision_limit_s=limit_s)
            )
        except PolicyError as error:
            assert error.policy == "acts"  # noqa: PT017
        else:
            assert_sound(result)
            assert len(result.decisions) <= (name != "grabs")

    @rule(names=st.lists(st.sampled_from(sorted(POLICIES)), min_size=2, max_size=2, unique=True))
    def run_side_by_side(self, names: list[str]) -> None:
        """All policies see one world: at first the same, and no run leaves anything to another."""
        watching = [Watching(POLICIES[name]()) for name in names]
        before, _ = (simulate(self.scenario, each) for each in watching)
        pd.testing.assert_frame_equal(before.tokens, self.run(names[0]).tokens, check_exact=True)
        first, second = (each.observation for each in watching)
        if first is not None and second is not None:
            assert different(first, second) == ""

    @precondition(lambda self: name_of(self.scenario.network.transport) == "ideal")
    @rule(name=st.sampled_from(sorted(POLICIES)), k=st.sampled_from([0.25, 2.0, 1024.0]))
    def scale_time(self, name: str, k: float) -> None:
        """Where everything is k times as fast, everything takes a k-th of the time; TCP has times of its own."""
        slow, fast = self.run(name), self.run(name, faster(self.scenario, k))
        times = [column for column in TABLES["tokens"].names if column.endswith("_s")]
        np.testing.assert_allclose(fast.tokens[times] * k, slow.tokens[times], rtol=1e-9, atol=1e-15)
        assert list(fast.decisions.outcome) == list(slow.decisions.outcome)
        assert list(fast.placements.device) == list(slow.placements.device)

    @rule(name=st.sampled_from(sorted(POLICIES)), order=st.permutations(range(8)))
    def rename(self, name: str, order: list[int]) -> None:
        """Names are names: the results have others, and are the same."""
        old = self.scenario.cluster.names
        names = {one: f"x{order[i]}" for i, one in enumerate(old)}
        before, after = self.run(name), self.run(name, renamed(self.scenario, names))
        for table in ("tokens", "requests"):
            assert getattr(before, table).equals(getattr(after, table))
        for table in ("placements", "migrations", "devices", "links", "faults"):
            frame = getattr(before, table)
            where = [column for column in frame if column in {"device", "from_device", "to_device"}]
            there = frame.assign(**{column: frame[column].map(names) for column in where})
            pd.testing.assert_frame_equal(there, getattr(after, table), check_exact=True, obj=table)

    @rule(
        data=st.data(),
        what=st.sampled_from(["link", "device", "medium"]),
        draw=st.integers(0, 9),
        factor=reals(1.0, 10.0),
    )
    def have_more(self, data: st.DataObject, what: str, draw: int, factor: float) -> None:
        """More bandwidth or speed never makes a fixed placement slower, where every message is alone."""

        scenario = changed(
            varied(self.scenario, sharing="dedicated", transport=Ideal(), on_infeasible="keep"),
            devices=lambda one: replace(one, up=FOREVER, used_bytes=NOTHING, memory_bytes=1e15),
            links=lambda one: replace(one, up=FOREVER),
        )
        cluster = scenario.cluster
        if what == "device":
            number = one_of(cluster.devices, draw)
            one = cluster.devices[number]
            changes = {"flops": one.flops * factor, "memory_bandwidth": one.memory_bandwidth * factor}
            better = changed(scenario, devices=only(number, **changes))
        elif what == "link" and cluster.links:
            number = one_of(cluster.links, draw)
            rate = cluster.links[number].bandwidth
            assert rate is not None
            better = changed(scenario, links=only(number, bandwidth=in_time(rate, 1.0, factor)))
        else:
            media = tuple(
                replace(one, bandwidth=in_time(one.bandwidth, 1.0, factor)) for one in cluster.media
            )
            better = changed(scenario, media=media)
        placement = data.draw(placements(len(scenario.block_table), len(cluster.devices)))
        slow, fast = (
            simulate(each, Scripted(placement), options=RunOptions(audit=True)) for each in (scenario, better)
        )
        assert list(slow.runs.status) == list(fast.runs.status)
        ends = [(each.tokens.start_s + each.tokens.latency_s).to_numpy() for each in (slow, fast)]
        assert (ends[1] <= ends[0] * (1 + 1e-9)).all()


COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def test_all_laws_hold_in_any_world_under_any_policy() -> None:
    run_state_machine_as_test(Machine, settings=settings(COMMON, max_examples=20, stateful_step_count=10))


@pytest.mark.slow
def test_all_laws_hold_in_more_worlds() -> None:
    run_state_machine_as_test(Machine, settings=settings(COMMON, max_examples=20, stateful_step_count=20))


@pytest.mark.thorough
def test_all_laws_hold_over_night() -> None:
    run_state_machine_as_test(Machine, settings=settings(COMMON, max_examples=5000, stateful_step_count=40))


def test_every_shipped_policy_runs_in_the_machine() -> None:
    assert set(SHIPPED) == set(policies.names()) - {"exact-milp"}
