"""Laws of shapes of networks, of imported graphs, and of the section `topology` of a scenario file."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import simpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway import policies
from headway.simcore import (
    Cluster,
    Device,
    Link,
    Scenario,
    load_scenario,
    shipped_scenario,
    simulate,
)
from headway.simcore.engine.network.network import network, sent
from headway.simcore.files.importers.graphfile import read_graph
from headway.simcore.files.importers.graphs import GraphOptions, from_networkx, wiring
from headway.simcore.world import topology
from headway.simcore.world.topology import Pair, Wire, Wiring
from headway.traces import InputError, Trace

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
WIRE = Wire(bandwidth=Trace.constant(1e6), latency_s=1e-3)


def geometric(nodes: Sequence[str]) -> list[Pair]:
    return topology.geometric(nodes, 0.3, np.random.default_rng(5))


SHAPES: dict[str, Callable[[Sequence[str]], list[Pair]]] = {
    "mesh": topology.mesh,
    "line": topology.line,
    "ring": topology.ring,
    "tree": lambda nodes: topology.tree(nodes, 3),
    "geometric": geometric,
    "star": lambda nodes: topology.star("hub", nodes),
}

shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
names = st.lists(st.sampled_from([f"d{i}" for i in range(30)]), min_size=1, max_size=15, unique=True)


def cluster(devices: Sequence[str], links: Sequence[Link], **more: Any) -> Cluster:
    machines = tuple(Device(name=name, memory_bytes=1e9, flops=1e9) for name in devices)
    return Cluster(machines, tuple(links), devices[0], **more)


def hops(world: Cluster) -> dict[Pair, int]:
    """Links crossed between any two devices."""
    return {
        (a, b): len(route.links)
        for a, row in zip(world.names, world.routes, strict=True)
        for b, route in zip(world.names, row, strict=True)
        if route is not None
    }


# Shapes


@shapes
@given(nodes=names)
def test_a_shape_joins_all_nodes_with_no_pair_twice(
    shape: Callable[[Sequence[str]], list[Pair]], nodes: list[str]
) -> None:
    pairs = shape(nodes)
    graph = nx.Graph(pairs)
    graph.add_nodes_from(nodes)
    assert nx.is_connected(graph)
    assert graph.number_of_edges() == len(pairs)
    assert nx.number_of_selfloops(graph) == 0
    assert set(graph) - set(nodes) <= {"hub"}


@shapes
@given(nodes=names, data=st.data())
def test_other_names_in_the_same_places_give_the_same_shape(
    shape: Callable[[Sequence[str]], list[Pair]], nodes: list[str], data: st.DataObject
) -> None:
    """Nothing depends on what a node is called: permuting the names permutes the pairs."""
    other = dict(zip(nodes, data.draw(st.permutations(nodes)), strict=True)) | {"hub": "hub"}
    assert shape([other[node] for node in nodes]) == [(other[a], other[b]) for a, b in shape(nodes)]


@given(nodes=names, branching=st.integers(1, 20))
def test_the_number_of_pairs_has_a_closed_form(nodes: list[str], branching: int) -> None:
    n = len(nodes)
    assert len(topology.mesh(nodes)) == n * (n - 1) // 2
    assert len(topology.star("hub", nodes)) == n
    assert len(topology.line(nodes)) == n - 1
    assert len(topology.ring(nodes)) == (n if n >= 3 else n - 1)
    assert len(topology.tree(nodes, branching)) == n - 1


@given(nodes=names, branching=st.integers(1, 20))
def test_a_tree_is_the_full_tree_of_networkx(nodes: list[str], branching: int) -> None:
    expected = [(nodes[a], nodes[b]) for a, b in nx.full_rary_tree(branching, len(nodes)).edges]
    assert sorted(topology.tree(nodes, branching)) == sorted(expected)
    if branching == 1:
        assert topology.tree(nodes, 1) == topology.line(nodes)


@given(nodes=names, radius=st.floats(0.001, 1.5), seed=st.integers(0, 1000))
def test_a_geometric_graph_is_the_radius_and_the_spanning_tree(
    nodes: list[str], radius: float, seed: int
) -> None:
    """Against networkx; beyond the radius there are as many links as parts, less one."""
    pairs = topology.geometric(nodes, radius, np.random.default_rng(seed))
    places = np.random.default_rng(seed).random((len(nodes), 2))
    distance = {
        (a, b): math.dist(places[i], places[j])
        for (i, a), (j, b) in itertools.combinations(enumerate(nodes), 2)
    }
    near = {pair for pair, far in distance.items() if far <= radius}
    full: nx.Graph[str] = nx.Graph()
    full.add_nodes_from(nodes)
    full.add_weighted_edges_from((a, b, far) for (a, b), far in distance.items())
    order = {node: i for i, node in enumerate(nodes)}
    tree = {(a, b) if order[a] < order[b] else (b, a) for a, b in nx.minimum_spanning_tree(full).edges}
    assert set(pairs) == near | tree
    parts = nx.Graph(near)
    parts.add_nodes_from(nodes)
    assert len(set(pairs) - near) == nx.number_connected_components(parts) - 1


@given(seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_geometric_graph(seed: int) -> None:
    nodes = [f"d{i}" for i in range(20)]
    one, again, other = (
        topology.geometric(nodes, 0.3, np.random.default_rng(s)) for s in (seed, seed, seed + 1)
    )
    assert one == again != other


# Links and clusters


@shapes
@given(nodes=names)
def test_links_are_called_after_their_ends_and_every_device_is_reached(
    shape: Callable[[Sequence[str]], list[Pair]], nodes: list[str]
) -> None:
    links = topology.join("net", shape(nodes), WIRE)
    assert [link.name for link in links] == [f"net:{a}-{b}" for a, b in shape(nodes)]
    assert len({link.name for link in links}) == len(links)
    relays = tuple({end for link in links for end in link.ends} - set(nodes))
    world = cluster(nodes, links, relays=relays)
    assert len(hops(world)) == len(nodes) * (len(nodes) - 1)


@given(nodes=names)
def test_all_routes_of_a_star_have_two_hops(nodes: list[str]) -> None:
    world = cluster(nodes, topology.join("net", topology.star("hub", nodes), WIRE), relays=("hub",))
    assert set(hops(world).values()) <= {2}


@given(nodes=names)
def test_a_ring_is_crossed_the_shorter_way_round(nodes: list[str]) -> None:
    world = cluster(nodes, topology.join("net", topology.ring(nodes), WIRE))
    place = {node: i for i, node in enumerate(nodes)}
    for (a, b), count in hops(world).items():
        apart = abs(place[a] - place[b])
        assert count == min(apart, len(nodes) - apart)
        i, j = place[a], place[b]
        assert world.latencies(0.0, 0.0)[i, j] == pytest.approx(count * 1e-3)


@given(nodes=names)
def test_a_mesh_has_one_hop_between_any_two(nodes: list[str]) -> None:
    world = cluster(nodes, topology.join("net", topology.mesh(nodes), WIRE))
    assert set(hops(world).values()) <= {1}


def test_each_link_may_have_a_trace_of_its_own() -> None:
    drawn = {"net:a-b": Trace.constant(1.0), "net:b-c": Trace.constant(2.0)}
    links = topology.join("net", topology.line("abc"), Wire(bandwidth=drawn.__getitem__, overhead_s=0.5))
    assert [link.bandwidth for link in links] == list(drawn.values())
    assert {link.overhead_s for link in links} == {0.5}


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_cells_have_a_medium_each_and_meet_in_a_switch(sizes: list[int]) -> None:
    members = [[f"c{k}-d{i}" for i in range(size)] for k, size in enumerate(sizes)]
    wired = Wire(bandwidth=Trace.constant(1e8), latency_s=1e-4)
    relays, links, media = topology.cells("home", members, WIRE, wired)
    assert len(links) == sum(sizes) + len(sizes)
    assert relays == ("home", *(f"home-{k}" for k in range(1, len(sizes) + 1)))
    assert [medium.name for medium in media] == list(relays[1:])
    on = {medium.name: size for medium, size in zip(media, sizes, strict=True)}
    assert Counter(link.medium for link in links if link.medium) == on
    world = cluster([node for cell in members for node in cell], links, relays=relays, media=media)
    for (a, b), count in hops(world).items():
        assert count == (2 if a.split("-")[0] == b.split("-")[0] else 4)


def test_cells_need_a_bandwidth() -> None:
    with pytest.raises(ValueError, match="'home-1' needs a bandwidth"):
        topology.cells("home", [["a"]], Wire(), WIRE)


# Graphs


def plain(wired: Wiring) -> tuple[Any, ...]:
    """What can be compared of a wiring."""
    return (
        wired.relays,
        [
            (
                link.name,
                link.ends,
                None if link.bandwidth is None else link.bandwidth.value(0.0),
                link.latency_s,
                link.overhead_s,
                link.medium,
            )
            for link in wired.links
        ],
    )


EDGES = st.fixed_dictionaries(
    {"bandwidth": st.integers(1, 1000).map("{} Mbit/s".format)},
    optional={
        "latency": st.integers(0, 100).map("{} ms".format),
        "overhead": st.integers(0, 100).map("{} us".format),
        "medium": st.sampled_from(["air", "cable"]),
    },
)


@st.composite
def graphs(draw: st.DrawFn) -> "nx.Graph[Any]":
    """Networks over d0, d1, ... (devices) and s0, s1, ... (relays); as multigraphs with named edges."""
    multi = draw(st.booleans())
    graph: nx.Graph[Any] = nx.MultiGraph() if multi else nx.Graph()
    nodes = [f"d{i}" for i in range(draw(st.integers(1, 5)))]
    nodes += [f"s{i}" for i in range(draw(st.integers(0, 4)))]
    graph.add_nodes_from(draw(st.permutations(nodes)))
    if draw(st.booleans()):
        graph.add_node("4", device="laptop")
    pairs = list(itertools.combinations(graph, 2))
    ends = draw(st.lists(st.sampled_from(pairs), max_size=12, unique=not multi)) if pairs else []
    for number, (a, b) in enumerate(ends):
        graph.add_edge(a, b, **draw(EDGES), **({"name": f"e{number}"} if multi else {}))
    return graph


DEVICES = ["d0", "d1", "d2", "d3", "d4", "laptop"]


@SHARED_FOLDER
@given(graph=graphs(), edges=st.sampled_from(["edges", "links"]))
def test_a_graph_means_the_same_from_memory_and_from_files(
    graph: "nx.Graph[Any]", edges: str, tmp_path: Path
) -> None:
    expected = plain(from_networkx("lab", graph, DEVICES, media=("air", "cable")))
    (tmp_path / "lab.graphml").write_text("\n".join(nx.generate_graphml(graph)))
    (tmp_path / "lab.json").write_text(json.dumps(nx.node_link_data(graph, edges=edges)))
    for name in ("lab.graphml", "lab.json"):
        read = read_graph(tmp_path / name)
        assert plain(wiring("lab", read, GraphOptions(devices=DEVICES, media=("air", "cable")))) == expected


def test_edges_without_attributes_get_those_of_the_wire() -> None:
    graph = nx.Graph(
        [("d0", "s", {"latency": "3 ms"}), ("s", "d1", {"bandwidth": "8 Mbit/s", "medium": "air"})]
    )
    wire = Wire(bandwidth=Trace.constant(5.0), latency_s=1.0, overhead_s=0.25)
    assert plain(from_networkx("lab", graph, DEVICES, media=["air"], wire=wire)) == (
        ("s",),
        [
            ("lab:d0-s", ("d0", "s"), 5.0, 0.003, 0.25, None),
            ("lab:s-d1", ("s", "d1"), 1e6, 1.0, 0.25, "air"),
        ],
    )


def test_a_node_is_the_device_it_names_and_numbers_are_names() -> None:
    graph: nx.Graph[object] = nx.Graph([("Anna's laptop", 1), (1, 2)])
    graph.nodes["Anna's laptop"]["device"] = "laptop"
    wired = from_networkx("lab", graph, ["laptop", "2"], wire=WIRE)
    assert wired.relays == ("1",)
    assert [link.name for link in wired.links] == ["lab:laptop-1", "lab:1-2"]


def test_what_other_programs_put_into_graphml_is_passed_over(tmp_path: Path) -> None:
    """Namespaces, descriptions, data of drawing programs, and defaults of attributes."""
    (tmp_path / "lab.graphml").write_text(
        """<?xml version="1.0" encoding="UTF-16" standalone="no"?>
        <g:graphml xmlns:g="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
          <!-- a laboratory -->
          <g:desc>of ours</g:desc>
          <g:key id="n" for="node" yfiles.type="nodegraphics"/>
          <g:key id="b" for="edge" attr.name="bandwidth" attr.type="string"><g:default>8 Mbit/s</g:default></g:key>
          <g:key id="d" attr.name="device" for="node"/>
          <g:graph id="G" edgedefault="undirected">
            <g:node id="n0"><g:data key="n"><y:ShapeNode><y:Fill color="#FFCC00"/></y:ShapeNode></g:data>
              <g:data key="d"> d0 </g:data></g:node>
            <g:node id="n1"/>
            <g:edge id="e0" source="n0" target="n1"/>
            <g:edge id="e1" source="n1" target="d1"><g:data key="b">16 Mbit/s</g:data></g:edge>
            <g:node id="d1"/>
          </g:graph>
        </g:graphml>"""
    )
    wired = wiring("lab", read_graph(tmp_path / "lab.graphml"), GraphOptions(devices=["d0", "d1"]))
    assert wired.relays == ("n1",)
    assert [(link.name, link.bandwidth.value(0.0)) for link in wired.links if link.bandwidth] == [
        ("lab:d0-n1", 1e6),
        ("lab:n1-d1", 2e6),
    ]


def test_a_directed_graph_of_networkx_is_refused() -> None:
    with pytest.raises(InputError, match="directed graph"):
        from_networkx("lab", nx.DiGraph([("d0", "d1")]), DEVICES, wire=WIRE)


# Scenario files


def scenario(folder: Path, more: str, devices: int = 4) -> Scenario:
    """A file with devices pi-1, pi-2, ... and a laptop, and what is under test."""
    path = folder / "lab.yaml"
    path.write_text(
        "model: {shape: {layers: 1, width: 64, heads: 4}}\n"
        "workload: [{prompt: 2, output: 2}]\n"
        "devices:\n"
        "  laptop: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}\n"
        f"  pi: {{count: {devices}, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}}\n{more}"
    )
    return load_scenario(path)


def link_names(folder: Path, more: str, devices: int = 4) -> list[str]:
    return [link.name for link in scenario(folder, more, devices).cluster.links]


RATE = "bandwidth: 8 Mbit/s"


@pytest.mark.parametrize(
    ("kind", "links"),
    [
        ("kind: mesh", ["n:laptop-pi-1", "n:laptop-pi-2", "n:pi-1-pi-2"]),
        ("kind: line", ["n:laptop-pi-1", "n:pi-1-pi-2"]),
        ("kind: ring", ["n:laptop-pi-1", "n:pi-1-pi-2", "n:pi-2-laptop"]),
        ("kind: ring, members: [pi, laptop]", ["n:pi-1-pi-2", "n:pi-2-laptop", "n:laptop-pi-1"]),
        ("kind: tree", ["n:laptop-pi-1", "n:laptop-pi-2"]),
        ("kind: tree, branching: 1", ["n:laptop-pi-1", "n:pi-1-pi-2"]),
        ("kind: star", ["n:n-laptop", "n:n-pi-1", "n:n-pi-2"]),
        ("kind: star, relay: hub", ["n:hub-laptop", "n:hub-pi-1", "n:hub-pi-2"]),
        ("kind: geometric, radius: 1.5", ["n:laptop-pi-1", "n:laptop-pi-2", "n:pi-1-pi-2"]),
        (
            f"kind: cells, cells: [[laptop], [pi]], backbone: {{{RATE}}}",
            ["n:n-1-laptop", "n:n-2-pi-1", "n:n-2-pi-2", "n:n-n-1", "n:n-n-2"],
        ),
    ],
)
def test_links_of_a_topology_are_called_after_it_and_their_ends(
    kind: str, links: list[str], tmp_path: Path
) -> None:
    assert link_names(tmp_path, f"topology: {{n: {{{kind}, {RATE}}}}}", devices=2) == links


def test_keys_arrive_in_the_links(tmp_path: Path) -> None:
    world = scenario(
        tmp_path,
        "topology: {n: {kind: star, medium: air, bandwidth: 8 Mbit/s, latency: 2 ms, overhead: 3 us}}\n"
        "media: {air: {bandwidth: 16 Mbit/s}}\n",
    ).cluster
    assert world.relays == ("n",)
    for link in world.links:
        assert link.bandwidth is not None
        assert (link.bandwidth.value(0.0), link.medium) == (1e6, "air")
        assert (link.latency_s, link.overhead_s) == (0.002, 3e-6)


def test_cells_in_a_file_are_those_of_the_function(tmp_path: Path) -> None:
    world = scenario(
        tmp_path,
        "topology: {n: {kind: cells, cells: [[laptop, pi-1], [pi-3]], bandwidth: 8 Mbit/s, latency: 1 ms,\n"
        "               backbone: {bandwidth: 80 Mbit/s, overhead: 1 ms}}}\n"
        "links: {wire: {connect: [[n, pi-2], [n-1, pi-4]], bandwidth: 8 Mbit/s}}\n",
    ).cluster
    relays, links, media = topology.cells(
        "n", [["laptop", "pi-1"], ["pi-3"]], WIRE, Wire(bandwidth=Trace.constant(1e7), overhead_s=1e-3)
    )
    assert plain(Wiring(world.relays, world.links[:5])) == plain(Wiring(relays, links))
    assert [medium.name for medium in world.media] == [medium.name for medium in media]
    assert {medium.bandwidth.value(0.0) for medium in world.media} == {1e6}


def test_topologies_meet_in_a_relay_and_build_on_those_above(tmp_path: Path) -> None:
    """A router with Wi-Fi and sockets, and a ring of relays that stars have made."""
    world = scenario(
        tmp_path,
        "media: {air: {bandwidth: 8 Mbit/s}}\n"
        "relays: [far]\n"
        "topology:\n"
        "  wifi: {kind: star, relay: router, members: [pi-1, pi-2], medium: air}\n"
        "  lan: {kind: star, relay: router, members: [laptop], bandwidth: 1 Gbit/s}\n"
        "  shed: {kind: star, members: [pi-3, pi-4], medium: air}\n"
        "  loop: {kind: ring, members: [router, shed, far], bandwidth: 1 Gbit/s}\n"
        "routes: [[pi-1, router, far, shed, pi-3]]\n",
    ).cluster
    assert world.relays == ("far", "router", "shed")
    between = hops(world)
    assert (between["laptop", "pi-1"], between["laptop", "pi-4"], between["pi-1", "pi-3"]) == (2, 3, 4)


def test_links_and_routes_can_use_what_a_topology_adds(tmp_path: Path) -> None:
    names = link_names(
        tmp_path,
        "topology:\n"
        "  air: {kind: cells, cells: [[pi-1, pi-2]], bandwidth: 8 Mbit/s, backbone: {bandwidth: 1 Gbit/s}}\n"
        "links: {more: {connect: [[air-1, pi-3], [air-1, pi-4]], medium: air-1},\n"
        "        wire: {connect: [[laptop, air]], bandwidth: 1 Gbit/s}}\n"
        "routes: [[laptop, air, air-1, pi-3]]\n",
    )
    assert names[-3:] == ["more:air-1-pi-3", "more:air-1-pi-4", "wire"]


WALK = "bandwidth: {walk_mean: 8 Mbit/s, sigma: 0.3, step: 1 s, duration: 9 s}"


def test_walks_are_drawn_for_each_link_and_medium(tmp_path: Path) -> None:
    """And are the same whatever else stands in the file."""
    ring = f"topology: {{n: {{kind: ring, {WALK}}}"
    one = scenario(tmp_path, f"{ring}}}").cluster
    other = scenario(tmp_path, f"{ring}, m: {{kind: star, {WALK}}}}}").cluster
    values = [link.bandwidth.values.tolist() for link in one.links if link.bandwidth]
    assert values == [link.bandwidth.values.tolist() for link in other.links[:5] if link.bandwidth]
    assert len({tuple(drawn) for drawn in values}) == len(values) == 5
    cells = f"topology: {{n: {{kind: cells, cells: [[laptop], [pi]], {WALK}, backbone: {{{RATE}}}}}}}"
    first, second = scenario(tmp_path, cells).cluster.media
    assert first.bandwidth.values.tolist() != second.bandwidth.values.tolist()


def test_the_seed_of_the_scenario_places_the_members(tmp_path: Path) -> None:
    kind = f"topology: {{n: {{kind: geometric, radius: 0.3, {RATE}}}}}\n"
    one, again, other = (link_names(tmp_path, kind + f"seed: {seed}\n", devices=20) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("name", ["lab.json", "lab.graphml"])
def test_a_graph_beside_a_scenario_is_imported(name: str, tmp_path: Path) -> None:
    graph: nx.Graph[str] = nx.Graph([("laptop", "s"), ("s", "pi-1"), ("s", "pi-2")])
    graph.edges["s", "pi-1"]["latency"] = "3 ms"
    graph.edges["s", "pi-2"]["medium"] = "air"
    graph.add_edge("pi-1", "pi-2", bandwidth="16 Mbit/s", color="red")
    text = (
        "\n".join(nx.generate_graphml(graph))
        if name == "lab.graphml"
        else json.dumps(nx.node_link_data(graph, edges="links"))
    )
    (tmp_path / name).write_text(text)
    world = scenario(
        tmp_path,
        "media: {air: {bandwidth: 8 Mbit/s}}\n"
        f"topology: {{lab: {{file: {name}, ignore: [color], bandwidth: 8 Mbit/s, latency: 1 ms}}}}\n",
        devices=2,
    ).cluster
    wire = Wire(bandwidth=Trace.constant(1e6), latency_s=1e-3)
    expected = from_networkx("lab", graph, world.names, media=["air"], wire=wire, ignore=["color"])
    assert plain(Wiring(world.relays, world.links)) == plain(expected)
    assert world.relays == ("s",)
    assert [link.name for link in world.links] == [
        "lab:laptop-s",
        "lab:s-pi-1",
        "lab:s-pi-2",
        "lab:pi-1-pi-2",
    ]


STAR = f"kind: star, {RATE}"


@pytest.mark.parametrize(
    "more",
    [
        f"topology: {{n: {{kind: mesh, {WALK}}}}}",
        f"topology: {{n: {{kind: geometric, radius: 1.4, {WALK}}}}}",
        f"topology: {{n: {{kind: star, {RATE}}}}}\nlinks: {{m: {{connect: all, {WALK}}}}}",
    ],
)
def test_too_many_links_are_refused_before_they_are_made(more: str, tmp_path: Path) -> None:
    """A thousand devices have half a million pairs; nothing is drawn for them."""
    with pytest.raises(InputError, match="at most 5000 links in all"):
        scenario(tmp_path, more, devices=999)


def test_a_second_medium_of_one_name_is_refused(tmp_path: Path) -> None:
    cells = f"kind: cells, cells: [[pi]], {RATE}, backbone: {{{RATE}}}"
    with pytest.raises(InputError, match="a second medium called 'n-1'"):
        scenario(tmp_path, f"media: {{n-1: {{{RATE}}}}}\ntopology: {{n: {{{cells}}}}}")


def test_a_dropped_device_leaves_its_topologies(tmp_path: Path) -> None:
    """By the name of a device or of all with a count; a topology or a cell that had no others goes too."""
    scenario(
        tmp_path,
        "  tv: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}\n"
        "relays: [sw]\n"
        f"topology:\n  n: {{{STAR}, relay: sw, members: [laptop, pi-1, tv]}}\n"
        f"  m: {{kind: cells, cells: [[pi], [tv, laptop]], {RATE}, backbone: {{{RATE}}}}}\n"
        f"  o: {{{STAR}, relay: sw, members: [pi-2]}}\n",
    )
    left = load_scenario(tmp_path / "lab.yaml", changes=["drop devices.pi"]).cluster
    assert [link.name for link in left.links] == [
        "n:sw-laptop",
        "n:sw-tv",
        "m:m-1-tv",
        "m:m-1-laptop",
        "m:m-m-1",
    ]
    assert [medium.name for medium in left.media] == ["m-1"]


def test_what_if_a_topology_were_slower(tmp_path: Path) -> None:
    scenario(tmp_path, f"topology: {{n: {{{STAR}}}}}")
    slow = load_scenario(tmp_path / "lab.yaml", changes=["topology.n.bandwidth*0.5"]).cluster
    assert {link.bandwidth.value(0.0) for link in slow.links if link.bandwidth} == {5e5}


# The shipped cell


def wifi_cell(sharing: str) -> Scenario:
    return load_scenario(shipped_scenario("wifi-cell"), changes=[f"network.sharing={sharing}"])


@pytest.mark.parametrize("senders", range(1, 8))
def test_those_who_send_at_once_share_half_of_the_air(senders: int) -> None:
    """Every message crosses the air to the access point and from it; `dedicated` gives each its half alone."""
    for sharing, share in (("fair", senders), ("dedicated", 1)):
        world = wifi_cell(sharing)
        env = simpy.Environment()
        net = network(env, world.cluster, world.network.sharing)
        messages = [env.process(sent(env, net, start, 0, 1e6)) for start in range(1, senders + 1)]
        env.run(env.all_of(messages))
        assert env.now == pytest.approx(1e-3 + share * 1e6 / (80e6 / 8 / 2), rel=1e-9)


def test_a_spread_model_collapses_in_a_cell_and_only_there() -> None:
    """What `dedicated` recommends, to spread, is the worse choice once the air is shared."""

    def token_s(sharing: str, policy: str) -> float:
        tokens = simulate(wifi_cell(sharing), policies.create(policy)).tokens
        return float(tokens.loc[tokens["token"] > 0, "latency_s"].mean())

    assert token_s("dedicated", "round-robin") < token_s("dedicated", "single")
    assert token_s("fair", "single") == pytest.approx(token_s("dedicated", "single"))
    assert token_s("fair", "round-robin") > 2.5 * token_s("fair", "single")
