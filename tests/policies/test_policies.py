"""What each policy is meant to do; test_contract.py tests the laws of all policies."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import clusters, observe, placed, reals, scenarios, varied

from headway import policies
from headway.simcore import (
    BlockOptions,
    Cluster,
    Decision,
    DecodeCost,
    Device,
    Infeasible,
    Keep,
    Kind,
    Link,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Policy,
    PolicyChoice,
    Request,
    Scenario,
    predict,
    preset,
    simulate,
)
from headway.simcore.world.options import Overflow
from headway.traces import InputError, Trace, on_off

NAMES = policies.names()


def line(*memory_bytes: float, heads: int = 4, flops: float = 1e6, **device: float) -> Scenario:
    """Equal devices in a row of fast links, with these capacities; a model of one layer under the paper's cost."""
    model = replace(preset("paper-8x512"), heads=heads, kv_heads=heads, head_size=512 // heads)
    devices = tuple(
        Device(name=f"d{i}", memory_bytes=memory, flops=flops, **device)  # type: ignore[arg-type]
        for i, memory in enumerate(memory_bytes)
    )
    links = tuple(
        Link(name=f"l{i}", ends=(f"d{i}", f"d{i + 1}"), bandwidth=Trace.constant(1e9))
        for i in range(len(devices) - 1)
    )
    return Scenario(
        name="line", model=model, cost=PaperCost(model), cluster=Cluster(devices, links, "d0"),
        requests=(Request(prompt=4, output=1),), blocks=BlockOptions(embed=False, lm_head=False),
    )  # fmt: skip


def test_resource_aware_spreads_heads_over_devices_when_links_are_fast() -> None:
    observation = observe(line(1e9, 1e9, 1e9, 1e9))
    devices = placed(policies.ResourceAware().decide(observation))
    assert sorted(devices[observation.blocks.heads[0]]) == [0, 1, 2, 3]


def test_resource_aware_keeps_heads_together_when_links_are_slow() -> None:
    scenario = line(1e9, 1e9, flops=1e9)
    cluster = scenario.cluster
    slow = replace(cluster.links[0], bandwidth=Trace.constant(1e3))
    observation = observe(replace(scenario, cluster=Cluster(cluster.devices, (slow,), cluster.source)))
    assert len(set(placed(policies.ResourceAware().decide(observation)))) == 1


def test_resource_aware_makes_room_by_moving_smaller_blocks() -> None:
    """The feed-forward block is the most demanding, so it comes first and heads must fit around it.

    Demand by time puts a slow, small block before a large, quick one; room must then be made for the large one.
    """
    scenario = line(1.0, 1.0, heads=2)
    observation = observe(scenario)
    sizes = {
        Kind(kind): size for kind, size in zip(observation.blocks.kind, observation.memory_bytes, strict=True)
    }
    assert sizes[Kind.PROJ] < sizes[Kind.FFN] < sizes[Kind.HEAD]
    # The feed-forward network and one head fit on d0, the other head and the projection on d1, with nothing to spare.
    tight_fit = line(sizes[Kind.FFN] + sizes[Kind.HEAD], sizes[Kind.PROJ] + sizes[Kind.HEAD], heads=2)
    observation = observe(tight_fit)
    devices = placed(policies.ResourceAware().decide(observation))
    assert predict.fits(observation, devices)
    without = policies.ResourceAware(most_evictions=0, most_backtracks=0).decide(observation)
    assert isinstance(without, Infeasible | Placement)


@given(st.lists(reals(0.0, 1.0), min_size=2, max_size=4), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_resource_aware_with_tiny_bounds_still_answers(shares: list[float], heads: int) -> None:
    total = observe(line(1.0, heads=heads)).memory_bytes.sum()
    observation = observe(line(*(share * total for share in shares), heads=heads))
    for bounds in ((0, 0), (1, 1), (64, 32)):
        decision = policies.ResourceAware(most_evictions=bounds[0], most_backtracks=bounds[1]).decide(
            observation
        )
        if isinstance(decision, Placement):
            assert predict.fits(observation, decision.devices)
        else:
            assert isinstance(decision, Infeasible)


@given(scenarios(cluster=clusters(most=5)), st.tuples(reals(0, 1), reals(0, 1), reals(0.01, 1)))
@settings(max_examples=25, deadline=None)
def test_resource_aware_with_weights_places_everything(
    scenario: Scenario, weights: tuple[float, float, float]
) -> None:
    observation = observe(scenario)
    assert predict.fits(observation, placed(policies.ResourceAware(weights=weights).decide(observation)))


class AfterAFailure:
    """Puts everything on the last device, and then asks another policy."""

    name = "after-a-failure"

    def __init__(self, other: Policy) -> None:
        self._other = other
        self.decision: Decision | None = None

    def decide(self, observation: Observation) -> Decision:
        if observation.placement is None:
            return Placement(np.full(len(observation.blocks), observation.devices - 1))
        self.decision = self._other.decide(observation)
        return self.decision


@pytest.mark.parametrize("overflow", ["fail", "swap"])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_a_device_that_failed_are_put_elsewhere(name: str, overflow: Overflow) -> None:
    """Also where memory may swap, and whatever a policy thinks of moving; `static` and `pinned` wait for it."""
    scenario = line(1e9, 1e9, 1e9, disk_bandwidth=1e6)
    *others, last = scenario.cluster.devices
    devices = (*others, replace(last, up=on_off([(1e-6, np.inf)])))
    failing = varied(scenario, overflow=overflow, cluster=Cluster(devices, scenario.cluster.links, "d0"))
    policy = AfterAFailure(policies.create(name))
    simulate(replace(failing, placement=np.zeros(len(failing.block_table), dtype=np.int64)), policy)
    if name in {"static", "pinned"}:
        assert policy.decision == Keep()
    else:
        assert isinstance(policy.decision, Placement)
        assert 2 not in policy.decision.devices


def test_greedy_ignores_links_and_balances_work() -> None:
    scenario = line(1e9, 1e9, flops=1e6)
    slow = replace(scenario.cluster.links[0], bandwidth=Trace.constant(1.0))
    observation = observe(replace(scenario, cluster=Cluster(scenario.cluster.devices, (slow,), "d0")))
    # Heads hold the most, then the feed-forward network, then the projection; of two equal devices the first is taken.
    assert placed(policies.Greedy().decide(observation)).tolist() == [0, 1, 0, 1, 1, 0]


def test_round_robin_deals_in_order_and_skips_full_devices() -> None:
    assert placed(policies.RoundRobin().decide(observe(line(1e9, 1e9, 1e9)))).tolist() == [0, 1, 2, 0, 1, 2]
    assert placed(policies.RoundRobin().decide(observe(line(1e9, 10.0, 1e9)))).tolist() == [0, 2, 0, 2, 0, 2]


def test_single_takes_the_fastest_device_that_can_hold_everything() -> None:
    scenario = line(1e9, 1e9, 1.0)
    devices = [
        replace(d, flops=speed) for d, speed in zip(scenario.cluster.devices, (1e6, 3e6, 9e6), strict=True)
    ]
    observation = observe(replace(scenario, cluster=Cluster(tuple(devices), scenario.cluster.links, "d0")))
    assert set(placed(policies.Single().decide(observation))) == {1}
    assert isinstance(policies.Single().decide(observe(line(10.0, 10.0))), Infeasible)


def test_static_decides_once_as_resource_aware_does() -> None:
    scenario = line(1e9, 1e9, 1e9)
    observation = observe(scenario)
    first = placed(policies.Static().decide(observation))
    np.testing.assert_array_equal(first, placed(policies.ResourceAware().decide(observation)))
    assert policies.Static().decide(observe(scenario, first[::-1].copy())) == Keep()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("edgeshard", {"most_states": 0}),
        ("random", {"seed": -1}),
        ("dynamic-layer", {"memory_threshold": 0.0}),
        ("dynamic-layer", {"compute_threshold": 1.5}),
        ("dynamic-layer", {"most_moves": 0}),
        ("halda", {"rounds": 0}),
        ("petals", {"balance_quality": 1.5}),
        ("sum-of-stages", {"most_states": 0}),
        ("sum-of-stages", {"least_gain": 1.0}),
        ("exact-milp", {"time_limit_s": 0.0}),
        ("exact-milp", {"mip_rel_gap": -0.1}),
        ("exact-milp", {"mip_rel_gap": np.nan}),
        ("resource-aware", {"weights": [0, 0, 0]}),
        ("resource-aware", {"most_evictions": -1}),
    ],
)
def test_parameters_out_of_bounds_are_refused(name: str, parameters: dict[str, object]) -> None:
    """In Python with a ValueError, in a file with the place and the documentation of the parameter."""
    with pytest.raises(ValueError, match="must"):
        policies.create(name, **parameters)
    choice = PolicyChoice(name=name, label=name, parameters=parameters, where="file.yaml:3")
    with pytest.raises(InputError, match=r"file\.yaml:3.*documented"):
        policies.from_choice(choice)


def test_every_policy_has_a_summary_and_can_be_created_by_name() -> None:
    for name in NAMES:
        assert policies.create(name).name == name
        assert policies.summary(name).endswith(".")
    assert policies.create("resource-aware", most_backtracks=3) == policies.ResourceAware(most_backtracks=3)


def test_decode_cost_places_embedding_and_output_head() -> None:
    model = ModelSpec(
        name="small", layers=2, width=64, heads=4, kv_heads=2, head_size=16, ffn_width=128, gated_ffn=True,
        vocabulary=50,
    )  # fmt: skip
    scenario = varied(line(1e9, 1e9), model=model, cost=DecodeCost(model), embed=True, lm_head=True)
    scenario = replace(scenario, placement=np.arange(len(scenario.block_table)) % 2)
    for name in NAMES:
        if name.startswith("exact"):
            continue
        assert len(placed(policies.create(name).decide(observe(scenario)))) == 2 * 4 + 2
