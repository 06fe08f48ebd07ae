"""Laws of `transition-gate`: when it follows another policy, and how it is created."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from worlds import Scripted, clusters, eventful, observe, scenarios, varied

from headway import policies
from headway.analysis.cli import app
from headway.policies.contract import check_law, strategies
from headway.policies.contract.edges import edges
from headway.policies.contract.question import Question, observation_of
from headway.policies.transition_gate import Arm
from headway.simcore import (
    Decision,
    Infeasible,
    IntArray,
    Keep,
    Observation,
    Placement,
    PolicyChoice,
    Request,
    Scenario,
    load_scenario,
    predict,
    shipped_scenario,
    simulate,
)
from headway.traces import InputError

ARMS = get_args(Arm)
MARGINS = st.floats(0.0, 4.0)
RESTLESS = st.sampled_from(["greedy", "round-robin", "resource-aware"])
QUESTIONS = st.builds(dict, tight=st.booleans(), faulty=st.booleans()).flatmap(
    lambda kind: strategies.questions(again=True, **kind)
)


class Restless:
    """Moves all blocks to the next device at every decision."""

    name = "restless"

    def decide(self, observation: Observation) -> Decision:
        now = (
            np.zeros(len(observation.blocks), np.int64)
            if observation.placement is None
            else observation.placement
        )
        return Placement((now + 1) % observation.devices)


def gate(policy: object = "greedy", **parameters: object) -> policies.TransitionGate:
    made = policies.create("transition-gate", policy=policy, **parameters)
    assert isinstance(made, policies.TransitionGate)
    return made


def can_stay(observation: Observation) -> bool:
    return not observation.lost.any() and predict.can_stay(observation)


def same(one: Decision, other: Decision) -> bool:
    if isinstance(one, Placement) and isinstance(other, Placement):
        return bool(np.array_equal(one.devices, other.devices))
    return one == other


@given(question=QUESTIONS, policy=RESTLESS)
@settings(max_examples=30, deadline=None)
def test_always_decides_as_the_wrapped_policy(question: Question, policy: str) -> None:
    observation = observation_of(question)
    assert same(gate(policy, arm="always").decide(observation), policies.create(policy).decide(observation))


@given(scenario=eventful(faults=True), policy=RESTLESS)
@settings(max_examples=15, deadline=None)
def test_always_makes_the_run_of_the_wrapped_policy(scenario: Scenario, policy: str) -> None:
    wrapped = simulate(scenario, policies.create(policy), run="same")
    gated = simulate(scenario, gate(policy, arm="always"), run="same")
    for table in ("tokens", "decisions", "placements", "migrations"):
        assert getattr(gated, table).equals(getattr(wrapped, table)), table


@given(question=QUESTIONS, policy=RESTLESS)
@settings(max_examples=30, deadline=None)
def test_never_keeps_what_can_stay(question: Question, policy: str) -> None:
    observation = observation_of(question)
    decision = gate(policy, arm="never").decide(observation)
    if can_stay(observation):
        assert decision == Keep()
    else:
        assert same(decision, policies.create(policy).decide(observation))


@given(question=strategies.questions(again=True), policy=RESTLESS, margin=MARGINS, live=st.booleans())
@settings(max_examples=60, deadline=None)
def test_gate_moves_if_and_only_if_it_pays_by_the_margin(
    question: Question, policy: str, margin: float, live: bool
) -> None:
    """With margin 0 and blocking migration: D_T + D_mig of the new placement is below D_T of the present one."""
    observation = replace(observation_of(question), migration="live" if live else "blocking")
    proposal = policies.create(policy).decide(observation)
    decision = gate(policy, margin=margin).decide(observation)
    if not can_stay(observation) or not isinstance(proposal, Placement):
        assert same(decision, proposal)
        return
    now = observation.placement
    assert now is not None
    target = predict.reachable(observation, proposal.devices)
    gain_s = predict.shared_delay(observation, now) - predict.shared_delay(observation, target)
    price_s = (1.0 + margin) * predict.migration_delay(observation, target)
    if isinstance(decision, Placement):
        assert gain_s >= price_s * (1.0 - 1e-9) or (live and gain_s > 0.0)
    elif not live:  # decoding continues during a `live` migration, so its price differs
        assert gain_s <= price_s * (1.0 + 1e-9)


@given(question=strategies.questions(again=True), policy=RESTLESS, margins=st.tuples(MARGINS, MARGINS))
@settings(max_examples=40, deadline=None)
def test_a_larger_margin_adopts_nothing_that_a_smaller_one_refuses(
    question: Question, policy: str, margins: tuple[float, float]
) -> None:
    observation = observation_of(question)
    for arm in ("gate", "hysteresis"):
        small, large = (
            gate(policy, arm=arm, margin=margin, patience=1).decide(observation) for margin in sorted(margins)
        )
        assert small != Keep() or large == Keep()


def cluster_of_three() -> Scenario:
    """A source and two devices behind slow links, three requests of four tokens, and a decision at each token."""
    (question,) = (each for each in edges() if each.scenario.name == "holder-fails")
    cluster = question.scenario.cluster
    steady = replace(
        cluster, devices=tuple(replace(device, up=cluster.devices[0].up) for device in cluster.devices)
    )
    return varied(question.scenario, cluster=steady, requests=(Request(prompt=4, output=4),) * 3, interval=1)


def test_idle_moves_only_before_the_first_token_of_a_request() -> None:
    decisions = simulate(cluster_of_three(), gate(Restless(), arm="idle")).decisions
    assert set(decisions.token[decisions.moved_blocks > 0]) == {0}
    assert (decisions.moved_blocks > 0).sum() == 2  # the first placement is no move


def test_idle_moves_nothing_while_another_sequence_waits_for_a_token() -> None:
    observation = observe(cluster_of_three(), np.zeros(6, np.int64))
    first, other = (observation.batch[0]._replace(token=token) for token in (0, 3))
    asked = replace(observation, generated=0, batch=(first,))
    assert isinstance(gate(Restless(), arm="idle").decide(asked), Placement)
    assert gate(Restless(), arm="idle").decide(replace(asked, batch=(first, other))) == Keep()


def better_and_worse() -> tuple[Observation, IntArray, IntArray]:
    """An observation in which all blocks are on a remote device, a better placement, and one that is not better."""
    scenario = cluster_of_three()
    slow, fast = (np.full(len(scenario.block_table), device) for device in (2, 0))
    observation = observe(scenario, slow)
    assert predict.shared_delay(observation, fast) < 0.8 * predict.shared_delay(observation, slow)
    return observation, fast, slow


@pytest.mark.parametrize(
    ("proposals", "follows"),
    [("bbb", [False, False, True]), ("bbwbbb", [False] * 5 + [True]), ("bbbbbb", [False, False, True] * 2)],
)
def test_hysteresis_waits_for_consecutive_better_proposals(proposals: str, follows: list[bool]) -> None:
    observation, better, worse = better_and_worse()
    wrapped = Scripted(*(better if each == "b" else worse for each in proposals))
    policy = gate(wrapped, arm="hysteresis", margin=0.2, patience=3)
    decisions = [policy.decide(observation) for _ in proposals]
    moves = [isinstance(one, Placement) and not np.array_equal(one.devices, worse) for one in decisions]
    assert moves == follows


def test_a_new_run_starts_without_memory_of_the_last() -> None:
    observation, better, _ = better_and_worse()
    policy = gate(Scripted(*[better] * 3), arm="hysteresis", patience=2)
    assert policy.decide(observation) == Keep()
    assert isinstance(policy.decide(replace(observation, placement=None)), Placement)
    assert policy.decide(observation) == Keep()


def test_a_used_instance_makes_the_same_run_as_a_new_one() -> None:
    finding = check_law(lambda: gate(arm="hysteresis"), "reusable")
    assert finding.outcome == "kept", str(finding)


@pytest.mark.parametrize("arm", ARMS)
@given(scenario=scenarios(cluster=clusters(most=4)), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_every_arm_follows_if_blocks_are_lost_or_cannot_stay(arm: str, scenario: Scenario, seed: int) -> None:
    placement = np.random.default_rng(seed).integers(
        0, len(scenario.cluster.devices), len(scenario.block_table)
    )
    observation = observe(scenario, placement)
    lost = replace(observation, lost=placement == placement[0])
    full = replace(
        observation, available_bytes=observation.memory_bytes.sum() * (np.arange(observation.devices) < 1)
    )
    for asked in (lost, full):
        if not can_stay(asked):
            policy = policies.create("greedy")
            assert same(
                gate(policy, arm=arm, margin=1e9, patience=10**30).decide(asked), policy.decide(asked)
            )


@pytest.mark.parametrize("arm", ["always", "hysteresis", "gate"])
def test_infeasible_passes_through(arm: str) -> None:
    class Helpless(Restless):
        def decide(self, observation: Observation) -> Decision:
            return Infeasible("no idea")

    observation, *_ = better_and_worse()
    assert gate(Helpless(), arm=arm).decide(observation) == Infeasible("no idea")


def test_a_proposal_itself_is_passed_on() -> None:
    """Not a copy of its devices: a proposal may carry more than them."""
    observation, better, worse = better_and_worse()

    class One(Restless):
        proposal = Placement(better)

        def decide(self, observation: Observation) -> Decision:
            return self.proposal

    assert gate(One(), arm="hysteresis", patience=1).decide(observation) is One.proposal
    One.proposal = Placement(worse)
    assert gate(One(), arm="hysteresis", patience=1).decide(observation) is One.proposal


def test_results_record_the_wrapped_policy_and_its_parameters() -> None:
    parameters = {"policy": {"name": "random", "parameters": {"replan": True}}, "arm": "never"}
    policy = policies.create("transition-gate", **parameters)
    recorded = json.loads(simulate(cluster_of_three(), policy).runs.parameters[0])
    assert recorded == {
        "policy": {"name": "random", "parameters": {"replan": True, "seed": 0}},
        "arm": "never",
        "margin": 0.1,
        "patience": 2,
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policy": "greedi"}, "did you mean 'greedy'?"),
        (
            {"policy": {"name": "random", "parameters": {"seeds": 1}}},
            ".policy: random: got the parameter 'seeds'",
        ),
        ({"policy": {"name": "random", "parameters": {"seed": -1}}}, "seed must not be negative"),
        ({"policy": {"name": "random", "label": "x"}}, "expected a policy, or {name: POLICY"),
        ({"policy": {"parameters": {}}}, "expected a policy, or {name: POLICY"),
        ({"policy": 5}, "no name"),
        ({"policy": "transition-gate"}, "policy must not be another transition-gate"),
        ({"arm": "sometimes"}, ".arm: got 'sometimes'"),
        ({"margin": -0.1}, "margin must be a finite number of at least 0"),
        ({"margin": float("nan")}, "margin must be a finite number of at least 0"),
        ({"margin": float("inf")}, "margin must be a finite number of at least 0"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"polcy": "greedy"}, "did you mean 'policy'?"),
    ],
)
def test_a_mistake_is_one_sentence(parameters: dict[str, object], message: str) -> None:
    choice = PolicyChoice(name="transition-gate", label="x", parameters=parameters, where="file.yaml:3")
    with pytest.raises(InputError) as error:
        policies.from_choice(choice)
    assert str(error.value).startswith("file.yaml:3: transition-gate")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_arm_is_also_checked_in_python() -> None:
    with pytest.raises(ValueError, match="arm must be one of never, always"):
        policies.TransitionGate(policies.create("greedy"), arm="sometimes")  # type: ignore[arg-type]


def file_with(arm: str, folder: Path) -> Path:
    """A shipped scenario under a gate with nested parameters."""
    before, line, _ = shipped_scenario("wifi-cell").read_text(encoding="utf-8").partition("policies: ")
    assert line
    path = folder / "gated.yaml"
    path.write_text(
        f"{before}policies: [{{name: transition-gate, label: gated, parameters: {{arm: {arm}, "
        "policy: {name: resource-aware, parameters: {deadline_s: 2.0}}}}]\n",
        encoding="utf-8",
    )
    return path


def test_a_scenario_file_sets_nested_parameters(tmp_path: Path) -> None:
    (choice,) = load_scenario(file_with("hysteresis", tmp_path)).policies
    wrapped = policies.ResourceAware(deadline_s=2.0)
    assert policies.from_choice(choice) == policies.TransitionGate(wrapped, arm="hysteresis")


def test_a_mistake_in_a_scenario_file_ends_the_command_before_it_writes(tmp_path: Path) -> None:
    arguments = ["run", str(file_with("sometimes", tmp_path)), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments, prog_name="headway")
    assert done.exit_code == 2
    assert "gated.yaml:35" in done.output
    assert "transition-gate.arm" in done.output
    assert not (tmp_path / "out").exists()
