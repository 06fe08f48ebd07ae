"""The laws of the event engine, on random worlds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    Returning,
    Scripted,
    Shuffled,
    clusters,
    rate_of,
    reals,
    scenarios,
    small_world,
    varied,
    with_devices,
    with_links,
)

from headway.simcore import (
    BlockOptions,
    Cluster,
    Device,
    Link,
    ModelSpec,
    NetworkOptions,
    PaperCost,
    Policy,
    Request,
    RunOptions,
    Scenario,
    simulate,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.options import Caches
from headway.traces import Trace

SEEDS = st.integers(0, 2**32 - 1)


def total_parts(tokens: pd.DataFrame) -> pd.Series:
    parts = ["compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s"]
    return tokens[parts].sum(axis=1)


@given(
    scenario=scenarios(cluster=clusters() | clusters(most=5, mesh=True), most_tokens=6, most_shards=4),
    policy=st.sampled_from([Shuffled, Returning]),
    seed=SEEDS,
    on_disk=st.booleans(),
    moves=st.sampled_from(["parallel", "serial"]),
    caches=st.sampled_from(get_args(Caches)),
)
@settings(max_examples=150, deadline=None)
def test_events_equal_the_closed_form(
    scenario: Scenario, policy: Callable[[int], Policy], seed: int, on_disk: bool, moves: str, caches: str
) -> None:
    """Dedicated links, a steady world, a decision before every token, blocks moving at random and often back."""
    scenario = varied(scenario, interval=1, weights_on_disk=on_disk, moves=moves, caches=caches)
    result = simulate(scenario, policy(seed), RunOptions(audit=True))
    tokens, decisions = result.tokens, result.decisions
    assert result.runs.status[0] == "complete"
    inference_s = tokens.latency_s - tokens.migration_s - tokens.wait_s
    np.testing.assert_allclose(inference_s, decisions.predicted_delay_s, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(tokens.migration_s, decisions.predicted_migration_s, rtol=1e-9, atol=1e-15)


@given(
    scenarios(cluster=clusters(memory_bytes=2e4), most_shards=4),
    st.sampled_from(["pinned", "lru", "prefetch"]),
    SEEDS,
)
@settings(max_examples=40, deadline=None)
def test_events_equal_the_closed_form_while_swapping(scenario: Scenario, swap: str, seed: int) -> None:
    requests = (Request(prompt=20, output=1),)
    scenario = varied(scenario, interval=1, overflow="swap", swap=swap, requests=requests)
    result = simulate(scenario, Shuffled(seed), RunOptions(audit=True))
    np.testing.assert_allclose(result.tokens.latency_s, result.decisions.predicted_delay_s, rtol=1e-9)
    excess = np.maximum(result.devices.held_bytes - result.devices.available_bytes, 0.0)
    assert (result.devices.swapped_bytes <= excess * (1 + 1e-9)).all()


def test_the_papers_formula_by_hand() -> None:
    """D_T and D_mig of arXiv 2505.02533 for one layer, two heads, three devices, worked out on paper."""
    model = ModelSpec(
        name="tiny", layers=1, width=4, heads=2, kv_heads=2, head_size=2, ffn_width=16, gated_ffn=False,
        vocabulary=0, bytes_per_weight=4, bytes_per_kv=4, bytes_per_activation=4,
    )  # fmt: skip
    speeds = (100.0, 200.0, 400.0)
    devices = tuple(Device(name=f"d{i}", memory_bytes=1e9, flops=speed) for i, speed in enumerate(speeds))
    rates = {(0, 1): 10.0, (0, 2): 20.0, (1, 2): 40.0}
    links = tuple(
        Link(name=f"{a}{b}", ends=(f"d{a}", f"d{b}"), bandwidth=Trace.constant(rate))
        for (a, b), rate in rates.items()
    )
    scenario = Scenario(
        name="by-hand", model=model, cost=PaperCost(model), cluster=Cluster(devices, links, "d0"),
        requests=(Request(prompt=3, output=2),), blocks=BlockOptions(embed=False, lm_head=False),
        network=NetworkOptions(sharing="dedicated"),
    )  # fmt: skip
    # Blocks: head 0, head 1, proj, ffn.
    result = simulate(scenario, Scripted(np.array([0, 1, 1, 2]), np.array([2, 1, 1, 2])))
    # L = 3: input 3*4*4 = 48 B, head output 24 B, head work 3*3*4*2 + 9*2 = 90, proj 48, ffn 384 FLOP.
    first = max(0 + 90 / 100 + 24 / 10, 48 / 10 + 90 / 200 + 0) + 48 / 200 + 48 / 40 + 384 / 400 + 48 / 20
    # Head 0 holds 3*3*2*4 + 3*4*2*4 + 0 = 168 B before it moves from d0 to d2.
    moving = 168 / 20
    # L = 4: input 64 B, head output 32 B, head work 3*4*4*2 + 16*2 = 128, proj 64, ffn 512 FLOP.
    second = (
        max(64 / 20 + 128 / 400 + 32 / 40, 64 / 10 + 128 / 200) + 64 / 200 + 64 / 40 + 512 / 400 + 64 / 20
    )
    np.testing.assert_allclose(result.tokens.latency_s, [first, moving + second], rtol=1e-12)
    np.testing.assert_allclose(result.tokens.migration_s, [0.0, moving], rtol=1e-12)
    assert result.migrations[["block", "from_device", "to_device", "size_bytes"]].to_numpy().tolist() == [
        ["L0.head0", "d0", "d2", 168.0]
    ]


@given(scenarios(cluster=clusters(steady=False), requests=2, most_shards=4), SEEDS)
@settings(max_examples=30, deadline=None)
def test_one_token_at_a_time_is_the_same_under_both_disciplines(scenario: Scenario, seed: int) -> None:
    """A token gives a device one task at a time, and there is one token: nothing ever shares a device with another."""
    cluster = scenario.cluster
    sharing = Cluster(
        tuple(replace(device, discipline="ps") for device in cluster.devices), cluster.links, cluster.source
    )
    fifo = simulate(scenario, Shuffled(seed))
    ps = simulate(replace(scenario, cluster=sharing), Shuffled(seed))
    np.testing.assert_allclose(ps.tokens.latency_s, fifo.tokens.latency_s, rtol=1e-9)
    np.testing.assert_allclose(total_parts(ps.tokens), ps.tokens.latency_s, rtol=1e-9)
    np.testing.assert_allclose(ps.devices.busy_s, fifo.devices.busy_s, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
@given(scenario=scenarios(cluster=clusters(fixed_times=False)), seed=SEEDS, factor=reals(0.1, 10.0))
@settings(max_examples=30, deadline=None)
def test_a_world_k_times_faster_is_k_times_faster(
    sharing: str, scenario: Scenario, seed: int, factor: float
) -> None:
    cluster = scenario.cluster
    faster = Cluster(
        tuple(
            replace(d, flops=d.flops * factor, memory_bandwidth=d.memory_bandwidth * factor)
            for d in cluster.devices
        ),
        tuple(
            replace(link, bandwidth=Trace.constant(rate_of(link).value(0.0) * factor))
            for link in cluster.links
        ),
        cluster.source,
    )
    scenario = varied(scenario, requests=(replace(scenario.requests[0], arrival_s=0.0),), sharing=sharing)
    slow = simulate(scenario, Shuffled(seed)).tokens.latency_s
    fast = simulate(replace(scenario, cluster=faster), Shuffled(seed)).tokens.latency_s
    np.testing.assert_allclose(fast * factor, slow, rtol=1e-9)


@given(scenarios(cluster=clusters(most=5)), SEEDS, st.data())
@settings(max_examples=40, deadline=None)
def test_a_better_device_or_link_never_hurts_a_fixed_placement(
    scenario: Scenario, seed: int, data: st.DataObject
) -> None:
    cluster = scenario.cluster
    factor = data.draw(reals(1.0, 10.0))
    devices, links = list(cluster.devices), list(cluster.links)
    better_link: bool = data.draw(st.booleans())
    if links and better_link:
        i = int(data.draw(st.integers(0, len(links) - 1)))
        links[i] = replace(links[i], bandwidth=Trace.constant(rate_of(links[i]).value(0.0) * factor))
    else:
        i = data.draw(st.integers(0, len(devices) - 1))
        devices[i] = replace(
            devices[i],
            flops=devices[i].flops * factor,
            memory_bandwidth=devices[i].memory_bandwidth * factor,
        )
    placement = np.random.default_rng(seed).integers(0, len(devices), len(scenario.block_table))
    before = simulate(scenario, Scripted(placement)).tokens.latency_s
    better = replace(scenario, cluster=Cluster(tuple(devices), tuple(links), cluster.source))
    after = simulate(better, Scripted(placement)).tokens.latency_s
    assert (after <= before * (1 + 1e-9)).all()


@given(scenarios(cluster=clusters(steady=False, mesh=True)), SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_devices_changes_nothing(scenario: Scenario, seed: int, random: object) -> None:
    """Reorder devices and links; the same blocks on the same machines take the same time."""
    cluster = scenario.cluster
    order = np.random.default_rng(seed).permutation(len(cluster.devices))
    shuffled = Cluster(tuple(cluster.devices[i] for i in order), cluster.links[::-1], cluster.source)
    placement = np.random.default_rng(seed + 1).integers(0, len(order), len(scenario.block_table))
    before = simulate(scenario, Scripted(placement))
    after = simulate(replace(scenario, cluster=shuffled), Scripted(np.argsort(order)[placement]))
    np.testing.assert_allclose(after.tokens.latency_s, before.tokens.latency_s, rtol=1e-9)
    assert list(after.placements.device) == list(before.placements.device)


def world(**changes: Any) -> Scenario:
    """Two devices and a link, small enough to reason about; one layer of two heads."""
    fast = Device(name="fast", memory_bytes=1e6, flops=1e3, disk_bandwidth=1e3)
    slow = Device(name="slow", memory_bytes=1e6, flops=1e2, disk_bandwidth=1e3)
    link = Link(name="link", ends=("fast", "slow"), bandwidth=Trace.constant(100.0), latency_s=0.5)
    cluster = Cluster((fast, slow), (link,), "fast")
    return varied(small_world(cluster=cluster, requests=(Request(prompt=2, output=4),)), **changes)


ON_FAST = np.array([0, 0, 0, 0])
FFN_AWAY = np.array([0, 0, 0, 1])


def test_zero_bandwidth_stalls_a_message_and_lets_it_go_on_later() -> None:
    steady = simulate(world(), Scripted(FFN_AWAY)).tokens
    gap = Trace([0.0, 1.6, 11.6], [100.0, 0.0, 100.0])  # the first message flows from 1.588 s to 1.748 s
    held_up = simulate(with_links(world(), bandwidth=gap), Scripted(FFN_AWAY)).tokens
    assert held_up.latency_s.sum() == pytest.approx(steady.latency_s.sum() + 10.0)


def test_policies_see_what_was_measured_over_the_window() -> None:
    """A link that is up for 1 s and down for 3 s, and a device that is free for half of every second."""
    busy = Trace([0.0, 0.5], [1.0, 0.0], end="loop", duration=1.0)
    blinking = Trace([0.0, 1.0], [100.0, 0.0], end="loop", duration=4.0)
    scenario = with_devices(with_links(world(), bandwidth=blinking), "fast", availability=busy)
    scenario = replace(scenario, requests=(Request(prompt=2, output=1, arrival_s=8.0),))

    def rate_and_share(window_s: float) -> list[float]:
        policy = Scripted()
        simulate(varied(scenario, window_s=window_s), policy)
        observation = policy.observations[0]
        return [float(observation.rate[0, 1]), float(observation.availability[0])]

    assert rate_and_share(0.0) == [100.0, 1.0]
    assert rate_and_share(1.0) == pytest.approx([0.0, 0.5])
    assert rate_and_share(4.0) == pytest.approx([25.0, 0.5])
    # Before time 0 a loop has looped already.
    assert rate_and_share(10.0) == pytest.approx([20.0, 0.5])


def test_a_change_of_rate_in_mid_flow_counts() -> None:
    """8 * 2 bytes leave at 0.96 s + 0.5 s: 4 bytes at 10 B/s until 1.86 s, the remaining 12 at 100 B/s."""
    change = Trace([0.0, 1.86], [10.0, 100.0])
    scenario = with_links(replace(world(), requests=(Request(prompt=2, output=1),)), bandwidth=change)
    tokens = simulate(scenario, Scripted(FFN_AWAY)).tokens
    heads_s = 2 * (2 * 8 * 4 * 3 * 2 + 4 * 4 * 2) / 1e3
    proj_s = 2 * 8 * 8 * 2 / 1e3
    started_s = heads_s + proj_s + 0.5
    sent_before = (1.86 - started_s) * 10.0
    arrived_s = 1.86 + (16 - sent_before) / 100.0
    ffn_s = 2 * 2 * 8 * 8 * 2 / 1e2
    back_s = 0.5 + 8 / 100.0
    assert 0 < sent_before < 16
    assert tokens.latency_s[0] == pytest.approx(arrived_s + ffn_s + back_s)


def test_latency_is_paid_once_per_message() -> None:
    without = with_links(world(), latency_s=0.0)
    with_latency = simulate(world(), Scripted(FFN_AWAY)).tokens.latency_s
    np.testing.assert_allclose(with_latency - simulate(without, Scripted(FFN_AWAY)).tokens.latency_s, 2 * 0.5)


def test_a_dead_link_ends_the_run_and_names_it() -> None:
    dying = Trace([0.0], [100.0], end="zero", duration=12.0)
    result = simulate(with_links(world(), bandwidth=dying), Scripted(FFN_AWAY))
    run = result.runs.iloc[0]
    assert run.status == "stalled"
    assert "'link'" in run.detail
    assert 0 < len(result.tokens) == run.tokens < 4
    assert result.requests.generated[0] == run.tokens
    assert np.isnan(result.requests.finish_s[0])


def test_two_messages_that_stall_at_once_end_the_run_like_one() -> None:
    """SimPy rebuilds an exception that meets another one from its arguments."""
    scenario = world()
    names = ("hub", "left", "right")
    dying = Trace([0.0], [1e6], end="zero", duration=0.01)
    devices = tuple(Device(name=name, memory_bytes=1e6, flops=1e3) for name in names)
    links = tuple(Link(name=name, ends=("hub", name), bandwidth=dying) for name in names[1:])
    stalling = replace(scenario, cluster=Cluster(devices, links, "hub"))
    result = simulate(stalling, Scripted(np.array([1, 2, 0, 0])))
    run = result.runs.iloc[0]
    assert run.status == "stalled"
    assert "never arrive" in run.detail
    assert result.requests.generated.tolist() == [0]


def test_a_dead_device_ends_the_run_and_names_it() -> None:
    gone = with_devices(world(), "fast", availability=Trace([0.0], [1.0], end="zero", duration=2.0))
    run = simulate(gone, Scripted(ON_FAST)).runs.iloc[0]
    assert run.status == "stalled"
    assert "'fast'" in run.detail


def test_out_of_memory_ends_the_run_with_device_token_and_bytes() -> None:
    """The cache of two heads grows by 2 * 2 * 4 bytes a token; only the first two tokens fit."""
    scenario = world()
    second = scenario.cost.step(one_sequence(2, 1))
    fits_two = float(second.memory_bytes[scenario.block_table.kind].sum()) + second.activation_bytes
    full = with_devices(varied(scenario, interval=4), "fast", memory_bytes=fits_two)
    result = simulate(full, Scripted(ON_FAST))
    run = result.runs.iloc[0]
    assert run.status == "out-of-memory"
    assert "'fast' lacks 16 bytes for token 2 of request 0" in run.detail
    assert run.tokens == 2
    assert result.decisions.outcome[0] == "infeasible"


def test_swapping_slows_down_by_the_excess_over_the_disk_rate() -> None:
    scenario = world(requests=(Request(prompt=2, output=1),))
    step = scenario.cost.step(one_sequence(2, 0))
    needed = float(step.memory_bytes[scenario.block_table.kind].sum()) + step.activation_bytes
    roomy = simulate(scenario, Scripted(ON_FAST)).tokens.latency_s[0]
    tight = with_devices(varied(scenario, overflow="swap"), "fast", memory_bytes=needed - 100.0)
    result = simulate(tight, Scripted(ON_FAST))
    assert result.tokens.latency_s[0] == pytest.approx(roomy + 100.0 / 1e3)
    assert result.tokens.disk_s[0] == pytest.approx(100.0 / 1e3)
    assert result.devices.swapped_bytes.tolist() == [100.0, 0.0]


def test_without_a_first_placement_the_run_ends() -> None:
    result = simulate(world(), Scripted())
    assert result.runs.status[0] == "infeasible"
    assert len(result.tokens) == 0
    assert result.requests.generated[0] == 0


def test_too_large_a_first_placement_is_handled_by_the_overflow_rule() -> None:
    small = with_devices(world(), "fast", memory_bytes=100.0)
    assert simulate(small, Scripted(ON_FAST)).runs.status[0] == "out-of-memory"
    swapping = simulate(varied(small, overflow="swap"), Scripted(ON_FAST))
    assert swapping.runs.status[0] == "complete"
    assert swapping.decisions.outcome[0] == "adopted"


def test_requests_are_served_one_after_another_and_the_wait_counts() -> None:
    one = simulate(world(), Scripted(ON_FAST)).tokens.latency_s
    early = (Request(prompt=2, output=4, arrival_s=0.25), Request(prompt=2, output=4, arrival_s=0.0))
    result = simulate(world(requests=early), Scripted(ON_FAST))
    assert result.requests.request.tolist() == [1, 0]
    second = result.tokens[result.tokens.request == 0]
    np.testing.assert_allclose(second.latency_s.iloc[0], one.sum() - 0.25 + one[0])
    np.testing.assert_allclose(second.wait_s.iloc[0], one.sum() - 0.25)
    np.testing.assert_allclose(second.latency_s.iloc[1:], one[1:])


def test_between_requests_blocks_move_without_a_cache() -> None:
    twice = world(requests=(Request(prompt=2, output=1), Request(prompt=2, output=1)))
    result = simulate(twice, Scripted(ON_FAST, np.array([1, 0, 0, 0])))
    weights = 8 * 4 * 3
    assert result.migrations.size_bytes.tolist() == [weights]


@pytest.mark.parametrize(("rule", "charged_s"), [("free", 0.0), (0.25, 0.25)])
def test_decisions_cost_what_the_scenario_says(rule: object, charged_s: float) -> None:
    tokens = simulate(world(decision_time=rule, interval=2), Scripted(ON_FAST)).tokens
    assert tokens.decision_s.tolist() == [charged_s, 0.0, charged_s, 0.0]


def test_measured_decisions_cost_their_wall_time() -> None:
    result = simulate(world(decision_time="measured"), Scripted(ON_FAST))
    np.testing.assert_array_equal(result.tokens.decision_s, result.timings.decision_wall_s)
    assert (result.tokens.decision_s > 0).all()
