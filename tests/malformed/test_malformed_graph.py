"""Malformed graph files (GraphML and node-link JSON): each is refused with one sentence that names file and element.

A graph file that Hypothesis damages is a network or is refused, and a scenario with such a network can be run.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Some, attempt, broken, damaged, examine, small_world, try_out, yaml_of
from hypothesis import given
from test_topology import DEVICES

from headway.simcore import load_scenario
from headway.simcore.files.importers.graphfile import read_graph
from headway.simcore.files.importers.graphs import GraphOptions, wiring
from headway.traces import InputError


def graphml(inside: str, keys: str = "", default: str = "undirected") -> str:
    return f'<graphml>{keys}<graph edgedefault="{default}">{inside}</graph></graphml>'


NODES = '<node id="d0"/><node id="s"/>'
EDGE = '<edge source="d0" target="s"/>'
DATA = '<data key="b">1 B/s</data>'
BANDWIDTH = '<key id="b" for="edge" attr.name="bandwidth"/>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + graphml("<node id='&b;'/>")


def node_link(**changes: Any) -> str:
    edge = {"source": "d0", "target": "s", "bandwidth": "1 MB/s"}
    return json.dumps({"nodes": [{"id": "d0"}, {"id": "s"}], "edges": [edge]} | changes)


def edge(**changes: Any) -> str:
    return node_link(edges=[{"source": "d0", "target": "s", "bandwidth": "1 MB/s"} | changes])


CASES = {
    "empty": ("", "begins with ''", "GraphML or node-link JSON"),
    "text": ("a b\n", "'a b", "GraphML or node-link JSON"),
    "edge list": ("[]", "'[]'", "GraphML or node-link JSON"),
    "not UTF-8": (b"\xff\xfe{", "not UTF-8", "UTF-8"),
    "too large": (b"{" + b" " * 5_000_000, "more than 5,000,000 bytes"),
    "broken JSON": ("{", ":1", "invalid JSON"),
    "deep JSON": ('{"nodes": ' + "[" * 100_000, "nested too deeply"),
    "deep JSON that is whole": ('{"nodes": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "repeated key": ('{"nodes": [], "nodes": []}', "'nodes' more than once"),
    "unknown key": (node_link(vertices=[]), "'vertices'", "nodes"),
    "no nodes": ('{"edges": []}', "no nodes", "the nodes here"),
    "nodes as a mapping": (node_link(nodes={}), "nodes", "a list"),
    "node as text": (node_link(nodes=["d0"]), "nodes.0", "'d0'", "an object"),
    "node without id": (node_link(nodes=[{}]), "nodes.0", "no id"),
    "both edges and links": (node_link(links=[]), "edges and links", "one of them"),
    "neither edges nor links": ('{"nodes": []}', "none of edges and links"),
    "edge without target": (node_link(edges=[{"source": "d0"}]), "edges.0", "no target"),
    "directed": (node_link(directed=True), "directed", "True", "undirected"),
    "directed by a word": (node_link(directed="no"), "directed", "'no'"),
    "same node twice": (node_link(nodes=[{"id": "d0"}, {"id": "d0"}]), "nodes.1", "a second node for 'd0'"),
    "number and text": (node_link(nodes=[{"id": 7}, {"id": "7"}]), "nodes.1", "a second node for '7'"),
    "same device twice": (
        node_link(nodes=[{"id": "d0"}, {"id": "s", "device": "d0"}]),
        "node 's'",
        "a second node for 'd0'",
    ),
    "unknown device": (
        node_link(nodes=[{"id": "n", "device": "labtop"}]),
        "nodes.0: node 'n': device",
        "'labtop'",
        "did you mean 'laptop'?",
    ),
    "device as a number": (node_link(nodes=[{"id": "n", "device": 1}]), "device", "1"),
    "unfit name": (node_link(nodes=[{"id": "the laptop"}]), "nodes.0", "'the laptop'", "letters, digits"),
    "grid": (node_link(nodes=[{"id": [0, 1]}]), "the name [0, 1]", "text or a whole number"),
    "name of truth": (node_link(nodes=[{"id": True}]), "the name True"),
    "attribute of a node": (
        node_link(nodes=[{"id": "d0", "pos": [1, 2]}]),
        "node 'd0'",
        "unknown attribute 'pos'",
        "to ignore",
    ),
    "misspelt attribute": (edge(bandwith="1 MB/s"), "edge 'd0' - 's'", "'bandwith'", "did you mean 'bandwidth'?"),
    "end that is no node": (edge(target="t"), "edges.0: edge 'd0' - 't'", "'t', which is not a node"),
    "end that is a list": (edge(target=[]), "the name []"),
    "self loop": (edge(target="d0"), "edge 'd0' - 'd0'", "'d0' to itself"),
    "bare bandwidth": (edge(bandwidth=100), "edge 'd0' - 's': bandwidth", "bare number 100", '"100 Mbit/s"'),
    "bandwidth of a time": (edge(bandwidth="3 ms"), "bandwidth", "'ms'"),
    "bandwidth of null": (edge(bandwidth=None), "bandwidth", "None"),
    "endless bandwidth": (edge(bandwidth="1e300 MB/s"), "bandwidth", "at most 1e+18"),
    "latency without unit": (edge(latency="3"), "latency", "a number without a unit"),
    "unknown medium": (edge(medium="aire"), "medium", "'aire'", "did you mean 'air'?"),
    "medium as a list": (edge(medium=["air"]), "medium", "['air']"),
    "no bandwidth": (node_link(edges=[{"source": "s", "target": "d0"}]), "edge 's' - 'd0'", "no bandwidth"),
    "unfit name of an edge": (edge(name="a b"), "name", "'a b'"),
    "parallel edges": (
        node_link(edges=[{"source": "d0", "target": "s", "key": key, "bandwidth": "1 B/s"} for key in (0, 1)]),
        "edges.1",
        "a second link called 'lab:d0-s'",
        "name on each",
    ),
    "broken XML": ("<graphml>", ":1", "broken XML (no element found)"),
    "mismatched XML": ("<graphml>\n<graph></graphml>", ":2", "mismatched tag"),
    "SVG": ("<svg/>", "<svg>", "<graphml>"),
    "entities": (LAUGHS, "a document type declaration", "without one"),
    "undeclared entity": (graphml("<node id='&a;'/>"), "undefined entity"),
    "external entity": (
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + graphml("<node id='&a;'/>"),
        "a document type declaration",
    ),
    "deep XML": ("<graphml>" + "<graph>" * 600_000, "more than 20 elements"),
    "no graph": ("<graphml/>", "0 graphs", "one graph"),
    "two graphs": ("<graphml><graph/><graph/></graphml>", "2 graphs"),
    "directed GraphML": (graphml(NODES, default="directed"), 'edgedefault="directed"', "undirected"),
    "directed edge": (graphml(NODES + EDGE.replace("/>", ' directed="true"/>')), "'d0' - 's'", "directed="),
    "hyperedge": (graphml("<hyperedge/>"), "<hyperedge> in <graph>", "<node> or <edge>"),
    "port": (graphml('<node id="a"><port name="x"/></node>'), "node 'a'", "<port> in <node>"),
    "graph in a node": (graphml('<node id="a"><graph/></node>'), "<graph> in <node>"),
    "GraphML node without id": (graphml("<node/>"), "<node> without id"),
    "GraphML edge without source": (graphml('<edge target="a"/>'), "<edge> without source"),
    "key without id": (graphml("", keys="<key/>"), "<key> without id"),
    "data without a key": (graphml('<node id="a"><data/></node>'), "node 'a'", "data for the key None"),
    "data of an unknown key": (graphml('<node id="a"><data key="c"/></node>', keys=BANDWIDTH), "'c'", "one of b"),
    "data twice": (
        graphml(NODES + EDGE.replace("/>", f">{2 * DATA}</edge>"), keys=BANDWIDTH),
        "edge 'd0' - 's'",
        "'bandwidth' more than once",
    ),
    "GraphML without bandwidth": (graphml(NODES + EDGE), "edge 'd0' - 's'", "no bandwidth"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), [(c, s) for c, *s in CASES.values()], ids=CASES)
def test_a_malformed_graph_is_refused_with_file_and_element(
    content: str | bytes, says: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "lab.graph"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        wiring("lab", read_graph(path), GraphOptions(devices=DEVICES, media=["air"]))
    assert str(caught.value).startswith(str(path))
    for part in says:
        assert part in str(caught.value).removeprefix(str(path))
    assert len(str(caught.value)) < 1500


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_graph(tmp_path / "gone.graphml")


GRAPH = {
    "directed": False,
    "multigraph": False,
    "graph": {},
    "nodes": [{"id": "left"}, {"id": 7, "device": "pi-1"}, {"id": "sw"}],
    "edges": [
        {"source": "left", "target": "sw", "bandwidth": "9 Mbit/s", "latency": "1 ms", "weight": 2},
        {"source": 7, "target": "sw", "medium": "air", "name": "x", "key": 0},
    ],
}
GRAPHML = b"""<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="bandwidth" attr.type="string"><default>5 Mbit/s</default></key>
<key id="d1" for="node" attr.name="device" attr.type="string"/>
<graph edgedefault="undirected"><node id="left"/><node id="b"><data key="d1">pi-1</data></node>
<edge source="left" target="b"><data key="d0">9 Mbit/s</data></edge></graph></graphml>
"""

DEVICE = {"memory": "9 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}
WORLD = small_world(
    devices={"left": DEVICE, "pi": DEVICE | {"count": 3}},
    media={"air": {"bandwidth": "9 Mbit/s"}},
    topology={"net": {"file": "drawn", "ignore": ["weight"], "bandwidth": "1 Mbit/s"}},
)


def test_a_graph_of_very_many_nodes_is_refused_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(yaml_of(WORLD))
    (tmp_path / "drawn").write_text(node_link(nodes=[{"id": i} for i in range(250_000)], edges=[]))
    with pytest.raises(InputError, match="250000 nodes") as caught:
        load_scenario(tmp_path / "lab.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
def test_a_damaged_graph_is_a_network_or_is_refused(times: int, tmp_path: Path) -> None:
    path, world = tmp_path / "drawn", tmp_path / "lab.yaml"
    world.write_text(yaml_of(WORLD))
    path.write_text(json.dumps(GRAPH))
    try_out(load_scenario(world))

    @given(
        data=damaged(Some([GRAPH])).map(json.dumps).map(str.encode)
        | broken(Some([json.dumps(GRAPH).encode(), GRAPHML]))
    )
    def check(data: bytes) -> None:
        path.write_bytes(data)
        if attempt(lambda: read_graph(path), str(path)) is not None:
            scenario = attempt(lambda: load_scenario(world), str(tmp_path))
            if scenario is not None:
                links = [link.name for link in scenario.cluster.links]
                assert len(set(links)) == len(links)
            try_out(scenario)

    examine(check, 80 * times, at_random=times > 1)
