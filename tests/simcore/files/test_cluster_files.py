"""Clusters in files of other programs, in the form in which these programs write them, with invented values."""

import json
from pathlib import Path
from typing import Any

import pytest

from headway.simcore.files.importers.cluster import ClusterFile, Node
from headway.simcore.files.importers.clusterfile import read_cluster_file
from headway.traces import InputError


def capabilities(chip: str, memory: int, fp16: float) -> dict[str, Any]:
    flops = {"fp32": fp16 / 2, "fp16": fp16, "int8": 2 * fp16}
    return {"model": "Mac", "chip": chip, "memory": memory, "flops": flops}


def edge(source: str, sink: str, description: str | None = None) -> dict[str, Any]:
    return {"from_id": source, "to_id": sink, "description": description}


EXO_MANUAL = {
    "peers": {
        name: {"address": address, "port": 50051, "device_capabilities": capabilities(*chip)}
        for name, address, chip in (
            ("studio", "192.168.0.2", ("Apple M9", 65536, 20.0)),
            ("mini", "192.168.0.3", ("Apple M8", 16384, 4.0)),
            ("box", "192.168.0.4", ("Unknown Chip", 0, 0)),
        )
    }
}

EXO_TOPOLOGY = {
    "nodes": {"a1": capabilities("Apple M9", 65536, 20.0), "b2": capabilities("Apple M8", 16384, 4.0)},
    "peer_graph": {"a1": [edge("a1", "b2", "Thunderbolt")], "b2": [edge("b2", "a1", "Thunderbolt")]},
    "active_node_id": "b2",
}


def interface(address: str, kind: str) -> dict[str, Any]:
    return {"name": "en0", "ipAddress": address, "interfaceType": kind}


def socket(address: str) -> dict[str, Any]:
    names = {"address": f"/ip4/{address}/tcp/52415", "address_type": "ip4", "ip_address": address}
    return {"sinkMultiaddr": names | {"port": 52415}}


def usage(total: int) -> dict[str, Any]:
    sizes = {"ramTotal": total, "ramAvailable": total // 2, "swapTotal": 0, "swapAvailable": 0}
    return {key: {"inBytes": size} for key, size in sizes.items()}


EXO_STATE = {
    "instances": {},
    "runners": {},
    "lastEventAppliedIdx": 12,
    "topology": {
        "nodes": ["12D3aa", "12D3bb", "12D3cc"],
        "connections": {
            "12D3aa": {
                "12D3bb": [socket("192.168.0.3"), socket("169.254.0.3")],
                "12D3cc": [socket("192.168.0.4")],
            },
            "12D3bb": {
                "12D3cc": [{"sourceRdmaIface": "rdma_en2", "sinkRdmaIface": "rdma_en3"}, socket("10.0.0.9")]
            },
            "12D3cc": {"12D3aa": [socket("192.168.0.2")]},
        },
    },
    "nodeIdentities": {
        "12D3aa": {"modelId": "Mac Studio", "chipId": "Apple M9 Ultra", "friendlyName": "Ann's Mac Studio"},
        "12D3bb": {"modelId": "Mac mini", "chipId": "Apple M8", "friendlyName": "Ann's Mac Studio"},
        "12D3cc": {"modelId": "Unknown", "chipId": "Unknown", "friendlyName": "Unknown"},
    },
    "nodeMemory": {"12D3aa": usage(2**39), "12D3bb": usage(2**34), "12D3cc": usage(2**33)},
    "nodeNetwork": {
        "12D3bb": {
            "interfaces": [interface("192.168.0.3", "ethernet"), interface("169.254.0.3", "thunderbolt")]
        },
        "12D3cc": {"interfaces": [interface("192.168.0.4", "wifi")]},
        "12D3aa": {"interfaces": [interface("192.168.0.2", "wifi")]},
    },
}


def card(name: str, vram: int, bandwidth: float | None = None, fp16: float | None = None) -> dict[str, Any]:
    rates = {"mem_bandwidth_gbps": bandwidth, "compute_tflops_fp16": fp16}
    return {"name": name, "vram_bytes": vram} | {
        key: value for key, value in rates.items() if value is not None
    }


MESH_LLM = {
    "version": "0.9",
    "node_id": "f00d",
    "node_state": "serving",
    "is_client": False,
    "my_hostname": "carrack",
    "my_vram_gb": 34.4,
    "gpus": [card("Card 1", 2**35, 900.0, 100.0), card("Card 1", 2**35, 700.0, 120.0)],
    "peers": [
        {"id": "beef", "hostname": "sloop", "state": "serving", "vram_gb": 17.2, "rtt_ms": 3,
         "gpus": [card("Card 2", 2**34, 400.0)]},
        {"id": "cafe", "hostname": None, "state": "standby", "vram_gb": 8.0, "rtt_ms": None, "gpus": []},
        {"id": "dead", "hostname": "phone", "state": "client", "vram_gb": 0.0, "rtt_ms": 9, "gpus": []},
    ],
}  # fmt: skip

PARALLAX_STATUS = {
    "type": "cluster_status",
    "data": {
        "status": "available",
        "model_name": "m",
        "init_nodes_num": 2,
        "node_list": [
            {"node_id": "12D3x", "status": "available", "gpu_num": 2, "gpu_name": "Card 3", "gpu_memory": 24.0},
            {"node_id": "12D3y", "status": "waiting", "gpu_num": 1, "gpu_name": "Unknown", "gpu_memory": 16.0},
        ],
    },
}  # fmt: skip

PARALLAX_NODE = {
    "node_id": "12D3x",
    "hardware": {
        "node_id": "12D3x", "num_gpus": 1, "tflops_fp16": 80.0, "gpu_name": "Card 3", "memory_gb": 24.0,
        "memory_bandwidth_gbps": 1000.0, "device": "cuda",
    },
    "rtt_to_nodes": {},
}  # fmt: skip

LINE = "-" * 91
PRIMA_CPP = f"""\
llama_model_loader: loaded meta data

{LINE}
| Property                        | Rank 0       | Rank 1       | Rank 2       
{LINE}
| Device Name                     | desktop      | laptop       | phone        
| Device OS                       | Linux        | macOS        | Android      
| CPU Description                 | Cores 1      | Cores 2      | Cores 3      
| Number of CPU cores             | 16           | 8            | 8            
| CPU flops (F32xF32, GFLOPS)     | 300.0        | 100.0        | 20.0         
| CPU flops (F16xF32, GFLOPS)     | 250.0        | 90.0         | 0.0          
| CPU flops (Q4K x F32, GFLOPS)   | 200.0        | 80.0         | 15.0         
| Physical Mem Total (GiB)        | 32.00        | 16.00        | 7.50         
| CPU RAM Read BW (GB/s)          | 40.00        | 60.00        | 12.50        
| Disk Read Seq Speed (GB/s)      | 3.00         | 2.50         | 0.00         
| GPU Metal                       | 0            | 1            | 0            
| GPU CUDA                        | 1            | 0            | 0            
| GPU Description                 | Card 4       | Apple M8     |              
| GPU Mem Total (GiB)             | 11.50        | 10.67        | 0.00         
| Metal VRAM Read BW (GB/s)       | 0.00         | 95.00        | 0.00         
| Metal flops (F16xF32, GFLOPS)   | 0.0          | 1500.0       | 0.0          
| CUDA VRAM Read BW (GB/s)        | 300.00       | 0.00         | 0.00         
| CUDA flops (F16xF32, GFLOPS)    | 9000.0       | 0.0          | 0.0          
| Model flops (output F16xF32)    | 123456       
{LINE}
"""  # noqa: W291

SAMPLES = {
    "exo manual": EXO_MANUAL,
    "exo topology": EXO_TOPOLOGY,
    "exo state": EXO_STATE,
    "mesh-llm": MESH_LLM,
    "parallax status": PARALLAX_STATUS,
    "parallax node": PARALLAX_NODE,
}


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reader(content: object, form: str | None = None) -> tuple[str, ClusterFile]:
        path = tmp_path / "cluster"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_cluster_file(path, form)

    return reader


def values(node: Node) -> tuple[float | None, ...]:
    rates = (node.memory, node.compute, node.memory_bandwidth)
    return tuple(one and one.value for one in rates)


def links(cluster: ClusterFile) -> dict[tuple[str, str], str]:
    return {one.ends: one.kind for one in cluster.connections}


def test_exo_has_memory_in_mebibytes_and_speed_in_teraflops_and_0_means_unknown(read: Any) -> None:
    program, cluster = read(EXO_MANUAL)
    assert program == "exo"
    assert [(node.name, node.hardware, *values(node)) for node in cluster.nodes] == [
        ("studio", "Apple M9", 64 * 2.0**30, 20e12, None),
        ("mini", "Apple M8", 16 * 2.0**30, 4e12, None),
        ("box", "", None, None, None),
    ]
    assert set(links(cluster)) == {("studio", "mini"), ("studio", "box"), ("mini", "box")}


def test_both_directions_of_a_connection_of_exo_are_one_link(read: Any) -> None:
    _, cluster = read(EXO_TOPOLOGY)
    assert links(cluster) == {("a1", "b2"): "Thunderbolt"}
    assert cluster.source == "b2"


def test_exo_1_has_names_memory_and_the_best_kind_of_each_connection(read: Any) -> None:
    program, cluster = read(EXO_STATE)
    assert program == "exo"
    assert [(node.name, node.hardware, values(node)[0]) for node in cluster.nodes] == [
        ("Ann-s-Mac-Studio", "Apple M9 Ultra", 2.0**39),
        ("Ann-s-Mac-Studio-2", "Apple M8", 2.0**34),
        ("12D3cc", "", 2.0**33),
    ]
    assert links(cluster) == {
        ("Ann-s-Mac-Studio", "Ann-s-Mac-Studio-2"): "thunderbolt",
        ("Ann-s-Mac-Studio", "12D3cc"): "wifi",
        ("Ann-s-Mac-Studio-2", "12D3cc"): "RDMA over Thunderbolt",
    }


def test_cards_of_a_mesh_llm_node_add_their_memory_and_the_slowest_counts(read: Any) -> None:
    program, cluster = read(MESH_LLM)
    assert program == "mesh-llm"
    assert [(node.name, node.hardware, *values(node)) for node in cluster.nodes] == [
        ("carrack", "Card 1, Card 1", 2.0**36, 100e12, 700e9),
        ("sloop", "Card 2", 2.0**34, None, 400e9),
        ("cafe", "", 8e9, None, None),
    ]
    assert cluster.source == "carrack"


def test_the_latency_of_a_mesh_llm_peer_is_half_its_round_trip(read: Any) -> None:
    _, cluster = read(MESH_LLM)
    latency = {one.ends: one.latency and one.latency.value for one in cluster.connections}
    assert latency == {("carrack", "sloop"): 1.5e-3, ("carrack", "cafe"): None, ("sloop", "cafe"): None}
    _, cluster = read(MESH_LLM | {"node_state": "client"})
    assert {one.latency for one in cluster.connections} == {None}
    assert cluster.source is None


def test_parallax_has_memory_of_each_card_and_speeds_only_in_the_message_of_a_node(read: Any) -> None:
    program, cluster = read(PARALLAX_STATUS)
    assert program == "parallax"
    assert [(node.hardware, *values(node)) for node in cluster.nodes] == [
        ("Card 3", 48 * 2.0**30, None, None),
        ("", 16 * 2.0**30, None, None),
    ]
    _, cluster = read(PARALLAX_NODE)
    assert [values(node) for node in cluster.nodes] == [(24 * 2.0**30, 80e12, 1000e9)]
    assert cluster.connections == ()


@pytest.mark.parametrize("prefix", ["", "0.01.234.567 I "])
def test_prima_cpp_devices_have_the_rates_of_their_graphics_card_if_there_is_one(
    prefix: str, read: Any
) -> None:
    program, cluster = read("".join(prefix + line for line in PRIMA_CPP.splitlines(keepends=True)))
    assert program == "prima.cpp"
    assert [(node.name, node.hardware, *values(node)) for node in cluster.nodes] == [
        ("desktop", "Card 4", 11.5 * 2**30, 9000e9, 300e9),
        ("laptop", "Apple M8", 16 * 2.0**30, 1500e9, 95e9),
        ("phone", "Cores 3", 7.5 * 2**30, 15e9, 12.5e9),
    ]
    assert [node.disk and node.disk.value for node in cluster.nodes] == [3e9, 2.5e9, None]


def test_older_labels_of_prima_cpp_are_the_same_rows(read: Any) -> None:
    older = PRIMA_CPP.replace("Physical Mem Total (GiB)", "Physical Mem Total (GB)").replace(
        "Q4K x F32", "Q4KxF32"
    )
    assert read(older) == read(PRIMA_CPP)


@pytest.mark.parametrize("form", ["exo", "mesh-llm", "parallax", "prima.cpp"])
def test_a_file_of_another_format_than_the_named_one_is_refused(form: str, read: Any) -> None:
    others = [sample for name, sample in SAMPLES.items() if not name.startswith(form)]
    for sample in others:
        with pytest.raises(InputError):
            read(sample, form)


def test_the_named_format_is_used(read: Any) -> None:
    for name, sample in SAMPLES.items():
        assert read(sample, name.split()[0]) == read(sample)
    assert read(PRIMA_CPP, "prima.cpp") == read(PRIMA_CPP)


def test_names_of_devices_are_valid_and_distinct(read: Any) -> None:
    wanted = ["a b", "a-b", "a-b-2", "é", "...", "x" * 200, "x" * 201]
    _, cluster = read({"peers": {name: {} for name in wanted}})
    names = [node.name for node in cluster.nodes]
    assert names[:5] == ["a-b", "a-b-2", "a-b-2-2", "device", "device-2"]
    assert len(set(names)) == len(wanted)
    assert max(map(len, names)) <= 64
