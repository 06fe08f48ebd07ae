"""Malformed files of clusters of other programs: each is refused with one sentence, and no scenario is written.

A file that Hypothesis damages becomes a scenario that Headway reads, or is refused.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Some, attempt, broken, command, damaged, examine, refused
from hypothesis import given
from test_cluster_files import EXO_STATE, EXO_TOPOLOGY, MESH_LLM, PARALLAX_NODE, PRIMA_CPP, SAMPLES

from headway.simcore import load_scenario
from headway.simcore.files.imported_scenario import Additions, imported_scenario
from headway.simcore.files.importers.clusterfile import read_cluster_file

ASSUMED = {
    "memory": "8 GiB",
    "compute": "1 TFLOP/s",
    "memory_bandwidth": "50 GB/s",
    "bandwidth": "1 Gbit/s",
    "latency": "1 ms",
}


def exo(**device: Any) -> dict[str, Any]:
    return {"peers": {"one": {"device_capabilities": device}}}


def mesh(**changes: Any) -> dict[str, Any]:
    return MESH_LLM | changes


def state(connections: Any) -> dict[str, Any]:
    return EXO_STATE | {"topology": {"nodes": ["12D3aa", "12D3bb"], "connections": connections}}


PEER = {"id": "beef", "gpus": []}
CASES: dict[str, tuple[Any, ...]] = {
    "empty": ("", "begins with ''", "a file of exo, mesh-llm, parallax or prima.cpp"),
    "text": ("hello", "'hello'"),
    "list": ("[1]", "'[1]'"),
    "not UTF-8": (b"\xff\xfe{", "not UTF-8"),
    "too large": (b"{" + b" " * 5_000_000, "more than 5,000,000 bytes"),
    "broken JSON": ('{"peers": ', "invalid JSON"),
    "deep JSON": ('{"peers": ' + "[" * 100_000, "nested too deeply"),
    "repeated node": ('{"peers": {"a": {}, "a": {}}}', "'a' more than once"),
    "no keys": ({}, "the keys []"),
    "other keys": ({"nodes": [], "edges": []}, "['nodes', 'edges']"),
    "no devices": ({"peers": {}}, "no devices"),
    "too many devices": ({"peers": {str(i): {} for i in range(1001)}}, "1001 devices", "1 to 1000"),
    "too many pairs": ({"peers": {str(i): {} for i in range(200)}}, "19900 connections", "at most 5000"),
    "device as a text": ({"peers": {"one": "x"}}, "peers.one", "'x'", "an object"),
    "negative memory": (exo(memory=-1), "peers.one.device_capabilities.memory", "-1", "a number from 0"),
    "memory as a text": (exo(memory="16 GB"), "memory", "'16 GB'"),
    "memory as true": (exo(memory=True), "memory", "True"),
    "memory that is not a number": (exo(memory=math.nan), "memory", "nan"),
    "endless memory": (exo(memory=math.inf), "memory", "inf"),
    "huge memory": (exo(memory=1e300), "memory", "1e+300"),
    "memory of many digits": (exo(memory=10**1000), "memory"),
    "memory beyond the limits of a scenario": (exo(memory=1e18), "devices.one.memory", "at most 1e+18"),
    "speeds as a list": (exo(flops=[1]), "device_capabilities.flops", "[1]"),
    "chip as a number": (exo(chip=7), "chip", "7", "a text"),
    "control characters": ({"peers": {"\x1b[31m": 1}}, "peers", "an object"),
    "graph as a list": (EXO_TOPOLOGY | {"peer_graph": []}, "peer_graph", "[]"),
    "edge to no node": (
        EXO_TOPOLOGY | {"peer_graph": {"a1": [{"from_id": "a1", "to_id": "zz"}]}},
        "peer_graph", "a connection of 'zz', which is not a node",
    ),
    "unconnected": (EXO_TOPOLOGY | {"peer_graph": {}}, "links", "connect all devices"),
    "nodes as objects": ({"nodeMemory": {}, "topology": {"nodes": [{"nodeId": "a"}]}}, "topology.nodes.0", "a text"),
    "connections as a list": (state([]), "topology.connections", "[]", "an object"),
    "connection without an address": (
        state({"12D3aa": {"12D3bb": [{}]}}), "12D3aa.12D3bb.0", "sinkMultiaddr or sourceRdmaIface",
    ),
    "peer without id": (mesh(peers=[{}]), "peers.0", "no id"),
    "two peers of one id": (mesh(peers=[PEER, PEER]), "peers.1.id", "a second node 'beef'"),
    "peer with the id of the node": (mesh(peers=[PEER | {"id": "f00d"}]), "peers.0.id", "a second node 'f00d'"),
    "only clients": (mesh(peers=[], node_state="client"), "no devices"),
    "negative round trip": (mesh(peers=[PEER | {"rtt_ms": -1}]), "peers.0.rtt_ms", "-1"),
    "cards as an object": (mesh(gpus={}), "gpus", "{}", "a list"),
    "half a card": (PARALLAX_NODE | {"hardware": {"num_gpus": 0.5}}, "hardware.num_gpus", "0.5", "at least 1"),
    "node of Parallax without id": (PARALLAX_NODE | {"node_id": None}, "no node_id"),
    "two nodes of one id": (
        {"type": "cluster_status", "data": {"node_list": [{"node_id": "a"}, {"node_id": "a"}]}},
        "data.node_list.1.node_id", "a second node 'a'",
    ),
    "cell that is not a number": (PRIMA_CPP.replace("12.50", "fast "), "CPU RAM Read BW, rank 2", "'fast'"),
    "cell of nan": (PRIMA_CPP.replace("12.50", "nan  "), "CPU RAM Read BW, rank 2", "'nan'"),
    "negative cell": (PRIMA_CPP.replace("| 16.00 ", "| -16.0 "), "Physical Mem Total, rank 1", "'-16.0'"),
    "table without names": (PRIMA_CPP.replace("| Device Name ", "| Device Game "), "without the row Device Name"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), [(c, s) for c, *s in CASES.values()], ids=CASES)
def test_a_malformed_file_is_refused_and_no_scenario_is_written(
    content: Any, says: list[str], tmp_path: Path
) -> None:
    path, out = tmp_path / "lab.json", tmp_path / "lab.yaml"
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    options = [f"--{key.replace('_', '-')}={value}" for key, value in ASSUMED.items()]
    message = refused("import", path, "--out", out, "--model", "llama-3-8b", *options)
    assert message.removeprefix("headway: ").startswith(str(path))
    for part in says:
        assert part in message
    assert message.strip().isprintable()
    assert len(message) < 1000
    assert not out.exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    message = refused("import", tmp_path / "gone", "--out", tmp_path / "x.yaml", "--model", "llama-3-8b")
    assert "no such file" in message


def test_comments_hold_texts_of_the_file_on_one_line(tmp_path: Path) -> None:
    path, out = tmp_path / "lab.json", tmp_path / "lab.yaml"
    path.write_text(json.dumps(exo(chip="M9\nseed: 3\r\x1b\u2028\ud800" + "x" * 500, memory=2**15)))
    options = [f"--{key.replace('_', '-')}={value}" for key, value in ASSUMED.items()]
    assert command("import", path, "--out", out, "--model", "llama-3-8b", *options)[0] == 0
    assert load_scenario(out).seed == 0
    assert all(line.isprintable() and len(line) < 200 for line in out.read_text().splitlines())


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.thorough)])
def test_a_damaged_file_becomes_a_scenario_or_is_refused(times: int, tmp_path: Path) -> None:
    path, out = tmp_path / "lab.json", tmp_path / "lab.yaml"
    additions = Additions(model="tinyllama-1.1b", bytes_per_weight=1, prompt=2, output=2, assumed=ASSUMED)
    samples = [json.dumps(sample).encode() for sample in SAMPLES.values()]

    @given(
        data=damaged(Some(SAMPLES.values())).map(json.dumps).map(str.encode)
        | broken(Some([*samples, PRIMA_CPP.encode()]))
    )
    def check(data: bytes) -> None:
        path.write_bytes(data)
        read = attempt(lambda: read_cluster_file(path), str(path))
        if read is not None:
            program, cluster = read
            text = attempt(lambda: imported_scenario(cluster, program, str(path), additions), str(path))
            if text is not None:
                out.write_text(text, encoding="utf-8")
                scenario = load_scenario(out)
                assert scenario.cluster.names == tuple(node.name for node in cluster.nodes)

    examine(check, 150 * times, at_random=times > 1)
