"""Laws of the graph of a step: it computes every block once, and its readers agree on how long it takes."""

import dataclasses
import gc
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import policies
from headway.simcore import (
    Cluster,
    Device,
    Kind,
    Payload,
    Request,
    Scenario,
    block_table,
    load_scenario,
    preset,
    shipped_scenario,
    simulate,
)
from headway.simcore.steps.graph import NONE, GraphBuilder, StepGraph
from headway.simcore.steps.makespan import makespan
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import StepGraphs
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import StepCost
from headway.simcore.world.decode_cost import DecodeCost
from headway.simcore.world.model import ModelSpec

SOURCE = 0

WHOLE = ("gathered", "sharded")
"""Patterns whose tasks are whole blocks; tests/simcore/test_engine_patterns.py has the laws of the others."""


@st.composite
def placed(
    draw: st.DrawFn, patterns: Sequence[str] = WHOLE
) -> tuple[BlockTable, np.ndarray, StepGraph, StepCost]:
    """A model, a placement of its blocks on up to five devices, the graph, and the cost of a step."""
    kv_heads = draw(st.integers(1, 4))
    model = ModelSpec(
        name="small",
        layers=draw(st.integers(1, 3)),
        width=8,
        heads=kv_heads * draw(st.integers(1, 2)),
        kv_heads=kv_heads,
        head_size=2,
        ffn_width=16,
        gated_ffn=draw(st.booleans()),
        vocabulary=32,
    )
    shards = draw(st.integers(1, 3))
    pattern = PATTERNS.find(draw(st.sampled_from(patterns)))
    blocks = block_table(model, embed=draw(st.booleans()), lm_head=draw(st.booleans()), ffn_shards=shards)
    devices = draw(st.integers(1, 5))
    placement = np.array(
        draw(st.lists(st.integers(0, devices - 1), min_size=len(blocks), max_size=len(blocks)))
    )
    cost = DecodeCost(model, ffn_shards=shards, projection=pattern.projection)
    step = cost.step(one_sequence(draw(st.integers(1, 9)), draw(st.integers(0, 9))))
    return blocks, placement, StepGraphs(pattern, blocks).of(placement, SOURCE), step


@given(placed())
def test_the_graph_computes_every_block_once_where_it_is(
    world: tuple[BlockTable, np.ndarray, StepGraph, StepCost],
) -> None:
    blocks, placement, graph, _ = world
    expected = dict[tuple[int, int, int], int]()
    for kind, layer, device in zip(
        blocks.kind.tolist(), blocks.layer.tolist(), placement.tolist(), strict=True
    ):
        expected[kind, layer, device] = expected.get((kind, layer, device), 0) + 1
    tasks = graph.tasks
    keys = zip(
        graph.kind[tasks].tolist(), graph.layer[tasks].tolist(), graph.device[tasks].tolist(), strict=True
    )
    assert dict(zip(keys, graph.count[tasks].tolist(), strict=True)) == expected


@given(placed(PATTERNS.names()))
def test_the_tasks_of_a_step_add_up_to_all_blocks(
    world: tuple[BlockTable, np.ndarray, StepGraph, StepCost],
) -> None:
    """However a pattern divides blocks into tasks, their work and what they read add up."""
    blocks, _, graph, cost = world
    count, kind = graph.count[graph.tasks], graph.kind[graph.tasks]
    for of_block in (cost.work_flop, cost.weight_bytes, cost.kv_bytes):
        assert (count * of_block[kind]).sum() == pytest.approx(of_block[blocks.kind].sum(), rel=1e-12)


@given(placed())
def test_the_graph_sends_what_the_cost_model_says(
    world: tuple[BlockTable, np.ndarray, StepGraph, StepCost],
) -> None:
    """Counted by hand: for each layer what heads, projection and shards send to other devices."""
    blocks, placement, graph, cost = world
    sharded = Payload.HEAD_OUTPUT not in graph.payload
    size, total, holder = cost.message_bytes, 0.0, SOURCE
    if blocks.embed is not None:
        total += size[Payload.PROMPT] * (placement[blocks.embed] != holder)
        holder = placement[blocks.embed]
    for heads, proj, shards in zip(blocks.heads, blocks.proj, blocks.shards, strict=True):
        at, hosts, workers = placement[proj], placement[heads], placement[shards]
        total += size[Payload.HIDDEN] * len({*hosts.tolist()} - {int(holder)})
        if sharded:
            total += size[Payload.PARTIAL_SUM] * len({*hosts.tolist()} - {int(at)})
        else:
            total += size[Payload.HEAD_OUTPUT] * (hosts != at).sum()
        total += size[Payload.HIDDEN] * len({*workers.tolist()} - {int(at)})
        total += size[Payload.PARTIAL_SUM] * len({*workers.tolist()} - {int(workers[0])})
        holder = workers[0]
    if blocks.lm_head is not None:
        total += size[Payload.LAST_HIDDEN] * (placement[blocks.lm_head] != holder)
        holder = placement[blocks.lm_head]
    total += size[Payload.LAST_HIDDEN if blocks.lm_head is None else Payload.TOKEN] * (holder != SOURCE)
    assert graph.message_bytes(cost).sum() == pytest.approx(total, rel=1e-12)


@given(placed(PATTERNS.names()))
def test_stages_rise_along_every_path_from_one_begin_to_one_end(
    world: tuple[BlockTable, np.ndarray, StepGraph, StepCost],
) -> None:
    _, _, graph, _ = world
    before = np.repeat(np.arange(len(graph)), np.diff(graph.first_successor))
    assert (graph.stage[before] <= graph.stage[graph.successor]).all()
    assert graph.predecessors.sum() == len(graph.successor)
    # A step begins at the source, and ends with one node there.
    assert (graph.device[graph.predecessors == 0] == SOURCE).all()
    assert graph.receiver[-1] == SOURCE
    assert np.flatnonzero(np.diff(graph.first_successor) == 0).tolist() == [len(graph) - 1]
    # Whoever follows the edges meets every node: there is no cycle.
    missing, ready, met = graph.predecessors.tolist(), [*graph.nodes.first], 0
    while ready:
        node, met = ready.pop(), met + 1
        for later in graph.nodes.successors[node]:
            missing[later] -= 1
            ready += [later] * (missing[later] == 0)
    assert met == len(graph)


@given(placed(), st.integers(0, 2**32 - 1))
def test_the_makespan_of_stages_is_that_of_their_nodes(
    world: tuple[BlockTable, np.ndarray, StepGraph, StepCost], seed: int
) -> None:
    """The fast way, stage by stage, equals the slow one, node by node."""
    _, _, graph, _ = world
    seconds = np.random.default_rng(seed).uniform(0.0, 1.0, len(graph))
    seconds[(graph.kind == NONE) & (graph.payload == NONE)] = 0.0
    slow = makespan(replace(graph, branches=None), seconds)
    assert makespan(graph, seconds) == pytest.approx(slow, rel=1e-12)


def test_tasks_of_one_device_are_computed_one_after_another() -> None:
    """Two tasks that could begin at once share a device, so the last of three takes 1 + 2 + 4 seconds."""
    step = GraphBuilder()
    one = step.task(0, Kind.HEAD, layer=0, stage=0)
    other = step.task(0, Kind.HEAD, layer=0, stage=0)
    step.task(0, Kind.PROJ, layer=0, stage=1, after=[one, other])
    assert makespan(step.graph(), np.array([1.0, 2.0, 4.0])) == 7.0


def test_what_becomes_ready_first_is_computed_first() -> None:
    """A task that waits for a message of 5 s lets one that comes later in the graph go first."""
    step = GraphBuilder()
    message = step.message(1, 0, Payload.HIDDEN, kind=Kind.HEAD, layer=0, stage=0)
    step.task(0, Kind.HEAD, layer=0, stage=1, after=[message])
    step.task(0, Kind.HEAD, layer=0, stage=1)
    assert makespan(step.graph(), np.array([5.0, 1.0, 3.0])) == 6.0


def test_a_node_can_only_wait_for_nodes_added_before_it() -> None:
    step = GraphBuilder()
    with pytest.raises(ValueError, match="node 0 waits for node 0"):
        step.task(0, Kind.HEAD, layer=0, stage=0, after=[0])


def test_the_graph_of_a_placement_is_built_once() -> None:
    model = ModelSpec(
        name="one",
        layers=1,
        width=2,
        heads=1,
        kv_heads=1,
        head_size=2,
        ffn_width=2,
        gated_ffn=False,
        vocabulary=0,
    )
    blocks = block_table(model, embed=False, lm_head=False)
    graphs = StepGraphs(PATTERNS.find("gathered"), blocks)
    placement = np.zeros(len(blocks), dtype=np.int64)
    assert graphs.of(placement, SOURCE) is graphs.of(placement.copy(), SOURCE)
    assert graphs.of(placement, SOURCE) is not graphs.of(placement, 1)


def test_overhead_is_paid_once_for_all_blocks_of_a_kind_and_layer_on_a_device() -> None:
    """Two layers of 32 heads on one device are six tasks; with embedding and output head, eight."""
    model = replace(preset("tinyllama-1.1b"), layers=2, kv_heads=32)
    overhead_s = 50e-6
    took = []
    for fixed_s in (0.0, overhead_s):
        device = Device(name="one", memory_bytes=1e12, flops=1e12, memory_bandwidth=1e11, overhead_s=fixed_s)
        scenario = Scenario(
            name="overhead",
            model=model,
            cost=DecodeCost(model),
            cluster=Cluster((device,), (), "one"),
            requests=(Request(prompt=4, output=3),),
        )
        result = simulate(scenario, policies.create("single"))
        took.append(result.tokens.latency_s.to_numpy())
        predicted = result.decisions.predicted_delay_s.sum()
        assert predicted == pytest.approx(took[-1].sum(), rel=1e-9)
    # The embedding of `decode` reads bytes, so it is a task as well.
    np.testing.assert_allclose(took[1] - took[0], 8 * overhead_s, rtol=1e-9)


def test_a_scenario_goes_to_another_process_with_its_graphs() -> None:
    scenario = load_scenario(shipped_scenario("phone-leaves"))
    placement = np.zeros(len(scenario.block_table), dtype=np.int64)
    graph = scenario.step_graphs.of(placement, SOURCE)
    copy = pickle.loads(pickle.dumps(scenario)).step_graphs.of(placement, SOURCE)
    for field in dataclasses.fields(StepGraph):
        if isinstance(expected := getattr(graph, field.name), np.ndarray):
            np.testing.assert_array_equal(getattr(copy, field.name), expected)


def test_graphs_may_be_asked_for_from_several_threads() -> None:
    scenario = load_scenario(shipped_scenario("wifi-cell"))
    count = len(scenario.block_table)
    placements = [np.full(count, device % 8, dtype=np.int64) for device in range(200)]
    with ThreadPoolExecutor(4) as threads:
        graphs = threads.map(lambda placement: scenario.step_graphs.of(placement, SOURCE), placements)
        assert [int(graph.device[graph.tasks[0]]) for graph in graphs] == [n % 8 for n in range(200)]


def test_steps_leave_nothing_that_only_the_garbage_collector_would_free() -> None:
    """A circle of references per task made runs a third slower. A run of any length leaves about 80 objects."""
    left = []
    for tokens in (2, 300):
        scenario = replace(
            load_scenario(shipped_scenario("home-cluster")), requests=(Request(prompt=4, output=tokens),)
        )
        policy = policies.create("static")
        gc.collect()
        gc.disable()
        try:
            simulate(scenario, policy)
            left.append(gc.collect())
        finally:
            gc.enable()
    assert left[1] <= left[0] + 150
