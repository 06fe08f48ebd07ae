"""An engine profile in a scenario file is the same as its parts as keys; the keys of the file win."""

from pathlib import Path
from typing import Any

import pytest

from headway.analysis.experiments.identity import digest
from headway.simcore import DecodeCost, Payload, Scenario, build_scenario, dump_scenario, load_scenario
from headway.simcore.files.library import device_entry
from headway.simcore.files.profiles import profiles
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.profile import REFERENCE_SYNC_S
from headway.traces import Trace

Values = dict[str, Any]

WORLD: Values = {
    "model": {"shape": {"layers": 2, "width": 64, "heads": 4, "ffn_width": 96, "vocabulary": 100}},
    "devices": {"a": {"memory": "1 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "1 GB/s", "count": 3}},
    "links": {"lan": {"connect": "all", "bandwidth": "1 Gbit/s"}},
    "workload": [{"prompt": 4, "output": 3}],
}


def world(**changes: Any) -> Scenario:
    return build_scenario(WORLD | changes)


def decode_cost(scenario: Scenario) -> DecodeCost:
    assert isinstance(scenario.cost, DecodeCost)
    return scenario.cost


@pytest.mark.parametrize("name", sorted(profiles()))
def test_a_scenario_has_all_parts_of_its_profile(name: str) -> None:
    used, scenario = profiles()[name], world(profile=name)
    plain = world().cluster.devices[0]
    device = scenario.cluster.devices[0]
    assert PATTERNS.find(scenario.execution or "gathered") == used.execution
    assert (decode_cost(scenario).wire, decode_cost(scenario).engine) == (used.wire, used.work)
    assert scenario.model.bytes_per_kv == (used.bytes_per_kv or world().model.bytes_per_kv)
    assert device.memory_bandwidth == plain.memory_bandwidth * used.efficiency
    assert device.kv_bandwidth == plain.memory_bandwidth * used.kv_efficiency
    assert device.sync_s == used.sync_s
    sharded = decode_cost(scenario).projection == "sharded"
    assert scenario.cost.ffn_shards == (3 if sharded else 1)


@pytest.mark.parametrize("name", ["distributed-llama-0.11", "llama.cpp-rpc", "petals"])
def test_a_written_scenario_has_the_parts_of_the_profile(name: str, tmp_path: Path) -> None:
    scenario, path = world(profile=name), tmp_path / "written.yaml"
    path.write_text(dump_scenario(scenario), encoding="utf-8")
    assert digest(load_scenario(path)) == digest(scenario)


def test_keys_of_the_file_win() -> None:
    scenario = world(
        profile="distributed-llama-0.11",
        execution="ring",
        model=WORLD["model"] | {"bytes_per_kv": 2.0},
        cost={"ffn_shards": 2, "wire": {"hidden": 2.0}, "engine": {"attention_work": 1.0}},
    )
    cost = decode_cost(scenario)
    assert scenario.execution == "ring"
    assert scenario.model.bytes_per_kv == 2.0
    assert (cost.ffn_shards, cost.wire.hidden, cost.wire.embedding) == (2, 2.0, 4.0)
    assert (cost.engine.attention_work, cost.engine.layer_bytes) == (1.0, 0.0)


def test_options_of_a_pipeline_change_the_one_of_the_profile() -> None:
    scenario = world(profile="llama.cpp-rpc", pipeline={"micro_batch": 16})
    assert scenario.execution == Pipeline(hops="source", result=Payload.LOGITS, micro_batch=16)
    assert world(execution="pipeline", pipeline={"delays": 2}).execution == Pipeline(delays=2)
    assert world(execution="pipeline").execution == "pipeline"


def test_the_time_of_a_message_scales_with_that_of_the_device_in_the_library() -> None:
    devices = {
        "pi": {"device": "raspberry-pi-4-8gb"},
        "own": WORLD["devices"]["a"] | {"sync": "68 us", "count": 1},
    }
    slow, own = world(profile="distributed-llama-0.3", devices=devices).cluster.devices
    library = device_entry("raspberry-pi-4-8gb").sync
    assert library is not None
    times = library.amount / REFERENCE_SYNC_S
    assert slow.sync_s == pytest.approx(profiles()["distributed-llama-0.3"].sync_s * times)
    assert own.sync_s == 68e-6  # that of the file


def test_other_devices_are_slower_than_the_root_by_the_skew() -> None:
    used = profiles()["distributed-llama-0.11"]
    root, other, _ = world(profile=used.name).cluster.devices
    assert root.memory_bandwidth == pytest.approx(other.memory_bandwidth * (1 + used.skew))
    assert root.kv_bandwidth is not None
    assert other.kv_bandwidth is not None
    assert root.kv_bandwidth == pytest.approx(other.kv_bandwidth * (1 + used.kv_skew))


def test_messages_take_a_share_of_the_latency() -> None:
    links: Values = {"lan": {"connect": "all", "bandwidth": "1 Gbit/s", "latency": "2 ms"}}
    used = profiles()["distributed-llama-0.11"]
    assert world(profile=used.name, links=links).cluster.links[0].latency_s == 2e-3 * used.delay_share
    stepped = links["lan"] | {"latency": {"steps": [["0 s", "2 ms"], ["1 s", "4 ms"]]}}
    latency = world(profile=used.name, links={"lan": stepped}).cluster.links[0].latency_s
    assert isinstance(latency, Trace)
    assert latency.value(1.5) == pytest.approx(4e-3 * used.delay_share)


def test_number_formats_of_messages_count_in_their_size() -> None:
    cost = decode_cost(
        world(cost={"wire": {"hidden": 1.0625, "partial_sum": 3.0, "logits": 4.0, "top_k": 5}})
    )
    sizes = cost.step(one_sequence(4, 1)).message_bytes
    assert sizes[Payload.HIDDEN] == 64 * 1.0625
    assert sizes[Payload.PARTIAL_SUM] == 64 * 3.0
    assert sizes[Payload.LOGITS] == 5 * (4.0 + 4.0)
    assert sizes[Payload.EMBEDDING] == 64 * 2.0  # as the model's activations


def test_a_scenario_takes_the_costs_of_its_profile_from_its_library(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("profiles: {distributed-llama-0.3: {layer_bytes: 7, sync: 3 ms}}")
    path = tmp_path / "scenario.yaml"
    path.write_text(
        """
library: lab.yaml
profile: distributed-llama-0.3
model: {preset: tinyllama-1.1b}
devices: {pi: {device: raspberry-pi-5-8gb, count: 2}}
links: {lan: {connect: all, link: ethernet-1g}}
workload: [{prompt: 2, output: 2}]
"""
    )
    scenario = load_scenario(path)
    assert isinstance(scenario.cost, DecodeCost)
    assert scenario.cost.engine.layer_bytes == 7.0
    assert {device.sync_s for device in scenario.cluster.devices} == {0.003}
