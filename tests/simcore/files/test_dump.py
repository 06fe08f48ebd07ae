"""What `dump_scenario` writes is the same scenario when it is loaded, whatever made it."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scenario import FILES, LARGE, NETWORKS, RANDOM, RECORDED, SMALL, load, merged
from worlds import eventful, with_devices

from headway import policies
from headway.analysis.experiments.identity import digest
from headway.simcore import (
    PRESETS,
    DecodeCost,
    Request,
    Scenario,
    build_scenario,
    dump_scenario,
    load_scenario,
    shipped_scenario,
    shipped_scenarios,
    simulate,
)
from headway.traces import Trace

CALM = {key: value for key, value in LARGE.items() if key != "faults"}
"""Without faults, which make traces that are too long for a file."""

WORLD = {
    "name": "lab",
    "model": {"shape": {"layers": 1, "width": 64, "heads": 4}},
    "devices": {"desk": {"memory": "1 MB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}},
    "workload": [{"prompt": 4, "output": 3}],
}


def again(scenario: Scenario) -> Scenario:
    """The scenario that its file loads to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dumped.yaml")
        path.write_text(dump_scenario(scenario), encoding="utf-8")
        return load_scenario(path)


def assert_same(one: Scenario, other: Scenario) -> None:
    assert digest(one) == digest(other)
    assert one.name == other.name
    assert [(c.name, c.label, c.parameters) for c in one.policies] == [
        (c.name, c.label, c.parameters) for c in other.policies
    ]


LONG = ("home-cluster", "wifi-home")
"""Shipped scenarios with tens of thousands of values of traces."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in shipped_scenarios()]
)
def test_a_shipped_scenario_is_the_same_after_it_is_written(name: str) -> None:
    scenario = load_scenario(shipped_scenario(name))
    assert_same(again(scenario), scenario)


@pytest.mark.parametrize("document", [CALM, merged(SMALL, NETWORKS), merged(SMALL, RECORDED), RANDOM])
def test_whatever_a_file_says_draws_or_reads_is_written(tmp_path: Path, document: dict[str, Any]) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    scenario = load(tmp_path, document)
    assert_same(again(scenario), scenario)


@given(eventful(faults=True), st.data())
@settings(max_examples=8, deadline=None)
def test_a_random_world_is_the_same_after_it_is_written(scenario: Scenario, data: st.DataObject) -> None:
    devices = len(scenario.cluster.devices)
    blocks = len(scenario.block_table)
    indices = st.lists(st.integers(0, devices - 1), min_size=blocks, max_size=blocks)
    scenario = replace(scenario, placement=np.array(data.draw(indices)))
    loaded = again(scenario)
    assert dump_scenario(loaded) == dump_scenario(scenario)
    np.testing.assert_array_equal(np.asarray(loaded.placement), np.asarray(scenario.placement))
    before, after = (simulate(each, policies.create("pinned")).tokens for each in (scenario, loaded))
    assert before.equals(after)


@pytest.mark.parametrize(
    "part",
    [
        {"experts": 8, "active_experts": 2, "expert_width": 5, "shared_experts": 1},
        {"kv_rank": 6, "rope_size": 2, "nope_size": 4},
        {"window": 7, "window_layers": 1},
        {"window": 0, "input_weights": 999},
    ],
)
def test_a_part_of_a_model_is_the_same_after_it_is_written(part: dict[str, int]) -> None:
    shape = WORLD["model"]["shape"] | part  # type: ignore[index]
    scenario = build_scenario(WORLD | {"model": {"shape": shape}})
    assert again(scenario).model == scenario.model


@pytest.mark.parametrize("preset", ["deepseek-v3", "gpt-oss-120b", "qwen3-next-80b-a3b"])
def test_a_preset_is_written_by_its_name(preset: str) -> None:
    scenario = build_scenario(WORLD)
    model = PRESETS[preset]
    scenario = replace(scenario, model=model, cost=DecodeCost(model))
    assert f"preset: {preset}" in dump_scenario(scenario)


def with_availability(scenario: Scenario, trace: Trace) -> Scenario:
    return with_devices(scenario, availability=trace)


class Odd(DecodeCost):
    """A cost model that no package registers."""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, cost=Odd(s.model)), "Odd is not registered"),
        (lambda s: replace(s, name="two words"), "'two words'"),
        (lambda s: replace(s, model=replace(s.model, name="mine", extra_parameters=3)), "config.json"),
        (lambda s: with_availability(s, Trace(range(50_000), np.full(50_000, 0.5))), "too long"),
        (lambda s: replace(s, requests=(Request(prompt=1, output=1, arrival_s=1e30),)), "1e+30 s"),
    ],
    ids=["part", "name", "model", "length", "quantity"],
)
def test_what_no_file_can_say_is_refused(change: Callable[[Scenario], Scenario], message: str) -> None:
    scenario = build_scenario(WORLD)
    with pytest.raises(ValueError, match="scenario file") as error:
        dump_scenario(change(scenario))
    assert message in str(error.value)
