"""Blocks, costs, routes, devices, links and the ledger, each against a hand-made or brute-force oracle."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import bare, blinking, clusters, models, rate_of, reals, row

from headway.simcore import (
    Cluster,
    CostModel,
    DecodeCost,
    Device,
    Kind,
    Link,
    ModelSpec,
    PaperCost,
    Payload,
    StepCost,
    block_table,
    preset,
)
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.simcore.world.batch import one_sequence
from headway.traces import Trace


@given(models(), st.booleans(), st.booleans(), st.integers(1, 4))
@settings(deadline=None)
def test_every_row_of_the_block_table_is_one_block(
    model: ModelSpec, embed: bool, lm_head: bool, shards: int
) -> None:
    table = block_table(model, embed=embed, lm_head=lm_head, ffn_shards=shards)
    rows = [*table.heads.ravel(), *table.proj, *table.shards.ravel()]
    rows += [row for row in (table.embed, table.lm_head) if row is not None]
    assert sorted(rows) == list(range(len(table)))
    assert len(set(table.names)) == len(table)
    assert (table.kind[table.heads] == Kind.HEAD).all()
    assert (table.kind[table.proj] == Kind.PROJ).all()
    assert (table.kind[table.shards] == Kind.FFN).all()
    assert (table.ffn == table.shards[:, 0]).all()
    assert (table.layer[table.heads] == np.arange(table.layers)[:, None]).all()
    assert (np.diff(table.layer) >= 0).all()


def sizes(cost: StepCost) -> dict[str, float]:
    """Bytes of each payload by its name."""
    return {payload.name: float(cost.message_bytes[payload]) for payload in Payload}


def by_kind(*values: float, **others: float) -> list[float]:
    """Values of the kinds of blocks in their order, then of other kinds by name; 0 of those that are not named."""
    assert len(values) <= Kind.LM_HEAD + 1
    known = {kind.name: value for kind, value in zip(Kind, values, strict=False)} | others
    return [known.get(kind.name, 0.0) for kind in Kind]


def test_decode_costs_of_llama_2_7b_by_hand() -> None:
    """D = 4096, h = h_kv = 32, d = 128, F = 11008, V = 32000, two bytes per number; the table of docs/model.md."""
    cost = DecodeCost(preset("llama-2-7b")).step(one_sequence(prompt=100, generated=28))
    weights = np.array([4096 * 128 * 3, 32 * 128 * 4096, 3 * 4096 * 11008, 32000 * 4096, 32000 * 4096]) * 2.0
    cache = 2 * 128 * 128 * 2.0
    qkv, scores, out, ffn = 2 * 4096 * 128 * 3, 4 * 128 * 128, 2 * 128 * 4096, 2 * 3 * 4096 * 11008
    parts = {"QKV": qkv, "ATTENTION": scores, "OUT": out, "FFN_UP": ffn * 2 / 3, "FFN_DOWN": ffn / 3}
    work = by_kind(qkv + scores, 32 * out, ffn, 0, 2 * 32000 * 4096, **parts)
    np.testing.assert_allclose(cost.work_flop, work, rtol=1e-15)
    # Two bytes per weight, and one multiply-accumulate of 2 FLOP with each: as many bytes as FLOP.
    parts["ATTENTION"] = 0
    reads = by_kind(qkv, 32 * out, ffn, 4096 * 2, 2 * 32000 * 4096, **parts)
    np.testing.assert_allclose(cost.weight_bytes, reads, rtol=1e-15)
    np.testing.assert_array_equal(cost.kv_bytes, by_kind(cache, ATTENTION=cache))
    np.testing.assert_array_equal(cost.read_bytes, cost.weight_bytes + cost.kv_bytes)
    parts["ATTENTION"] = cache
    held = by_kind(weights[0] + cache, *weights[1:], **parts)
    np.testing.assert_allclose(cost.memory_bytes, held, rtol=1e-15)
    assert sizes(cost) == {
        "PROMPT": 4,
        "HIDDEN": 4096 * 2,
        "HEAD_OUTPUT": 128 * 2,
        "PARTIAL_SUM": 4096 * 2,
        "LAST_HIDDEN": 4096 * 2,
        "TOKEN": 4,
        "QKV": 3 * 128 * 2,
        "INNER": 11008 * 2,
        "EMBEDDING": 4096 * 2,
        "LOGITS": 32000 * 2,
    }


def test_prefill_costs_of_llama_3_8b_by_hand() -> None:
    """A group of four query heads per key/value head; a prompt of 10 tokens."""
    cost = DecodeCost(preset("llama-3-8b")).step(one_sequence(prompt=10, generated=0))
    qkv, scores, out = 2 * 4096 * 128 * (4 + 2) * 10, 4 * 128 * 4 * 50, 2 * 4 * 128 * 4096 * 10
    ffn = 2 * 3 * 4096 * 14336 * 10
    parts = {"QKV": qkv, "ATTENTION": scores, "OUT": out, "FFN_UP": ffn * 2 / 3, "FFN_DOWN": ffn / 3}
    work = by_kind(qkv + scores, 8 * out, ffn, 0, 2 * 128256 * 4096, **parts)
    np.testing.assert_allclose(cost.work_flop, work, rtol=1e-15)
    assert cost.memory_bytes[Kind.HEAD] == 4096 * 128 * 6 * 2 + 2 * 10 * 128 * 2
    assert sizes(cost) == {
        "PROMPT": 40,
        "HIDDEN": 4096 * 2 * 10,
        "HEAD_OUTPUT": 4 * 128 * 2 * 10,
        "PARTIAL_SUM": 4096 * 2 * 10,
        "LAST_HIDDEN": 4096 * 2,
        "TOKEN": 4,
        "QKV": (4 + 2) * 128 * 2 * 10,
        "INNER": 14336 * 2 * 10,
        "EMBEDDING": 4096 * 2 * 10,
        "LOGITS": 128256 * 2,
    }


@given(models(), st.integers(1, 8))
@settings(deadline=None)
def test_sharding_divides_weights_and_work_and_loses_none(model: ModelSpec, shards: int) -> None:
    """Summed over a layer, sharding changes neither; under `paper` the projection's activations stay where they are."""
    shards = min(shards, model.ffn_width)
    for build in (DecodeCost, PaperCost):
        whole = build(model)
        cut = build(model, ffn_shards=shards, projection="sharded")
        kinds = [block_table(model, ffn_shards=cost.ffn_shards).kind for cost in (whole, cut)]
        for generated in (0, 7):
            steps = [cost.step(one_sequence(5, generated)) for cost in (whole, cut)]
            work, memory = (
                [getattr(step, name)[kind].sum() for step, kind in zip(steps, kinds, strict=True)]
                for name in ("work_flop", "memory_bytes")
            )
            assert work[0] == pytest.approx(work[1])
            assert memory[0] == pytest.approx(memory[1])
            # A partial sum is as large as what it adds up to, and nothing that is sent depends on the cut.
            assert sizes(steps[1])["PARTIAL_SUM"] == sizes(steps[1])["HIDDEN"]
            assert sizes(steps[0]) == sizes(steps[1])


@given(models(), st.integers(1, 8), st.integers(0, 7))
@settings(deadline=None)
def test_parts_of_blocks_add_up_to_blocks(model: ModelSpec, shards: int, generated: int) -> None:
    """QKV, ATTENTION and OUT are the parts of a head with its rows of W_O; FFN_UP and FFN_DOWN those of a network."""
    for build in (DecodeCost, PaperCost):
        cost = build(model, ffn_shards=min(shards, model.ffn_width), projection="sharded")
        step = cost.step(one_sequence(5, generated))
        for each in (step.memory_bytes, step.work_flop, step.weight_bytes, step.kv_bytes):
            assert each[[Kind.QKV, Kind.ATTENTION, Kind.OUT]].sum() == pytest.approx(each[Kind.HEAD])
            assert each[[Kind.FFN_UP, Kind.FFN_DOWN]].sum() == pytest.approx(each[Kind.FFN])


@pytest.mark.parametrize("shards", [0, 3073])
def test_as_many_shards_as_columns_at_most(shards: int) -> None:
    for build in (DecodeCost, PaperCost):
        with pytest.raises(ValueError, match="from 1 to the FFN width 3072"):
            build(preset("gpt2"), ffn_shards=shards)


def test_paper_costs_by_hand() -> None:
    """D = 2048, h = 32, four bytes per number, L = 64 + 36; the table of docs/model.md."""
    cost = PaperCost(preset("paper-32x2048")).step(one_sequence(prompt=64, generated=36))
    b, width, head, length = 4.0, 2048, 64, 100
    memory = [
        3 * length * head * b + 3 * width * head * b + 36 * width * b,
        length * width * b,
        4 * length * width * b,
    ]
    cache = 36 * width * b
    parts = {"QKV": memory[0] - cache, "ATTENTION": cache, "FFN_UP": memory[2] / 2, "FFN_DOWN": memory[2] / 2}
    np.testing.assert_array_equal(cost.memory_bytes, by_kind(*memory, **parts))
    work = [3 * length * width * head + length**2 * head, length * width**2, 8 * length * width**2]
    parts = {"QKV": work[0] - length**2 * head, "ATTENTION": length**2 * head, "OUT": length * head * width}
    halves = {"FFN_UP": work[2] / 2, "FFN_DOWN": work[2] / 2}
    np.testing.assert_array_equal(cost.work_flop, by_kind(*work, **parts, **halves))
    assert sizes(cost) == {
        "PROMPT": 4 * length,
        "HIDDEN": length * width * b,
        "HEAD_OUTPUT": length * head * b,
        "PARTIAL_SUM": length * width * b,
        "LAST_HIDDEN": length * width * b,
        "TOKEN": 4,
        "QKV": 3 * length * head * b,
        "INNER": length * 4 * width * b,
        "EMBEDDING": length * width * b,
        "LOGITS": 0,
    }
    assert not cost.read_bytes.any()
    thin = PaperCost(preset("paper-32x2048"), ffn_factor=0.8).step(one_sequence(prompt=64, generated=36))
    assert thin.work_flop[Kind.FFN] == pytest.approx(cost.work_flop[Kind.FFN] / 10)


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-3-8b", "qwen2.5-7b", "tinyllama-1.1b", "mistral-7b"])
def test_blocks_carry_the_weights_of_the_whole_model(name: str) -> None:
    """All blocks together weigh what the model does, but for norms and biases."""
    model = preset(name)
    weights = DecodeCost(model).idle_memory_bytes[block_table(model).kind].sum()
    assert weights == pytest.approx(model.weight_bytes - model.extra_parameters * model.bytes_per_weight)
    cached = DecodeCost(model).step(one_sequence(1, 999)).memory_bytes - DecodeCost(model).idle_memory_bytes
    assert cached[block_table(model).kind].sum() == pytest.approx(1000 * model.kv_bytes_per_token)


@given(models().flatmap(lambda model: st.tuples(st.just(DecodeCost(model)), st.just(PaperCost(model)))))
@settings(deadline=None)
def test_blocks_only_grow_while_a_sequence_does(costs: tuple[CostModel, ...]) -> None:
    for cost in costs:
        steps = [cost.step(one_sequence(5, generated)).memory_bytes for generated in range(4)]
        assert (np.diff([cost.idle_memory_bytes, *steps], axis=0) >= 0).all()


@given(clusters(most=8))
@settings(max_examples=60, deadline=None)
def test_routes_are_the_fastest_and_shortest(cluster: Cluster) -> None:
    """Against Floyd and Warshall's algorithm on (latency, number of links)."""
    count = len(cluster.devices)
    best = {(i, j): (0.0, 0) if i == j else (math.inf, 0) for i in range(count) for j in range(count)}
    for link in cluster.links:
        i, j = (cluster.names.index(end) for end in link.ends)
        assert not isinstance(link.latency_s, Trace)
        best[i, j] = best[j, i] = (link.latency_s + link.overhead_s, 1)
    for k in range(count):
        for i in range(count):
            for j in range(count):
                via = (best[i, k][0] + best[k, j][0], best[i, k][1] + best[k, j][1])
                best[i, j] = min(best[i, j], via)
    for (i, j), (latency_s, _) in best.items():
        assert cluster.latencies(0.0, 0.0)[i, j] == pytest.approx(latency_s, abs=1e-12)
        route = cluster.routes[i][j]
        assert (route is None) == (i == j)
        if route is not None:
            at = cluster.names[i]
            for number in route.links:
                ends = set(cluster.links[number].ends)
                assert at in ends
                (at,) = ends - {at}
            assert at == cluster.names[j]
            rates = [rate_of(cluster.links[number]).value(0.0) for number in route.links]
            assert cluster.rates(0.0, 1.0)[i, j] == min(rates)


def test_of_equally_fast_routes_the_one_with_fewer_links_is_taken() -> None:
    devices = tuple(map(bare, "abc"))
    fast = Trace.constant(1.0)
    links = tuple(Link(name=x + y, ends=(x, y), bandwidth=fast) for x, y in ("ab", "bc", "ac"))
    assert Cluster(devices, links, "a").routes[0][2].links == (2,)  # type: ignore[union-attr]


def test_of_parallel_links_the_one_of_least_latency_is_taken() -> None:
    devices = tuple(map(bare, "ab"))
    links = tuple(
        Link(name=f"{latency}", ends=("a", "b"), bandwidth=Trace.constant(1.0), latency_s=latency)
        for latency in (3.0, 1.0, 2.0)
    )
    assert Cluster(devices, links, "a").routes[0][1].links == (1,)  # type: ignore[union-attr]


def narrowest(traces: list[Trace], start: float, end: float) -> float:
    """Integral of the least of several traces, from breakpoint to breakpoint."""
    total, now = 0.0, start
    while now < end:
        until = min(end, *(trace.next_change(now) for trace in traces))
        total += min(trace.value(now) for trace in traces) * (until - now)
        now = until
    return total


@given(st.lists(blinking(), min_size=2, max_size=4), reals(0.0, 2.0), reals(0.01, 3.0))
@settings(max_examples=100, deadline=None)
def test_a_message_over_several_links_flows_at_the_narrowest(
    traces: list[Trace], start: float, length: float
) -> None:
    route = row(*traces).routes[0][-1]
    assert route is not None
    size = narrowest(traces, start, start + length)
    if size > 0.0:
        end = route.reach(start, size)
        # Where nothing flows at the end of the span, the message was through before it.
        assert end <= start + length + 1e-9
        assert narrowest(traces, start, end) == pytest.approx(size)


def test_links_that_are_never_up_together_carry_nothing() -> None:
    first = Trace([0.0, 1.0], [1.0, 0.0], end="loop", duration=2.0)
    second = Trace([0.0, 1.0], [0.0, 1.0], end="loop", duration=2.0)
    route = row(first, second).routes[0][2]
    assert route is not None
    assert route.reach(0.0, 1.0) == math.inf


def test_routes_through_a_link_that_dies_never_end() -> None:
    route = row(Trace.constant(0.5), Trace([0.0], [1.0], end="zero", duration=2.0)).routes[0][2]
    assert route is not None
    assert route.reach(0.0, 1.0) == 2.0
    assert route.reach(0.0, 1.001) == math.inf


@pytest.mark.parametrize("value", [-1.0, math.nan, "4 GB", None])
@pytest.mark.parametrize(
    "field", ["memory_bytes", "flops", "memory_bandwidth", "overhead_s", "disk_bandwidth"]
)
def test_a_device_of_impossible_numbers_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} of the device 'desk' must be a number"):
        Device(**{"name": "desk", "memory_bytes": 1.0, "flops": 1.0, field: value})


@pytest.mark.parametrize("field", ["latency_s", "overhead_s"])
def test_a_link_of_negative_time_is_refused_by_name(field: str) -> None:
    times: dict[str, Any] = {field: -1e-3}
    with pytest.raises(ValueError, match=f"{field} of the link 'air'"):
        Link(name="air", ends=("a", "b"), bandwidth=Trace.constant(1.0), **times)


@given(models(), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_ledger_equals_a_recount_and_returns_to_zero(model: ModelSpec, devices: int, seed: int) -> None:
    blocks = block_table(model)
    cost = DecodeCost(model)
    random = np.random.default_rng(seed)
    ledger = MemoryLedger(np.zeros(devices), blocks)
    where = random.integers(0, devices, len(blocks))
    ledger.load(where)
    for generated in range(6):
        memory = cost.step(one_sequence(3, generated)).memory_bytes
        ledger.resize(memory)
        block, new = int(random.integers(len(blocks))), int(random.integers(devices))
        ledger.move(block, int(where[block]), new)
        where[block] = new
        recount = np.bincount(where, weights=memory[blocks.kind], minlength=devices)
        np.testing.assert_allclose(ledger.held(), recount, rtol=1e-12)
    ledger.unload(where)
    assert (ledger.held() == 0.0).all()


def test_the_ledger_gives_nothing_back_that_it_does_not_hold() -> None:
    blocks = block_table(replace(preset("gpt2"), layers=1))
    ledger = MemoryLedger(np.zeros(2), blocks)
    ledger.load(np.zeros(len(blocks), dtype=np.int64))
    with pytest.raises(ValueError, match="does not hold"):
        ledger.move(0, 1, 0)


@given(st.permutations(range(4)), st.permutations(range(6)))
def test_which_of_equally_fast_routes_is_taken_does_not_depend_on_the_order_of_devices_or_links(
    device_order: list[int], link_order: list[int]
) -> None:
    """Two ways over one device are equally fast, and each link is there twice."""
    devices = [*map(bare, "abcd")]
    slow = [
        Link(name=f"slow {a}{b}", ends=(a, b), bandwidth=Trace.constant(1.0)) for a, b in ("ab", "bd", "ac")
    ]
    fast = [
        Link(name=f"fast {a}{b}", ends=(a, b), bandwidth=Trace.constant(2.0)) for a, b in ("ab", "ac", "cd")
    ]
    links = [*slow, *fast]
    cluster = Cluster(
        tuple(devices[i] for i in device_order), tuple(links[i] for i in link_order), source="a"
    )
    start, end = cluster.names.index("a"), cluster.names.index("d")
    route = cluster.routes[start][end]
    assert route is not None
    assert [cluster.links[i].name for i in route.links] == ["slow ab", "slow bd"]
