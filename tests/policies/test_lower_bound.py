"""The bound for several layers: nobody is below it, and where it claims to be the optimum, it is."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    clusters,
    constant,
    few_placements,
    models,
    observe,
    reals,
    scenarios,
    small_world,
    tight,
    varied,
    with_devices,
)

from headway import policies
from headway.policies import lower_bound
from headway.policies.contract.question import Question, observation_of
from headway.policies.optimal import exact, solution
from headway.simcore import (
    BlockOptions,
    DecodeCost,
    Infeasible,
    IntArray,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Request,
    Scenario,
    load_scenario,
    predict,
    shipped_scenario,
)
from headway.simcore.world.link import Medium
from headway.simcore.world.topology import Wire, join, mesh
from headway.traces import Trace

SEEDS = st.integers(0, 2**32 - 1)


def least(observation: Observation) -> float:
    """The least delay of all placements that fit, by trying all; infinite if none does."""
    best = np.inf
    for choice in product(range(observation.devices), repeat=len(observation.blocks)):
        devices: IntArray = np.array(choice)
        if solution.fits(observation, devices):
            best = min(best, predict.shared_delay(observation, devices))
    return best


@given(scenario=few_placements(), interval=st.integers(0, 3))
@settings(max_examples=25)
def test_with_ample_memory_and_equal_steps_the_bound_is_the_least_delay(
    scenario: Scenario, interval: int
) -> None:
    """At the first token (interval 0), or for the tokens of the second interval."""
    now = np.zeros(len(scenario.block_table), dtype=np.int64) if interval else None
    observation = observe(scenario, now, interval=max(interval, 1))
    assert len(observation.steps) == 1
    assert lower_bound(observation) == pytest.approx(least(observation), rel=1e-12)


@given(
    scenario=few_placements(),
    interval=st.integers(1, 3),
    share=reals(0.2, 1.0),
    seed=SEEDS,
)
@settings(max_examples=25)
def test_no_placement_that_fits_is_below_the_bound(
    scenario: Scenario, interval: int, share: float, seed: int
) -> None:
    observation = tight(observe(scenario, interval=interval), share, seed)
    best = least(observation)
    for rounds in (0, 1, 7, 100):
        assert lower_bound(observation, rounds=rounds) <= best * (1.0 + 1e-12)


@st.composite
def cells(draw: st.DrawFn) -> Scenario:
    """A few devices whose links share one medium, or whose access point repeats every message on it."""
    devices, layers, heads, shards = draw(st.sampled_from([(2, 2, 2, 1), (2, 1, 3, 2), (3, 1, 2, 2)]))
    model = models(most_layers=layers, most_heads=heads)
    boards = clusters(most=devices)
    scenario = draw(scenarios(cluster=boards, model=model, most_shards=shards, sharing="fair"))
    names, relays = scenario.cluster.names, draw(st.sampled_from([(), ("ap",)]))
    pairs = [(name, relay) for name in names for relay in relays] or mesh(names)
    medium = Medium(name="air", bandwidth=draw(constant(1e5, 1e8)))
    links = join("wifi", pairs, Wire(medium="air"))
    cluster = replace(scenario.cluster, links=links, relays=relays, media=(medium,))
    return varied(scenario, cluster=cluster, blocks=BlockOptions(embed=False, lm_head=False))


@given(scenario=cells(), interval=st.integers(1, 2), share=reals(0.2, 1.1), seed=SEEDS)
@settings(max_examples=30)
def test_in_a_cell_no_placement_is_below_the_bound_which_knows_sharing(
    scenario: Scenario, interval: int, share: float, seed: int
) -> None:
    observation = tight(observe(scenario, interval=interval), share, seed)
    bound = lower_bound(observation, rounds=7)
    alone = lower_bound(replace(observation, sharing=False), rounds=0)
    assert bound >= alone * (1.0 - 1e-12)
    assert bound <= least(observation) * (1.0 + 1e-9)


def test_in_a_cell_the_bound_is_above_that_of_links_alone() -> None:
    """Eight boards cannot compute in parallel as fast as if each message had the medium for itself."""
    scenario = load_scenario(shipped_scenario("wifi-cell"))
    observation = observation_of(Question(scenario))
    assert lower_bound(observation) > 1.07 * lower_bound(replace(observation, sharing=False))


@given(
    scenario=scenarios(cluster=clusters(most=6), most_shards=3),
    share=reals(0.2, 1.0),
    seed=SEEDS,
    again=st.booleans(),
)
@settings(max_examples=25)
def test_no_policy_is_below_the_bound(scenario: Scenario, share: float, seed: int, again: bool) -> None:
    placement = None
    if again:
        first = observe(scenario)
        placement = np.random.default_rng(seed).integers(0, first.devices, len(first.blocks))
    observation = tight(observe(scenario, placement), share, seed)
    bound = lower_bound(observation, rounds=20)
    for name in policies.names():
        decision = (
            policies.create(name).decide(observation) if name != "exact-milp" else Infeasible("left out")
        )
        if isinstance(decision, Placement):
            assert bound <= predict.objective(observation, decision.devices) * (1.0 + 1e-12)


@given(scenario=scenarios(cluster=clusters(most=5)), share=reals(0.2, 1.0), seed=SEEDS)
@settings(max_examples=25)
def test_for_one_layer_the_bound_is_not_above_the_optimum_and_equals_it_with_ample_memory(
    scenario: Scenario, share: float, seed: int
) -> None:
    model = replace(scenario.model, layers=1)
    cost = PaperCost(model) if isinstance(scenario.cost, PaperCost) else DecodeCost(model)
    scenario = replace(scenario, model=model, cost=cost)
    observation = observe(scenario)
    assert lower_bound(observation) == pytest.approx(exact.solve(observation).objective_s, rel=1e-12)
    observation = tight(observation, share, seed)
    assert lower_bound(observation) <= exact.solve(observation).objective_s * (1.0 + 1e-12)


def two_machines(*, availability: float = 1.0) -> Observation:
    """A fast source and a machine a tenth as fast, and a model of four layers."""
    model = ModelSpec(
        name="four", layers=4, width=64, heads=2, kv_heads=2, head_size=32, ffn_width=256, gated_ffn=False,
        vocabulary=0, bytes_per_weight=2.0, bytes_per_kv=2.0, bytes_per_activation=2.0,
    )  # fmt: skip
    device = {"memory_bytes": 1e9, "flops": 1e9, "availability": Trace.constant(availability)}
    requests = (Request(prompt=1, output=1),)
    return observe(
        with_devices(small_world(model=model, rate=1e9, device=device, requests=requests), "b", flops=1e8)
    )


def test_the_price_of_memory_is_what_the_slow_machine_costs_more() -> None:
    observation = two_machines()
    total = observation.memory_bytes.sum()
    free = lower_bound(observation)
    half = lower_bound(replace(observation, available_bytes=np.array([0.5 * total, total])))
    # Half of the work, whichever, takes ten times as long: bytes and work go together but for the attention itself.
    assert half == pytest.approx(0.5 * free + 5.0 * free, rel=0.05)


def test_where_nothing_can_be_computed_the_bound_is_infinite() -> None:
    observation = two_machines()
    assert lower_bound(replace(observation, availability=np.zeros(2))) == np.inf


def test_where_memory_is_free_prices_are_not_asked_for() -> None:
    observation = replace(two_machines(), available_bytes=np.array([1.0, 1.0]), overflow="swap")
    assert lower_bound(observation) == lower_bound(observation, rounds=0)
