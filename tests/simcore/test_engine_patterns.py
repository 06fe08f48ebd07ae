"""Laws of the execution patterns of real engines: the bytes that they send, the work that they do, and their times.

The tables of bytes are those of distributed-llama: q(n) is the size of n numbers on the wire, N the number of devices.
"""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_executors import differences
from worlds import Scripted, Shuffled, clusters, model_of_bytes, models, scenarios, small_world, varied

from headway.simcore import (
    DecodeCost,
    IntArray,
    ModelSpec,
    PaperCost,
    Pattern,
    Request,
    Result,
    RunOptions,
    Scenario,
    preset,
    simulate,
)
from headway.simcore.audit import Audit
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import EngineWork, WireFormat

TENSOR = ("star-4", "star-3", "star-2", "mesh-2", "ring", "recursive-doubling")
SHIPPED: dict[str, Pattern] = {
    **{name: PATTERNS.find(name) for name in (*TENSOR, "pipeline")},
    "pipeline in micro-batches": Pipeline(micro_batch=2, back="chain"),
    "pipeline through the source": Pipeline(micro_batch=3, hops="source"),
}
SIZES = (1, 2, 3, 4, 8)
Q80 = WireFormat(hidden=34 / 32, partial_sum=34 / 32, embedding=4.0, logits=4.0)
"""Blocks of 32 numbers of 8 bits with a scale of 16 bits; the embedding row and the scores in F32."""
F32 = WireFormat(hidden=4.0, partial_sum=4.0, embedding=4.0, logits=4.0)
FAST = {"flops": math.inf}
WIDE = ModelSpec(
    name="wide", layers=2, width=96, heads=48, kv_heads=24, head_size=8, ffn_width=768, gated_ffn=True, vocabulary=960
)  # fmt: skip
"""Two query heads share a key/value head, and all heads together are four times as wide as the hidden state."""
LLAMA = preset("llama-2-7b")


def equal_parts(blocks: BlockTable, devices: int) -> IntArray:
    """Heads and shards of each layer in equal parts on all devices, everything else on the first one."""
    placement = np.zeros(len(blocks), dtype=np.int64)
    for rows in (*blocks.heads, *blocks.shards):
        placement[rows] = np.arange(len(rows)) * devices // len(rows)
    return placement


def cluster_of(
    pattern: Pattern | str, devices: int, model: ModelSpec = WIDE, *, wire: WireFormat = Q80, **changes: Any
) -> Scenario:
    """A model on devices with a link of 100 bytes/s between every two; one token is read and three are made."""
    pattern = PATTERNS.find(pattern)
    names = "abcdefgh"[:devices]
    engine = changes.pop("engine", EngineWork())
    device = {"memory_bytes": 1e15, "flops": 1e12} | changes.pop("device", {})
    values: dict[str, Any] = {
        "embed": True,
        "lm_head": True,
        "requests": (Request(prompt=1, output=3),),
    } | changes
    cost = DecodeCost(
        model, ffn_shards=model.kv_heads, projection=pattern.projection, wire=wire, engine=engine
    )
    return small_world(names, model=model, device=device, cost=cost, execution=pattern, **values)


def run(scenario: Scenario, placement: IntArray | None = None) -> Result:
    blocks, devices = scenario.block_table, len(scenario.cluster.devices)
    placement = equal_parts(blocks, devices) if placement is None else placement
    return simulate(scenario, Scripted(placement), options=RunOptions(audit=True))


def traffic(result: Result, tokens: int = 3) -> tuple[float, float]:
    """Bytes that the root sends and receives for one token."""
    links = result.links
    ends = (links.size_bytes[links[end] == "a"].sum() / tokens for end in ("from_device", "to_device"))
    sent, received = ends
    return float(sent), float(received)


# Bytes


@pytest.mark.parametrize("wire", [Q80, F32], ids=["q80", "f32"])
@pytest.mark.parametrize("devices", SIZES)
@pytest.mark.parametrize("name", TENSOR)
def test_bytes_of_a_token_at_the_root_by_formula(name: str, devices: int, wire: WireFormat) -> None:
    """For each worker and layer, and once a token under patterns without a root in the layers."""
    m, n, workers = WIDE, devices, devices - 1

    def q(numbers: float) -> float:
        return numbers * (34 / 32 if wire is Q80 else 4.0)

    d, attended, kv, h = m.width, m.heads * m.head_size, m.kv_heads * m.head_size, m.ffn_width
    rounds = math.ceil(math.log2(n)) if n & (n - 1) == 0 else math.floor(math.log2(n)) + 1
    sent, received = {
        "star-4": (
            workers * (2 * q(d) + q(attended) + workers * q(h / n)),
            workers * (q(attended / n) + 2 * q(kv / n) + 2 * q(d / n) + q(h / n)),
        ),
        "star-3": (
            workers * (2 * q(d) + workers * q(h / n)),
            workers * (q(d) + q(h / n) + q(d / n)),
        ),
        "star-2": (workers * 2 * q(d), workers * 2 * q(d)),
        "mesh-2": (workers * 2 * q(d), workers * 2 * q(d)),
        "ring": (2 * 2 * workers / n * q(d), 2 * 2 * workers / n * q(d)),
        "recursive-doubling": (2 * rounds * q(d), 2 * rounds * q(d)),
    }[name]
    once = (0.0, 0.0) if name.startswith("star") else (workers * 4 * d, workers * 4 * m.vocabulary / n)
    expected = (m.layers * sent + once[0], m.layers * received + once[1])
    assert traffic(run(cluster_of(name, n, wire=wire))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "devices", "sent", "received"),
    [
        # q(4096) = 4352, q(2048) = 2176, q(1024) = 1088, q(11008 / 2) = 5848, q(11008 / 4) = 2924 bytes; 32 layers.
        ("star-4", 2, 32 * (3 * 4352 + 5848), 32 * (3 * 2176 + 2 * 2176 + 5848)),
        ("star-4", 4, 32 * 3 * (3 * 4352 + 3 * 2924), 32 * 3 * (3 * 1088 + 2 * 1088 + 2924)),
        ("star-3", 2, 32 * (2 * 4352 + 5848), 32 * (4352 + 5848 + 2176)),
        ("star-2", 4, 32 * 3 * 2 * 4352, 32 * 3 * 2 * 4352),
        ("mesh-2", 4, 32 * 3 * 2 * 4352 + 3 * 16384, 32 * 3 * 2 * 4352 + 3 * 32000),
    ],
)
def test_bytes_of_a_token_of_llama_2_7b_by_hand(
    name: str, devices: int, sent: float, received: float
) -> None:
    assert traffic(run(cluster_of(name, devices, LLAMA))) == pytest.approx((sent, received), rel=1e-12)


@pytest.mark.parametrize(("devices", "messages"), [(2, 2), (3, 4), (4, 8), (5, 10), (8, 24)])
def test_messages_of_a_sum_by_recursive_doubling(devices: int, messages: int) -> None:
    """N log2 N; with 3 devices 1 + 2 + 1, and with 5 devices 1 + 4 * 2 + 1, each with the whole sum."""
    scenario = cluster_of("recursive-doubling", devices, model_of_bytes(kv_heads=40, heads=40, ffn_width=40))
    links = run(scenario).links
    # Two sums in the only layer of each of three tokens; the root sends the embedding, the others their scores.
    assert links.messages.sum() == 3 * (2 * messages + 2 * (devices - 1))


@pytest.mark.parametrize("name", SHIPPED)
@given(model=models(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_links_carry_the_messages_of_the_graph(name: str, model: ModelSpec, seed: int) -> None:
    """With a link between every two devices, each message crosses one link."""
    scenario = small_world(
        "abc", model=model, device={"memory_bytes": 1e15}, embed=True, lm_head=True,
        execution=SHIPPED[name], cost=DecodeCost(model, projection=SHIPPED[name].projection),
        requests=(Request(prompt=5, output=1),),
    )  # fmt: skip
    placement = np.random.default_rng(seed).integers(0, 3, len(scenario.block_table))
    policy = Scripted(placement)
    result = simulate(scenario, policy)
    step = policy.observations[0].steps[0]
    graph = scenario.step_graphs.of(placement, 0, step.pieces)
    size, count = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for node in graph.messages:
        ends = "abc"[graph.device[node]], "abc"[graph.receiver[node]]
        size[ends] += graph.message_bytes(step.cost)[node]
        count[ends] += 1
    rows = {(row.from_device, row.to_device): row for row in result.links.itertuples()}
    assert {ends: row.messages for ends, row in rows.items()} == count
    assert {ends: row.size_bytes for ends, row in rows.items()} == pytest.approx(size, rel=1e-12)


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
    assert graph.work_flop(step.cost).sum() == pytest.approx(expected, rel=1e-12)
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


def with_latency(scenario: Scenario, latency_s: float = 1.0) -> Scenario:
    links = tuple(replace(link, latency_s=latency_s) for link in scenario.cluster.links)
    return replace(scenario, cluster=replace(scenario.cluster, links=links))


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
    engine = tuple(replace(one, sync_s=1e-4, kv_bandwidth=1e9) for one in scenario.cluster.devices)
    return replace(scenario, execution=pattern, cost=cost, cluster=replace(scenario.cluster, devices=engine))


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
def test_runs_have_equal_bytes(name: str) -> None:
    scenario = cluster_of(SHIPPED[name], 4, device={"memory_bandwidth": 1e6, "sync_s": 1e-4})
    one, other = (simulate(scenario, Shuffled(3)) for _ in range(2))
    for table in ("tokens", "devices", "links", "decisions"):
        assert getattr(one, table).equals(getattr(other, table))
