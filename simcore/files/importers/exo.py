"""Clusters of exo (github.com/exo-explore/exo), in three forms.

- Manual discovery of exo 0.0: `{"peers": {ID: {"address", "port", "device_capabilities"}}}`, from
  `exo/networking/manual/network_topology_config.py`. All peers reach each other.
- `GET /v1/topology` of exo 0.0: `{"nodes": {ID: CAPABILITIES}, "peer_graph": {ID: [{"from_id", "to_id",
  "description"}]}, "active_node_id"}`, from `Topology.to_json` in `exo/topology/topology.py`.
- `GET /state` of exo 1: `topology.nodes` and `topology.connections.SOURCE.SINK`, `nodeIdentities`, `nodeMemory` and
  `nodeNetwork`, from `src/exo/shared/types/state.py`, `.../profiling.py` and `src/exo/shared/topology.py`. The states
  of the first versions list nodes as objects; they are refused.

Capabilities (`exo/topology/device_capabilities.py`) are `model`, `chip`, `memory` in MiB, and `flops` with `fp32`,
`fp16` and `int8` in TFLOP/s from a table of data sheets. 0 means unknown. exo 1 gives memory in bytes and no speeds. No
form has memory bandwidths or rates of links.
"""

from collections.abc import Iterator, Mapping

from headway.simcore.files.importers.cluster import (
    ClusterFile,
    Node,
    Reading,
    all_pairs,
    connected,
    reading,
    unique_names,
)
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, quoted

_UNKNOWN = ("", "Unknown")
_RDMA = "RDMA over Thunderbolt"
_KINDS = (_RDMA, "thunderbolt", "ethernet", "maybe_ethernet", "wifi", "unknown")


def is_exo(values: Mapping[str, object]) -> bool:
    """Whether a JSON object has one of the three forms."""
    return "peer_graph" in values or isinstance(values.get("peers"), dict) or "nodeMemory" in values


def read_exo(file: JsonObject) -> ClusterFile:
    """The cluster in a JSON object of exo.

    Raises:
        InputError: the object has none of the three forms, or a value is invalid.
    """
    if "peer_graph" in file.values:
        return _topology(file)
    if "peers" in file.values:
        return _manual(file)
    if "topology" in file.values:
        return _state(file)
    got = f"the keys {quoted(list(file.values))}"
    raise InputError(file.where, got, "peers, peer_graph, or topology with nodeMemory")


def _manual(file: JsonObject) -> ClusterFile:
    peers = file.children("peers")
    names = unique_names({key: key for key in peers}, file.at("peers"))
    nodes = tuple(_capable(names[key], peer.child("device_capabilities")) for key, peer in peers.items())
    return ClusterFile(nodes, all_pairs([node.name for node in nodes], "network", file.where))


def _topology(file: JsonObject) -> ClusterFile:
    devices = file.children("nodes")
    names = unique_names({key: key for key in devices}, file.at("nodes"))
    nodes = tuple(_capable(names[key], device) for key, device in devices.items())
    graph = file.child("peer_graph")
    pairs = (
        ((edge.text("from_id"), edge.text("to_id")), edge.text("description") or "network")
        for key in graph.values
        for edge in graph.items(key)
    )
    source = file.text("active_node_id")
    return ClusterFile(nodes, connected(pairs, names, (), file.at("peer_graph")), names.get(source))


def _capable(name: str, capabilities: JsonObject) -> Node:
    chip = capabilities.text("chip")
    return Node(
        name=name,
        hardware="" if chip.startswith("Unknown") else chip,
        memory=reading(capabilities, "memory", "MiB"),
        compute=reading(capabilities.child("flops"), "fp16", "TFLOP/s", tabulated=True),
    )


def _state(file: JsonObject) -> ClusterFile:
    topology = file.child("topology")
    keys = topology.texts("nodes")
    identities, memories = file.child("nodeIdentities"), file.child("nodeMemory")
    wanted = {}
    for key in keys:
        friendly = identities.child(key).text("friendlyName")
        wanted[key] = key if friendly in _UNKNOWN else friendly
    names = unique_names(wanted, topology.at("nodes"))
    nodes = []
    for key, name in names.items():
        chip = identities.child(key).text("chipId")
        total = memories.child(key).child("ramTotal").number("inBytes")
        memory = Reading(total, f"inBytes {total:.12g} B of ramTotal") if total else None
        nodes.append(Node(name=name, hardware="" if chip in _UNKNOWN else chip, memory=memory))
    pairs = _state_pairs(topology.child("connections"), file.child("nodeNetwork"))
    return ClusterFile(tuple(nodes), connected(pairs, names, _KINDS, topology.at("connections")))


def _state_pairs(connections: JsonObject, network: JsonObject) -> Iterator[tuple[tuple[str, str], str]]:
    """The ends and the kind of each connection of exo 1."""
    for source in connections.values:
        sinks = connections.child(source)
        for sink in sinks.values:
            kinds = {
                interface.text("ipAddress"): interface.text("interfaceType")
                for interface in network.child(sink).items("interfaces")
            }
            for connection in sinks.items(sink):
                yield (source, sink), _kind(connection, kinds)


def _kind(connection: JsonObject, kinds: Mapping[str, str]) -> str:
    """The kind of a connection: that of the network interface of the sink with its address."""
    if "sourceRdmaIface" in connection.values:
        return _RDMA
    if "sinkMultiaddr" not in connection.values:
        raise InputError(
            connection.where,
            f"the keys {quoted(list(connection.values))}",
            "sinkMultiaddr or sourceRdmaIface",
        )
    # The address is such as /ip4/192.168.0.7/tcp/52415.
    parts = connection.child("sinkMultiaddr").text("address").split("/")
    return kinds.get(parts[2] if len(parts) > 2 else "") or "unknown"
