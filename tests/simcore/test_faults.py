"""Laws of devices and links that go down and come back."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    Scripted,
    Shuffled,
    clusters,
    reals,
    scenarios,
    small_world,
    varied,
    with_devices,
    with_links,
)

from headway.simcore import (
    Cluster,
    Decision,
    Device,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Kind,
    Link,
    Observation,
    Placement,
    Policy,
    Request,
    Result,
    Scenario,
    StepCost,
    predict,
    simulate,
)
from headway.simcore.engine.outages import Outages, reached
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.world.batch import after, one_sequence, recomputed
from headway.simcore.world.options import Migration, TriggerOptions
from headway.traces import Trace, on_off

SEEDS = st.integers(0, 2**32 - 1)
TABLES = ("runs", "requests", "tokens", "decisions", "migrations", "faults", "devices", "links", "placements")
PARTS = ["compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s"]
MODES: tuple[tuple[Migration, bool], ...] = (
    ("blocking", False), ("blocking", True), ("live", False), ("live", True),
)  # fmt: skip
HEAD_WEIGHTS, FFN_WEIGHTS, CACHE_PER_TOKEN = 8 * 4 * 3, 2 * 8 * 8, 2 * 4
RATE = 100.0
AT_A, HEAD_AT_B, FFN_AT_B = np.array([0, 0, 0, 0]), np.array([1, 0, 0, 0]), np.array([0, 0, 0, 1])
HEAD_AT_C = np.array([2, 0, 0, 0])


def world(*up: Trace, **changes: Any) -> Scenario:
    """Three equal devices a, b, c, each linked to each at 100 bytes/s; a is the source, and the first may be away."""
    away = dict(zip("abc", up, strict=False))
    return small_world("abc", device={"disk_bandwidth": 40.0}, up=away, **{"interval": 100} | changes)


ON = Trace.constant(1.0)


class Fleeing:
    """Puts everything on the first device that is up after those given, and keeps it there while it can."""

    name = "fleeing"

    def __init__(self, *placements: np.ndarray) -> None:
        self._wished = placements
        self.observations: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        self.observations.append(observation)
        for wish in self._wished:
            if observation.up[wish].all():
                return Placement(wish)
        return Infeasible("nowhere to go")


def ups(end: float) -> st.SearchStrategy[Trace]:
    """Devices that go and come a few times until `end`, and then stay, or stay away, or begin again."""

    def build(lengths: list[float], first: float, rule: int) -> Trace:
        times = np.concatenate(([0.0], np.cumsum(lengths)))
        values = (np.arange(len(times)) + first) % 2
        if rule == 2:
            return Trace(times, values, end="loop", duration=float(times[-1]) + end / 4)
        return Trace(times, values)

    some = st.lists(reals(end / 100, end / 3), min_size=1, max_size=6)
    return st.one_of(st.just(ON), st.builds(build, some, st.sampled_from([0.0, 1.0, 1.0]), st.integers(0, 2)))


@st.composite
def faulty(draw: st.DrawFn, most: int = 4) -> Scenario:
    """Small worlds in which devices and links come and go about as fast as tokens are made."""
    scenario = draw(
        scenarios(cluster=clusters(most=most, steady=draw(st.booleans())), requests=2, most_tokens=6)
    )
    calm = simulate(scenario, Shuffled(1)).runs.end_s[0]
    cluster = scenario.cluster
    devices = tuple(replace(device, up=draw(ups(calm))) for device in cluster.devices)
    links = tuple(replace(link, up=draw(ups(calm)) if draw(st.booleans()) else ON) for link in cluster.links)
    migration, on_disk = draw(st.sampled_from(MODES))
    charged: list[float] = [0.0, 0.0, calm / 20]
    return varied(
        scenario,
        cluster=Cluster(devices, links, cluster.source),
        sharing=draw(st.sampled_from(["dedicated", "fair"])),
        migration=migration,
        weights_on_disk=on_disk,
        on_infeasible=draw(st.sampled_from(["keep", "keep", "fail"])),
        decision_time=draw(st.sampled_from(charged)) or "free",
    )


class Anything(Shuffled):
    """Answers at random, also nonsense; mostly with devices that are up."""

    name = "anything"

    def decide(self, observation: Observation) -> Decision:
        dice = self._random.random()
        if dice < 0.15:
            return Keep()
        if dice < 0.25:
            return Infeasible("no idea")
        among = (
            np.flatnonzero(observation.up)
            if dice < 0.9 and observation.up.any()
            else np.arange(observation.devices)
        )
        return Placement(self._random.choice(among, len(observation.blocks)))


@given(faulty(), SEEDS)
@settings(max_examples=30, deadline=None)
def test_whatever_fails_a_run_ends_with_a_status_and_true_rows(scenario: Scenario, seed: int) -> None:
    """Tokens are made once and in order, time rises, parts sum to the whole."""
    result = simulate(scenario, Anything(seed))
    run, tokens = result.runs.iloc[0], result.tokens
    assert run.status in {"complete", "infeasible", "stalled"}
    assert (run.status == "complete") == (run.detail == "")
    order = [(int(r), int(t)) for r, t in tokens[["request", "token"]].to_numpy()]
    by_arrival = sorted(range(len(scenario.requests)), key=lambda i: scenario.requests[i].arrival_s)
    every = [(r, t) for r in by_arrival for t in range(scenario.requests[r].output)]
    assert order == every[: len(order)]
    assert (run.status == "complete") == (order == every)
    assert (tokens.latency_s > 0).all()
    assert (tokens[PARTS] >= 0).all(axis=None)
    np.testing.assert_allclose(tokens[PARTS].sum(axis=1), tokens.latency_s, rtol=1e-9)
    assert (tokens.start_s + tokens.latency_s).is_monotonic_increasing
    assert (result.faults.lost_blocks >= 0).all()


@given(faulty(), SEEDS)
@settings(max_examples=20, deadline=None)
def test_tokens_are_made_by_devices_that_are_up_and_memory_is_recounted(
    scenario: Scenario, seed: int
) -> None:
    """During each token no device that has blocks is down, and each holds what the placement says it does."""
    scenario = varied(scenario, migration="blocking")
    result = simulate(scenario, Anything(seed))
    index = {name: i for i, name in enumerate(scenario.cluster.names)}
    changes = {
        # Of several placements in one token, the last is that under which it was made.
        at: np.array([index[name] for name in rows.device[-len(scenario.block_table) :]])
        for at, rows in result.placements.groupby(["request", "token"], sort=False)
    }
    outages, where = Outages(scenario.cluster.devices), np.array([])
    columns = ["request", "token", "start_s", "latency_s", "compute_s", "disk_s", "transfer_s"]
    for request, token, start_s, latency_s, *spent_s in result.tokens[columns].to_numpy().tolist():
        where = changes.get((request, token), where)
        end_s = start_s + latency_s
        # The attempt that succeeded took what is not standing still or in vain, and came last.
        begun_s = end_s - sum(spent_s)
        for device in {scenario.cluster.source_index, *where.tolist()}:
            up = scenario.cluster.devices[device].up
            assert outages.failure(device, begun_s + 1e-9) >= end_s - 1e-9 or up.value(begun_s + 1e-9) == 0.0
        batch = one_sequence(scenario.requests[int(request)].prompt, int(token))
        rows = result.devices[(result.devices.request == request) & (result.devices.token == token)]
        # Where the caches were lost the step has more activations: those of a prefill.
        held = [held_bytes(scenario, where, scenario.cost.step(each)) for each in (batch, recomputed(batch))]
        assert any(np.allclose(rows.held_bytes, each, rtol=1e-9, atol=1e-6) for each in held)


def held_bytes(scenario: Scenario, where: IntArray, step: StepCost) -> FloatArray:
    """What each device holds under a placement, counted from nothing."""
    memory = step.memory_bytes[scenario.block_table.kind]
    held = np.bincount(where, weights=memory, minlength=len(scenario.cluster.devices)).astype(np.float64)
    used = np.unique(where)
    held[used] += step.activation_bytes + scenario.cluster.runtime_bytes[used]
    return held


@given(faulty(most=2), SEEDS)
@settings(max_examples=20, deadline=None)
def test_what_is_down_neither_computes_nor_sends(scenario: Scenario, seed: int) -> None:
    """Busy time and bytes are at most what fits into the time in which a device and all ends of a link are up."""
    result = simulate(scenario, Anything(seed))
    end_s = float(result.runs.end_s[0])
    for device in scenario.cluster.devices:
        busy_s = result.devices[result.devices.device == device.name].busy_s.sum()
        assert busy_s <= device.up.integral(0.0, end_s) * (1 + 1e-9) + 1e-9
    by_name = {device.name: device for device in scenario.cluster.devices}
    for name, size_bytes in zip(result.links.link, result.links.size_bytes, strict=True):
        link = next(link for link in scenario.cluster.links if link.name == name)
        limits = [link.up, *[by_name[end].up for end in link.ends]]
        assert link.bandwidth is not None
        peak = float(link.bandwidth.values.max())
        moves = (
            1 if scenario.controller.migration == "blocking" else 2
        )  # under dedicated links a live move is beside a token
        assert size_bytes <= moves * peak * min(up.integral(0.0, end_s) for up in limits) * (1 + 1e-9) + 1e-6


@given(faulty(), SEEDS)
@settings(max_examples=15, deadline=None)
def test_a_device_that_nobody_uses_may_fail(scenario: Scenario, seed: int) -> None:
    """Only the policy sees it come and go, where its return asks for no decision."""
    cluster = scenario.cluster
    spare = Device(name="spare", memory_bytes=1e9, flops=1e9, disk_bandwidth=1e8)
    far = Link(name="far", ends=("spare", cluster.source), bandwidth=Trace.constant(1e6), latency_s=10.0)
    beside = [
        varied(scenario, cluster=Cluster((*cluster.devices, one), (*cluster.links, far), cluster.source),
                decision_time="free", triggers=TriggerOptions(device_back=False))
        for one in (spare, replace(spare, up=on_off([(0.001, 0.002), (0.003, 10.0)])))
    ]  # fmt: skip

    class Shy(Anything):
        def decide(self, observation: Observation) -> Decision:
            return Placement(self._random.integers(0, observation.devices - 1, len(observation.blocks)))

    calm, failing = (simulate(one, Shy(seed)) for one in beside)
    # A run that waits for any change asks at the changes of the spare device too.
    if (calm.decisions.outcome != "infeasible").all() and calm.runs.status[0] == "complete":
        for table in set(TABLES) - {"devices"}:
            assert getattr(calm, table).equals(getattr(failing, table)), table


def test_a_lost_head_comes_from_the_source_and_its_sequence_is_prefilled_again() -> None:
    """By hand: b fails in mid-token 3, everything goes to a, where 5 tokens are prefilled at once."""
    calm = simulate(world(), Scripted(HEAD_AT_B)).tokens
    failing_s = float(calm.start_s[3] + calm.latency_s[3] / 2)
    policy = Fleeing(HEAD_AT_B, AT_A)
    result = simulate(world(ON, on_off([(failing_s, np.inf)])), policy)
    assert result.runs.status[0] == "complete"
    tokens = result.tokens
    np.testing.assert_array_equal(tokens.latency_s[:3], calm.latency_s[:3])
    assert tokens.fault_s[3] == pytest.approx(calm.latency_s[3] / 2)
    # At the source the head's weights are there already.
    assert tokens.migration_s[3] == 0.0
    # 2 + 3 tokens: head work 5 * (2 * 96) + 4 * 4 * 5^2 / 2, twice; projection and network 5 * 128 and 5 * 256.
    prefill_s = (2 * (5 * 192 + 200) + 5 * 128 + 5 * 256) / 1e3
    assert tokens.compute_s[3] == pytest.approx(prefill_s)
    assert tokens.latency_s[3] == pytest.approx(calm.latency_s[3] / 2 + prefill_s)
    assert tokens.transfer_s[3] == 0.0
    assert result.faults.drop(columns="run").to_numpy().tolist() == [
        [0, 3, pytest.approx(failing_s), "b", 1, True]
    ]
    asked = result.decisions[["token", "time_s", "trigger", "outcome", "moved_blocks"]].to_numpy().tolist()
    assert asked[1] == [3, pytest.approx(failing_s), "fault", "adopted", 1]
    assert result.decisions.predicted_delay_s[1] == pytest.approx(tokens.compute_s[3:].sum(), rel=0.05)
    observation = policy.observations[1]
    assert observation.up.tolist() == [True, False, True]
    assert observation.lost.tolist() == [True, False, False, False]
    assert (observation.available_bytes[1], observation.availability[1]) == (0.0, 0.0)
    assert observation.rate[0].tolist() == [np.inf, 0.0, RATE]
    assert not predict.fits(observation, HEAD_AT_B)
    row = result.migrations.iloc[0]
    assert [row.block, row.from_device, row.to_device, row.size_bytes] == ["L0.head0", "a", "a", 0.0]


@pytest.mark.parametrize("on_disk", [False, True])
def test_weights_that_were_lost_come_over_the_network_or_from_disk(on_disk: bool) -> None:
    """b fails with a head before token 2; c gets its weights alone, which is predicted."""
    calm = simulate(world(), Scripted(HEAD_AT_B)).tokens
    scenario = world(ON, on_off([(float(calm.start_s[2]) + 0.01, np.inf)]), weights_on_disk=on_disk)
    result = simulate(scenario, Fleeing(HEAD_AT_B, HEAD_AT_C))
    row = result.migrations.iloc[0]
    assert [row.from_device, row.to_device] == ["a", "c"]
    loading_s = HEAD_WEIGHTS / 40.0 if on_disk else HEAD_WEIGHTS / RATE
    assert row.size_bytes == (0.0 if on_disk else HEAD_WEIGHTS)
    moving = result.decisions.predicted_migration_s[1], result.tokens.migration_s[2], row.duration_s
    assert moving == pytest.approx([loading_s] * 3)


def test_without_a_lost_head_the_caches_are_still_good() -> None:
    """b fails with the feed-forward network: its weights are sent to a for free, and the token starts over."""
    calm = simulate(world(), Scripted(FFN_AT_B)).tokens
    at_a = simulate(world(), Scripted(AT_A)).tokens
    failing_s = float(calm.start_s[3] + calm.latency_s[3] * 0.9)
    result = simulate(world(ON, on_off([(failing_s, np.inf)])), Fleeing(FFN_AT_B, AT_A))
    tokens = result.tokens
    assert tokens.compute_s[3] == pytest.approx(at_a.compute_s[3])
    assert tokens.fault_s[3] == pytest.approx(calm.latency_s[3] * 0.9)
    assert result.faults.lost_cache.tolist() == [False]


def test_survivors_of_a_lost_cache_move_without_theirs() -> None:
    """Head 0 is lost; head 1 moves from a to c at the same time, with its weights alone."""
    calm = simulate(world(), Scripted(HEAD_AT_B)).tokens
    failing = world(ON, on_off([(float(calm.start_s[3]) + 0.01, np.inf)]))
    result = simulate(failing, Fleeing(HEAD_AT_B, np.array([0, 2, 0, 0])))
    sizes = dict(zip(result.migrations.block, result.migrations.size_bytes, strict=True))
    assert sizes == {"L0.head0": 0.0, "L0.head1": HEAD_WEIGHTS}


def test_a_device_that_blinks_between_two_tokens_has_lost_everything_all_the_same() -> None:
    """It is up at both moments at which anybody looks, while the requests come far apart."""
    requests = (Request(prompt=2, output=2), Request(prompt=2, output=2, arrival_s=100.0))
    blinking = world(ON, on_off([(50.0, 51.0)]), requests=requests)
    result = simulate(blinking, Scripted(HEAD_AT_B))
    assert result.faults[["request", "token", "time_s"]].to_numpy().tolist() == [[1, 0, 50.0]]
    assert result.decisions.trigger.tolist() == ["interval", "fault"]
    assert result.decisions.outcome.tolist() == ["adopted", "kept"]
    assert result.migrations.size_bytes.tolist() == [HEAD_WEIGHTS]
    assert len(result.placements) == 4


def test_keep_waits_for_the_device_and_fail_does_not() -> None:
    """A policy that never moves: the blocks are loaded again where they were when the device is back."""
    calm = simulate(world(), Scripted(HEAD_AT_B)).tokens
    failing_s = float(calm.start_s[3]) + 0.01
    down = on_off([(failing_s, failing_s + 7.0)])
    result = simulate(world(ON, down), Scripted(HEAD_AT_B))
    assert result.runs.status[0] == "complete"
    assert result.decisions.trigger.tolist() == ["interval", "fault", "fault"]
    assert result.decisions.outcome.tolist() == ["adopted", "infeasible", "kept"]
    assert "'b' is down" in result.decisions.reason[1]
    assert result.tokens.fault_s[3] == pytest.approx(7.01)
    assert result.tokens.migration_s[3] == pytest.approx(HEAD_WEIGHTS / RATE)
    ended = simulate(world(ON, down, on_infeasible="fail"), Scripted(HEAD_AT_B))
    assert ended.runs.status[0] == "infeasible"
    assert "'b' is down" in ended.runs.detail[0]
    assert len(ended.tokens) == 3


def test_a_device_that_never_comes_back_ends_a_run_that_needs_it() -> None:
    calm = simulate(world(), Scripted(HEAD_AT_B)).tokens
    result = simulate(world(ON, on_off([(float(calm.start_s[3]) + 0.01, np.inf)])), Scripted(HEAD_AT_B))
    run = result.runs.iloc[0]
    assert (run.status, run.tokens, len(result.tokens)) == ("infeasible", 3, 3)
    assert "token 3 of request 0" in run.detail
    assert result.requests.generated[0] == 3


def test_what_is_down_at_the_beginning_is_waited_for() -> None:
    late = on_off([(0.0, 5.0)])
    result = simulate(world(ON, late), Fleeing(HEAD_AT_B))
    assert result.runs.status[0] == "complete"
    assert result.tokens.fault_s[0] == pytest.approx(5.0)
    assert len(result.faults) == 0
    at_once = simulate(world(ON, late), Fleeing(HEAD_AT_B, AT_A))
    assert at_once.tokens.fault_s[0] == 0.0


def test_tokens_wait_for_the_source() -> None:
    """The source holds the prompt: nobody is asked before it is back and has loaded its blocks from its files."""
    calm = simulate(world(), Scripted(AT_A)).tokens
    failing_s = float(calm.start_s[3] + calm.latency_s[3] / 4)
    result = simulate(world(on_off([(failing_s, failing_s + 3.0)])), Scripted(AT_A))
    assert result.runs.status[0] == "complete"
    assert result.tokens.fault_s[3] == pytest.approx(calm.latency_s[3] / 4 + 3.0)
    assert result.decisions.time_s[1] == pytest.approx(failing_s + 3.0)
    assert result.faults.lost_blocks.tolist() == [4]
    gone = simulate(world(on_off([(failing_s, np.inf)])), Scripted(AT_A))
    assert (gone.runs.status[0], gone.runs.tokens[0]) == ("stalled", 3)
    assert "source 'a'" in gone.runs.detail[0]


def test_a_source_without_blocks_takes_no_cache_with_it() -> None:
    """The token starts over when it is back; nothing has to be moved or prefilled again."""
    on_b = np.array([1, 1, 1, 1])
    calm = simulate(world(), Scripted(on_b)).tokens
    failing_s = float(calm.start_s[3] + calm.latency_s[3] / 2)
    result = simulate(world(on_off([(failing_s, failing_s + 3.0)])), Scripted(on_b))
    assert result.faults[["lost_blocks", "lost_cache"]].to_numpy().tolist() == [[0, False]]
    assert len(result.migrations) == 0
    np.testing.assert_allclose(result.tokens.latency_s[3], calm.latency_s[3] * 1.5 + 3.0)


def test_a_blocking_migration_that_a_failure_cuts_off_leaves_what_has_arrived() -> None:
    """Two heads go to c, which fails while the second is under way: the first is lost, the second is where it was."""
    both = np.array([2, 2, 0, 0])
    scenario = world(interval=2)
    calm = simulate(scenario, Scripted(AT_A, both))
    failing_s = float(calm.migrations.start_s[1] + calm.migrations.duration_s[1] / 2)
    policy = Scripted(AT_A, both, AT_A)
    result = simulate(world(ON, ON, on_off([(failing_s, np.inf)]), interval=2), policy)
    assert result.runs.status[0] == "complete"
    assert result.migrations[["block", "outcome", "to_device"]].to_numpy().tolist() == [
        ["L0.head0", "moved", "c"], ["L0.head1", "abandoned", "c"], ["L0.head0", "moved", "a"],
    ]  # fmt: skip
    assert policy.observations[2].lost.tolist() == [True, False, False, False]
    assert policy.observations[2].placement is not None
    assert policy.observations[2].placement.tolist() == [2, 0, 0, 0]
    assert result.tokens.migration_s[2] == pytest.approx(failing_s - calm.migrations.start_s[0])
    assert result.decisions.trigger.tolist() == ["interval", "interval", "fault", "interval", "interval"]


def test_a_live_migration_to_a_device_that_fails_is_abandoned_and_nothing_else_happens() -> None:
    scenario = world(interval=2, migration="live")
    still = simulate(scenario, Scripted(AT_A)).tokens
    calm = simulate(scenario, Scripted(AT_A, HEAD_AT_C))
    failing_s = float(calm.migrations.start_s[0] + calm.migrations.duration_s[0] / 2)
    failing = world(ON, ON, on_off([(failing_s, np.inf)]), interval=2, migration="live")
    result = simulate(failing, Scripted(AT_A, HEAD_AT_C))
    np.testing.assert_array_equal(result.tokens.latency_s, still.latency_s)
    assert result.migrations.outcome.tolist() == ["abandoned"]
    assert (result.devices[result.devices.device == "c"].groupby("token").held_bytes.sum()[4:] == 0.0).all()
    assert len(result.faults) == 0


def test_a_link_that_is_down_holds_messages_up_and_is_seen() -> None:
    """As an outage in its trace would, but policies see at once that it is down, and that it is back."""
    calm = simulate(world(), Scripted(FFN_AT_B)).tokens
    flowing_s = float(calm.start_s[3] + calm.compute_s[3] - 0.256 + 0.04)  # half of the first message
    down = on_off([(flowing_s, flowing_s + 10.0)])
    scenario = with_links(world(interval=1), "ab", up=down)
    policy = Scripted(FFN_AT_B)
    result = simulate(scenario, policy)
    np.testing.assert_allclose(result.tokens.latency_s[3], calm.latency_s[3] + 10.0)
    np.testing.assert_allclose(result.tokens.latency_s.drop(3), calm.latency_s.drop(3))
    assert [float(observation.rate[0, 1]) for observation in policy.observations] == [RATE] * 8
    late = replace(scenario, requests=(Request(prompt=2, output=1, arrival_s=flowing_s + 1.0),))
    policy = Scripted(AT_A)
    simulate(late, policy)
    assert policy.observations[0].rate[0, 1] == policy.observations[0].rate[1, 0] == 0.0


def test_a_device_that_is_down_forwards_nothing() -> None:
    """a - b - c in a row: what goes from a to c waits for b, though b has nothing to do with it."""
    calm = world()
    row = calm.cluster.links[0], calm.cluster.links[2]
    line = replace(calm, cluster=Cluster(calm.cluster.devices, row, "a"))
    on_c = np.array([0, 0, 0, 2])
    usual = simulate(line, Scripted(on_c)).tokens
    gone = on_off([(float(usual.start_s[3]), float(usual.start_s[3]) + 10.0)])
    result = simulate(with_devices(line, "b", up=gone), Scripted(on_c))
    assert len(result.faults) == 0
    waited_s = result.tokens.latency_s - usual.latency_s
    assert waited_s[3] > 9.0
    np.testing.assert_allclose(waited_s.drop(3), 0.0, atol=1e-9)


@pytest.mark.parametrize("policy", [Scripted(HEAD_AT_B), Fleeing(HEAD_AT_B)])
def test_a_device_that_is_never_up_long_enough_does_not_make_the_run_endless(policy: Policy) -> None:
    short = Trace([0.0, 0.2], [1.0, 0.0], end="loop", duration=0.4)
    result = simulate(world(ON, short), policy)
    run = result.runs.iloc[0]
    assert (run.status, run.tokens) == ("stalled", 0)
    assert "held up 1000 times" in run.detail


class Helpless:
    name = "helpless"

    def decide(self, observation: Observation) -> Decision:
        return Infeasible("never")


def test_a_policy_that_never_answers_does_not_make_the_run_endless() -> None:
    blinking = Trace([0.0, 0.2], [1.0, 0.0], end="loop", duration=0.4)
    assert simulate(world(ON, blinking), Helpless()).runs.status[0] == "stalled"
    assert simulate(world(), Helpless()).runs.status[0] == "infeasible"


def test_an_answer_that_was_overtaken_by_a_failure_is_asked_for_again() -> None:
    """b goes down and comes back while the decision to use it is being made."""
    scenario = world(ON, on_off([(0.2, 0.3)]), decision_time=0.5)
    result = simulate(scenario, Fleeing(HEAD_AT_B))
    assert result.decisions.outcome.tolist() == ["infeasible", "adopted"]
    assert "while it was decided" in result.decisions.reason[0]
    assert result.tokens.decision_s[0] == pytest.approx(1.0)


@given(ups(1.0), reals(0.0, 3.0))
def test_failures_and_returns_are_those_of_the_trace(up: Trace, time_s: float) -> None:
    device = Device(name="d", memory_bytes=1.0, flops=1.0, up=up)
    outages = Outages([device])
    back_s, failure_s, change_s = (
        outages.back(0, time_s),
        outages.failure(0, time_s),
        outages.next_change(time_s),
    )
    if back_s < np.inf:
        assert up.value(back_s) == 1.0
        assert up.integral(time_s, back_s) == pytest.approx(0.0, abs=1e-9)
    if failure_s < np.inf:
        assert up.value(failure_s) == 0.0
        assert up.integral(back_s, failure_s) == pytest.approx(failure_s - back_s)
    assert change_s == (failure_s if up.value(time_s) == 1.0 else back_s)


@given(reals(0.0, 1e6), reals(0.0, 1e6))
def test_a_moment_is_never_reached_too_early(now: float, moment: float) -> None:
    env = simpy.Environment(now)
    env.run(reached(env, moment))
    assert env.now >= moment
    assert env.now <= max(now, np.nextafter(np.nextafter(moment, np.inf), np.inf))


@given(scenarios(cluster=clusters(most=4)), SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_ledger_forgets_what_is_lost_and_takes_it_back(scenario: Scenario, seed: int) -> None:
    random = np.random.default_rng(seed)
    devices, kind = len(scenario.cluster.devices), scenario.block_table.kind
    deployment = Deployment(scenario)
    where = random.integers(0, devices, len(kind))
    deployment.place(where)
    deployment.keep(after(one_sequence(3, 2)))
    gone = int(random.integers(devices))
    heads = bool(np.any(kind[where == gone] == Kind.HEAD))
    assert deployment.lose(gone) == int((where == gone).sum())
    assert deployment.cache_lost == heads
    np.testing.assert_array_equal(deployment.lost, where == gone)
    assert gone not in deployment.in_use - {scenario.cluster.source_index}
    memory = deployment.holding[kind]
    held = np.bincount(where[where != gone], weights=memory[where != gone], minlength=devices)
    np.testing.assert_allclose(deployment.ledger.held(), held)
    for block in np.flatnonzero(where == gone)[:2].tolist():
        assert deployment.origin(block) == scenario.cluster.source_index
        deployment.move(block, gone)
        held[gone] += memory[block]
        np.testing.assert_allclose(deployment.ledger.held(), held)
    deployment.release()
    assert (deployment.ledger.held() == 0.0).all()


def summed(result: Result) -> float:
    return float(result.tokens.latency_s.sum())


def test_a_shorter_outage_never_costs_more_here() -> None:
    """Sanity of the whole: the longer b is away from a policy that waits for it, the longer the run."""
    lasting = [
        summed(simulate(world(ON, on_off([(2.0, 2.0 + length)])), Scripted(HEAD_AT_B)))
        for length in (1.0, 2.0, 5.0)
    ]
    assert np.diff(lasting).tolist() == pytest.approx([1.0, 3.0])
