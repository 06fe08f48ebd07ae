"""The Gymnasium environment: its rewards, its worlds, its masks, and how a run ends that nobody finishes."""

import gc
import itertools
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("gymnasium")

import gymnasium
from greenlet import greenlet
from gymnasium.utils.env_checker import check_env
from worlds import eventful, varied

import headway as hw
from headway.policies.gym import PlacementEnv
from headway.simcore import (
    Decision,
    Infeasible,
    Keep,
    Observation,
    Placement,
    PolicyError,
    Result,
    Scenario,
    simulate,
)
from headway.traces import InputError, Trace

SHORT = ("workload.0.output=12", "controller.interval=3")
"""Changes of `home-cluster` that leave four decisions."""


def short(**options: Any) -> PlacementEnv:
    return PlacementEnv("home-cluster", changes=SHORT, **options)


def episode(
    env: PlacementEnv, actions: np.random.Generator | None, seed: int = 0
) -> tuple[list[dict[str, Any]], list[float]]:
    """Observations and rewards of a run under random possible actions, or under 0 only."""
    arrays, _ = env.reset(seed=seed)
    seen, rewards, ended = [arrays], [], False
    while not ended:
        possible = np.flatnonzero(env.action_masks())
        arrays, reward, ended, truncated, _ = env.step(
            np.int64(0) if actions is None else actions.choice(possible)
        )
        assert not truncated
        seen.append(arrays)
        rewards.append(reward)
    return seen, rewards


def runs_in_progress() -> int:
    gc.collect()
    return sum(isinstance(one, greenlet) and one.parent is not None and bool(one) for one in gc.get_objects())


@dataclass
class Proposes:
    """A policy whose decisions are given; an exception is raised."""

    decisions: list[Decision | BaseException] = field(default_factory=list)
    name: str = "proposes"

    def decide(self, observation: Observation) -> Decision:
        decision = self.decisions.pop(0)
        if isinstance(decision, BaseException):
            raise decision
        return decision


@dataclass
class KeepsWhileUp:
    """The decisions of an agent that never moves anything, without an environment."""

    start: str
    name: str = "gym"

    def decide(self, observation: Observation) -> Decision:
        if observation.placement is None or not observation.up[observation.placement].all():
            return hw.policies.create(self.start).decide(observation)
        return Keep()


def test_gymnasium_finds_nothing_to_object_to() -> None:
    env = gymnasium.make("headway/Placement-v0", scenario="home-cluster", changes=SHORT)
    check_env(env.unwrapped)  # warnings are errors here


@settings(max_examples=30)
@given(scenario=eventful(faults=True), seed=st.integers(0, 99))
def test_rewards_sum_to_minus_the_makespan_and_arrays_stay_in_their_space(
    scenario: Scenario, seed: int
) -> None:
    env = PlacementEnv(scenario, start="round-robin", groups=3)
    seen, rewards = episode(env, np.random.default_rng(seed))
    assert env.result is not None
    run = env.result.runs.iloc[0]
    penalty = 0.0 if run.status == "complete" else 1000.0
    assert sum(rewards) == pytest.approx(-run.end_s - penalty, rel=1e-9, abs=1e-9)
    assert all(arrays in env.observation_space for arrays in seen)
    assert max(rewards) <= 0.0


def tables(result: Result | None) -> list[Any]:
    assert result is not None
    frames = [result.tokens, result.decisions, result.migrations, result.links, result.devices]
    return [frame.to_dict("list") for frame in frames]


@settings(max_examples=20)
@given(scenario=eventful(faults=True))
def test_a_run_in_the_environment_is_the_run_of_a_policy_that_decides_the_same(scenario: Scenario) -> None:
    env = PlacementEnv(scenario, start="round-robin")
    episode(env, None)
    assert str(tables(env.result)) == str(tables(simulate(scenario, KeepsWhileUp("round-robin"))))


def test_an_action_moves_a_group_to_a_device() -> None:
    env = short(groups=4)
    arrays, info = env.reset(seed=1)
    move = int(np.flatnonzero(env.action_masks())[-1])
    group, device = divmod(move - 1, 5)
    assert arrays["placement"][group, device] < 1.0
    assert info["action_mask"][move] == 1
    moved, *_ = env.step(np.int64(move))
    assert moved["placement"][group, device] == 1.0
    others = np.arange(4) != group
    assert np.array_equal(moved["placement"][others], arrays["placement"][others])


def test_a_move_that_is_not_possible_keeps_the_placement() -> None:
    env = short()
    arrays, _ = env.reset(seed=1)
    impossible = int(np.flatnonzero(~env.action_masks())[0])
    after, *_ = env.step(np.int64(impossible))
    assert np.array_equal(after["placement"], arrays["placement"])
    with pytest.raises(
        InputError, match=r"action: got np\.int64\(-1\); expected an element of Discrete\(41\)"
    ):
        env.step(np.int64(-1))


def test_moves_that_are_possible_fit() -> None:
    env = short()
    env.reset(seed=1)
    for move in np.flatnonzero(env.action_masks())[1:]:
        env.reset(seed=1)
        arrays, *_ = env.step(np.int64(move))
        assert arrays["free"][(move - 1) % 5] >= -1e-6


def test_the_same_seed_and_actions_give_the_same_episode_and_another_seed_another_world() -> None:
    env = short()
    one, other, third = (episode(env, np.random.default_rng(1), seed) for seed in (3, 3, 4))
    assert one[1] == other[1]
    assert one[1] != third[1]
    for arrays, again in zip(one[0], other[0], strict=True):
        assert all(np.array_equal(arrays[key], again[key]) for key in arrays)
    fresh = episode(short(), np.random.default_rng(1), 3)
    assert fresh[1] == one[1]


def test_every_step_returns_new_arrays() -> None:
    seen, _ = episode(short(), None)
    for one, other in itertools.pairwise(seen):
        assert not any(np.shares_memory(one[key], other[key]) for key in one)


def test_the_seed_of_reset_is_the_seed_of_the_scenario() -> None:
    env = short()
    episode(env, None, seed=5)
    assert env.result is not None
    assert env.result.runs.seed.item() == 5
    drawn = [env.reset(seed=8)[1]["seed"], env.reset()[1]["seed"], env.reset()[1]["seed"]]
    assert drawn[0] == 8
    assert len(set(drawn)) == 3


def test_a_scenario_goes_by_its_name_its_path_or_as_an_object(tmp_path: Path) -> None:
    world = hw.load("home-cluster", changes=SHORT)
    path = tmp_path / "mine.yaml"
    path.write_text(hw.simcore.shipped_scenario("home-cluster").read_text())
    rewards = {
        tuple(episode(env, None, seed=7)[1])
        for env in (short(), PlacementEnv(path, changes=SHORT), PlacementEnv(world))
    }
    assert len(rewards) == 1
    with pytest.raises(InputError, match="changes: got"):
        PlacementEnv(world, changes=SHORT)
    with pytest.raises(InputError, match="no such file"):
        PlacementEnv(tmp_path / "home-clustre")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"groups": 0}, "groups: got 0"), ({"start": "edgshard"}, "policy: got the policy 'edgshard'")],
)
def test_a_mistake_in_an_argument_is_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        short(**options)


def test_decisions_that_cost_wall_time_are_refused() -> None:
    world = varied(hw.load("home-cluster", changes=SHORT), decision_time="measured")
    with pytest.raises(InputError, match=r"controller\.decision_time: got 'measured'"):
        PlacementEnv(world)


def test_a_run_that_ends_early_costs_the_penalty() -> None:
    env = short(start=Proposes([Infeasible("no")]), penalty_s=50.0)
    arrays, info = env.reset(seed=1)
    assert not arrays["placement"].any()
    assert info["action_mask"].sum() == 1
    _, reward, ended, _, info = env.step(np.int64(3))
    assert (reward, ended, info["status"]) == (-50.0, True, "infeasible")


def test_a_run_without_a_decision_is_refused() -> None:
    world = hw.load("home-cluster", changes=SHORT)
    source, *others = world.cluster.devices
    devices = replace(source, up=Trace.constant(0.0)), *others
    env = PlacementEnv(varied(world, cluster=replace(world.cluster, devices=devices)))
    with pytest.raises(InputError, match="got a run that ends before its first decision"):
        env.reset(seed=1)


def test_step_needs_a_run_in_progress() -> None:
    env = short()
    for call in (env.action_masks, lambda: env.step(np.int64(0))):
        with pytest.raises(gymnasium.error.ResetNeeded):
            call()
    episode(env, None)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.int64(0))


@pytest.mark.slow
def test_a_run_that_nobody_finishes_leaves_nothing_behind() -> None:
    threads, before = set(threading.enumerate()), runs_in_progress()
    env = short()
    for end in (env.close, env.reset, env.close):
        env.reset(seed=1)
        env.step(np.int64(0))
        assert runs_in_progress() == before + 1
        end()
    env.close()
    assert runs_in_progress() == before
    env.reset(seed=1)
    del env, end  # the loop's last method refers to the environment
    assert runs_in_progress() == before
    assert set(threading.enumerate()) <= threads


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raised", "expected"), [(ZeroDivisionError(), PolicyError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_an_exception_in_a_run_reaches_the_caller_and_ends_the_run(
    raised: BaseException, expected: type[BaseException]
) -> None:
    before = runs_in_progress()
    first = Placement(np.zeros(1090, dtype=np.int64))
    env = short(start=Proposes([raised, first]))
    with pytest.raises(expected):
        env.reset(seed=1)
    assert runs_in_progress() == before
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.int64(0))
    env.reset(seed=1)
    assert runs_in_progress() == before + 1
    env.close()


def test_without_gymnasium_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import headway.policies, headway.analysis\n"
        "try: import headway.policies.gym\n"
        "except headway.traces.InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == (
        "headway.policies.gym: got an installation without gymnasium; "
        "expected one with it: pip install 'headway[gym]'\n"
    )
