"""Laws of `look-ahead` and of the local search under it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import clusters, observe, scenarios, tight, varied

from headway import policies
from headway.policies.common.score_search import ScoreSearch
from headway.policies.look_ahead import LookAhead
from headway.policies.search.chain_times import ChainTimes
from headway.policies.search.copies import with_copies
from headway.policies.search.local_search import LocalSearch
from headway.simcore import (
    Keep,
    Observation,
    Placement,
    Scenario,
    load_scenario,
    predict,
    shipped_scenario,
    simulate,
)

SEEDS = st.integers(0, 2**32 - 1)
WORLDS = scenarios(cluster=clusters(most=4))


def asked(scenario: Scenario, seed: int, *, placed: bool = True, sharing: bool = False) -> Observation:
    """An observation with a random placement in force."""
    random = np.random.default_rng(seed)
    blocks, devices = len(scenario.block_table), len(scenario.cluster.devices)
    world = varied(scenario, sharing="fair" if sharing else "dedicated")
    return observe(world, random.integers(0, devices, blocks) if placed else None, interval=3)


@given(scenario=WORLDS, seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_times_of_stages_sum_to_the_predicted_delay(scenario: Scenario, seed: int) -> None:
    """Without sharing exactly; sharing only adds to them."""
    for sharing in (False, True):
        observation = asked(scenario, seed, sharing=sharing)
        times = ChainTimes(observation)
        devices = np.random.default_rng(seed).integers(0, observation.devices, len(observation.blocks))
        exact = predict.horizon_delay(observation, devices)
        if sharing:
            assert times.state(devices).delay_s >= exact * (1 - 1e-9)
        else:
            assert times.state(devices).delay_s == pytest.approx(exact, rel=1e-9)


@given(
    scenario=scenarios(cluster=clusters(most=9)), seed=SEEDS, placed=st.booleans(), share=st.floats(0.2, 1.2)
)
@settings(max_examples=60, deadline=None)
def test_compiled_code_finds_the_same_placement_by_scores(
    scenario: Scenario, seed: int, placed: bool, share: float
) -> None:
    """Also where memory is scarce, so that blocks make room for others and choices are taken back."""
    observation = tight(asked(scenario, seed, placed=placed), share, seed)
    for search in (ScoreSearch(), ScoreSearch(deadline_s=1e-3), ScoreSearch(weights=(1.0, 2.0, 0.5))):
        plain, compiled = (search.place(observation, one) for one in (False, True))
        assert (None if plain is None else plain.tolist()) == (
            None if compiled is None else compiled.tolist()
        )


@given(
    scenario=scenarios(cluster=clusters(most=9)),
    seed=SEEDS,
    placed=st.booleans(),
    share=st.floats(0.3, 1.2),
    live=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_compiled_code_evaluates_and_makes_changes_with_the_same_bits(
    scenario: Scenario, seed: int, placed: bool, share: float, live: bool
) -> None:
    observation = tight(asked(scenario, seed, placed=placed, sharing=True), share, seed)
    observation = replace(
        observation, migration="live" if live else "blocking", overflow="swap" if seed % 2 else "fail"
    )
    array, compiled = (LocalSearch(observation, 1.0, compiled=one) for one in (False, True))
    devices = np.random.default_rng(seed).integers(0, observation.devices, len(observation.blocks))
    for _ in range(4):
        (cost_s, *changes), (compiled_s, *others) = (one.best_changes(devices) for one in (array, compiled))
        assert cost_s == compiled_s
        for change, other in zip(changes, others, strict=True):
            assert (change.cost_s, change.device) == (other.cost_s, other.device)
            assert np.array_equal(change.rows, other.rows)
        devices = devices.copy()
        devices[changes[seed % 2].rows] = changes[seed % 2].device
    for start in (devices, np.zeros_like(devices)):
        np.testing.assert_array_equal(array.improved(start, 20), compiled.improved(start, 20))
    np.testing.assert_array_equal(array.settled(devices, 10), compiled.settled(devices, 10))


@given(scenario=WORLDS, seed=SEEDS, placed=st.booleans(), share=st.floats(0.3, 1.2))
@settings(max_examples=60, deadline=None)
def test_every_change_costs_what_its_result_costs(
    scenario: Scenario, seed: int, placed: bool, share: float
) -> None:
    """The cost of the best change, computed from the stages that it touches, is that of the placement after it."""
    observation = tight(asked(scenario, seed, placed=placed, sharing=True), share, seed)
    search = LocalSearch(observation, most_pause_s=1.0)
    devices = np.random.default_rng(seed + 1).integers(0, observation.devices, len(observation.blocks))
    for change in search.best_changes(devices)[1:]:
        if not len(change.rows):
            assert observation.devices == 1
            continue
        changed = devices.copy()
        changed[change.rows] = change.device
        assert change.cost_s == pytest.approx(search.cost.of(changed), rel=1e-9)


@given(scenario=WORLDS, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_no_single_block_or_layer_improves_what_the_search_returns(scenario: Scenario, seed: int) -> None:
    observation = asked(scenario, seed)
    search = LocalSearch(observation, most_pause_s=1.0)
    devices = search.improved(np.zeros(len(observation.blocks), dtype=np.int64), most_steps=1000)
    least = search.cost.of(devices)
    for block in range(len(observation.blocks)):
        for device in range(observation.devices):
            other = devices.copy()
            other[block] = device
            assert search.cost.of(other) >= least * (1 - 1e-5)


@given(scenario=WORLDS, seed=SEEDS, placed=st.booleans(), share=st.floats(0.3, 1.0))
@settings(max_examples=40, deadline=None)
def test_it_is_never_predicted_to_be_worse_than_other_policies_or_keeping(
    scenario: Scenario, seed: int, placed: bool, share: float
) -> None:
    observation = tight(asked(scenario, seed, placed=placed), share, seed)
    policy = LookAhead(most_pause_s=1e9)
    decision = policy.decide(observation)
    others = [policies.create(name).decide(observation) for name in ("resource-aware", "edgeshard", "single")]
    costs = [predict.objective(observation, one.devices) for one in others if isinstance(one, Placement)]
    if observation.placement is not None and predict.can_stay(observation):
        costs.append(predict.horizon_delay(observation, observation.placement))
    if isinstance(decision, Placement):
        assert predict.objective(observation, decision.devices) <= min(costs, default=np.inf) * (1 + 1e-9)
    elif isinstance(decision, Keep):
        assert observation.placement is not None
        assert predict.horizon_delay(observation, observation.placement) <= min(costs) * (1 + 1e-9)
    else:
        assert not any(isinstance(one, Placement) for one in others)


def test_its_parameters_must_not_be_negative() -> None:
    for wrong in ({"most_pause_s": -1.0}, {"most_pause_s": float("nan")}, {"most_steps": -1}):
        with pytest.raises(ValueError, match="must not be negative"):
            LookAhead(**wrong)


@given(scenario=scenarios(cluster=clusters(most=1)))
@settings(max_examples=10, deadline=None)
def test_with_one_device_it_agrees_with_every_policy(scenario: Scenario) -> None:
    observation = observe(scenario)
    decision = LookAhead().decide(observation)
    assert isinstance(decision, Placement)
    assert not decision.devices.any()
    assert isinstance(LookAhead().decide(replace(observation, placement=decision.devices)), Keep)


def test_warm_copies_make_the_loss_of_the_phone_cheap() -> None:
    """After the loss the board needs no weights; the pause is the prefill. Without copies it is 16 s."""
    scenario = load_scenario(shipped_scenario("phone-leaves"))
    result = simulate(scenario, policies.create("look-ahead"))
    restored = result.migrations[result.migrations.token == result.faults.token[0]]
    assert len(restored) > 0
    assert restored.size_bytes.sum() == 0.0
    tokens = result.tokens
    assert tokens.latency_s.max() < 10.0
    assert len(tokens) / result.runs.end_s[0] > 7.0


@given(scenario=WORLDS, seed=SEEDS, share=st.floats(0.3, 1.2))
@settings(max_examples=40, deadline=None)
def test_copies_fit_into_the_memory_that_is_free_at_the_end(
    scenario: Scenario, seed: int, share: float
) -> None:
    """And they are on other devices than their blocks, but never on the source, which needs none."""
    observation = tight(asked(scenario, seed, placed=False), share, seed)
    devices = np.random.default_rng(seed).integers(0, observation.devices, len(observation.blocks))
    copies = with_copies(observation, (devices,), 10.0).copies
    assert copies is not None
    assert not copies[np.arange(len(devices)), devices].any()
    assert not copies[:, observation.source].any()
    room = np.maximum(observation.available_bytes - predict.held_bytes(observation, devices), 0.0)
    assert (observation.moving_bytes @ copies <= room * (1 + 1e-12)).all()
    cold = replace(observation, warm_copies=False)
    assert with_copies(cold, (devices,), 10.0).copies is None
