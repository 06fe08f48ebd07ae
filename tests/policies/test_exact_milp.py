"""The optimum of several layers equals brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    clusters,
    few_placements,
    models,
    observe,
    reals,
    scenarios,
    small_world,
    tight,
    with_devices,
    with_memory,
)

from headway.policies.optimal import exact, exact_milp
from headway.policies.optimal.exact import Exact
from headway.policies.optimal.exact_milp import ExactMilp
from headway.policies.optimal.solution import Solution
from headway.simcore import (
    Infeasible,
    IntArray,
    Keep,
    ModelSpec,
    Observation,
    Placement,
    Policy,
    Request,
    Scenario,
    predict,
)

SEEDS = st.integers(0, 2**32 - 1)


def asked(scenario: Scenario, interval: int, share: float, seed: int, *, again: bool) -> Observation:
    """A decision with scarce or ample memory and serial moves, the first one or with a placement in force."""
    now = np.random.default_rng(seed).integers(0, len(scenario.cluster.devices), len(scenario.block_table))
    observation = observe(scenario, now if again else None, interval)
    return replace(tight(observation, share, seed), moves="serial")


def least_s(observation: Observation, *, reached: bool) -> float:
    """The least objective of all placements that fit, or of all that moves can reach; infinite if there is none."""
    best = np.inf
    for choice in product(range(observation.devices), repeat=len(observation.blocks)):
        devices: IntArray = np.array(choice)
        if not predict.fits(observation, devices):
            continue
        if reached and not np.array_equal(predict.reachable(observation, devices), devices):
            continue
        best = min(best, predict.objective(observation, devices))
    return best


def check(observation: Observation, solution: Solution) -> None:
    """The solution is the optimum of all placements that moves can reach; if it does not say so, its gap holds."""
    best = least_s(observation, reached=True)
    if solution.devices is None:
        assert best == np.inf or solution.status == "moves wait for each other"
        return
    assert predict.fits(observation, solution.devices)
    assert np.array_equal(predict.reachable(observation, solution.devices), solution.devices)
    assert solution.objective_s == predict.objective(observation, solution.devices)
    if solution.status == "optimal":
        assert solution.objective_s == pytest.approx(best, rel=1e-9)
        assert solution.gap <= 1e-8
    else:
        assert solution.objective_s * (1.0 - solution.gap) <= best * (1.0 + 1e-9)


@given(
    scenario=few_placements(),
    interval=st.integers(1, 3),
    share=reals(0.2, 1.1),
    seed=SEEDS,
    again=st.booleans(),
    live=st.booleans(),
)
@settings(max_examples=40)
def test_the_programme_equals_brute_force(
    scenario: Scenario, interval: int, share: float, seed: int, again: bool, live: bool
) -> None:
    observation = asked(scenario, interval, share, seed, again=again)
    observation = replace(observation, migration="live" if live else "blocking")
    check(observation, exact_milp.solve(observation))


@given(
    scenario=scenarios(cluster=clusters(most=2), model=models(most_layers=1, most_heads=3)),
    share=reals(0.5, 1.0),
    seed=SEEDS,
)
@settings(max_examples=40)
def test_under_live_migration_the_search_equals_brute_force(
    scenario: Scenario, share: float, seed: int
) -> None:
    observation = replace(asked(scenario, 1, share, seed, again=True), migration="live")
    check(observation, exact.solve(observation))


@pytest.mark.parametrize("policy", [Exact(), ExactMilp()])
def test_moves_that_wait_for_each_other_are_not_planned(policy: Policy) -> None:
    """Two devices without free memory would have to exchange their blocks."""
    now = np.array([0, 0, 0, 1])
    observation = observe(fast_and_slow(), now)
    observation = replace(
        with_memory(observation, np.full(2, observation.memory_bytes[3])),
        moves="serial",
        moving_bytes=np.zeros(4),
    )
    decision = policy.decide(observation)
    assert isinstance(decision, Placement)
    np.testing.assert_array_equal(decision.devices, 1 - now)
    live = replace(observation, migration="live")
    assert isinstance(policy.decide(live), Keep)
    for solve in (exact.solve, exact_milp.solve):
        found = solve(live)
        assert (found.status, found.gap > 0.0) == ("moves wait for each other", True)
        check(live, found)


def fast_and_slow() -> Scenario:
    """A fast source and a slow device, and one layer whose feed-forward network is larger than its other blocks."""
    model = ModelSpec(
        name="one", layers=1, width=64, heads=2, kv_heads=2, head_size=32, ffn_width=1024, gated_ffn=False,
        vocabulary=0, bytes_per_weight=2.0, bytes_per_kv=2.0, bytes_per_activation=2.0,
    )  # fmt: skip
    device = {"memory_bytes": 1e9, "flops": 1e9, "disk_bandwidth": 1e9}
    requests = (Request(prompt=1, output=2),)
    return with_devices(small_world(model=model, rate=1e9, device=device, requests=requests), "b", flops=1e8)


def test_models_with_too_many_ways_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_milp, "MOST_WAYS", 3)
    decision = ExactMilp().decide(observe(fast_and_slow()))
    assert isinstance(decision, Infeasible)
    assert decision.reason.startswith("exact-milp solves small models: this one has ")
