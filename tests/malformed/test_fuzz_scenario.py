"""A scenario file that somebody has damaged makes a world or one message; and a world that was made can be run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import (
    Some,
    attempt,
    broken,
    damaged,
    examine,
    extremes,
    parts,
    try_out,
    yaml_of,
)
from hypothesis import given
from hypothesis import strategies as st

from headway.simcore import load_scenario, shipped_scenario, shipped_scenarios
from headway.simcore.files.importers.graphfile import read_graph
from headway.simcore.files.importers.huggingface import from_config

WORLDS: Some[Any] = Some(
    yaml.safe_load(text)
    for text in (
        """
name: lab
description: text
seed: 3
model: {shape: {layers: 2, width: 64, heads: 4, kv_heads: 2, head_size: 16, ffn_width: 128, gated_ffn: true,
  vocabulary: 100}, bytes_per_weight: 2.0, bytes_per_kv: 2, bytes_per_activation: 2}
cost: {model: decode, ffn_shards: 2, projection: sharded}
blocks: {embed: true, lm_head: true}
source: left
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 GB/s, overhead: 1 ms, disk: 10 MB/s,
    availability: {file: load.csv, end: loop, scale: 0.5, shift: 1 s}, memory_used: 10 MB, discipline: ps,
    nic_up: 1 Gbit/s, nic_down: {steps: [[0 s, 1 Gbit/s], [1 s, 0 bit/s], [2 s, 5 Mbit/s]], end: loop, duration: 3 s}}
  pi: {count: 2, memory: 1 GB, compute: 1 GFLOP/s, disk: 10 MB/s,
    availability: {walk_mean: 0.9, sigma: 0.1, step: 1 s, duration: 9 s, correlation: 0.5}}
links:
  cable: {connect: [[left, pi]], latency: 1 ms, overhead: 1 ms,
    bandwidth: {good: 9 Mbit/s, bad: 1 Mbit/s, good_time: 1 s, bad_time: 1 s, duration: 9 s}}
  air: {connect: all, medium: air}
media: {air: {bandwidth: {fading_mean: 9 Mbit/s, coherence: 1 s, rice_factor: 1, step: 1 s, duration: 9 s}}}
network: {sharing: fair, transport: tcp, connection: persistent, idle_restart: true}
faults:
  - {device: pi, down: 0.1 s, up: 2 s}
  - {link: cable, slowed_to: 50 %, since: 0 s, until: 1 s}
workload: [{prompt: 4, output: 3}, {prompt: 2, output: 2, arrival: 1 s}]
controller: {interval: 1, window: 1 s, migration: live, weights_on_disk: true, on_infeasible: keep, decision_time: 1 ms}
memory: {overflow: swap}
policies: [greedy, {name: resource-aware, label: ours, parameters: {deadline_s: 1}}]
""",
        """
model: {config: config.json}
cost: {model: paper, ffn_factor: 8.0}
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s, memory_used: {steps: [[0 s, 0 B], [1 s, 1 GB]]}}
  right: {memory: 1 GB, compute: 1 GFLOP/s, availability: {shipped: cpu-load.csv, end: loop}}
  third: {memory: 1 GB, compute: 1 GFLOP/s}
relays: [hub]
topology:
  net: {kind: star, relay: hub, bandwidth: {reverting_mean: 9 Mbit/s, deviation: 1 Mbit/s, relaxation: 2 s, step: 1 s,
    duration: 9 s}, latency: 1 ms}
  lan: {kind: line, members: [left, right], bandwidth: 1 Mbit/s}
routes: [[left, hub, right]]
faults: [{device: third, online: {steps: [[0 s, 1], [3 s, 0], [4 s, 1]]}}]
workload: {poisson: 1 /s, count: 2, prompt: {uniform: [1, 5]}, output: {lognormal_mean: 2, sigma: 1, most: 4}}
policies: [round-robin, static]
""",
        """
model: {preset: gpt2}
devices:
  left: {memory: 9 GB, compute: 1 GFLOP/s, memory_bandwidth: 9 GB/s}
  pi: {count: 3, memory: 9 GB, compute: 1 GFLOP/s, memory_bandwidth: 9 GB/s}
media: {air: {bandwidth: {file: up.mahimahi, format: mahimahi}}}
topology:
  cells: {kind: cells, cells: [[left], [pi-1, pi-2]], bandwidth: {diurnal_mean: 9 Mbit/s, amplitude: 1 Mbit/s,
    period: 9 s, peak: 1 s, sigma: 0.1, correlation: 0.1, step: 1 s, duration: 9 s},
    backbone: {bandwidth: 1 Gbit/s, latency: 1 ms}}
  tree: {kind: tree, branching: 2, medium: air}
  geo: {kind: geometric, radius: 0.5, members: [left, pi-3], bandwidth: 1 Mbit/s}
  file: {file: graph.json, ignore: [weight], bandwidth: 1 Mbit/s}
workload: {file: log.csv, format: csv, start: 0 s, limit: 2, stretch: 2, most_prompt: 4, most_output: 2}
network: {sharing: dedicated}
policies: [single, random]
""",
    )
)
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 99,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "attention_bias": False,
    "mlp_bias": False,
}
OPT = {
    "model_type": "opt",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "ffn_dim": 99,
    "word_embed_proj_dim": 64,
    "max_position_embeddings": 20,
    "do_layer_norm_before": True,
}
GRAPH = {
    "directed": False,
    "multigraph": False,
    "graph": {},
    "nodes": [{"id": "left"}, {"id": 7, "device": "pi-1"}, {"id": "sw"}],
    "edges": [
        {"source": "left", "target": "sw", "bandwidth": "9 Mbit/s", "latency": "1 ms", "weight": 2},
        {"source": 7, "target": "sw", "medium": "air", "name": "x", "key": 0},
    ],
}
GRAPHML = b"""<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="bandwidth" attr.type="string"><default>5 Mbit/s</default></key>
<key id="d1" for="node" attr.name="device" attr.type="string"/>
<graph edgedefault="undirected"><node id="left"/><node id="b"><data key="d1">pi-1</data></node>
<edge source="left" target="b"><data key="d0">9 Mbit/s</data></edge></graph></graphml>
"""
BESIDE = {
    "config.json": json.dumps(CONFIG),
    "graph.json": json.dumps(GRAPH),
    "load.csv": "time [s],share\n0,0.5\n1,1\n2,0\n3,0.7\n",
    "up.mahimahi": "1\n5\n9\n",
    "log.csv": "arrival [s],prompt,output\n0,3,2\n1,2,2\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz")
    for name, text in BESIDE.items():
        (place / name).write_text(text)
    return place


def check(folder: Path, data: str | bytes, changes: tuple[str, ...] = ()) -> None:
    path = folder / "scenario.yaml"
    path.write_bytes(data.encode("utf-8", "replace") if isinstance(data, str) else data)
    try_out(attempt(lambda: load_scenario(path, changes=changes), str(folder), "change"))


def shipped() -> Some[Any]:
    return Some(yaml.safe_load(shipped_scenario(name).read_text()) for name in shipped_scenarios())


PATHS = [".".join(map(str, path)) for tree in WORLDS for path in parts(tree)]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, ...]:
    path = draw(
        st.sampled_from(PATHS) | st.sampled_from(["", "x", "devices", "links.cable.x", 'devices."a b"'])
    )
    operand = draw(extremes())
    forms = [f"{path}={yaml_of(operand)}", f"{path}={operand}", f"{path}*{operand}", f"drop {path}"]
    return (
        draw(
            st.sampled_from(
                [*forms, f"shift-trace {path} {operand}", f"shift-trace {operand} s", str(operand)]
            )
        ),
    )


def test_undamaged_worlds_run(folder: Path) -> None:
    for tree in WORLDS:
        path = folder / "scenario.yaml"
        path.write_text(yaml_of(tree))
        try_out(load_scenario(path))


def fuzz_tree(folder: Path) -> Any:
    @given(tree=damaged(WORLDS))
    def check_tree(tree: Any) -> None:
        check(folder, yaml_of(tree))

    return check_tree


def fuzz_shipped(folder: Path) -> Any:
    @given(tree=damaged(shipped()))
    def check_tree(tree: Any) -> None:
        path = folder / "scenario.yaml"
        path.write_bytes(yaml_of(tree).encode("utf-8", "replace"))
        attempt(lambda: load_scenario(path), str(folder))

    return check_tree


def fuzz_bytes(folder: Path) -> Any:
    texts = [shipped_scenario(name).read_bytes() for name in shipped_scenarios()]

    @given(data=broken(Some([*texts, *(yaml_of(tree).encode() for tree in WORLDS)])))
    def check_bytes(data: bytes) -> None:
        check(folder, data)

    return check_bytes


def fuzz_changes(folder: Path) -> Any:
    @given(number=st.integers(0, len(WORLDS) - 1), changed=changes())
    def check_changes(number: int, changed: tuple[str, ...]) -> None:
        check(folder, yaml_of(WORLDS[number]), changed)

    return check_changes


def fuzz_config(folder: Path) -> Any:
    place = folder / "model"
    place.mkdir(exist_ok=True)
    path = place / "config.json"

    @given(
        data=damaged(Some([CONFIG, OPT])).map(json.dumps).map(str.encode)
        | broken(Some([json.dumps(CONFIG).encode()]))
    )
    def check_config(data: bytes) -> None:
        path.write_bytes(data)
        if attempt(lambda: from_config(path), str(path)) is not None:
            scenario = folder / "scenario.yaml"
            scenario.write_text(yaml_of(WORLDS[1] | {"model": {"config": "model/config.json"}}))
            try_out(attempt(lambda: load_scenario(scenario), str(folder)))

    return check_config


def fuzz_graph(folder: Path) -> Any:
    world = {
        **WORLDS[2],
        "topology": {"file": {"file": "drawn", "ignore": ["weight"], "bandwidth": "1 Mbit/s"}},
    }

    @given(
        data=damaged(Some([GRAPH])).map(json.dumps).map(str.encode)
        | broken(Some([json.dumps(GRAPH).encode(), GRAPHML]))
    )
    def check_graph(data: bytes) -> None:
        (folder / "drawn").write_bytes(data)
        if attempt(lambda: read_graph(folder / "drawn"), str(folder / "drawn")) is not None:
            check(folder, yaml_of(world))

    return check_graph


FUZZ = {
    fuzz_tree: 100,
    fuzz_shipped: 40,
    fuzz_bytes: 60,
    fuzz_changes: 60,
    fuzz_config: 60,
    fuzz_graph: 60,
}
"""Every kind of damage, with the examples of a quick run."""


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_file_makes_a_world_or_one_message(fuzz: Any, times: int, folder: Path) -> None:
    examine(fuzz(folder), times * FUZZ[fuzz], at_random=times > 1)
