"""Laws of the pause budget: a long blocking migration is spread over several tokens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_copies import world
from worlds import Insisting, Shuffled, clusters, observe, scenarios, varied

from headway.simcore import (
    Decision,
    IntArray,
    Observation,
    Placement,
    Request,
    RunOptions,
    Scenario,
    predict,
    simulate,
)
from headway.simcore.engine.placement.pause_budget import within_budget
from headway.traces import on_off

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0.0, 1.2)
AUDITED = RunOptions(audit=True)


def two(scenario: Scenario, seed: int) -> tuple[IntArray, IntArray]:
    first, then = np.random.default_rng(seed).integers(
        0, len(scenario.cluster.devices), (2, len(scenario.block_table))
    )
    return first, then


def budgeted(observation: Observation, devices: IntArray, share: float) -> Observation:
    """With a budget that is a share of the pause of the whole migration."""
    return replace(observation, pause_budget_s=share * predict.pause(observation, devices))


@given(scenario=scenarios(cluster=clusters(most=4)), seed=SEEDS, share=SHARES, spare=st.floats(1.0, 1.5))
@settings(max_examples=80, deadline=None)
def test_a_part_of_a_migration_keeps_the_budget_and_fits(
    scenario: Scenario, seed: int, share: float, spare: float
) -> None:
    """Devices have hardly more memory than the larger of both placements needs, so blocks wait for each other."""
    now, then = two(scenario, seed)
    observation = budgeted(observe(scenario, now), then, share)
    room = spare * np.maximum(*(predict.held_bytes(observation, one) for one in (now, then)))
    observation = replace(observation, available_bytes=room)
    part = within_budget(observation, then)
    moved = np.flatnonzero(part != now)
    assert (part[moved] == then[moved]).all()
    assert len(moved) >= min(1, (now != then).sum())
    assert predict.fits(observation, part)
    assert observation.pause_budget_s is not None
    if predict.pause(observation, part) > observation.pause_budget_s * (1 + 1e-12):
        # One block, or blocks that change places: no one of them finds room alone.
        alone = (np.where(np.arange(len(now)) == block, then, now) for block in moved)
        assert len(moved) == 1 or not any(predict.fits(observation, one) for one in alone)


@given(scenario=scenarios(cluster=clusters(most=4)), seed=SEEDS, share=SHARES)
@settings(max_examples=40, deadline=None)
def test_no_pause_is_longer_than_the_budget_or_one_block(scenario: Scenario, seed: int, share: float) -> None:
    """Until all blocks are where the policy wants them: one decision at each token."""
    first, then = two(scenario, seed)
    scenario = varied(scenario, requests=(Request(prompt=4, output=len(first) + 2),), interval=100)
    scenario = varied(scenario, horizon="interval")
    policy = Insisting(first, then)
    simulate(varied(scenario, interval=1), policy)
    whole_s = predict.pause(policy.observations[1], then)
    budget_s = share * whole_s
    result = simulate(varied(scenario, interval=1, pause_budget_s=budget_s), Insisting(first, then), AUDITED)
    for token, rows in result.migrations.groupby("token"):
        pause_s = result.tokens.migration_s[token]
        assert len(rows) == 1 or pause_s <= budget_s * (1 + 1e-9)
    placed = result.placements.groupby("token").device.apply(list).iloc[-1]
    assert placed == [scenario.cluster.names[device] for device in then]
    np.testing.assert_allclose(
        result.tokens.migration_s, result.decisions.predicted_migration_s, rtol=1e-9, atol=1e-15
    )


@given(scenario=scenarios(cluster=clusters(most=4), most_tokens=5), seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_budget_that_is_long_enough_changes_nothing(scenario: Scenario, seed: int) -> None:
    without, ample = (
        simulate(varied(scenario, interval=1, pause_budget_s=budget_s), Shuffled(seed))
        for budget_s in (None, 1e9)
    )
    for table in ("tokens", "decisions", "migrations", "placements"):
        assert getattr(without, table).equals(getattr(ample, table))


def test_the_policy_is_asked_after_each_token_until_the_migration_is_done() -> None:
    home, away = np.zeros(4, dtype=np.int64), np.ones(4, dtype=np.int64)
    scenario = world(pause_budget_s=1.5, interval=2, requests=(Request(prompt=2, output=10),))
    result = simulate(scenario, Insisting(home, away), AUDITED)
    decisions = result.decisions
    assert decisions.token.tolist() == [0, 2, 3, 4, 5, 6, 8]
    assert decisions.trigger.tolist() == [
        *("interval", "interval", "pause-budget", "interval", "pause-budget"),
        *("interval", "interval"),
    ]
    assert decisions.moved_blocks.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert decisions.reason[1] == "3 moves are left to later decisions, to keep the pause short"


def test_two_blocks_that_can_only_change_places_move_together() -> None:
    before, after = np.array([0, 1, 0, 0]), np.array([1, 0, 0, 0])
    observation = observe(world(), before)
    room = predict.held_bytes(observation, before)
    observation = replace(observation, available_bytes=room, pause_budget_s=0.0)
    assert within_budget(observation, after).tolist() == after.tolist()
    roomy = replace(observation, available_bytes=2.0 * room)
    assert within_budget(roomy, after).tolist() == [1, 1, 0, 0]


def test_blocks_leave_a_device_that_is_too_full_first() -> None:
    now, then = np.array([0, 0, 0, 1]), np.array([2, 0, 0, 2])
    observation = observe(world(devices=3), now)
    room = np.array([1e6, 1.0, 1e6])
    observation = replace(observation, available_bytes=room, pause_budget_s=0.0, overflow="swap")
    assert within_budget(observation, then).tolist() == [0, 0, 0, 2]


def test_lost_blocks_are_restored_at_once() -> None:
    class Fleeing(Insisting):
        def decide(self, observation: Observation) -> Decision:
            return Placement(self._then if observation.lost.any() else self._first)

    scenario = world(devices=3, up=on_off([(2.0, np.inf)]), requests=(Request(prompt=2, output=8),))
    policy = Fleeing(np.array([2, 2, 2, 2]), np.array([0, 1, 1, 0]))
    result = simulate(varied(scenario, pause_budget_s=0.0, interval=8), policy, AUDITED)
    assert result.decisions.trigger.tolist() == ["interval", "fault"]
    assert result.decisions.moved_blocks.tolist() == [0, 4]


@pytest.mark.parametrize("budget_s", [-1.0, np.inf, np.nan])
def test_a_budget_is_a_time(budget_s: float) -> None:
    with pytest.raises(ValueError, match="pause_budget_s must not be negative or infinite"):
        world(pause_budget_s=budget_s)
