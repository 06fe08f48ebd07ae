"""Laws of loading: every key arrives where it should, and every text is either a scenario or a told mistake."""

import copy
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import rate_of

from headway import policies
from headway.simcore import (
    PAPER_CONTROLLER,
    PRESETS,
    ControllerOptions,
    DecodeCost,
    ForecastOptions,
    MemoryOptions,
    PaperCost,
    Scenario,
    TriggerOptions,
    from_config,
    load_scenario,
    shipped_scenario,
    shipped_scenarios,
    simulate,
)
from headway.simcore.files import schema
from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window
from headway.traces import InputError, Trace, read, shipped, shipped_names
from headway.traces.transform import scaled, shifted

Document = dict[str, Any]

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

SMALL: Document = yaml.safe_load("""
model: {shape: {layers: 2, width: 64, heads: 4}}
devices:
  a: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
  b: {memory: 2 GB, compute: 3 GFLOP/s, memory_bandwidth: unlimited}
links: {wire: {connect: [[a, b]], bandwidth: 8 Mbit/s}}
workload: [{prompt: 3, output: 5}]
""")

LARGE: Document = yaml.safe_load("""
headway: 1
name: everything
description: Uses every key there is.
seed: 11
model:
  shape: {layers: 3, width: 60, heads: 6, kv_heads: 2, head_size: 16, ffn_width: 100, gated_ffn: true, vocabulary: 50,
    context_length: 2048}
  bytes_per_weight: 0.5625
  bytes_per_kv: 1
  bytes_per_activation: 4
cost: {model: paper, ffn_factor: 0.8, ffn_shards: 3, projection: sharded}
execution: sharded
device_time: roofline
blocks: {embed: true, lm_head: false}
source: box
devices:
  pi:
    count: 3
    memory: 4 GiB
    compute: 30 GFLOP/s
    memory_bandwidth: 8 GB/s
    overhead: 20 us
    disk: 90 MB/s
    availability: {walk_mean: 40 %, sigma: 0.1, step: 1 s, duration: 8 s, correlation: 0.5, scale: 0.5, shift: 1 s}
    memory_used: 512 MB
    discipline: ps
    nic_up: 300 Mbit/s
    nic_down: {steps: [[0 s, 300 Mbit/s], [1 s, 100 Mbit/s]]}
  box:
    memory: 16 GB
    compute: 1 TFLOP/s
    memory_bandwidth: unlimited
    disk: 1 GB/s
    availability: {shipped: cpu-load.csv, end: loop, scale: 0.5, shift: 1 min}
    runtime_memory: 200 MB
    memory_used: {steps: [[0 s, 1 GB], [1 min, 2 GB]], end: loop, duration: 90 s, scale: 2, shift: 10 s}
links:
  cell:
    connect: [[pi, pi]]
    bandwidth: {file: data/log.txt, format: csv, unit: Mbit/s, time_unit: ms, end: zero}
    latency: 2 ms
    overhead: 100 us
  radio: {connect: [[pi-2, box]], bandwidth: {file: data/up.mahimahi, scale: 0.25, shift: 1 ms}}
  air: {connect: [[ap, pi], [box, ap]], medium: wifi, latency: 4 ms}
relays: [ap]
media: {wifi: {bandwidth: {shipped: wifi-near.csv, end: loop}, frame: {size: 2 kB, overhead: 50 us}}}
routes: [[pi-1, ap, box]]
faults:
  - {device: pi, down: 10 s, up: 25 s}
  - {device: box, slowed_to: 30 %, since: 10 s, until: 20 s}
  - {link: radio, online: {steps: [[0 s, 1], [5 s, 0]], end: loop, duration: 6 s}}
network: {sharing: dedicated, transport: tcp, connection: persistent, idle_restart: false}
workload: [{prompt: 3, output: 5}, {prompt: 2, output: 4, arrival: 1.5 s}]
controller:
  interval: 2
  horizon: 50
  triggers: {overflow: false, device_back: true, slowdown: 50 %, misprediction: 0.25}
  forecast: {memory: oracle, availability: mean, rates: seasonal, outages: last, span: 30 s, step: 500 ms, season: 24 h}
  window: 250 ms
  migration: live
  moves: serial
  weights_on_disk: true
  warm_copies: false
  caches: faster
  pause_budget: 2 s
  on_infeasible: fail
  decision_time: 5 ms
memory: {overflow: swap, swap: lru}
scheduler: fcfs
executor: events
placement: {pi-1: layers 0-1 heads 1, box: [layers 2, rest]}
policies: [greedy, {name: resource-aware, label: eager, parameters: {deadline_s: 2.0}}]
""")

WIRE = {"bandwidth": "8 Mbit/s", "latency": "2 ms", "overhead": "1 us"}
MEMBERS = WIRE | {"members": ["a", "b"], "medium": "wifi"}
NETWORKS: Document = {
    "topology": {
        "loop": MEMBERS | {"kind": "ring"},
        "air": MEMBERS | {"kind": "star", "relay": "ap"},
        "branches": MEMBERS | {"kind": "tree", "branching": 3},
        "field": MEMBERS | {"kind": "geometric", "radius": 0.5},
        "rooms": WIRE | {"kind": "cells", "cells": [["a"], ["b"]], "frame": {}, "backbone": WIRE},
        "lab": WIRE | {"file": "data/lab.json", "ignore": ["pos"], "medium": "wifi"},
    },
    "media": {"wifi": {"bandwidth": "50 Mbit/s"}},
}

NAMED: Document = {
    "library": "data/library.yaml",
    "devices": {"a": {"device": "our-pi", "kv_bandwidth": "5 GB/s", "sync": "20 us"}},
    "media": {"wifi": {"link": "wifi-5"}},
    "topology": {
        name: section
        | {"link": "wifi-5"}
        | ({"backbone": WIRE | {"link": "wifi-5"}} if name == "rooms" else {})
        for name, section in NETWORKS["topology"].items()
    },
    "links": {"wire": {"link": "wifi-5"}},
}
"""Names of devices and links of the library, beside the values that precede those of the library."""

RANDOM: Document = yaml.safe_load("""
model: {shape: {layers: 2, width: 64, heads: 4}}
devices:
  a:
    memory: 1 GB
    compute: 1 GFLOP/s
    memory_bandwidth: unlimited
    availability: {scale: 0.9, shift: 1 s, diurnal_mean: 60 %, amplitude: 30 %, period: 20 s, peak: 3 s, sigma: 0.2,
      correlation: 0.5, step: 1 s, duration: 40 s}
  b:
    memory: 2 GB
    compute: 3 GFLOP/s
    memory_bandwidth: unlimited
    memory_used: {scale: 0.9, shift: 1 s, reverting_mean: 500 MB, deviation: 100 MB, relaxation: 3 s, step: 1 s,
      duration: 20 s}
  c: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
links:
  wire:
    connect: [[a, b]]
    bandwidth: {scale: 0.9, shift: 1 s, good: 8 Mbit/s, bad: 1 Mbit/s, good_time: 2 s, bad_time: 500 ms, duration: 20 s}
  radio:
    connect: [[c, b]]
    bandwidth: {scale: 0.9, shift: 1 s, fading_mean: 8 Mbit/s, coherence: 2 s, rice_factor: 3, step: 1 s,
      duration: 20 s}
workload:
  poisson: 30 /min
  count: 3
  prompt: {lognormal_mean: 4, sigma: 0.5, most: 9}
  output: {geometric_mean: 2.5, most: 6}
""")
"""One synthetic trace of every kind but the walk, and random requests."""

RECORDED: Document = yaml.safe_load("""
devices:
  a:
    availability: {file: data/load.csv, column: cpu, time_column: "2", load: true, repair: true, max_gap: 10 s,
      merge: mean}
    nic_up: {shipped: wifi-near.csv, end: loop, start: random}
  b:
    availability: {file: data/churn.txt, select: "2"}
    nic_up: {file: data/runs.csv, column: rate, where: {run: 2}, step: 1 s, end: loop, start: random}
""")
"""What can be said of files of recorded traces."""

OTHER_WORKLOAD: Document = {"poisson": "1 /s", "count": 2, "prompt": 3, "output": {"uniform": [1, 4]}}

LOGGED_WORKLOAD: Document = yaml.safe_load("""
file: data/requests.csv
format: csv
columns: {arrival: arrival, prompt: "2", output: output}
time_unit: s
start: 1 s
limit: 2
stretch: 3
most_prompt: 40
most_output: 7
""")

OTHER_MODELS: tuple[Document, ...] = ({"preset": "tinyllama-1.1b"}, {"config": "data/model.json"})

PARTS: Document = {
    "experts": 8, "active_experts": 2, "expert_width": 5, "shared_experts": 1, "dense_layers": 1,
    "kv_rank": 6, "rope_size": 2, "nope_size": 4, "query_rank": 3, "input_weights": 999,
    "window": 7, "window_layers": 2,
}  # fmt: skip
"""Optional parts of a shape."""

ENGINE: Document = yaml.safe_load("""
profile: llama.cpp-rpc
pipeline: {hops: direct, back: chain, result: token, micro_batch: 4, delays: 2, stage_syncs: 1.5}
cost:
  wire: {hidden: 2.0, partial_sum: 4.0, embedding: 4.0, logits: 4.0, top_k: 10}
  engine: {layer_bytes: 10.0, lm_head_reads: 2.0, attention_work: 3.0, expert_reads: 1.5, expert_work: 2.5}
""")
"""An engine profile, and all its parts in place of those of the profile."""

FILES = {
    "data/log.txt": "0 10\n250 20\n500 0\n",
    "data/requests.csv": "arrival [s],prompt,output\n0,1,1\n2,30,9\n3.5,50,6\n9,9,9\n",
    "data/load.csv": "cpu [%],time [s],note\n10,0,\n20,1,\n30,1,\n40,99,\n",
    "data/runs.csv": "run,rate [MB/s]\n1,1\n2,3\n2,4\n",
    "data/churn.txt": "x/anna 1 0 2 500 500\nx/bert 0 0 2 1000 2000\n",
    "data/up.mahimahi": "1\n2\n2\n4\n",
    "data/lab.json": json.dumps(
        {"nodes": [{"id": "a", "pos": 1}, {"id": "b"}], "edges": [{"source": "a", "target": "b"}]}
    ),
    "data/library.yaml": "devices: {our-pi: {like: raspberry-pi-5-8gb, title: ours}}",
    "data/model.json": '{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 128,'
    ' "vocab_size": 100}',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def load(folder: Path, document: Document, **options: Any) -> Scenario:
    """The scenario of a document; JSON is YAML too."""
    path = folder / "lab.yaml"
    path.write_text(json.dumps(document, indent=1))
    return load_scenario(path, **options)


def merged(base: Document, changes: Document) -> Document:
    """A copy of `base` with some values replaced, those in nested mappings one by one."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def small(folder: Path, changes: Document, **options: Any) -> Scenario:
    return load(folder, merged(SMALL, changes), **options)


def rate(folder: Path, bandwidth: object) -> Trace:
    """What the only link's bandwidth becomes."""
    return rate_of(small(folder, {"links": {"wire": {"bandwidth": bandwidth}}}).cluster.links[0])


def same(one: Trace | None, other: Trace) -> bool:
    return one is not None and (
        np.array_equal(one.times, other.times)
        and np.array_equal(one.values, other.values)
        and (one.end, one.duration) == (other.end, other.duration)
    )


# Every key


def keys_of(section: type[pydantic.BaseModel]) -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        yield section.__name__, name
        for inner in sections_in(field.annotation, *field.metadata):
            yield from keys_of(inner)


def sections_in(*annotations: Any) -> Iterator[type[pydantic.BaseModel]]:
    for annotation in annotations:
        if annotation is schema.SyntheticTrace:
            yield from schema.synthetic_sections()
        elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            yield annotation
        yield from sections_in(*typing.get_args(annotation))


def keys_set(section: object) -> Iterator[tuple[str, str]]:
    """The keys that a file really wrote, in a section and in all below it."""
    if isinstance(section, pydantic.BaseModel):
        for name in section.model_fields_set:
            yield type(section).__name__, name
            yield from keys_set(getattr(section, name))
    elif isinstance(section, Mapping):
        for value in section.values():
            yield from keys_set(value)
    elif isinstance(section, list):
        for value in section:
            yield from keys_set(value)


def test_the_scenarios_here_use_every_key_of_the_schema(folder: Path) -> None:
    big = {"devices": {name: {"memory": "16 GB"} for name in SMALL["devices"]}}
    documents = [LARGE, merged(SMALL, NETWORKS), merged(SMALL, RECORDED), RANDOM]
    documents.append(merged(merged(SMALL, NETWORKS), NAMED))
    documents += [SMALL | {"workload": workload} for workload in (OTHER_WORKLOAD, LOGGED_WORKLOAD)]
    documents += [merged(SMALL, big) | {"model": model} for model in OTHER_MODELS]
    documents += [merged(SMALL, {"model": {"shape": PARTS}}), merged(SMALL, ENGINE)]
    for document in documents:
        load(folder, document)
    used = {key for document in documents for key in keys_set(schema.ScenarioFile.model_validate(document))}
    assert used == set(keys_of(schema.ScenarioFile))


def test_a_log_is_taken_from_its_start_stretched_and_cut_off(folder: Path) -> None:
    world = load(folder, SMALL | {"workload": LOGGED_WORKLOAD})
    assert [(r.arrival_s, r.prompt, r.output) for r in world.requests] == [(0.0, 30, 7), (4.5, 40, 6)]


def test_keys_arrive_in_the_scenario(folder: Path) -> None:
    world = load(folder, LARGE)
    assert (world.name, world.seed) == ("everything", 11)
    assert world.text == (folder / "lab.yaml").read_text()
    model = world.model
    assert (model.layers, model.width, model.heads, model.kv_heads) == (3, 60, 6, 2)
    assert (model.head_size, model.ffn_width, model.gated_ffn, model.vocabulary) == (16, 100, True, 50)
    assert (model.bytes_per_weight, model.bytes_per_kv, model.bytes_per_activation) == (0.5625, 1.0, 4.0)
    assert world.cost == PaperCost(model, 0.8, ffn_shards=3, projection="sharded")
    assert (world.execution, world.device_time) == ("sharded", "roofline")
    assert world.step_graphs.pattern.name == "sharded"
    assert world.block_table.shards.shape == (3, 3)
    assert (world.blocks.embed, world.blocks.lm_head) == (True, False)
    assert world.placement is not None
    where = {
        name: world.cluster.names[at]
        for name, at in zip(world.block_table.names, world.placement, strict=True)
    }
    assert {name for name, device in where.items() if device == "pi-1"} == {"L0.head1", "L1.head1"}
    assert set(where.values()) == {"pi-1", "box"}
    assert [(r.prompt, r.output, r.arrival_s) for r in world.requests] == [(3, 5, 0.0), (2, 4, 1.5)]
    assert (world.controller.interval, world.controller.on_infeasible) == (2, "fail")
    assert (world.controller.horizon, world.controller.moves) == (50, "serial")
    assert world.controller.triggers == TriggerOptions(overflow=False, slowdown=0.5, misprediction=0.25)
    assert world.controller.forecast == ForecastOptions(
        memory="oracle", availability="mean", rates="seasonal", outages="last",
        span_s=30.0, step_s=0.5, season_s=86400.0,
    )  # fmt: skip
    assert world.memory.overflow == "swap"
    assert world.controller.decision_time == 0.005
    assert world.controller.window_s == 0.25
    assert [(p.name, p.label, p.parameters) for p in world.policies] == [
        ("greedy", "greedy", {}),
        ("resource-aware", "eager", {"deadline_s": 2.0}),
    ]
    for number, choice in enumerate(world.policies):
        assert choice.where.startswith(f"{folder / 'lab.yaml'}:")
        assert choice.where.endswith(f": policies.{number}")


def test_keys_arrive_in_the_devices(folder: Path) -> None:
    cluster = load(folder, LARGE).cluster
    assert cluster.names == ("pi-1", "pi-2", "pi-3", "box")
    assert cluster.source == "box"
    for pi in cluster.devices[:3]:
        assert (pi.memory_bytes, pi.flops, pi.memory_bandwidth) == (4 * 2**30, 30e9, 8e9)
        assert (pi.overhead_s, pi.disk_bandwidth, pi.discipline) == (20e-6, 90e6, "ps")
        assert same(pi.used_bytes, Trace.constant(512e6))
        assert (pi.availability.end, pi.availability.duration) == ("loop", 8.0)
        assert len(pi.availability.times) == 8
    box = cluster.devices[3]
    assert (box.memory_bytes, box.flops, box.memory_bandwidth) == (16e9, 1e12, float("inf"))
    assert (box.overhead_s, box.disk_bandwidth) == (0.0, 1e9)
    assert same(box.used_bytes, Trace([0, 50, 80], [2e9, 4e9, 2e9], "loop", 90))
    load_of_others = read(shipped("cpu-load.csv"), "fraction", end="loop")
    spared = scaled(shifted(load_of_others, 60.0), 0.5)
    for t, left in ((9.5, 1.0), (10.5, 0.3), (19.5, 0.3), (20.5, 1.0), (610.5, 1.0)):
        assert box.availability.value(t) == pytest.approx(spared.value(t) * left)
    for pi in cluster.devices[:3]:
        assert same(pi.up, Trace([0, 10, 25], [1, 0, 1]))
    assert same(box.up, Trace.constant(1.0))
    radio = next(link for link in cluster.links if link.name == "radio")
    assert same(radio.up, Trace([0, 5], [1, 0], "loop", 6))


def test_what_is_said_of_recorded_traces_arrives_at_their_readers(folder: Path) -> None:
    busy, churning = load(folder, merged(SMALL, RECORDED)).cluster.devices
    assert same(busy.availability, Trace([0, 1, 11], [0.9, 0.75, 0.6]))
    assert same(churning.availability, Trace([0, 1], [0, 1], "loop", 3))
    unsaid = merged(
        SMALL, {"devices": {"a": {"availability": {"file": "data/vm.txt", "format": "planetlab"}}}}
    )
    (folder / "data/vm.txt").write_text("1\n5\n2\n")
    with pytest.raises(
        InputError, match=r"devices.a.availability.file: .*vm.txt.*true for the share that they leave"
    ):
        load(folder, unsaid)


def test_keys_arrive_in_the_links(folder: Path) -> None:
    links = load(folder, LARGE).cluster.links
    assert [(link.name, link.ends) for link in links] == [
        ("cell:pi-1-pi-2", ("pi-1", "pi-2")),
        ("cell:pi-1-pi-3", ("pi-1", "pi-3")),
        ("cell:pi-2-pi-3", ("pi-2", "pi-3")),
        ("radio", ("pi-2", "box")),
        ("air:ap-pi-1", ("ap", "pi-1")),
        ("air:ap-pi-2", ("ap", "pi-2")),
        ("air:ap-pi-3", ("ap", "pi-3")),
        ("air:box-ap", ("box", "ap")),
    ]
    for link in links[:3]:
        assert (link.latency_s, link.overhead_s) == (2e-3, 100e-6)
        assert same(link.bandwidth, Trace([0, 0.25, 0.5], [1.25e6, 2.5e6, 0], "zero", 0.75))
        assert link.medium is None
    assert (links[3].latency_s, links[3].overhead_s) == (0.0, 0.0)
    assert same(links[3].bandwidth, scaled(shifted(read(folder / "data/up.mahimahi", "rate"), 1e-3), 0.25))
    for link in links[4:]:
        assert (link.bandwidth, link.medium, link.latency_s) == (None, "wifi", 4e-3)


def test_relays_media_and_routes_arrive(folder: Path) -> None:
    cluster = load(folder, LARGE).cluster
    assert cluster.relays == ("ap",)
    assert [medium.name for medium in cluster.media] == ["wifi"]
    assert same(cluster.media[0].bandwidth, read(shipped("wifi-near.csv"), "rate", end="loop"))
    assert cluster.pinned == (("pi-1", "ap", "box"),)
    assert cluster.routes[0][3].links == (4, 7)  # type: ignore[union-attr]
    pi, box = cluster.devices[0], cluster.devices[3]
    assert same(pi.nic_up, Trace.constant(37.5e6))
    assert same(pi.nic_down, Trace([0, 1], [37.5e6, 12.5e6]))
    assert (box.nic_up, box.nic_down) == (None, None)


# Devices and links


@given(a=st.integers(1, 6), b=st.integers(1, 6))
@SHARED_FOLDER
def test_all_joins_every_pair_of_devices_once(a: int, b: int, folder: Path) -> None:
    devices = {"a": {"count": a}, "b": {"count": b}}
    cluster = small(folder, {"devices": devices, "links": {"wire": {"connect": "all"}}}).cluster
    n = a + b
    assert len(cluster.devices) == n
    assert len({frozenset(link.ends) for link in cluster.links}) == len(cluster.links) == n * (n - 1) // 2


@given(a=st.integers(1, 5), b=st.integers(1, 5))
@SHARED_FOLDER
def test_a_pair_of_groups_joins_each_of_one_to_each_of_the_other(a: int, b: int, folder: Path) -> None:
    devices = {"a": {"count": a}, "b": {"count": b}, "hub": SMALL["devices"]["a"]}
    links = {"wire": {"connect": [["a", "b"], ["hub", "a"]]}}
    cluster = small(folder, {"devices": devices, "links": links}).cluster
    ends = [frozenset(link.ends) for link in cluster.links]
    assert len(ends) == len(set(ends)) == a * b + a
    assert sum("hub" in pair for pair in ends) == a


def test_a_member_of_a_group_can_be_named_alone(folder: Path) -> None:
    changes = {"devices": {"a": {"count": 2}}, "links": {"wire": {"connect": [["a-2", "b"], ["a", "a-1"]]}}}
    cluster = small(folder, changes).cluster
    assert [link.ends for link in cluster.links] == [("a-2", "b"), ("a-2", "a-1")]


def test_one_device_needs_no_links(folder: Path) -> None:
    document = copy.deepcopy(SMALL)
    del document["links"], document["devices"]["b"]
    assert load(folder, document).cluster.links == ()


def test_the_first_device_is_the_source(folder: Path) -> None:
    assert small(folder, {}).cluster.source == "a"
    assert small(folder, {"source": "b"}).cluster.source == "b"
    assert (
        small(folder, {"devices": {"a": {"count": 2}}, "links": {"wire": {"connect": "all"}}}).cluster.source
        == "a-1"
    )


@pytest.mark.parametrize("name", ["no", "on", "yes", "y", "0x1", "1_0", "2024-01-31", "a.b-c_d", "1e"])
def test_names_that_older_yaml_takes_for_something_else(name: str, tmp_path: Path) -> None:
    device = "{memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}"
    text = (
        f"name: {name}\nsource: {name}\nmodel: {{shape: {{layers: 1, width: 8, heads: 2}}}}\n"
        f"devices:\n  other: {device}\n  {name}: {device}\n"
        f"links: {{{name}: {{connect: [[{name}, other]], bandwidth: 1 MB/s}}}}\nworkload: [{{prompt: 1, output: 1}}]\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    world = load_scenario(tmp_path / "s.yaml")
    assert (world.name, world.cluster.source, world.cluster.links[0].ends) == (name, name, (name, "other"))


# Quantities and traces


@pytest.mark.parametrize(
    ("spelling", "bytes_per_s"),
    [
        ("8 bit/s", 1.0),
        ("8 Mbit/s", 1e6),
        ("8Mbit/s", 1e6),
        ("0.008 Gbit/s", 1e6),
        ("8e3 kbit/s", 1e6),
        ("1 MB/s", 1e6),
        ("1 MiB/s", 2.0**20),
        ("  1   MB/s ", 1e6),
        ("0 B/s", 0.0),
    ],
)
def test_spellings_of_a_rate(spelling: str, bytes_per_s: float, folder: Path) -> None:
    assert same(rate(folder, spelling), Trace.constant(bytes_per_s))


@pytest.mark.parametrize("share", [0.25, "0.25", "25 %", "25%"])
def test_spellings_of_a_share(share: object, folder: Path) -> None:
    device = small(folder, {"devices": {"a": {"availability": share}}}).cluster.devices[0]
    assert same(device.availability, Trace.constant(0.25))


@pytest.mark.parametrize(
    ("latency", "seconds"), [("2 ms", 2e-3), ("2 us", 2e-6), ("2 µs", 2e-6), ("1 min", 60.0)]
)
def test_spellings_of_a_time(latency: str, seconds: float, folder: Path) -> None:
    assert small(folder, {"links": {"wire": {"latency": latency}}}).cluster.links[0].latency_s == seconds


def test_steps(folder: Path) -> None:
    steps = [["0 s", "8 Mbit/s"], ["500 ms", "0 B/s"], ["1 min", "2 MB/s"]]
    assert same(rate(folder, {"steps": steps}), Trace([0, 0.5, 60], [1e6, 0, 2e6]))
    assert same(
        rate(folder, {"steps": steps, "end": "zero", "duration": "2 min"}),
        Trace([0, 0.5, 60], [1e6, 0, 2e6], "zero", 120),
    )


@pytest.mark.parametrize("name", [name for name in shipped_names() if name != "cpu-load.csv"])
def test_shipped_traces(name: str, folder: Path) -> None:
    assert same(rate(folder, {"shipped": name}), read(shipped(name), "rate"))
    assert same(rate(folder, {"shipped": name, "end": "loop"}), read(shipped(name), "rate", end="loop"))


def test_files_are_looked_for_beside_the_scenario(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = merged(SMALL, {"links": {"wire": {"bandwidth": {"file": "data/up.mahimahi"}}}})
    (folder / "lab.yaml").write_text(json.dumps(document))
    expected = read(folder / "data/up.mahimahi", "rate")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert same(load_scenario(folder / "lab.yaml").cluster.links[0].bandwidth, expected)
    monkeypatch.chdir(folder)
    assert same(load_scenario("lab.yaml").cluster.links[0].bandwidth, expected)


WALK = {"walk_mean": "8 Mbit/s", "sigma": 0.3, "step": "1 s", "duration": "20 s"}


def walks(folder: Path, changes: Document, **options: Any) -> dict[str, bytes]:
    """The values of every link's walk."""
    links = {"wire": {"connect": "all", "bandwidth": WALK}}
    cluster = small(folder, merged({"links": links}, changes), **options).cluster
    return {link.name: link.bandwidth.values.tobytes() for link in cluster.links if link.bandwidth}


def test_every_link_and_device_walks_on_its_own(folder: Path) -> None:
    share = {**WALK, "walk_mean": 0.1, "sigma": 0.1}
    devices = {"a": {"count": 3, "availability": share}, "b": {"count": 2, "availability": share}}
    cluster = small(
        folder, {"devices": devices, "links": {"wire": {"connect": "all", "bandwidth": WALK}}}
    ).cluster
    rates = [link.bandwidth for link in cluster.links if link.bandwidth]
    traces = rates + [device.availability for device in cluster.devices]
    assert len({trace.values.tobytes() for trace in traces}) == len(traces) == 10 + 5
    logs = np.log(np.array([rate.values for rate in rates]))
    assert abs(np.corrcoef(logs) - np.eye(10)).max() < 0.95


def test_one_seed_gives_one_world_and_another_seed_another(folder: Path) -> None:
    assert walks(folder, {"seed": 3}) == walks(folder, {"seed": 3}) == walks(folder, {"seed": 4}, seed=3)
    assert walks(folder, {"seed": 3}) != walks(folder, {"seed": 4})
    assert walks(folder, {}) == walks(folder, {"seed": 0})
    assert small(folder, {"seed": 4}, seed=3).seed == 3


def test_what_is_added_to_a_scenario_leaves_its_walks_alone(folder: Path) -> None:
    """Streams go by name and not by the order of use, so a comparison of two worlds is paired."""
    devices = {"a": {"count": 3}}
    before = walks(folder, {"devices": devices})
    added = {"c": {**SMALL["devices"]["a"], "memory_used": {**WALK, "walk_mean": "1 MB"}}}
    after = walks(
        folder,
        {"devices": {**added, **devices}, "links": {"new": {"connect": [["c", "a"]], "bandwidth": WALK}}},
    )
    assert len(before) == 6
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_beyond_its_bounds_is_told(seed: int, folder: Path) -> None:
    with pytest.raises(InputError, match=rf"^seed: got {seed}; expected a whole number from 0"):
        small(folder, {}, seed=seed)


# Models, costs and blocks


def test_a_shape_fills_in_what_follows_from_the_rest(folder: Path) -> None:
    model = small(folder, {}).model
    assert (model.kv_heads, model.head_size, model.ffn_width) == (4, 16, 256)
    assert (model.gated_ffn, model.vocabulary, model.name) == (False, 0, "lab")
    assert (model.bytes_per_weight, model.bytes_per_kv, model.bytes_per_activation) == (2.0, 2.0, 2.0)


def test_a_head_size_frees_the_width_from_the_heads(folder: Path) -> None:
    assert small(folder, {"model": {"shape": {"width": 65, "head_size": 10}}}).model.head_size == 10


def test_a_shape_with_experts_latent_attention_and_windows_has_these_parts(folder: Path) -> None:
    model = small(folder, {"model": {"shape": PARTS}}).model
    assert model.experts == Experts(count=8, active=2, width=5, shared=1, dense_layers=1)
    assert model.latent == LatentAttention(kv_rank=6, rope_size=2, nope_size=4, query_rank=3)
    assert model.window == Window(size=7, layers=2)
    assert (model.kv_heads, model.input_weights) == (1, 999)


def with_model(folder: Path, model: Document) -> Scenario:
    big = {name: {"memory": "16 GB"} for name in "ab"}
    return load(folder, {**merged(SMALL, {"devices": big}), "model": model})


def test_a_model_comes_from_a_preset_or_a_config(folder: Path) -> None:
    assert with_model(folder, {"preset": "tinyllama-1.1b"}).model == PRESETS["tinyllama-1.1b"]
    assert with_model(folder, {"config": "data/model.json"}).model == from_config(folder / "data/model.json")


@pytest.mark.parametrize("model", OTHER_MODELS, ids=lambda model: next(iter(model)))
def test_number_formats_take_the_place_of_the_models_own(model: Document, folder: Path) -> None:
    own = with_model(folder, model).model
    changed = with_model(folder, {**model, "bytes_per_kv": 1}).model
    assert (changed.bytes_per_weight, changed.bytes_per_kv) == (own.bytes_per_weight, 1.0)
    assert changed.bytes_per_activation == own.bytes_per_activation
    assert with_model(folder, {**model, "bytes_per_weight": 0.5625}).model.bytes_per_weight == 0.5625


@pytest.mark.parametrize(
    ("cost", "vocabulary", "blocks", "expected"),
    [
        ("decode", 50, {}, (True, True)),
        ("decode", 0, {}, (False, False)),
        ("paper", 50, {}, (False, False)),
        ("paper", 50, {"embed": True}, (True, False)),
        ("decode", 50, {"embed": False}, (False, True)),
        ("decode", 50, {"lm_head": False}, (True, False)),
    ],
)
def test_embedding_and_output_head_are_blocks_by_default_under_decode(
    cost: str, vocabulary: int, blocks: Document, expected: tuple[bool, bool], folder: Path
) -> None:
    changes = {"cost": {"model": cost}, "blocks": blocks, "model": {"shape": {"vocabulary": vocabulary}}}
    world = small(folder, changes)
    assert (world.blocks.embed, world.blocks.lm_head) == expected
    assert (world.block_table.embed is not None, world.block_table.lm_head is not None) == expected


def test_costs(folder: Path) -> None:
    world = small(folder, {})
    assert world.cost == DecodeCost(world.model)
    world = small(folder, {"cost": {"model": "paper"}})
    assert world.cost == PaperCost(world.model, 8.0)


# Controller, policies, name


@pytest.mark.parametrize(
    ("written", "means"), [("free", "free"), ("measured", "measured"), ("0 s", 0.0), ("1 h", 3600.0)]
)
def test_forms_of_decision_time(written: str, means: object, folder: Path) -> None:
    assert small(folder, {"controller": {"decision_time": written}}).controller.decision_time == means


def test_the_controller_of_the_paper_is_one_line(folder: Path) -> None:
    paper = {"horizon": "interval", "triggers": "none", "moves": "serial", "warm_copies": False}
    assert small(folder, {"controller": paper}).controller == PAPER_CONTROLLER


def test_one_method_is_the_forecast_of_everything(folder: Path) -> None:
    oracle = ForecastOptions(memory="oracle", availability="oracle", rates="oracle", outages="oracle")
    assert small(folder, {"controller": {"forecast": "oracle"}}).controller.forecast == oracle
    assert small(folder, {"controller": {"forecast": "none"}}).controller == ControllerOptions()


def test_defaults_of_the_controller(folder: Path) -> None:
    world = small(folder, {})
    assert (world.controller, world.memory) == (ControllerOptions(), MemoryOptions())
    assert (world.controller.interval, world.controller.on_infeasible) == (1, "keep")
    assert (world.controller.decision_time, world.memory.overflow) == ("free", "fail")
    assert (world.policies, world.seed) == ((), 0)


def test_one_policy_twice_under_two_labels(folder: Path) -> None:
    chosen = ["static", {"name": "static", "label": "again"}]
    assert [choice.label for choice in small(folder, {"policies": chosen}).policies] == ["static", "again"]


def test_a_scenario_without_a_name_has_the_name_of_its_file(folder: Path) -> None:
    assert small(folder, {}).name == "lab"
    assert small(folder, {"name": "x.1"}).name == "x.1"


def test_a_file_name_that_is_no_text_gives_a_name_that_is(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.yaml"
    path.write_text(json.dumps(SMALL))
    assert load_scenario(path).name == "caf-"


# Shipped scenarios


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_load_and_name_known_policies(name: str) -> None:
    world = load_scenario(shipped_scenario(name))
    assert world.name == name
    for choice in world.policies:
        assert policies.from_choice(choice).name == choice.name


def test_an_unknown_shipped_scenario_is_told() -> None:
    with pytest.raises(InputError, match="did you mean 'home-cluster'"):
        shipped_scenario("home-clutser")


def test_the_name_of_a_shipped_scenario_is_no_path_and_the_way_to_its_path_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"shipped_scenario\('home-cluster'\)"):
        load_scenario("home-cluster")


@pytest.mark.parametrize("document", [SMALL, LARGE, RANDOM], ids=["small", "large", "random"])
def test_the_scenarios_here_can_be_run(document: Document, folder: Path) -> None:
    world = load(folder, document)
    assert simulate(world, policies.create("greedy")).runs["tokens"].item() > 0
