"""Laws of placements that people write: they are read as meant, told when wrong, and kept by the policy `pinned`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.simcore import (
    ModelSpec,
    RunOptions,
    Scenario,
    block_table,
    load_scenario,
    read_placement,
    simulate,
    write_placement,
)
from headway.simcore.world.blocks import BlockTable
from headway.traces import InputError

NAMES = ("laptop", "pi-1", "pi-2")
MODEL = ModelSpec(
    name="small",
    layers=4,
    width=8,
    heads=4,
    kv_heads=4,
    head_size=2,
    ffn_width=8,
    gated_ffn=False,
    vocabulary=16,
)
BLOCKS = block_table(MODEL, ffn_shards=2)


def read(written: dict[str, Any], blocks: BlockTable = BLOCKS) -> np.ndarray:
    return read_placement(written, blocks, NAMES, "placement")


@given(st.data())
def test_what_is_written_is_read_again(data: st.DataObject) -> None:
    blocks = block_table(
        MODEL,
        embed=data.draw(st.booleans()),
        lm_head=data.draw(st.booleans()),
        ffn_shards=data.draw(st.integers(1, 3)),
    )
    devices = data.draw(st.lists(st.integers(0, 2), min_size=len(blocks), max_size=len(blocks)))
    written = write_placement(np.array(devices), blocks, NAMES)
    assert read(yaml.safe_load(yaml.safe_dump(written)), blocks).tolist() == devices


def test_items_mean_what_they_say() -> None:
    placement = read(
        {
            "laptop": "layers 0-1, layer 2 heads 0 2-3",
            "pi-1": ["layers 2 head 1", "layer 2 proj"],
            "pi-2": "rest",
        }
    )
    by_name = dict(zip(BLOCKS.names, placement.tolist(), strict=True))
    assert {name for name, device in by_name.items() if device == 1} == {"L2.head1", "L2.proj"}
    assert {name[:2] for name, device in by_name.items() if device == 2} == {"L2", "L3", "em", "lm"}
    assert by_name["L2.ffn0"] == by_name["L3.head0"] == 2
    assert by_name["L2.head3"] == by_name["L1.ffn1"] == 0


def ends(placement: np.ndarray) -> tuple[int, int]:
    """The devices of the embedding and of the output head."""
    assert BLOCKS.embed is not None
    assert BLOCKS.lm_head is not None
    return int(placement[BLOCKS.embed]), int(placement[BLOCKS.lm_head])


def test_embedding_and_output_head_are_with_their_neighbours_unless_named() -> None:
    placement = read({"laptop": "layers 0-1", "pi-1": "layers 2-3"})
    assert ends(placement) == (0, 1)
    placement = read({"laptop": "layers 0-1, lm_head", "pi-1": "layers 2-3", "pi-2": "embed"})
    assert ends(placement) == (2, 0)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"phone": "layers 0-3"}, ["the device 'phone'", "laptop, pi-1, pi-2"]),
        ({"laptop": "layers 0-4"}, ["layers 0-4", "layers 0-3"]),
        ({"laptop": "layers 3-0"}, ["layers 3-0", "layers 0-3"]),
        ({"laptop": "layers"}, ["'layers'", "layers 0-9"]),
        ({"laptop": "layers 0-3 heads 4"}, ["heads 4", "heads 0-3"]),
        ({"laptop": "layers 0-3 ffn 2"}, ["shards 2", "shards 0-1"]),
        ({"laptop": "layers 0-3 proj 1"}, ["'layers 0-3 proj 1'"]),
        ({"laptop": "layers 0-3 tails"}, ["'layers 0-3 tails'"]),
        ({"laptop": "layers 0-x"}, ["'0-x' in 'layers 0-x'"]),
        ({"laptop": ""}, ["''"]),
        ({"laptop": "everything"}, ["'everything'"]),
        (
            {"laptop": "layers 0-2", "pi-1": "layers 2-3"},
            ["L2.head0 in 'layers 2-3', which laptop has already"],
        ),
        ({"laptop": "rest", "pi-1": "rest"}, ["rest, which laptop has already"]),
        ({"laptop": "layers 0-2"}, ["no device for L3.head0 and 7 more blocks", "rest on one of them"]),
        ({"laptop": "layers 0-3 heads", "pi-1": "layers 0-3 proj"}, ["no device for L0.ffn0"]),
    ],
)
def test_a_mistake_is_told_in_one_sentence(written: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as told:
        read(written)
    assert all(word in str(told.value) for word in words), str(told.value)
    assert "\n" not in str(told.value)


def test_a_block_that_the_model_does_not_have_cannot_be_placed() -> None:
    with pytest.raises(InputError, match="lm_head, which is no block of this model"):
        read({"laptop": "layers 0-3, lm_head"}, block_table(MODEL, lm_head=False))


LAB = {
    "model": {"shape": {"layers": 4, "width": 8, "heads": 4}},
    "devices": {
        name: {"memory": "1 GB", "compute": "1 MFLOP/s", "memory_bandwidth": "1 MB/s"} for name in NAMES
    },
    "links": {"wire": {"connect": "all", "bandwidth": "8 Mbit/s", "latency": "1 ms"}},
    "workload": [{"prompt": 3, "output": 4}],
}


def lab(folder: Path, **changes: Any) -> Path:
    path = folder / "lab.yaml"
    path.write_text(json.dumps(LAB | changes, indent=1))
    return path


def load(folder: Path, placement: Any) -> Scenario:
    return load_scenario(lab(folder, placement=placement))


def test_pinned_keeps_what_the_scenario_pins(tmp_path: Path) -> None:
    scenario = load(tmp_path, {"laptop": "layers 0-1", "pi-1": "layers 2-3 heads 0", "pi-2": "rest"})
    result = simulate(scenario, policies.create("pinned"), options=RunOptions(audit=True))
    assert result.runs.status.tolist() == ["complete"]
    assert result.decisions.outcome.tolist() == ["adopted"]  # a fixed policy is asked once
    placed = result.placements.device.map(NAMES.index).to_numpy()
    assert scenario.placement is not None
    assert placed.tolist() == scenario.placement.tolist()


def test_without_a_pinned_placement_the_policy_says_what_it_needs(tmp_path: Path) -> None:
    result = simulate(load_scenario(lab(tmp_path)), policies.create("pinned"))
    assert result.runs.status.tolist() == ["infeasible"]
    assert "needs the key placement" in result.runs.detail[0]


def test_a_run_writes_its_placements_and_a_scenario_pins_one_of_them(tmp_path: Path) -> None:
    path, out = lab(tmp_path), tmp_path / "out"
    command = ["run", str(path), "--policy", "edgeshard", "--policy", "round-robin", "--out", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    for run in ("edgeshard", "round-robin"):
        pinned = load(tmp_path, {"file": "out/placements.yaml", "run": run})
        original = simulate(load_scenario(lab(tmp_path)), policies.create(run))
        kept = simulate(pinned, policies.create("pinned"))
        assert kept.tokens.latency_s.tolist() == original.tokens.latency_s.tolist()


@pytest.mark.parametrize("text", ["laptop: layers 0-3", "a: {laptop: layers 0-3}"])
def test_a_placement_may_be_in_a_file_of_its_own(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.yaml").write_text(text)
    assert not np.any(load(tmp_path, "other.yaml").placement)


def test_a_scenario_in_python_pins_device_indices(tmp_path: Path) -> None:
    from dataclasses import replace  # noqa: PLC0415

    scenario = load_scenario(lab(tmp_path))
    placement = np.ones(len(scenario.block_table), dtype=np.int64)
    assert simulate(replace(scenario, placement=placement), policies.create("pinned")).runs.tokens[0] == 4
    for wrong in (placement[1:], placement + 2, placement - 2, placement + 0.5):
        with pytest.raises(ValueError, match="device indices from 0 to 2"):
            replace(scenario, placement=wrong)  # type: ignore[arg-type]
