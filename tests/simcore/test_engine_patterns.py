"""Laws of the execution patterns of real engines: their work, their times, and how they run in any world."""

from dataclasses import replace

import numpy as np
import pytest
from engines import FAST, Q80, SHIPPED, TENSOR, cluster_of, equal_parts, run, with_latency
from features import steady_world
from hypothesis import given, settings
from hypothesis import strategies as st
from test_executors import compared, differences
from worlds import (
    Scripted,
    Shuffled,
    clusters,
    eventful,
    model_of_bytes,
    models,
    scenarios,
    small_world,
    varied,
    with_devices,
)

from headway import policies
from headway.simcore import PaperCost, Pattern, Request, RunOptions, Scenario, preset, simulate
from headway.simcore.audit import Audit
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.decode_cost import EngineWork, WireFormat

# Work


@pytest.mark.parametrize("bound", ["memory", "compute"])
def test_on_one_device_all_patterns_take_the_same_time(bound: str) -> None:
    """A task takes the longer of computing and reading, and patterns divide the blocks into different tasks.

    The longer of two sums is not the sum of the longer ones, so the law needs a device on which either computing or
    reading takes no time.
    """
    device = {"flops": 1e6} if bound == "compute" else FAST | {"memory_bandwidth": 1e6, "kv_bandwidth": 5e5}
    latencies = [
        run(cluster_of(pattern, 1, device=device, requests=(Request(prompt=7, output=4),))).tokens.latency_s
        for pattern in [PATTERNS.find("gathered"), PATTERNS.find("sharded"), *SHIPPED.values()]
    ]
    assert latencies[0].min() > 0.0
    for latency_s in latencies[1:]:
        np.testing.assert_allclose(latency_s, latencies[0], rtol=1e-12)


def test_an_engine_reads_more_than_an_ideal_decoder_by_hand() -> None:
    """At 1000 bytes/s: the output head of 10 * 8 bytes 3 times; in the layer 5 bytes for each of 8 numbers."""
    device = FAST | {"memory_bandwidth": 1000.0}
    model = model_of_bytes()
    ideal, engine = (
        run(cluster_of("star-2", 1, model, device=device, engine=engine)).tokens.latency_s.to_numpy()
        for engine in (EngineWork(), EngineWork(layer_bytes=5.0, lm_head_reads=3.0))
    )
    # Weights of 1 byte: a head 8 * 4 * 3 + 4 * 8 = 128, two of them; 2 * 8 * 8 = 128; embedding row 8; output head 80.
    # The cache of both heads has 16 bytes for each position.
    expected = (2 * 128 + 128 + 8 + 80 + 16 * np.arange(1, 4)) / 1000.0
    np.testing.assert_allclose(ideal, expected, rtol=1e-12)
    np.testing.assert_allclose(engine - ideal, (2 * 80 + 5 * 8) / 1000.0, rtol=1e-12)


@pytest.mark.parametrize("name", ["star-2", "star-4", "mesh-2"])
def test_the_cache_is_read_at_its_own_rate_and_counted_at_its_true_size(name: str) -> None:
    """A position adds 2 layers * 24 heads * 2 * 8 numbers * 2 bytes = 1536 bytes to the cache of the whole model.

    Four devices read a quarter each, at 3000 bytes/s; under `star-4` the root reads all of it. The caches are always
    on the devices of their heads.
    """
    device = FAST | {"memory_bandwidth": 1e9, "kv_bandwidth": 3000.0}
    scenario = cluster_of(name, 4, device=device, requests=(Request(prompt=1, output=40),))
    result = run(scenario)
    seconds = np.diff(result.tokens.latency_s)
    np.testing.assert_allclose(seconds, (1536 if name == "star-4" else 384) / 3000.0, rtol=1e-9)
    held = result.devices.pivot(index="token", columns="device", values="held_bytes")
    np.testing.assert_array_equal(held.diff().iloc[1:], 384.0)


@pytest.mark.parametrize("name", [*TENSOR, "pipeline"])
def test_under_the_costs_of_the_paper_tasks_add_up_to_blocks_too(name: str) -> None:
    pattern = PATTERNS.find(name)
    cost = PaperCost(preset("paper-8x512"), projection=pattern.projection, ffn_shards=4)
    scenario = small_world("abc", model=cost.model, execution=pattern, cost=cost)
    policy = Scripted(equal_parts(scenario.block_table, 3))
    simulate(scenario, policy)
    step = policy.observations[0].steps[0]
    graph = scenario.step_graphs.of(equal_parts(scenario.block_table, 3), 0)
    expected = step.cost.work_flop[scenario.block_table.kind].sum()
    work = graph.count[graph.tasks] * step.cost.work_flop[graph.kind[graph.tasks]]
    assert work.sum() == pytest.approx(expected, rel=1e-12)
    assert (graph.message_bytes(step.cost)[graph.messages] > 0.0).all()


# Times


@pytest.mark.parametrize(
    ("name", "rounds", "parts"),
    [
        ("mesh-2", {2: 1, 3: 1, 4: 1, 8: 1}, False),
        ("ring", {2: 2, 3: 4, 4: 6, 8: 14}, True),
        ("recursive-doubling", {2: 1, 3: 2, 4: 2, 8: 3}, False),
    ],
)
def test_times_of_sums_by_hand(name: str, rounds: dict[int, int], parts: bool) -> None:
    """Messages take 1 s and 1 s for 100 bytes; devices compute in no time.

    A sum of q(96) = 102 bytes takes 2 (N - 1) rounds of 1 / N of its bytes in a ring, and log2 N rounds of all bytes by
    recursive doubling; among 3 devices, the first adds the sum of the third while it receives that of the second.
    There are two sums in each of 2 layers. Before them, the workers wait 1 s for an embedding without bytes; after
    them, 4 * 960 / N bytes of scores return.
    """
    for devices, count in rounds.items():
        scenario = with_latency(cluster_of(name, devices, wire=replace(Q80, embedding=0.0), device=FAST))
        expected_s = 1 + 4 * count * (1 + 1.02 / (devices if parts else 1)) + (1 + 38.4 / devices)
        np.testing.assert_allclose(run(scenario).tokens.latency_s, expected_s, rtol=1e-12)


@pytest.mark.parametrize("round_trips", [2, 3, 4])
@pytest.mark.parametrize("devices", [2, 4])
def test_a_round_trip_of_a_star_is_two_latencies_by_hand(round_trips: int, devices: int) -> None:
    """Two layers of messages of 1 s without bytes; with 0.25 s for each message that a device sends.

    The root first sends N - 1 messages, then each worker sends one.
    """
    wire = WireFormat(hidden=0.0, partial_sum=0.0)
    for sync_s in (0.0, 0.25):
        scenario = with_latency(
            cluster_of(f"star-{round_trips}", devices, wire=wire, device=FAST | {"sync_s": sync_s})
        )
        expected_s = 2 * round_trips * ((devices - 1) * sync_s + 1 + sync_s + 1)
        np.testing.assert_allclose(run(scenario).tokens.latency_s, expected_s, rtol=1e-12)


@pytest.mark.parametrize(("name", "sent"), [("mesh-2", 3), ("ring", 6), ("recursive-doubling", 2)])
def test_every_message_that_a_device_sends_costs_it_sync(name: str, sent: int) -> None:
    """Among 4 devices, messages take no time; a device sends `sent` messages for each of 2 * 2 sums.

    The root sends 3 messages at first, and each worker one at the end.
    """
    wire = WireFormat(hidden=0.0, partial_sum=0.0, embedding=0.0, logits=0.0)
    result = run(cluster_of(name, 4, wire=wire, device=FAST | {"sync_s": 0.5}))
    np.testing.assert_allclose(result.tokens.latency_s, 0.5 * (3 + 4 * sent + 1), rtol=1e-12)


# Any world


def under(scenario: Scenario, pattern: Pattern) -> Scenario:
    cost = replace(scenario.cost, projection=pattern.projection)  # type: ignore[type-var]
    engine = with_devices(scenario, sync_s=1e-4, kv_bandwidth=1e9)
    return replace(engine, execution=pattern, cost=cost)


@pytest.mark.parametrize("name", SHIPPED)
@given(
    scenario=scenarios(cluster=clusters(most=4), model=models(most_layers=2), most_shards=3),
    sharing=st.sampled_from(["fair", "dedicated"]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=8)
def test_both_executors_agree_the_auditor_finds_nothing_and_predictions_are_exact(
    name: str, scenario: Scenario, sharing: str, seed: int
) -> None:
    """In worlds that do not change, with random placements that change before every token."""
    scenario = varied(under(scenario, SHIPPED[name]), interval=1, sharing=sharing)
    audits: list[Audit] = []
    events, compiled = (
        simulate(
            replace(scenario, executor=executor),
            Shuffled(seed),
            options=RunOptions(audit=True),
            on_audit=audits.append,
        )
        for executor in ("events", "compiled")
    )
    assert differences(events, compiled) == []
    assert min(audit.checks for audit in audits) > 0
    inference_s = events.tokens.latency_s - events.tokens.migration_s
    np.testing.assert_allclose(inference_s, events.decisions.predicted_delay_s, rtol=1e-9)


@pytest.mark.parametrize("name", SHIPPED)
@given(scenario=steady_world(), seed=st.integers(0, 100))
@settings(max_examples=4)
def test_both_executors_agree_in_long_runs(name: str, scenario: Scenario, seed: int) -> None:
    """Several steps between two decisions, which the compiled executor runs at once."""
    compared(under(scenario, SHIPPED[name]), Shuffled(seed), Shuffled(seed))


@pytest.mark.parametrize("name", SHIPPED)
@given(scenario=eventful(faults=True), seed=st.integers(0, 100))
@settings(max_examples=4)
def test_the_auditor_finds_nothing_in_any_world(name: str, scenario: Scenario, seed: int) -> None:
    """Devices go down, swap, share their time, and live migrations share the network."""
    simulate(under(scenario, SHIPPED[name]), Shuffled(seed), options=RunOptions(audit=True))


@pytest.mark.parametrize("name", ["star-4", "pipeline in micro-batches"])
@pytest.mark.parametrize("policy", policies.names())
def test_every_policy_plans_under_the_patterns_of_engines(policy: str, name: str) -> None:
    """Models of one layer, as the policy `exact` needs them."""
    device = {"memory_bandwidth": 1e6, "sync_s": 1e-3}
    requests = (Request(prompt=3, output=1),)
    scenario = cluster_of(
        SHIPPED[name], 3, model_of_bytes(kv_heads=1, heads=1), device=device, requests=requests
    )
    scenario = replace(scenario, placement=equal_parts(scenario.block_table, 3))
    result = simulate(scenario, policies.create(policy), options=RunOptions(audit=True))
    assert result.runs.status[0] == "complete"
