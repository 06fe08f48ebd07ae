"""The scenario of a row has the devices, the network, the engine and the work that its texts say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headway.analysis.fidelity.engines import engine_of, execution_of
from headway.analysis.fidelity.interpret import interpret
from headway.analysis.fidelity.known import load_known
from headway.analysis.fidelity.last_step import predicted, simulated
from headway.analysis.fidelity.predict_row import predict_row
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.worlds import World, split_evenly, world_of
from headway.simcore import Kind, one_sequence, preset
from headway.simcore.steps.patterns.pipeline import Pipeline

KNOWN = load_known()
BASE = Row(
    id="r", line=2, system="distributed-llama", version="0.16.0", devices="Raspberry Pi 5 8GB", n_devices="4",
    model="Llama 3 8B", weights_precision="Q40", wire_precision="Q80", kv_precision="F32", network="1 GbE",
    parallelism="tensor", phase="decode", context_or_tokens="context position 100",
)  # fmt: skip
SINGLE = {"n_devices": "1", "parallelism": "single", "network": "none"}
RPC = {
    "system": "llama.cpp RPC",
    "version": "",
    "parallelism": "pipeline (layer split)",
    "wire_precision": "",
}


def row(**changes: Any) -> Row:
    return replace(BASE, **changes)


def world(**changes: str) -> World:
    one = row(**changes)
    return world_of(one, interpret(one), KNOWN)


def numbers(**changes: str) -> dict[str, float]:
    return {
        one.quantity: one.predicted for one in predict_row(row(**changes), KNOWN) if one.predicted is not None
    }


@pytest.mark.parametrize(
    ("system", "version", "parallelism", "profile"),
    [
        ("distributed-llama", "0.1.0", "tensor", "distributed-llama-0.1"),
        ("distributed-llama", "pre-0.1.0 (Jan 2024)", "tensor", "distributed-llama-0.1"),
        ("distributed-llama", "0.3.0/0.3.1", "tensor", "distributed-llama-0.3"),
        ("distributed-llama", "0.7.0", "tensor", "distributed-llama-0.5"),
        ("distributed-llama", "0.7.1", "tensor", "distributed-llama-0.7"),
        ("distributed-llama", "0.10.6", "tensor", "distributed-llama-0.7"),
        ("distributed-llama", "PR136 (0.11.0)", "tensor", "distributed-llama-0.11"),
        ("distributed-llama", "", "single", "distributed-llama-0.11"),
        ("llama.cpp RPC", "", "pipeline (layer split)", "llama.cpp-rpc"),
        ("llama.cpp (llama-bench)", "b7000", "single", "llama.cpp"),
        ("ollama", "", "single", "llama.cpp"),
        ("exo (Dec 2024)", "", "pipeline", "exo-2024"),
        ("exo 1.0 (MLX)", "", "pipeline", "exo"),
        ("exo 1.0 (MLX)", "", "tensor", "exo-tensor-ring"),
        ("prima.cpp", "", "pipeline ring", "prima.cpp"),
        ("Petals", "", "pipeline", "petals"),
        ("an engine of my own", "", "tensor", "tensor-parallel"),
        ("an engine of my own", "", "pipeline", "python-pipeline"),
        ("an engine of my own", "", "single", "unknown-engine"),
    ],
)
def test_systems_and_versions_have_profiles(
    system: str, version: str, parallelism: str, profile: str
) -> None:
    one = row(system=system, version=version, parallelism=parallelism)
    assert engine_of(one, execution_of(one), "ethernet-1g").profile == profile


def test_tensor_parallel_over_rdma_is_a_mesh() -> None:
    one = row(system="exo 1.0 (MLX)", parallelism="tensor")
    assert engine_of(one, execution_of(one), "rdma-thunderbolt-5").profile == "exo-tensor"


def test_bytes_of_four_boards_are_those_of_the_protocol() -> None:
    # Three peers get 2 x 32 sums of 4,352 B and a row of 16,384 B, and send the sums and a quarter of the scores each.
    found = numbers()
    assert found["bytes_sent"] == 3 * (64 * 4352 + 16384) // 1024 == 864
    assert found["bytes_received"] == 3 * (64 * 4352 + 128256) // 1024 == 1191


def test_a_token_takes_longer_in_a_line_with_the_context() -> None:
    contexts = np.array([125, 1000, 2375])
    found = [numbers(context_or_tokens=f"context position {n}") for n in contexts]
    device = KNOWN.devices.find("raspberry-pi-5-8gb")
    assert device.kv_bandwidth is not None
    per_node = 2 * 32 * 1024 * 4 / 4  # bytes of F32 keys and values of a position on one of four nodes
    slope = np.diff([one["compute"] for one in found]) / np.diff(contexts)
    assert slope == pytest.approx(1e3 * per_node / device.kv_bandwidth.amount, rel=1e-6)
    totals = np.diff([one["total"] for one in found]) / np.diff(contexts)
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    skew = KNOWN.profiles["distributed-llama-0.11"].kv_skew
    assert totals == pytest.approx(slope * (1 + skew), rel=1e-6)  # the root waits for the slowest node


def test_the_cache_is_counted_at_its_true_size() -> None:
    one = world(context_or_tokens="context position 100")
    scenario = one.scenario(100, 2)
    empty, full = (scenario.cost.step(one_sequence(n, 0)).memory_bytes[Kind.HEAD] for n in (100, 1100))
    assert full - empty == 1000 * 2 * 128 * 4  # keys and values of one of eight K/V heads in a layer
    assert scenario.model.kv_bytes_per_token == 2 * 32 * 8 * 128 * 4


def test_one_device_sends_nothing() -> None:
    found = numbers(**SINGLE)
    assert (found["bytes_sent"], found["bytes_received"]) == (0, 0)
    assert found["total"] == pytest.approx(found["compute"])


def test_a_client_has_the_last_layers_and_gets_hidden_states() -> None:
    one = world(**RPC)
    layers = one.placement[one.scenario(1, 1).block_table.ffn]
    assert isinstance(one.execution, Pipeline)
    assert layers.tolist() == [1] * 8 + [2] * 8 + [3] * 8 + [0] * 8
    # Client to 1, back, to 2, back, to 3, back: three vectors each way.
    assert numbers(**RPC)["bytes_sent"] == numbers(**RPC)["bytes_received"] == 3 * 4 * 4096 // 1024


def test_prima_fills_the_fastest_device_first() -> None:
    cards = "RTX 3090 24GB + Raspberry Pi 5 8GB + RTX 2080Ti 11GB"
    one = world(system="prima.cpp", parallelism="pipeline ring", devices=cards, n_devices="3")
    layers = one.placement[one.scenario(1, 1).block_table.ffn]
    assert np.bincount(layers).tolist() == [30, 1, 1]


def test_two_groups_of_devices_share_an_uplink() -> None:
    near = numbers(n_devices="8")
    text = "two switches; 100 MB/s inside a group, 10 MB/s between groups"
    far = numbers(n_devices="8", network=text)
    # 16 pairs of devices send their sums over the uplink, in each direction at once.
    least_ms = 1e3 * 16 * 64 * 4352 / 10e6
    assert far["transfer"] - near["transfer"] == pytest.approx(least_ms, rel=0.15)


def test_prefill_is_divided_into_micro_batches() -> None:
    changes = {"system": "prefill-opt", "phase": "prefill", "context_or_tokens": "448 prompt tokens"}
    alone = numbers(**SINGLE | changes)["tokens_per_s"]
    four = numbers(**changes, parallelism="pipeline, microbatch 16")["tokens_per_s"]
    assert four / alone == pytest.approx(28 * 4 / (28 + 3), rel=0.03)


def test_a_prompt_behind_others_takes_longer() -> None:
    first = numbers(**SINGLE | {"phase": "prefill", "context_or_tokens": "pp512"})["tokens_per_s"]
    later = numbers(**SINGLE | {"phase": "prefill", "context_or_tokens": "pp512 at depth 4096"})[
        "tokens_per_s"
    ]
    assert later < first


@pytest.mark.parametrize(
    "changes", [{}, RPC, SINGLE, {"version": "0.1.0"}, {"system": "exo", "wire_precision": ""}]
)
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_predictions_equal_simulations(changes: dict[str, str], phase: str) -> None:
    one = world(**changes, model="TinyLlama 1.1B", phase=phase)
    output = 2 if phase == "decode" else 1
    assert predicted(one, 40, output) == pytest.approx(simulated(one, 40, output), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "devices"), [("llama-3-8b", 4), ("deepseek-v3", 4), ("qwen2.5-7b", 8), ("qwen2.5-7b", 3)]
)
def test_heads_are_split_over_any_number_of_devices(name: str, devices: int) -> None:
    model = preset(name)
    split = split_evenly(model, devices)
    assert split.kv_heads % devices == 0
    before = model.kv_heads * (model.head_weights + model.out_weights)
    assert split.kv_heads * (split.head_weights + split.out_weights) == pytest.approx(before, rel=0.02)
    whole = model.cache_numbers * model.kv_heads * model.bytes_per_kv
    each = split.cache_numbers * split.bytes_per_kv * split.kv_heads / devices
    assert each == pytest.approx(whole / min(devices, model.kv_heads), rel=0.02)


@pytest.mark.parametrize(
    ("changes", "status", "part"),
    [
        ({}, "predicted", ""),
        ({"context_or_tokens": "context position 4000"}, "extrapolated", "a context of 4000 positions"),
        ({"network": ""}, "extrapolated", "the network is not stated"),
        ({"weights_precision": ""}, "extrapolated", "the format of the weights"),
        ({"version": "0.7.1"}, "extrapolated", "distributed-llama-0.7"),
        ({"model": "an unknown model"}, "skipped", "has no preset"),
        ({"devices": "a toaster"}, "skipped", "not in the library"),
        ({"phase": "decode, 3 requests in flight"}, "skipped", "several requests"),
        ({"parallelism": "pipeline with speculative decoding"}, "skipped", "speculative"),
    ],
)
def test_every_row_has_a_status_with_its_reason(changes: dict[str, str], status: str, part: str) -> None:
    for one in predict_row(row(**changes), KNOWN):
        assert one.status == status
        assert part in one.note


def test_requests_overlap_in_a_pipeline_without_batches() -> None:
    changes = {"system": "Shardwise", "parallelism": "pipeline", "n_devices": "2", "wire_precision": ""}
    one = row(**changes)
    step = simulated(world_of(one, interpret(one), KNOWN), 100, 2)
    for requests in (1, 2, 3):
        found = numbers(**changes, phase=f"decode, {requests} requests in flight")
        between_s = max(step.total_s, requests * step.longest_s)
        assert found["total"] == pytest.approx(1e3 * between_s)
        assert found["tokens_per_s"] == pytest.approx(requests / between_s)


def test_a_delay_of_the_network_counts_once_in_a_round_trip() -> None:
    changes = {"system": "Shardwise", "parallelism": "pipeline", "n_devices": "2", "network": "1 GbE"}
    later = numbers(**changes | {"network": "1 GbE + 100 ms netem"})
    assert later["total"] - numbers(**changes)["total"] == pytest.approx(100)


def test_a_sleep_of_workers_counts_for_each_of_them() -> None:
    sleep = {"network": "1 GbE + 10 ms sleep injected before every GRAPH_COMPUTE at each RPC worker"}
    assert numbers(**RPC | sleep)["total"] - numbers(**RPC)["total"] == pytest.approx(30)


def test_the_number_of_devices_alone_is_no_extrapolation() -> None:
    assert {one.status for one in predict_row(row(n_devices="8"), KNOWN)} == {"predicted"}
