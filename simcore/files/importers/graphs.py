"""Convert graphs, of networkx or from files, to networks.

A node is the device in its attribute `device`, or the device with its own name; every other node is a relay. An edge is
a link in both directions, with the attributes `bandwidth`, `latency` and `overhead` (text with a unit), `medium` and
`name`. The link between a and b is called `NAME:a-b`, with the ends in the order of the edge. If the edge has a name,
the link is called `NAME:name`, so that parallel edges have different names.

An attribute with another name is an error unless the caller ignores it, because a misspelt attribute would otherwise
change the network without a message.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from headway.simcore.files.schema import NAME, bounded
from headway.simcore.world.link import Link
from headway.simcore.world.topology import Wire, Wiring
from headway.traces import Trace
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.units import ACCEPTED, Quantity

_NAME = re.compile(NAME)
_NAME_FORM = "letters, digits and ._- (at most 64, the first a letter or a digit)"
_QUANTITIES: Mapping[str, Quantity] = {"bandwidth": "rate", "latency": "time", "overhead": "time"}
_OF_NODES = ("device",)
_OF_EDGES = (*_QUANTITIES, "medium", "name")
_NOTHING = Wire()


@dataclass(frozen=True)
class Node:
    """A node of an unchecked graph.

    Attributes:
        where: the file, and the line if known.
        name: text or a whole number in a valid graph.
        attributes: by name.
    """

    where: str
    name: object
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Edge:
    """An edge of an unchecked graph.

    Attributes:
        where: the file, and the line if known.
        ends: names of the two nodes.
        attributes: by name.
    """

    where: str
    ends: tuple[object, object]
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Graph:
    """An unchecked graph; `wiring` checks it."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """The cluster to which a graph is added, and how its attributes are read; see `from_networkx`."""

    devices: Collection[str]
    media: Collection[str] = ()
    wire: Wire = _NOTHING
    ignore: Collection[str] = ()


def from_networkx(
    name: str,
    graph: "nx.Graph[Any]",
    devices: Collection[str],
    *,
    media: Collection[str] = (),
    wire: Wire = _NOTHING,
    ignore: Collection[str] = (),
) -> Wiring:
    """The network of a networkx graph.

    Args:
        name: beginning of the names of the links.
        graph: undirected; its nodes are text or whole numbers. A multigraph may have parallel edges.
        devices: names of all devices.
        media: names of all media.
        wire: properties of edges without attributes.
        ignore: attributes of nodes and edges to ignore.

    Raises:
        InputError: a node, an edge or an attribute is invalid.
    """
    if graph.is_directed():
        raise InputError(name, "a directed graph", "an undirected one, such as graph.to_undirected()")
    nodes = tuple(Node(name, node, data) for node, data in graph.nodes(data=True))
    edges = tuple(Edge(name, (a, b), data) for a, b, data in graph.edges(data=True))
    options = GraphOptions(devices=devices, media=media, wire=wire, ignore=ignore)
    return wiring(name, Graph(nodes, edges), options)


def wiring(name: str, graph: Graph, options: GraphOptions) -> Wiring:
    """The network of a graph: nodes that are not devices are relays, edges are links, in the order of the graph.

    The names of the links begin with `name`.

    Raises:
        InputError: a node, an edge or an attribute is invalid; names it and its place.
    """
    nodes, device_names = _nodes(graph, options), set(options.devices)
    relays = tuple(node for node in nodes.values() if node not in device_names)
    links: dict[str, Link] = {}
    for edge in graph.edges:
        link = _link(name, edge, nodes, options)
        if link.name in links:
            got = f"a second link called {quoted(link.name)}"
            raise InputError(_place(edge), got, "a name on each of parallel edges, all different")
        links[link.name] = link
    return Wiring(relays, tuple(links.values()))


def _nodes(graph: Graph, options: GraphOptions) -> dict[str, str]:
    """The node of the cluster for each node of the graph, by name."""
    nodes: dict[str, str] = {}
    members: set[str] = set()
    for node in graph.nodes:
        name = _text(node.where, node.name)
        where = f"{node.where}: node {quoted(name)}"
        member = _member(where, name, _attributes(where, node.attributes, _OF_NODES, options.ignore), options)
        if name in nodes or member in members:
            raise InputError(where, f"a second node for {quoted(member)}", "one node per device and relay")
        nodes[name] = member
        members.add(member)
    return nodes


def _member(where: str, name: str, attributes: Mapping[str, object], options: GraphOptions) -> str:
    if "device" not in attributes:
        return _fit(where, name)
    device = attributes["device"]
    if not isinstance(device, str) or device not in options.devices:
        raise InputError(f"{where}: device", quoted(device), one_of(str(device), options.devices))
    return device


def _link(name: str, edge: Edge, nodes: Mapping[str, str], options: GraphOptions) -> Link:
    where = _place(edge)
    a, b = (_end(where, end, nodes) for end in edge.ends)
    if a == b:
        raise InputError(where, f"a link from {quoted(a)} to itself", "edges between two different nodes")
    attributes = _attributes(where, edge.attributes, _OF_EDGES, options.ignore)
    own = _fit(f"{where}: name", attributes["name"]) if "name" in attributes else f"{a}-{b}"
    wire = _wire(where, attributes, options)
    if wire.bandwidth is None and wire.medium is None:
        raise InputError(where, "no bandwidth", f"{ACCEPTED['rate']}, or a medium")
    return wire.link(f"{name}:{own}", (a, b))


def _wire(where: str, attributes: Mapping[str, object], options: GraphOptions) -> Wire:
    """The properties of an edge, with those of `options.wire` for missing attributes."""
    si = {
        key: bounded(attributes[key], _QUANTITIES[key], f"{where}: {key}")
        for key in _QUANTITIES
        if key in attributes
    }
    medium = attributes.get("medium", options.wire.medium)
    if medium is not None and (not isinstance(medium, str) or medium not in options.media):
        raise InputError(f"{where}: medium", quoted(medium), one_of(str(medium), options.media))
    return Wire(
        bandwidth=Trace.constant(si["bandwidth"]) if "bandwidth" in si else options.wire.bandwidth,
        latency_s=si.get("latency", options.wire.latency_s),
        overhead_s=si.get("overhead", options.wire.overhead_s),
        medium=medium,
    )


def _attributes(
    where: str, given: Mapping[str, object], known: Collection[str], ignore: Collection[str]
) -> dict[str, object]:
    """The attributes that are not ignored."""
    attributes = {key: value for key, value in given.items() if key not in ignore}
    for key in attributes:
        if key not in known:
            expected = f"{one_of(str(key), known)}; or name it among the attributes to ignore"
            raise InputError(where, f"the unknown attribute {quoted(key)}", expected)
    return attributes


def _end(where: str, end: object, nodes: Mapping[str, str]) -> str:
    name = _text(where, end)
    if name not in nodes:
        raise InputError(where, f"an edge to {quoted(name)}, which is not a node", one_of(name, nodes))
    return nodes[name]


def _text(where: str, name: object) -> str:
    """The name of a node, which is text or a whole number."""
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    if not isinstance(name, str):
        raise InputError(where, f"the name {quoted(name)}", "text or a whole number")
    return name


def _fit(where: str, name: object) -> str:
    """A valid name of a relay, a device or a link."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(where, f"the name {quoted(name)}", _NAME_FORM)
    return name


def _place(edge: Edge) -> str:
    return f"{edge.where}: edge {quoted(edge.ends[0])} - {quoted(edge.ends[1])}"
