"""Clusters of Parallax (github.com/GradientHQ/parallax), in two forms.

- `GET /cluster/status`: `{"type": "cluster_status", "data": {"node_list": [{"node_id", "gpu_name", "gpu_memory",
  "gpu_num"}]}}`, from `get_cluster_status` in `src/backend/server/scheduler_manage.py`. It has no speeds.
- The message with which one node joins: `{"node_id", "hardware": {"num_gpus", "gpu_name", "memory_gb", "tflops_fp16",
  "memory_bandwidth_gbps"}}`, from `src/backend/server/rpc_connection_handler.py` and
  `src/parallax/server/server_info.py`.

Memory is in GiB for each graphics card, memory bandwidth in GB/s. Speeds come from a table of data sheets, and are a
fixed guess for hardware that is not in that table (50 or 100 TFLOP/s, 100 or 600 GB/s). All nodes reach each other;
rates of links are not in the file. A node with several cards becomes one device with their memory together and the
rates of one card, since layers run one after another.
"""

from collections.abc import Mapping

from headway.simcore.files.importers.cluster import (
    ClusterFile,
    Node,
    Reading,
    all_pairs,
    reading,
    unique_names,
)
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, quoted


def is_parallax(values: Mapping[str, object]) -> bool:
    """Whether a JSON object has one of the two forms."""
    return values.get("type") == "cluster_status" or isinstance(values.get("hardware"), dict)


def read_parallax(file: JsonObject) -> ClusterFile:
    """The cluster in a JSON object of Parallax.

    Raises:
        InputError: a value is invalid, or two nodes have the same id.
    """
    if "hardware" in file.values:
        members = [(file, file.child("hardware"))]
    else:
        members = [(node, node) for node in file.child("data").items("node_list")]
    wanted: dict[str, str] = {}
    for node, _ in members:
        key = node.required("node_id")
        if key in wanted:
            raise InputError(node.at("node_id"), f"a second node {quoted(key)}", "distinct ids")
        wanted[key] = key
    names = list(unique_names(wanted, file.where).values())
    nodes = tuple(_node(name, hardware) for name, (_, hardware) in zip(names, members, strict=True))
    return ClusterFile(nodes, all_pairs(names, "network", file.where))


def _node(name: str, hardware: JsonObject) -> Node:
    count = hardware.count("num_gpus" if "num_gpus" in hardware.values else "gpu_num")
    memory = reading(hardware, "memory_gb" if "memory_gb" in hardware.values else "gpu_memory", "GiB")
    if memory is not None and count > 1:
        memory = Reading(memory.value * count, f"{memory.origin} for each of {count} cards")
    chip = hardware.text("gpu_name")
    return Node(
        name=name,
        hardware="" if chip == "Unknown" else chip,
        memory=memory,
        compute=reading(hardware, "tflops_fp16", "TFLOP/s", tabulated=True),
        memory_bandwidth=reading(hardware, "memory_bandwidth_gbps", "GB/s", tabulated=True),
    )
