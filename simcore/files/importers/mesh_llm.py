"""Clusters of mesh-llm (github.com/Mesh-LLM/mesh-llm): the JSON object of `GET /api/status`.

The object describes the node that answers (`node_id`, `my_hostname`, `node_state`, `my_vram_gb`, `gpus`) and its
`peers` (`id`, `hostname`, `state`, `vram_gb`, `rtt_ms`, `gpus`), from `StatusPayload`, `PeerPayload` and `GpuEntry` in
`crates/mesh-llm-host-runtime/src/api/status.rs`. `vram_bytes` is in bytes, `vram_gb` in units of 1e9 bytes,
`mem_bandwidth_gbps` in GB/s, `compute_tflops_fp16` and `compute_tflops_fp32` in TFLOP/s. mesh-llm measures the three
rates, and they may be absent. `rtt_ms` is the round trip from the node that answers. Nodes in the state `client` hold
no layers, and are left out.

A node with several graphics cards becomes one device with their memory together and the rates of the slowest card,
since layers run one after another. All nodes reach each other; rates of links are not in the file.
"""

from collections.abc import Mapping, Sequence

from headway.simcore.files.importers.cluster import (
    FACTORS,
    ClusterFile,
    Connection,
    Node,
    Reading,
    all_pairs,
    reading,
    unique_names,
)
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, quoted

_CLIENT = "client"


def is_mesh_llm(values: Mapping[str, object]) -> bool:
    """Whether a JSON object is a status of mesh-llm."""
    return isinstance(values.get("peers"), list) and "node_id" in values


def read_mesh_llm(file: JsonObject) -> ClusterFile:
    """The cluster in a status of mesh-llm.

    Raises:
        InputError: a value is invalid, two nodes have the same id, or all nodes are clients.
    """
    if "peers" not in file.values:
        raise InputError(file.where, "no peers", "the status of a node of mesh-llm")
    local = file.required("node_id")
    members = {local: (file, file.text("my_hostname"))} if file.text("node_state") != _CLIENT else {}
    delays = {}
    for peer in file.items("peers"):
        key = peer.required("id")
        if key in members or key == local:
            raise InputError(peer.at("id"), f"a second node {quoted(key)}", "distinct ids")
        if peer.text("state") != _CLIENT:
            members[key] = (peer, peer.text("hostname"))
            delays[key] = _one_way(peer)
    names = unique_names({key: host or key for key, (_, host) in members.items()}, file.where)
    nodes = tuple(_node(names[key], values) for key, (values, _) in members.items())
    by_name = {names[key]: delay for key, delay in delays.items()}
    connections = all_pairs([node.name for node in nodes], "mesh", file.where)
    if local in members:
        # The pairs of the first node come in order, and only its round trips are in the file.
        connections = tuple(
            Connection(one.ends, one.kind, by_name[one.ends[1]] if one.ends[0] == names[local] else None)
            for one in connections
        )
    return ClusterFile(nodes, connections, names.get(local))


def _one_way(peer: JsonObject) -> Reading | None:
    round_trip = peer.number("rtt_ms")
    if round_trip is None:
        return None
    return Reading(round_trip * FACTORS["ms"] / 2, f"half of rtt_ms {round_trip:.12g} ms")


def _node(name: str, values: JsonObject) -> Node:
    cards = values.items("gpus")
    whole = "my_vram_gb" if "my_vram_gb" in values.values else "vram_gb"
    return Node(
        name=name,
        hardware=", ".join(filter(None, (card.text("name") for card in cards))),
        memory=_sum(cards) or reading(values, whole, "GB"),
        compute=_slowest(cards, "compute_tflops_fp16", "TFLOP/s")
        or _slowest(cards, "compute_tflops_fp32", "TFLOP/s"),
        memory_bandwidth=_slowest(cards, "mem_bandwidth_gbps", "GB/s"),
    )


def _sum(cards: Sequence[JsonObject]) -> Reading | None:
    readings = [reading(card, "vram_bytes", "B") for card in cards]
    known = [one for one in readings if one is not None]
    if len(known) < 2:
        return known[0] if known else None
    return Reading(sum(one.value for one in known), f"vram_bytes of {len(known)} cards")


def _slowest(cards: Sequence[JsonObject], key: str, unit: str) -> Reading | None:
    """The least value of all cards; None if a card has none."""
    readings = [reading(card, key, unit) for card in cards]
    known = [one for one in readings if one is not None]
    return min(known) if known and len(known) == len(readings) else None
