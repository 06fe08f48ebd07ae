"""Laws of the controller: its horizon, its triggers, moves at the same time, and live moves that wait for room."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    Scripted,
    Shuffled,
    clusters,
    model_of_bytes,
    scenarios,
    small_world,
    varied,
    with_devices,
)

from headway.simcore import (
    PAPER_CONTROLLER,
    Cluster,
    Request,
    RunOptions,
    Scenario,
    TriggerOptions,
    predict,
    simulate,
)
from headway.simcore.world.options import NO_TRIGGERS
from headway.simcore.world.transfer_order import transfer_makespan
from headway.traces import Trace, on_off

MODEL = model_of_bytes(layers=2)
HEAD, PROJ, FFN = 8 * 4 * 3, 64, 128
AUDITED = RunOptions(audit=True)


def star(*, others: int = 2, **changes: Any) -> Scenario:
    """A source "a" and others "b", "c", ..., each with a link of 100 bytes/s of its own; two layers of four blocks."""
    scenario = small_world("abcdef"[: others + 1], model=MODEL, device={"memory_bytes": 1e4})
    own = tuple(link for link in scenario.cluster.links if "a" in link.ends)
    return varied(replace(scenario, cluster=replace(scenario.cluster, links=own)), **changes)


def asked() -> Scripted:
    """A policy that keeps all blocks on the source."""
    return Scripted(np.zeros(8, np.int64))


# The horizon


@pytest.mark.parametrize(
    ("horizon", "tokens"),
    [
        ("limit", [8, 5, 2, 4, 1]),
        ("interval", [3, 3, 2, 3, 1]),
        ("mean", [6, 3, 1, 6, 3]),
        ("generated", [1, 3, 6, 1, 3]),
        (4, [4, 4, 2, 4, 1]),
        (1, [1, 1, 1, 1, 1]),
    ],
)
def test_a_decision_plans_for_the_tokens_of_its_horizon(horizon: str | int, tokens: list[int]) -> None:
    """Two requests of 8 and 4 tokens, decided at every third token."""
    policy = asked()
    requests = (Request(prompt=2, output=8), Request(prompt=2, output=4))
    simulate(star(horizon=horizon, interval=3, requests=requests), policy)
    assert [observation.tokens for observation in policy.observations] == tokens
    scenario = star()
    for observation, count in zip(policy.observations, tokens, strict=True):
        last = scenario.cost.step(observation.batch)
        grown = observation.memory_bytes[0] - last.memory_bytes[scenario.block_table.kind[0]]
        assert grown == pytest.approx((count - 1) * 2 * 4)


@given(scenario=scenarios(cluster=clusters(most=4)), interval=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_what_a_decision_predicts_is_until_the_next_one_whatever_its_horizon(
    scenario: Scenario, interval: int, seed: int
) -> None:
    tables = [
        simulate(
            varied(scenario, horizon=horizon, interval=interval, triggers=NO_TRIGGERS), Shuffled(seed)
        ).decisions.predicted_delay_s
        for horizon in ("interval", "limit")
    ]
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-12)


# Triggers


def asked_at(scenario: Scenario) -> list[tuple[int, str]]:
    """The token and the trigger of every decision."""
    decisions = simulate(scenario, asked(), AUDITED).decisions
    return list(zip(decisions.token.tolist(), decisions.trigger.tolist(), strict=True))


def test_an_overflow_asks_once_before_it_happens() -> None:
    """From 0.1 s on others leave too little for the cache of the last tokens."""
    taken = Trace([0.0, 0.1], [0.0, 1e4 - 2 * (2 * HEAD + PROJ + FFN) - 120.0])
    scenario = with_devices(star(interval=100), "a", used_bytes=taken)
    first, *others = asked_at(scenario)
    assert first == (0, "interval")
    assert [trigger for _, trigger in others] == ["overflow"]
    assert asked_at(varied(scenario, triggers=NO_TRIGGERS)) == [(0, "interval")]


def test_a_device_that_comes_back_asks() -> None:
    scenario = with_devices(star(interval=100), "b", up=on_off([(1e-3, 6.0)]))
    assert [trigger for _, trigger in asked_at(scenario)] == ["interval", "device-back"]
    assert asked_at(varied(scenario, triggers=NO_TRIGGERS)) == [(0, "interval")]


def test_a_slowdown_and_a_misprediction_ask_once_where_they_are_wanted() -> None:
    slower = Trace([0.0, 1.5], [1.0, 0.25])
    scenario = with_devices(star(interval=100, window_s=0.0), "a", availability=slower)
    assert asked_at(scenario) == [(0, "interval")]
    slowdown = asked_at(varied(scenario, triggers=TriggerOptions(slowdown=0.5)))
    assert [trigger for _, trigger in slowdown] == ["interval", "slowdown"]
    assert asked_at(varied(scenario, triggers=TriggerOptions(slowdown=0.9))) == [(0, "interval")]
    misprediction = asked_at(varied(scenario, triggers=TriggerOptions(misprediction=0.5)))
    assert [trigger for _, trigger in misprediction] == ["interval", "misprediction"]
    assert asked_at(varied(scenario, triggers=TriggerOptions(misprediction=9.0))) == [(0, "interval")]


def test_shares_of_triggers_must_make_sense() -> None:
    with pytest.raises(ValueError, match="slowdown"):
        TriggerOptions(slowdown=0.0)
    with pytest.raises(ValueError, match="misprediction"):
        TriggerOptions(misprediction=0.0)


# Moves at the same time


def test_moves_over_routes_that_share_nothing_take_the_time_of_the_longer_one() -> None:
    """Two heads of 96 bytes go to b, a feed-forward network of 128 bytes goes to c."""
    here, there = np.zeros(8, np.int64), np.array([1, 1, 0, 2, 0, 0, 0, 0])
    both = simulate(star(interval=2), Scripted(here, there), AUDITED).migrations
    one = simulate(star(interval=2, moves="serial"), Scripted(here, there), AUDITED).migrations
    assert sorted(both.block) == sorted(one.block)
    begins = both.set_index("block").start_s
    assert begins["L0.head0"] == begins["L0.ffn"] < begins["L0.head1"]
    assert (one.start_s.diff().dropna() > 0.0).all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0.0, 5.0)), min_size=1, max_size=12),
    clusters(most=4, mesh=True),
)
@settings(max_examples=100, deadline=None)
def test_moves_at_the_same_time_are_never_slower_and_no_resource_is_used_twice(
    moves: list[tuple[int, int, float]], cluster: Cluster
) -> None:
    count = len(cluster.devices)
    crossings = cluster.crossings(0.0, 0.0)
    routes = np.array([(a % count) * count + b % count for a, b, _ in moves])
    seconds = np.array([one for _, _, one in moves])
    total = transfer_makespan(crossings, routes, seconds)
    assert total <= seconds.sum() * (1 + 1e-12)
    load: dict[int, float] = {}
    for route, one in zip(routes.tolist(), seconds.tolist(), strict=True):
        for resource in crossings.resources_of(route):
            load[resource] = load.get(resource, 0.0) + one
    assert total >= max([*load.values(), seconds.max()]) * (1 - 1e-12)


# Live moves that wait for room


def test_a_block_waits_until_another_has_left() -> None:
    """Device b has room for one feed-forward network only: the new one arrives after the old one has left."""
    scenario = star(others=1, interval=4, migration="live", requests=(Request(prompt=2, output=40),))
    scenario = with_devices(scenario, "b", memory_bytes=FFN + 64.0)
    first, then = np.zeros(8, np.int64), np.zeros(8, np.int64)
    first[3], then[7] = 1, 1
    result = simulate(scenario, Scripted(first, then), AUDITED)
    assert result.runs.status[0] == "complete"
    moved = result.migrations
    assert moved.block.tolist() == ["L0.ffn", "L1.ffn"]
    assert moved.outcome.tolist() == ["moved", "moved"]
    assert moved.start_s[1] >= moved.start_s[0] + moved.duration_s[0]


def test_two_blocks_that_would_change_places_without_room_stay_and_the_others_move() -> None:
    """Neither feed-forward network finds room before the other has left; the decision says so."""
    scenario = star(interval=4, migration="live", requests=(Request(prompt=2, output=40),))
    full = 2.0 * HEAD + PROJ + FFN + 2 * 2 * 4 * 42 + 10.0
    scenario = with_devices(scenario, "a", "b", memory_bytes=full)
    first = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    then = np.array([0, 0, 2, 1, 1, 1, 1, 0])
    result = simulate(scenario, Scripted(first, then), AUDITED)
    assert result.migrations.block.tolist() == ["L0.proj"]
    assert result.decisions.outcome.tolist()[:2] == ["adopted", "adopted"]
    assert result.decisions.reason[1] == "2 moves never find room at both ends"


@given(
    scenario=scenarios(cluster=clusters(most=4), requests=1),
    seed=st.integers(0, 99),
    spare=st.floats(1.0, 2.0),
)
@settings(max_examples=40, deadline=None)
def test_waves_move_all_that_can_move_and_never_overfill_a_device(
    scenario: Scenario, seed: int, spare: float
) -> None:
    random = np.random.default_rng(seed)
    blocks, devices = len(scenario.block_table), len(scenario.cluster.devices)
    policy = Scripted(random.integers(0, devices, blocks))
    simulate(varied(scenario, requests=(Request(prompt=3, output=2),), interval=1, overflow="swap"), policy)
    observation, target = policy.observations[-1], random.integers(0, devices, blocks)
    assert observation.placement is not None
    held = predict.held_bytes(observation, observation.placement)
    room = np.maximum(held, predict.held_bytes(observation, target)) * spare
    observation = replace(
        observation, migration="live", available_bytes=room, lost=np.zeros(blocks, dtype=np.bool_)
    )
    assert observation.placement is not None
    now, left = observation.placement.copy(), set(np.flatnonzero(observation.placement != target).tolist())
    for wave in predict.live_waves(observation, target):
        assert len(wave)
        assert set(wave.tolist()) <= left
        left -= set(wave.tolist())
        coming = np.bincount(target[wave], weights=observation.memory_bytes[wave], minlength=devices)
        there = predict.held_bytes(observation, now) + coming
        assert (there[coming > 0] <= room[coming > 0] + 2 * predict.TOLERANCE_BYTES).all()
        now[wave] = target[wave]
    there = predict.held_bytes(observation, now)
    assert all(there[target[block]] + observation.memory_bytes[block] > room[target[block]] for block in left)
    np.testing.assert_array_equal(predict.reachable(observation, target), now)


def test_the_paper_asks_at_its_interval_only_and_moves_one_block_after_another() -> None:
    assert (
        varied(star(), horizon="interval", triggers=NO_TRIGGERS, moves="serial", warm_copies=False).controller
        == PAPER_CONTROLLER
    )
