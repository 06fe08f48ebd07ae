"""Read graph files: node-link JSON and GraphML, as networkx and many drawing programs write them.

The readers of networkx trust the file: they accept edges to missing nodes, repeated nodes and unknown elements, raise a
`KeyError` or an `AttributeError` for missing attributes, and expand XML entities. These readers check the file, and
refuse a document type declaration, so that there are no entities.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from headway.simcore.files.bounds import MOST_DEPTH, MOST_GRAPH_BYTES
from headway.simcore.files.importers.graphs import Edge, Graph, Node
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.files import json_object, read_text

_ACCEPTED = "a graph as GraphML or node-link JSON"
_JSON_KEYS = ("directed", "multigraph", "graph", "nodes", "edges", "links")
_UNDIRECTED = "an undirected graph: a link carries both directions"
_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "graphml": ("key", "graph", "desc", "data"),
    "key": ("desc", "default"),
    "graph": ("node", "edge", "desc", "data"),
    "node": ("desc", "data"),
    "edge": ("desc", "data"),
}
"""Elements of GraphML (http://graphml.graphdrawing.org) for a flat, simple graph, with their allowed children."""


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read a graph from a GraphML or node-link JSON file.

    Raises:
        InputError: the file cannot be read, is above 5 MB, has another format, or has directed edges.
    """
    name = os.fspath(path)
    text = read_text(name, MOST_GRAPH_BYTES, _ACCEPTED)
    first = text.lstrip()[:1]
    if first == "<":
        return _graphml(text, name)
    if first == "{":
        return _node_link(json_object(text, name, _ACCEPTED), name)
    raise InputError(name, f"a file that begins with {quoted(text[:20])}", _ACCEPTED)


def _node_link(values: Mapping[str, object], name: str) -> Graph:
    """The graph of node-link data; the key of the edges is `edges`, or `links` in older versions of networkx."""
    for key in values:
        if key not in _JSON_KEYS:
            raise InputError(name, f"the unknown key {quoted(key)}", one_of(key, _JSON_KEYS))
    if values.get("directed", False) is not False:
        raise InputError(f"{name}: directed", quoted(values["directed"]), f"false; {_UNDIRECTED}")
    keys = [key for key in ("edges", "links") if key in values]
    if len(keys) != 1:
        raise InputError(name, f"{' and '.join(keys) or 'none'} of edges and links", "exactly one of them")
    file = JsonObject(values, name)
    file.value("nodes")
    nodes = (Node(one.where, one.value("id"), _without(one.values, "id")) for one in file.items("nodes"))
    return Graph(tuple(nodes), tuple(map(_edge, file.items(keys[0]))))


def _edge(edge: JsonObject) -> Edge:
    # `key` numbers the parallel edges of a multigraph.
    attributes = _without(edge.values, "source", "target", "key")
    return Edge(edge.where, (edge.value("source"), edge.value("target")), attributes)


def _without(item: Mapping[str, object], *keys: str) -> dict[str, object]:
    return {key: value for key, value in item.items() if key not in keys}


class _Tree(ElementTree.TreeBuilder):
    """Builds the tree of a document without deep nesting and without declarations."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._depth = 0

    def doctype(self, *_: object) -> None:
        """Refuse a document type declaration at its beginning, before any entity is read."""
        raise InputError(self._path, "a document type declaration", "GraphML without one")

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        """See `TreeBuilder.start`."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise InputError(self._path, f"more than {MOST_DEPTH} elements inside each other", _ACCEPTED)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """See `TreeBuilder.end`."""
        self._depth -= 1
        return super().end(tag)


class _Key(NamedTuple):
    """The declaration of an attribute; one without a name is only for drawing programs."""

    name: str | None
    domain: str
    default: str | None


def _graphml(text: str, path: str) -> Graph:
    """The graph of a GraphML document."""
    parser = ElementTree.XMLParser(target=_Tree(path))
    try:
        parser.feed(text)
        root = parser.close()
    except ElementTree.ParseError as error:
        where = f"{path}:{error.position[0]}"
        raise InputError(where, f"broken XML ({error.msg.partition(':')[0]})", "GraphML") from error
    if _tag(root) != "graphml":
        raise InputError(path, f"the element <{_tag(root)}>", "<graphml>")
    keys = {_named(key, "id", path): _key(key, path) for key in _children(root, "key", path)}
    graphs = _children(root, "graph", path)
    if len(graphs) != 1:
        raise InputError(path, f"{len(graphs)} graphs", "one graph")
    return _only_graph(graphs[0], keys, path)


def _only_graph(graph: Element, keys: Mapping[str, _Key], path: str) -> Graph:
    if graph.get("edgedefault") == "directed":
        raise InputError(path, 'edgedefault="directed"', _UNDIRECTED)
    nodes, edges = [], []
    for item in _children(graph, "node", path):
        name = _named(item, "id", path)
        nodes.append(Node(path, name, _attributes(item, keys, f"{path}: node {quoted(name)}")))
    for item in _children(graph, "edge", path):
        ends = (_named(item, "source", path), _named(item, "target", path))
        where = f"{path}: edge {quoted(ends[0])} - {quoted(ends[1])}"
        if item.get("directed") == "true":
            raise InputError(where, 'directed="true"', _UNDIRECTED)
        edges.append(Edge(path, ends, _attributes(item, keys, where)))
    return Graph(tuple(nodes), tuple(edges))


def _key(key: Element, path: str) -> _Key:
    defaults = _children(key, "default", path)
    return _Key(key.get("attr.name"), key.get("for", "all"), _text(defaults[0]) if defaults else None)


def _attributes(item: Element, keys: Mapping[str, _Key], where: str) -> dict[str, object]:
    """The attributes of a node or an edge, with declared defaults for missing ones."""
    own: dict[str, object] = {}
    for data in _children(item, "data", where):
        key = keys.get(data.get("key", ""))
        if key is None:
            raise InputError(
                where, f"data for the key {quoted(data.get('key'))}", one_of(data.get("key", ""), keys)
            )
        if key.name in own:
            raise InputError(where, f"the attribute {quoted(key.name)} more than once", "each attribute once")
        if key.name is not None:
            own[key.name] = _text(data)
    domains = (_tag(item), "all")
    defaults = {
        key.name: key.default for key in keys.values() if key.domain in domains and key.default is not None
    }
    return {name: value for name, value in (defaults | own).items() if name is not None}


def _children(parent: Element, tag: str, where: str) -> list[Element]:
    """The children with a tag; refuse children that the parent must not have."""
    allowed = _CHILDREN[_tag(parent)]
    for child in parent:
        if _tag(child) not in allowed:
            expected = " or ".join(f"<{name}>" for name in allowed)
            raise InputError(where, f"<{quoted(_tag(child))[1:-1]}> in <{_tag(parent)}>", expected)
    return [child for child in parent if _tag(child) == tag]


def _tag(element: Element) -> str:
    """The tag of an element, without its namespace."""
    return element.tag.rpartition("}")[2]


def _named(element: Element, attribute: str, path: str) -> str:
    value = element.get(attribute)
    if value is None:
        raise InputError(
            path, f"<{_tag(element)}> without {attribute}", f"{attribute} on each <{_tag(element)}>"
        )
    return value


def _text(element: Element) -> str:
    return (element.text or "").strip()
