"""Network topologies: one function per shape that returns pairs of nodes, and functions that make links of them.

A shape is a list of pairs of names, whose order depends only on the order of the names. `join` makes links of the
pairs, called `NAME:A-B`; `cells`, which has links of two kinds, returns the links. Nodes are devices or relays.

    links = join("backbone", ring(["s1", "s2", "s3"]), Wire(bandwidth=Trace.constant(125e6)))
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from headway.simcore.world.airtime import Frame
from headway.simcore.world.link import Link, Medium
from headway.traces import Trace

Pair: TypeAlias = tuple[str, str]
Rate: TypeAlias = Trace | Callable[[str], Trace]
"""A bandwidth [bytes/s] or latency [s]: the same trace everywhere, or a trace for each name of a link or medium."""


_FRAME = Frame()


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Properties of all links of one shape.

    Attributes:
        bandwidth: rate over time [bytes/s], one for all links or by the name of the link; None if only the medium
            limits them.
        latency_s: one-way latency of each link, a number, one trace for all links or one by the name of the link.
        overhead_s: fixed time per message and link.
        medium: name of their common medium, if they have one.
    """

    bandwidth: Rate | None = None
    latency_s: float | Rate = 0.0
    overhead_s: float = 0.0
    medium: str | None = None

    def link(self, name: str, ends: Pair) -> Link:
        """A link of this kind."""
        bandwidth, latency_s = self.bandwidth, self.latency_s
        return Link(
            name=name,
            ends=ends,
            bandwidth=None if bandwidth is None else _rate(bandwidth, name),
            latency_s=latency_s if isinstance(latency_s, float | int) else _rate(latency_s, name),
            overhead_s=self.overhead_s,
            medium=self.medium,
        )


class Wiring(NamedTuple):
    """The relays, links and media that a network adds to the devices of a cluster.

    Attributes:
        relays: names of nodes that are not devices.
        links: between devices and relays.
        media: shared channels of the links.
    """

    relays: tuple[str, ...]
    links: tuple[Link, ...]
    media: tuple[Medium, ...] = ()


def join(name: str, pairs: Iterable[Pair], wire: Wire) -> tuple[Link, ...]:
    """A link for every pair; the one between a and b is called `name:a-b`."""
    return tuple(wire.link(f"{name}:{a}-{b}", (a, b)) for a, b in pairs)


def mesh(nodes: Sequence[str]) -> list[Pair]:
    """Every node with every other: n (n - 1) / 2 pairs, each in the order of the nodes."""
    return list(itertools.combinations(nodes, 2))


def star(relay: str, nodes: Sequence[str]) -> list[Pair]:
    """Every node with one relay, a switch or an access point: n pairs, the relay first."""
    return [(relay, node) for node in nodes]


def line(nodes: Sequence[str]) -> list[Pair]:
    """Every node with the next: n - 1 pairs."""
    return list(itertools.pairwise(nodes))


def ring(nodes: Sequence[str]) -> list[Pair]:
    """A line closed between its last node and its first: n pairs, or n - 1 where n is below 3."""
    closing = [(nodes[-1], nodes[0])] if len(nodes) > 2 else []
    return line(nodes) + closing


def tree(nodes: Sequence[str], branching: int) -> list[Pair]:
    """Every node but the first with its parent: n - 1 pairs, the parent first.

    The tree is filled level by level: the first node is the root, the next `branching` are its children, and so on.
    """
    return [(nodes[(i - 1) // branching], nodes[i]) for i in range(1, len(nodes))]


def geometric(nodes: Sequence[str], radius: float, random: np.random.Generator) -> list[Pair]:
    """Nodes at random places of a unit square, joined where they are no farther apart than `radius`.

    The edges of the Euclidean minimum spanning tree are added, so that the network is connected. Such an edge is longer
    than the radius only between two parts: n parts get n - 1 longer edges.

    Args:
        nodes: names; the first is placed first.
        radius: in sides of the square.
        random: generator of the places.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree  # noqa: PLC0415 (0.15 s of import for one shape)

    places = random.random((len(nodes), 2))
    distance = np.linalg.norm(places[:, np.newaxis] - places, axis=-1)
    joined = distance <= radius
    tree = minimum_spanning_tree(distance).tocoo()
    joined[tree.row, tree.col] = joined[tree.col, tree.row] = True
    return [(nodes[i], nodes[j]) for i, j in np.argwhere(np.triu(joined, 1))]


def cells(
    name: str, members: Sequence[Sequence[str]], radio: Wire, backbone: Wire, frame: Frame = _FRAME
) -> Wiring:
    """Wi-Fi cells whose access points are wired to one switch.

    Cell k, counted from 1, is a star over the access point `name-k`, and all its links are on the medium `name-k`, so
    that concurrent messages share its rate. Each access point has a link of the kind `backbone` to the switch, which is
    called `name`.

    Args:
        name: of the switch; the names of access points, links and media begin with it.
        members: the nodes of each cell.
        radio: the links in the cells; its bandwidth is the rate of the medium, by the name of the medium.
        backbone: the links between access points and switch.
        frame: of the media, if messages share their airtime.
    """
    points = [f"{name}-{number}" for number in range(1, len(members) + 1)]
    links: list[Link] = []
    media: list[Medium] = []
    for point, cell in zip(points, members, strict=True):
        links.extend(join(name, star(point, cell), replace(radio, bandwidth=None, medium=point)))
        media.append(Medium(name=point, bandwidth=_rate(radio.bandwidth, point), frame=frame))
    links.extend(join(name, star(name, points), backbone))
    return Wiring((name, *points), tuple(links), tuple(media))


def _rate(bandwidth: Rate | None, name: str) -> Trace:
    if bandwidth is None:
        raise ValueError(f"{name!r} needs a bandwidth")
    return bandwidth if isinstance(bandwidth, Trace) else bandwidth(name)
