"""Patterns of execution, shipped and of one's own: they run, are predicted and audited, and mistakes are told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from patterns import InARow, OneByOne
from worlds import Scripted, Shuffled, clusters, eventful, model_of_bytes, scenarios, small_world, varied

from headway import policies
from headway.simcore import (
    Audit,
    BlockTable,
    Chain,
    DecodeCost,
    IntArray,
    Pattern,
    Payload,
    Request,
    RunOptions,
    Scenario,
    StepGraph,
    load_scenario,
    simulate,
)
from headway.simcore.audit.messages import DESCRIBED
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.gathered import Gathered
from headway.simcore.steps.patterns.sharded import Sharded
from headway.traces import InputError

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=20, deadline=None)
OWN: tuple[Callable[[], Pattern], ...] = (OneByOne, InARow)


def under(scenario: Scenario, pattern: Pattern) -> Scenario:
    """The scenario under a pattern, its cost model with the projection that this needs."""
    assert isinstance(scenario.cost, DecodeCost)
    return replace(scenario, execution=pattern, cost=replace(scenario.cost, projection=pattern.projection))


def decoding(scenario: Scenario) -> Scenario:
    """The scenario under `DecodeCost`."""
    model = scenario.model
    return replace(scenario, execution=None, cost=DecodeCost(model, scenario.cost.ffn_shards))


def world(execution: Pattern | str | None = None, projection: str = "gathered") -> Scenario:
    """Three equal devices of 100 FLOP/s, 10 bytes/s between every two; one layer of two heads."""
    model = model_of_bytes()
    return small_world(
        "abc", model=model, rate=10.0, device={"flops": 100.0}, requests=(Request(prompt=1, output=2),),
        sharing="dedicated", execution=execution,
        cost=DecodeCost(model, projection=projection),  # type: ignore[arg-type]
    )  # fmt: skip


@given(scenarios(cluster=clusters(memory_bytes=2e4), most_shards=2), SEEDS)
@FEW
def test_a_pattern_of_ones_own_is_predicted_as_it_happens_while_devices_swap(
    scenario: Scenario, seed: int
) -> None:
    scenario = varied(scenario, interval=1, overflow="swap", requests=(Request(prompt=20, output=1),))
    result = simulate(under(decoding(scenario), OneByOne()), Shuffled(seed), options=RunOptions(audit=True))
    np.testing.assert_allclose(result.tokens.latency_s, result.decisions.predicted_delay_s, rtol=1e-9)


@pytest.mark.parametrize("pattern", OWN)
@given(scenario=eventful(faults=True), seed=st.integers(0, 100))
@FEW
def test_it_audits_clean_in_any_world(pattern: Callable[[], Pattern], scenario: Scenario, seed: int) -> None:
    audits: list[Audit] = []
    scenario = under(decoding(scenario), pattern())
    simulate(scenario, Shuffled(seed), options=RunOptions(audit=True), on_audit=audits.append)
    assert audits[0].checks > 0
    assert scenario.step_graphs.pattern.name not in DESCRIBED


@pytest.mark.parametrize("sharded", [False, True])
@given(scenario=eventful(), seed=st.integers(0, 100))
@FEW
def test_the_description_of_the_auditor_holds_for_blocks_one_by_one(
    sharded: bool, scenario: Scenario, seed: int
) -> None:
    """What the shipped patterns send, and when, does not depend on how their graph is built."""
    pattern = OneByOne("sharded", "sharded") if sharded else OneByOne("gathered")
    simulate(under(decoding(scenario), pattern), Shuffled(seed), options=RunOptions(audit=True))


@given(scenarios(cluster=clusters(fixed_times=False), most_shards=3), SEEDS)
@FEW
def test_on_devices_that_serve_in_turn_blocks_one_by_one_take_as_long_as_together(
    scenario: Scenario, seed: int
) -> None:
    scenario = decoding(scenario)
    together, apart = (
        simulate(under(scenario, pattern), Shuffled(seed)) for pattern in (Gathered(), OneByOne())
    )
    np.testing.assert_allclose(together.tokens.latency_s, apart.tokens.latency_s, rtol=1e-9)


def test_heads_in_a_row_by_hand() -> None:
    """W_O goes with the heads: 8*4*3 + 4*8 = 128 weights each; projection and network on a, heads on b and c.

    Prefill of one token: hidden states are 8 bytes, 0.8 s from a to b and to c; a head takes 2*128 + 4*4*(1/2) = 264
    FLOP, 2.64 s; then b sends its sum to c, 0.8 s, and c the sum of both to a, 0.8 s; nothing to add up; the network
    has 2*2*64 = 256 FLOP, 2.56 s. The next token attends to two: 2*128 + 4*4*2 = 288 FLOP.
    """
    result = simulate(
        world(InARow(), "sharded"), Scripted(np.array([1, 2, 0, 0])), options=RunOptions(audit=True)
    )
    expected_s = [0.8 + head_s + 0.8 + 0.8 + 2.56 for head_s in (2.64, 2.88)]
    np.testing.assert_allclose(result.tokens.latency_s, expected_s, rtol=1e-12)
    np.testing.assert_allclose(result.tokens.transfer_s, 2.4, rtol=1e-12)
    sent = {(row.from_device, row.to_device): row.size_bytes for row in result.links.itertuples()}
    assert sent == {("a", "b"): 16.0, ("a", "c"): 16.0, ("b", "c"): 16.0, ("c", "a"): 16.0}


@pytest.mark.parametrize("name", policies.names())
def test_policies_plan_under_a_pattern_of_ones_own(name: str) -> None:
    scenario = replace(world(OneByOne()), placement=np.array([0, 1, 0, 2]))
    result = simulate(scenario, policies.create(name), options=RunOptions(audit=True))
    assert result.runs.status[0] == "complete"


# Names and mistakes


@pytest.mark.parametrize(("projection", "pattern"), [("gathered", Gathered), ("sharded", Sharded)])
def test_by_default_the_pattern_is_that_of_the_projection(projection: str, pattern: type) -> None:
    found = world(None, projection).step_graphs.pattern
    assert isinstance(found, pattern)
    assert found.name == projection


def test_a_pattern_by_name_is_that_pattern() -> None:
    by_name, as_object = (
        simulate(world(part, "sharded"), Scripted(np.array([1, 2, 0, 0]))) for part in ("sharded", Sharded())
    )
    np.testing.assert_array_equal(by_name.tokens.latency_s, as_object.tokens.latency_s)


def test_an_unknown_pattern_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        world("scattered")
    assert "'scattered'" in str(caught.value)
    assert all(name in str(caught.value) for name in PATTERNS.names())


@pytest.mark.parametrize(
    ("execution", "projection"),
    [("gathered", "sharded"), ("sharded", "gathered"), (OneByOne(), "sharded"), (InARow(), "gathered")],
)
def test_a_pattern_and_a_projection_that_contradict_each_other_are_refused(
    execution: Pattern | str, projection: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"execution '.*' needs a cost model with the projection .* '{projection}'"
    ):
        world(execution, projection)


DOCUMENT = {
    "model": {"shape": {"layers": 1, "width": 8, "heads": 2}},
    "devices": {"a": {"memory": "1 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}},
    "workload": [{"prompt": 3, "output": 2}],
}


def loaded(folder: Path, **changes: object) -> Scenario:
    file = folder / "lab.yaml"
    file.write_text(yaml.safe_dump(DOCUMENT | changes, sort_keys=False))
    return load_scenario(file)


def test_a_file_that_names_an_execution_need_not_name_a_projection(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, execution="sharded")
    assert scenario.cost.projection == "sharded"
    assert isinstance(scenario.step_graphs.pattern, Sharded)
    assert loaded(tmp_path, cost={"projection": "sharded"}).step_graphs.pattern.name == "sharded"
    assert loaded(tmp_path).cost.projection == "gathered"
    both = loaded(tmp_path, execution="sharded", cost={"projection": "sharded"})
    assert both.cost.projection == "sharded"


# What policies see of a pattern


@dataclass(frozen=True)
class Returning(Gathered):
    """As `gathered`, except that the whole hidden states return to the source instead of the last."""

    name: ClassVar[str] = "returning"

    def chain(self, blocks: BlockTable) -> Chain:
        return replace(super().chain(blocks), result=Payload.HIDDEN)


def test_policies_see_the_chain_of_a_pattern_of_ones_own() -> None:
    policy = Scripted(np.array([0, 0, 0, 1]))
    result = simulate(
        replace(world(Returning()), requests=(Request(prompt=5, output=1),)), policy, RunOptions(audit=True)
    )
    observation = policy.observations[0]
    assert observation.step_graphs.chain.result == Payload.HIDDEN
    assert (
        observation.step_graphs.of(observation.blocks.kind * 0, observation.source).payload[-1]
        == Payload.HIDDEN
    )
    # Five positions of 8 bytes go from a to b, and return.
    assert result.links.size_bytes.tolist() == [40.0, 40.0]


def test_graphs_are_built_for_a_placement_and_a_source() -> None:
    asked: list[tuple[list[int], int]] = []

    @dataclass(frozen=True)
    class Listening(OneByOne):
        def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
            sound = super().graphs(blocks)

            def graph(placement: IntArray, source: int) -> StepGraph:
                asked.append((placement.tolist(), source))
                return sound(placement, source)

            return graph

    simulate(world(Listening()), Scripted(np.array([0, 0, 1, 0]), np.array([0, 0, 2, 0])))
    # One graph for each placement, whoever asks for it: the prediction of the decision and the step share it.
    assert asked == [([0, 0, 1, 0], 0), ([0, 0, 2, 0], 0)]
