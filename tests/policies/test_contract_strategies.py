"""The public strategies of the contract: what they draw is valid and of the size that is asked for, and shrinks."""

from collections.abc import Callable
from random import Random
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from worlds import Scripted

from headway.policies.contract import Question, check_law, strategies
from headway.policies.contract.question import observation_of
from headway.simcore import (
    Cluster,
    CostModel,
    Decision,
    DecodeCost,
    Device,
    IntArray,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Scenario,
    predict,
    preset,
    simulate,
)
from headway.simcore.world.batch import one_sequence
from headway.traces import InputError, Trace

Value = TypeVar("Value")

# Without the phase that explains failures, which takes most of the time.
finding = settings(database=None, max_examples=200, phases=[Phase.generate, Phase.shrink])
few = settings(max_examples=10)


def smallest(strategy: st.SearchStrategy[Value]) -> Value:
    """What a strategy shrinks to where anything will do."""
    drawn = find(strategy, lambda _: True, settings=finding, random=Random(1))
    assert drawn is not None
    return drawn


@given(strategies.models())
@few
def test_models_are_small(model: ModelSpec) -> None:
    assert 1 <= model.layers <= 3
    assert 1 <= model.kv_heads <= 6
    assert model.heads % model.kv_heads == 0
    assert model.heads // model.kv_heads <= 3
    assert model.width == model.heads * model.head_size
    assert model.ffn_width <= 300


@given(strategies.costs(preset("paper-8x512"), most_shards=3))
@few
def test_costs_are_of_the_model_and_cut_as_far_as_allowed(cost: CostModel) -> None:
    assert isinstance(cost, DecodeCost | PaperCost)
    assert cost.model == preset("paper-8x512")
    assert 1 <= cost.ffn_shards <= 3
    assert (cost.step(one_sequence(4, 0)).memory_bytes >= 0.0).all()


@given(strategies.costs(preset("paper-8x512")))
@few
def test_costs_are_whole_unless_shards_are_allowed(cost: CostModel) -> None:
    assert isinstance(cost, DecodeCost | PaperCost)
    assert (cost.ffn_shards, cost.projection) == (1, "gathered")


@given(strategies.constant(0.5, 2.0), strategies.varying(0.5, 2.0), strategies.blinking())
@few
def test_traces_keep_to_their_bounds(constant: Trace, varying: Trace, blinking: Trace) -> None:
    assert len(constant.values) == 1
    assert 2 <= len(varying.values) <= 6
    assert varying.end == "loop"
    for trace in (constant, varying):
        assert ((trace.values >= 0.5) & (trace.values <= 2.0)).all()
    assert ((blinking.values == 0.0) | (blinking.values >= 0.1)).all()


@given(strategies.clusters(most=4, mesh=True, memory_bytes=7.0))
@few
def test_clusters_have_the_devices_and_links_that_are_asked_for(cluster: Cluster) -> None:
    count = len(cluster.devices)
    assert 1 <= count <= 4
    assert len(cluster.links) == count * (count - 1) // 2
    assert {device.memory_bytes for device in cluster.devices} == {7.0}


@given(strategies.clusters(most=4, mesh=False, fixed_times=False, steady=False))
@few
def test_clusters_may_be_trees_that_change_and_where_nothing_takes_fixed_times(cluster: Cluster) -> None:
    assert len(cluster.links) == len(cluster.devices) - 1
    assert all(link.latency_s == link.overhead_s == 0.0 for link in cluster.links)
    assert all(device.availability.end == "loop" for device in cluster.devices)


@given(strategies.scenarios(requests=3, most_tokens=2, most_shards=2, sharing="fair"))
@few
def test_scenarios_run_to_their_end(scenario: Scenario) -> None:
    assert scenario.network.sharing == "fair"
    assert 1 <= len(scenario.requests) <= 3
    assert all(1 <= request.output <= 2 for request in scenario.requests)
    nowhere = np.zeros(len(scenario.block_table), dtype=np.int64)
    result = simulate(scenario, Scripted(nowhere))
    assert result.runs.status[0] == "complete"


@given(st.data(), st.booleans())
@few
def test_faults_take_one_device_down_and_never_the_source(data: st.DataObject, at_once: bool) -> None:
    before = data.draw(strategies.scenarios(cluster=strategies.clusters(most=4)))
    cluster = data.draw(strategies.faults(before, at_once=at_once)).cluster
    failed = [device.name for device in cluster.devices if device.up.values[-1] == 0.0]
    assert len(failed) == (len(cluster.devices) > 1)
    assert cluster.source not in failed
    assert all((d.up.values[0] == 0.0) == at_once for d in cluster.devices if d.name in failed)


@given(strategies.placements(5, 3))
@few
def test_placements_have_a_device_for_each_block(placement: IntArray) -> None:
    assert placement.shape == (5,)
    assert set(placement.tolist()) <= {0, 1, 2}


@given(strategies.questions(most=3, tight=True, most_shards=1))
@few
def test_where_memory_is_tight_there_is_room_for_all_blocks_but_not_much(question: Question) -> None:
    scenario = question.scenario
    activations = scenario.cost.step(one_sequence(scenario.requests[0].prompt, 0)).activation_bytes
    room = np.array([device.memory_bytes - activations for device in scenario.cluster.devices])
    sizes = strategies.block_bytes(scenario)
    assert len(room) <= 3
    assert sizes.sum() * (1 - 1e-9) <= room.sum() <= (3.0 * sizes.sum() + sizes.max()) * (1 + 1e-9)
    assert sizes.max() <= room.max() * (1 + 1e-9)
    assert scenario.cost.ffn_shards == 1


@pytest.mark.parametrize("again", [True, False])
def test_questions_are_asked_at_first_or_anew(again: bool) -> None:
    @given(strategies.questions(again=again, most=3))
    @few
    def asked(question: Question) -> None:
        observation = observation_of(question)
        assert (observation.placement is not None) is again
        assert predict.held_bytes(observation, np.zeros(len(observation.blocks), dtype=np.int64)).shape == (
            observation.devices,
        )

    asked()


@given(strategies.observations(faulty=True, again=False))
@few
def test_observations_are_what_a_policy_sees_of_a_question(observation: Observation) -> None:
    assert observation.up.sum() == max(observation.devices - 1, 1)
    assert observation.placement is None


@given(strategies.one_large())
@few
def test_one_device_alone_has_room_and_the_others_together_have_not(question: Question) -> None:
    room = sorted(observation_of(question).available_bytes.tolist())
    needed = strategies.needed_bytes(question.scenario)
    assert room[-1] >= needed > sum(room[:-1])


@given(strategies.untied())
@few
def test_where_nothing_is_tied_no_two_devices_or_links_are_alike(question: Question) -> None:
    cluster = question.scenario.cluster
    for values in ([d.overhead_s for d in cluster.devices], [link.latency_s for link in cluster.links]):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: strategies.clusters(most=0), r"clusters\(most=...\): got 0; expected a whole number of at least 1"),
        (lambda: strategies.models(most_layers=-1), "whole number of at least 1"),
        (lambda: strategies.placements(3, 0), r"placements\(devices=...\)"),
        (lambda: strategies.scenarios(most_tokens=2.5), "got 2.5"),  # type: ignore[arg-type]
        (lambda: strategies.scenarios(sharing="unfair"), "did you mean 'fair'"),  # type: ignore[arg-type]
        (lambda: strategies.clusters(memory_bytes=-5.0), "a number of at least 0"),
        (lambda: strategies.observations(most=0), r"questions\(most=...\)"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused_when_a_strategy_is_made(
    made: Callable[[], object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        made()
    with pytest.raises(TypeError, match="mots"):
        strategies.clusters(mots=3)  # type: ignore[call-arg]


@given(strategies.runs(most=2, model=strategies.models(most_layers=1, most_heads=2)))
@few
def test_questions_are_of_the_size_that_is_asked_for(question: Question) -> None:
    scenario = question.scenario
    assert scenario.model.layers == 1
    assert scenario.model.kv_heads <= 2
    assert len(scenario.cluster.devices) <= 2


@given(
    strategies.clusters(most=3)
    .filter(lambda cluster: len(cluster.devices) > 1)
    .map(lambda cluster: cluster.devices),
    st.data(),
)
@settings(max_examples=10)
def test_strategies_are_filtered_mapped_and_drawn_from_in_the_midst_of_a_test(
    devices: tuple[Device, ...], data: st.DataObject
) -> None:
    """And no health check complains."""
    scenario = data.draw(strategies.scenarios(cluster=strategies.clusters(most=3)))
    placement = data.draw(strategies.placements(len(scenario.block_table), len(devices)))
    assert placement.max() < len(devices)


class Machine(RuleBasedStateMachine):
    @rule(question=strategies.questions(most=3))
    def asks(self, question: Question) -> None:
        assert observation_of(question).devices <= 3

    @rule(data=st.data())
    def draws(self, data: st.DataObject) -> None:
        assert data.draw(strategies.models(most_layers=1)).layers == 1


def test_strategies_can_be_used_in_a_state_machine() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=5, stateful_step_count=4, database=None)
    )


def test_everything_shrinks_to_what_is_read_at_a_glance() -> None:
    model = smallest(strategies.models())
    assert (model.layers, model.heads, model.head_size, model.ffn_width) == (1, 1, 4, 1)
    assert isinstance(smallest(strategies.costs(model, most_shards=3)), DecodeCost)
    assert smallest(strategies.placements(3, 3)).tolist() == [0, 0, 0]
    assert len(smallest(strategies.varying(0.0, 1.0)).values) == 2
    assert len(smallest(strategies.clusters()).devices) == 1
    scenario = smallest(strategies.scenarios())
    assert (len(scenario.block_table), len(scenario.cluster.devices), len(scenario.requests)) == (3, 1, 1)


def test_a_property_of_two_devices_shrinks_to_two_devices() -> None:
    scenario = find(
        strategies.scenarios().flatmap(lambda scenario: strategies.faults(scenario, at_once=True)),
        lambda scenario: any(device.up.values[0] == 0.0 for device in scenario.cluster.devices),
        settings=finding,
        random=Random(1),
    )
    assert (len(scenario.block_table), len(scenario.cluster.devices)) == (3, 2)


def test_a_question_shrinks_to_a_small_world() -> None:
    question = check_law(Homeless, "complete").question
    assert question is not None
    assert (len(question.scenario.block_table), len(question.scenario.cluster.devices)) == (3, 1)


class Homeless:
    """Places blocks on a device that does not exist."""

    name = "homeless"

    def decide(self, observation: Observation) -> Decision:
        return Placement(np.full(len(observation.blocks), observation.devices))
