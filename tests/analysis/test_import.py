"""`headway import`: a scenario with the cluster of another program, and the origin of each value in a comment."""

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import command, refused
from test_cluster_files import EXO_STATE, MESH_LLM, PRIMA_CPP, capabilities, edge

from headway.simcore import Scenario, load_scenario
from headway.simcore.files.library import device_entry, links

LINKS = ("--bandwidth", "1 Gbit/s", "--latency", "0.2 ms")


def imported(folder: Path, content: object, *options: str) -> Scenario:
    path, out = folder / "lab.json", folder / "lab.yaml"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    assert command("import", path, "--out", out, "--model", "tinyllama-1.1b", *options) == (0, "")
    return load_scenario(out)


def test_values_of_the_file_are_those_of_the_scenario(tmp_path: Path) -> None:
    scenario = imported(
        tmp_path, PRIMA_CPP, *LINKS, "--prompt", "7", "--output", "9", "--bytes-per-weight", "0.5"
    )
    devices = {device.name: device for device in scenario.cluster.devices}
    assert scenario.cluster.source == "desktop"
    assert devices["desktop"].memory_bytes == 11.5 * 2**30
    assert devices["desktop"].flops == pytest.approx(9000e9)
    assert devices["phone"].memory_bandwidth == pytest.approx(12.5e9)
    assert devices["laptop"].disk_bandwidth == pytest.approx(2.5e9)
    assert "connect: all" in (tmp_path / "lab.yaml").read_text()
    assert len(scenario.cluster.links) == 3
    assert {link.bandwidth.values[0] for link in scenario.cluster.links if link.bandwidth} == {125e6}
    assert scenario.model.bytes_per_weight == 0.5
    assert [(request.prompt, request.output) for request in scenario.requests] == [(7, 9)]


def test_values_that_the_file_lacks_are_those_of_the_user_and_are_marked(tmp_path: Path) -> None:
    options = ("--compute", "3 TFLOP/s", "--memory-bandwidth", "90 GB/s", *LINKS)
    scenario = imported(tmp_path, MESH_LLM, *options)
    devices = {device.name: device for device in scenario.cluster.devices}
    assert [devices[name].flops for name in ("carrack", "sloop", "cafe")] == [100e12, 3e12, 3e12]
    assert [devices[name].memory_bandwidth for name in ("carrack", "sloop", "cafe")] == [700e9, 400e9, 90e9]
    latency = {link.ends: link.latency_s for link in scenario.cluster.links}
    assert latency == pytest.approx(
        {("carrack", "sloop"): 1.5e-3, ("carrack", "cafe"): 2e-4, ("sloop", "cafe"): 2e-4}
    )
    lines = (tmp_path / "lab.yaml").read_text().splitlines()
    for key, guesses in {"compute": 2, "memory_bandwidth": 1, "bandwidth": 2, "memory": 0}.items():
        of_key = [line for line in lines if line.strip().startswith(f"{key}: ")]
        assert sum("# guessed" in line for line in of_key) == guesses
        assert all("#" in line for line in of_key)


def known(chip: str, kind: str) -> dict[str, Any]:
    """A topology of exo with the speeds of its own table."""
    nodes = {name: capabilities(chip, 65536, 33.0) for name in ("a1", "b2")}
    return {"nodes": nodes, "peer_graph": {"a1": [edge("a1", "b2", kind)]}, "active_node_id": "a1"}


def test_the_library_precedes_data_sheets_and_an_option_precedes_the_library(tmp_path: Path) -> None:
    entry, cable = device_entry("apple-m2-max"), links()["ethernet-1g"]
    scenario = imported(tmp_path, known("Apple M2 Max", "Ethernet"))
    (device, _), (link,) = scenario.cluster.devices, scenario.cluster.links
    assert device.memory_bytes == 65536 * 2**20
    assert device.flops == entry.compute.amount
    assert device.memory_bandwidth == entry.memory_bandwidth.amount
    assert link.bandwidth is not None
    assert (link.bandwidth.values[0], link.latency_s) == (cable.bandwidth.amount, cable.latency.amount)
    (tmp_path / "lab.yaml").unlink()
    scenario = imported(
        tmp_path, known("Apple M2 Max", "Ethernet"), "--compute", "5 TFLOP/s", "--latency", "9 ms"
    )
    (device, _), (link,) = scenario.cluster.devices, scenario.cluster.links
    assert device.flops == 5e12
    assert device.memory_bandwidth == entry.memory_bandwidth.amount
    assert link.latency_s == 9e-3


def test_a_data_sheet_is_used_for_a_chip_that_the_library_does_not_know(tmp_path: Path) -> None:
    scenario = imported(tmp_path, known("Chip 9", "Radio"), "--memory-bandwidth", "90 GB/s", *LINKS)
    assert [device.flops for device in scenario.cluster.devices] == [33e12, 33e12]
    assert "from a table of data sheets" in (tmp_path / "lab.yaml").read_text()


def test_links_of_one_kind_share_a_section(tmp_path: Path) -> None:
    speeds = ("--compute", "3 TFLOP/s", "--memory-bandwidth", "90 GB/s")
    scenario = imported(tmp_path, EXO_STATE, *speeds, *LINKS)
    assert {link.name for link in scenario.cluster.links} == {"thunderbolt", "wifi", "rdma-over-thunderbolt"}


def test_names_that_yaml_reads_as_other_values_are_quoted(tmp_path: Path) -> None:
    device = {"chip": "", "memory": 1024, "flops": {"fp16": 1}}
    names = ["true", "7", "1e5", "null", "No"]
    peers = {"peers": {name: {"device_capabilities": device} for name in names}}
    scenario = imported(tmp_path, peers, "--memory-bandwidth", "1 GB/s", *LINKS)
    assert list(scenario.cluster.names) == names


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.json"
    nodes = {name: capabilities("Chip 9", 32768, 20.0) for name in ("a1", "b2")}
    path.write_text(
        json.dumps({"nodes": nodes, "peer_graph": {"a1": [edge("a1", "b2")]}, "active_node_id": "a1"})
    )
    return path


def refusal(lab: Path, *options: Any) -> str:
    out = lab.with_name("out.yaml")
    message = refused("import", lab, "--out", out, *options)
    assert not out.exists()
    return message


def test_all_missing_values_are_in_one_message_with_their_options(lab: Path) -> None:
    message = refusal(lab, "--model", "llama-3-8b", "--latency", "1 ms")
    assert "no memory bandwidth of a1, b2; no bandwidth of a1-b2" in message
    assert '--memory-bandwidth "100 GB/s", --bandwidth "1 Gbit/s"' in message
    assert "latency" not in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--model", "llama-3-8c"), "did you mean 'llama-3-8b'?"),
        (("--model", "llama-3-8b", "--bandwidth", "100 Mb"), "--bandwidth: got"),
        (("--model", "llama-3-8b", "--memory-bandwidth", "3 GB"), "--memory-bandwidth: got"),
        (("--model", "llama-3-8b", "--format", "exxo"), "did you mean 'exo'?"),
        (("--model", "llama-3-8b", "--memory-bandwidth", "0 B/s", *LINKS), "at least 1 B/s"),
        (("--model", "llama-3-8b", "--memory-bandwidth", "1 GB/s", *LINKS, "--prompt", "9999999"), "prompt"),
        (
            ("--model", "llama-3-8b", "--memory-bandwidth", "1 GB/s", *LINKS, "--bytes-per-weight", "16"),
            "a model of 128.5 GB",
        ),
    ],
)
def test_a_mistake_in_an_option_is_refused(options: tuple[str, ...], says: str, lab: Path) -> None:
    assert says in refusal(lab, *options)


def test_an_existing_file_is_never_replaced(lab: Path) -> None:
    out = lab.with_name("mine.yaml")
    out.write_text("mine")
    assert "an existing file" in refused("import", lab, "--out", out, "--model", "llama-3-8b")
    assert out.read_text() == "mine"


def test_a_folder_that_does_not_exist_is_refused(lab: Path) -> None:
    out = lab.with_name("gone") / "x.yaml"
    message = refused(
        "import", lab, "--out", out, "--model", "llama-3-8b", "--memory-bandwidth", "1 GB/s", *LINKS
    )
    assert "a folder that does not exist" in message
