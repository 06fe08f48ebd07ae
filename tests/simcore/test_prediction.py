"""Predictions know that messages share the network: in a steady world, tokens take as long as predicted."""

import math
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patterns import InARow, OneByOne
from worlds import Shuffled, clusters, constant, models, observe, reals, scenarios, varied

from headway import policies
from headway.simcore import (
    Cluster,
    DecodeCost,
    Device,
    GraphBuilder,
    IntArray,
    Kind,
    Link,
    Medium,
    Observation,
    Pattern,
    Payload,
    Request,
    Scenario,
    load_scenario,
    predict,
    shipped_scenario,
    simulate,
)
from headway.simcore.predict import fork_join_delay
from headway.simcore.steps.graph import NONE
from headway.simcore.steps.makespan import shared_makespan
from headway.simcore.world.airtime import Frame
from headway.simcore.world.crossings import Crossings
from headway.simcore.world.options import Overflow, Swap, TriggerOptions
from headway.traces import Trace

SEEDS = st.integers(0, 2**32 - 1)
SHARING = st.sampled_from(["dedicated", "fair", "airtime"])


@st.composite
def cells(draw: st.DrawFn, *, most: int = 6) -> Cluster:
    """Stations of a Wi-Fi cell, one of them the source, and a device at its access point by cable."""
    latency_s = draw(st.sampled_from([0.0, 1e-3]))
    count = draw(st.integers(1, most))
    devices = [
        Device(
            name=f"d{i}",
            memory_bytes=1e15,
            flops=draw(reals(1e8, 1e10)),
            nic_up=draw(st.one_of(st.none(), constant(1e5, 1e7))),
        )
        for i in range(count + 1)
    ]
    radio = [
        Link(
            name=f"l{i}",
            ends=(f"d{i}", "ap"),
            medium="air",
            bandwidth=draw(st.one_of(st.none(), constant(1e5, 1e7))),
            latency_s=latency_s,
        )
        for i in range(count)
    ]
    cable = Link(name="cable", ends=("ap", f"d{count}"), bandwidth=draw(constant(1e6, 1e9)))
    air = Medium(name="air", bandwidth=draw(constant(1e6, 1e7)), frame=Frame())
    return Cluster((*devices,), (*radio, cable), "d0", relays=("ap",), media=(air,))


def worlds() -> st.SearchStrategy[Scenario]:
    """Random worlds that do not change, of one request, with a decision before every token."""
    cluster = st.one_of(clusters(most=6), clusters(most=6, fixed_times=False), cells())
    drawn = scenarios(cluster=cluster, model=models(most_layers=2), most_shards=3, sharing="fair")
    return st.builds(lambda scenario, sharing: varied(scenario, interval=1, sharing=sharing), drawn, SHARING)


def predicted_exactly(scenario: Scenario, seed: int) -> None:
    result = simulate(scenario, Shuffled(seed))
    inference_s = result.tokens.latency_s - result.tokens.migration_s
    np.testing.assert_allclose(inference_s, result.decisions.predicted_delay_s, rtol=1e-9)


@given(worlds(), SEEDS)
@settings(max_examples=60, deadline=None)
def test_messages_that_share_take_as_long_as_predicted(scenario: Scenario, seed: int) -> None:
    predicted_exactly(scenario, seed)


@pytest.mark.parametrize("pattern", [OneByOne, InARow])
@given(scenario=worlds(), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_so_they_do_under_any_pattern(pattern: Callable[[], Pattern], scenario: Scenario, seed: int) -> None:
    execution = pattern()
    cost = DecodeCost(scenario.model, projection=execution.projection)
    predicted_exactly(replace(scenario, execution=execution, cost=cost), seed)


def with_plain_work(most: float, observation: Observation, placement: IntArray) -> float:
    with patch.object(fork_join_delay._plain, "most", most):
        return predict.shared_delay(replace(observation), placement)  # that remembers nothing


@given(
    scenario=worlds(),
    seed=SEEDS,
    overflow=st.sampled_from(["fail", "swap"]),
    swap=st.sampled_from(["lru", "prefetch"]),
)
@settings(max_examples=200, deadline=None)
def test_compiled_code_predicts_the_same_bits(
    scenario: Scenario, seed: int, overflow: Overflow, swap: Swap
) -> None:
    """Also with so few devices in use that messages seldom meet."""
    observation = replace(observe(scenario), overflow=overflow, swap=swap)
    random = np.random.default_rng(seed)
    for most in (1, 2, observation.devices):
        placement = random.integers(0, min(most, observation.devices), len(observation.blocks))
        for placed in (placement, np.sort(placement)):
            by_graph_s, compiled_s = (with_plain_work(work, observation, placed) for work in (math.inf, -1.0))
            assert compiled_s == by_graph_s


def test_compiled_code_predicts_placements_of_whole_layers_and_leaves_others_to_graphs() -> None:
    observation = observe(load_scenario(shipped_scenario("home-cluster")))
    blocks = observation.blocks
    layers = blocks.layer * observation.devices // (blocks.layers + 2)
    spread = np.arange(len(blocks)) % observation.devices
    with patch.object(fork_join_delay._plain, "most", -1.0):
        for placement, told in ((np.maximum(layers, 0), True), (spread, False)):
            step, times = observation.steps[-1], observation.step_times[-1]
            seconds = fork_join_delay.delay_without_meetings(observation, placement, step.cost, times, None)
            assert (seconds is not None) == told


@given(worlds(), SEEDS)
@settings(max_examples=60, deadline=None)
def test_sharing_costs_time_only_where_routes_share(scenario: Scenario, seed: int) -> None:
    observation = observe(scenario)
    placement = np.random.default_rng(seed).integers(0, observation.devices, len(observation.blocks))
    shared_s, alone_s = (
        predict.shared_delay(observation, placement),
        predict.horizon_delay(observation, placement),
    )
    assert shared_s >= alone_s * (1 - 1e-9)
    if not crosses_twice(observation, placement):
        assert shared_s == pytest.approx(alone_s, rel=1e-9)
    assert predict.shared_delay(replace(observation, sharing=False), placement) == alone_s


def crosses_twice(observation: Observation, placement: IntArray) -> bool:
    """Whether two messages of one stage cross the same resource."""
    graph = observation.step_graphs.of(placement, observation.source)
    for stage in range(int(graph.stage.max()) + 1):
        sent = graph.messages[graph.stage[graph.messages] == stage]
        routes = (graph.device[sent] * observation.devices + graph.receiver[sent]).tolist()
        crossed = np.concatenate(
            [np.empty(0), *(observation.crossings.resources_of(route) for route in routes)]
        )
        if len(np.unique(crossed)) < len(crossed):
            return True
    return False


def test_two_stations_share_a_cell_by_hand() -> None:
    """The source sends 8 bytes to each of two devices over 8 bytes/s together; then each has computed and answers."""
    step = GraphBuilder()
    ends = []
    for device in (1, 2):
        sent = step.message(0, device, Payload.HIDDEN, kind=NONE, layer=0, stage=0)
        task = step.task(device, Kind.HEAD, layer=0, stage=0, after=[sent])
        ends += [step.message(device, 0, Payload.HEAD_OUTPUT, kind=Kind.HEAD, layer=0, stage=0, after=[task])]
    step.join(0, layer=0, stage=0, after=ends)
    # Latency 1 s; tasks of 1 and 4 s.
    fixed_s = np.array([1.0, 1.0, 1.0, 1.0, 4.0, 1.0, 0.0])
    size_bytes = np.array([8.0, 0.0, 8.0, 8.0, 0.0, 8.0, 0.0])
    routes = np.array([1, 2, 3, 6])
    cell = Crossings(routes, np.zeros(4, dtype=np.int64), np.full(4, 8.0))
    # At 3 s both have their input, at 6 s the first has answered, and the other at 3 + 4 + 1 + 1.
    assert shared_makespan(step.graph(), fixed_s, size_bytes, cell, 3) == pytest.approx(9.0)
    # With tasks of 1 and 1.5 s, answers flow from 5 s and 5.5 s: 4 bytes alone, 4 at half rate, and 4 alone.
    fixed_s[4] = 1.5
    assert shared_makespan(step.graph(), fixed_s, size_bytes, cell, 3) == pytest.approx(7.0)


def test_a_message_over_a_dead_route_is_never_predicted_to_arrive() -> None:
    trace = Trace.constant
    devices = tuple(Device(name=name, memory_bytes=1e15, flops=1e9) for name in "ab")
    link = Link(name="ab", ends=("a", "b"), bandwidth=trace(1e6), up=trace(0.0))
    scenario = load_scenario(shipped_scenario("wifi-cell"))
    observation = observe(replace(scenario, cluster=Cluster(devices, (link,), "a"), placement=None))
    assert predict.shared_delay(observation, np.ones(len(observation.blocks), dtype=np.int64)) == math.inf


def test_a_steady_cell_that_messages_share_is_no_misprediction() -> None:
    scenario = load_scenario(shipped_scenario("wifi-cell"), changes=["model.preset=tinyllama-1.1b"])
    triggers = TriggerOptions(misprediction=0.2)
    world = varied(scenario, requests=(Request(prompt=8, output=4),), interval=4, triggers=triggers)
    assert simulate(world, policies.create("round-robin")).decisions.trigger.tolist() == ["interval"]
