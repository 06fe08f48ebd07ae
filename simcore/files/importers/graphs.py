"""Networks drawn elsewhere: what a graph of networkx, or a graph from a file, means as a network.

A node is the device that its attribute `device` names, or the device of its own name; every other node is a relay. An
edge is a link in both directions, with the attributes `bandwidth`, `latency` and `overhead` (text with a unit),
`medium` and `name`. The link between a and b is called `NAME:a-b`, in the order in which the edge names its ends; if
the edge has a name it is called `NAME:name`, which tells parallel edges apart.

An attribute with another name is refused unless the caller asks to ignore it: a misspelt one would otherwise change a
world unseen.
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
from headway.traces.errors import InputError, one_of, shown
from headway.traces.units import ACCEPTED, Quantity

_NAME = re.compile(NAME)
_NAME_FORM = "letters, digits and ._- (at most 64, the first a letter or a digit)"
_QUANTITIES: Mapping[str, Quantity] = {"bandwidth": "rate", "latency": "time", "overhead": "time"}
_OF_NODES = ("device",)
_OF_EDGES = (*_QUANTITIES, "medium", "name")
_NOTHING = Wire()


@dataclass(frozen=True)
class Node:
    """A node as somebody wrote it.

    Attributes:
        where: the file, with the line if it is known.
        name: text or a whole number, if it can be used.
        attributes: by name.
    """

    where: str
    name: object
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Edge:
    """An edge as somebody wrote it.

    Attributes:
        where: the file, with the line if it is known.
        ends: names of the two nodes.
        attributes: by name.
    """

    where: str
    ends: tuple[object, object]
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Graph:
    """A graph as somebody wrote it; `wiring` finds out whether it can be used."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What a graph is read against; see `wiring`."""

    devices: Collection[str]
    media: Collection[str]
    wire: Wire
    ignore: Collection[str]


def from_networkx(
    name: str,
    graph: "nx.Graph[Any]",
    devices: Collection[str],
    *,
    media: Collection[str] = (),
    wire: Wire = _NOTHING,
    ignore: Collection[str] = (),
) -> Wiring:
    """What a graph of networkx adds to devices.

    Args:
        name: what the names of the links begin with.
        graph: undirected; its nodes are text or whole numbers. A multigraph may have parallel edges.
        devices: as for `wiring`, like all that follow.
        media: see there.
        wire: see there.
        ignore: see there.

    Raises:
        InputError: a node, an edge or an attribute cannot be used.
    """
    if graph.is_directed():
        raise InputError(name, "a directed graph", "an undirected one, such as graph.to_undirected()")
    nodes = tuple(Node(name, node, data) for node, data in graph.nodes(data=True))
    edges = tuple(Edge(name, (a, b), data) for a, b, data in graph.edges(data=True))
    return wiring(name, Graph(nodes, edges), devices, media=media, wire=wire, ignore=ignore)


def wiring(
    name: str,
    graph: Graph,
    devices: Collection[str],
    *,
    media: Collection[str] = (),
    wire: Wire = _NOTHING,
    ignore: Collection[str] = (),
) -> Wiring:
    """What a graph adds to devices: nodes that are no devices as relays, edges as links, each in the graph's order.

    Args:
        name: what the names of the links begin with.
        graph: nodes and edges.
        devices: names of the devices there are.
        media: names of the media there are.
        wire: what holds for edges without the attributes.
        ignore: attributes of nodes and edges that mean nothing here.

    Raises:
        InputError: a node, an edge or an attribute cannot be used; says which one, and where it stands.
    """
    around = _Around(devices=devices, media=media, wire=wire, ignore=ignore)
    nodes, known = _nodes(graph, around), set(devices)
    relays = tuple(node for node in nodes.values() if node not in known)
    links: dict[str, Link] = {}
    for edge in graph.edges:
        link = _link(name, edge, nodes, around)
        if link.name in links:
            got = f"a second link called {shown(link.name)}"
            raise InputError(_place(edge), got, "a name on each of parallel edges, all different")
        links[link.name] = link
    return Wiring(relays, tuple(links.values()))


def _nodes(graph: Graph, around: _Around) -> dict[str, str]:
    """Nodes of the cluster by the names of those of the graph."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        name = _text(node.where, node.name)
        where = f"{node.where}: node {shown(name)}"
        member = _member(where, name, _attributes(where, node.attributes, _OF_NODES, around.ignore), around)
        if name in found or member in taken:
            raise InputError(
                where, f"a second node for {shown(member)}", "one node for each device and relay"
            )
        found[name] = member
        taken.add(member)
    return found


def _member(where: str, name: str, attributes: Mapping[str, object], around: _Around) -> str:
    if "device" not in attributes:
        return _fit(where, name)
    device = attributes["device"]
    if not isinstance(device, str) or device not in around.devices:
        raise InputError(f"{where}: device", shown(device), one_of(str(device), around.devices))
    return device


def _link(name: str, edge: Edge, nodes: Mapping[str, str], around: _Around) -> Link:
    where = _place(edge)
    a, b = (_end(where, end, nodes) for end in edge.ends)
    if a == b:
        raise InputError(where, f"a link from {shown(a)} to itself", "edges between two different nodes")
    attributes = _attributes(where, edge.attributes, _OF_EDGES, around.ignore)
    own = _fit(f"{where}: name", attributes["name"]) if "name" in attributes else f"{a}-{b}"
    wire = _wire(where, attributes, around)
    if wire.bandwidth is None and wire.medium is None:
        raise InputError(where, "no bandwidth", f"{ACCEPTED['rate']}, or a medium")
    return wire.link(f"{name}:{own}", (a, b))


def _wire(where: str, attributes: Mapping[str, object], around: _Around) -> Wire:
    """The attributes of an edge; for those it does not have, what holds around it."""
    si = {
        key: bounded(attributes[key], _QUANTITIES[key], f"{where}: {key}")
        for key in _QUANTITIES
        if key in attributes
    }
    medium = attributes.get("medium", around.wire.medium)
    if medium is not None and (not isinstance(medium, str) or medium not in around.media):
        raise InputError(f"{where}: medium", shown(medium), one_of(str(medium), around.media))
    return Wire(
        bandwidth=Trace.constant(si["bandwidth"]) if "bandwidth" in si else around.wire.bandwidth,
        latency_s=si.get("latency", around.wire.latency_s),
        overhead_s=si.get("overhead", around.wire.overhead_s),
        medium=medium,
    )


def _attributes(
    where: str, given: Mapping[str, object], known: Collection[str], ignore: Collection[str]
) -> dict[str, object]:
    """The attributes that are not ignored."""
    kept = {key: value for key, value in given.items() if key not in ignore}
    for key in kept:
        if key not in known:
            expected = f"{one_of(str(key), known)}; or name it among the attributes to ignore"
            raise InputError(where, f"the unknown attribute {shown(key)}", expected)
    return kept


def _end(where: str, end: object, nodes: Mapping[str, str]) -> str:
    name = _text(where, end)
    if name not in nodes:
        raise InputError(where, f"an edge to {shown(name)}, which is not a node", one_of(name, nodes))
    return nodes[name]


def _text(where: str, name: object) -> str:
    """The name of a node; whole numbers are names too."""
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    if not isinstance(name, str):
        raise InputError(where, f"the name {shown(name)}", "text or a whole number")
    return name


def _fit(where: str, name: object) -> str:
    """A name that is fit for a relay, a device or a link."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(where, f"the name {shown(name)}", _NAME_FORM)
    return name


def _place(edge: Edge) -> str:
    return f"{edge.where}: edge {shown(edge.ends[0])} - {shown(edge.ends[1])}"
