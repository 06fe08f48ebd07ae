"""The way of every message: which links it takes, and which resources it shares on them."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import networkx as nx

from headway.simcore.world.airtime import CellRate
from headway.simcore.world.device import ALWAYS_ON, Device
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.route import Resource, Route
from headway.traces import Trace, scaled

_Key: TypeAlias = tuple[str, str, bool]
"""The owner of a resource: "link", "nic", "medium" or "up", its name, and a direction."""

_UNLIMITED = 1e30  # [bytes/s] a capacity that never limits a message


def node_graph(nodes: Sequence[str], links: Sequence[Link]) -> "nx.Graph[Any]":
    """Devices and relays as nodes, links as edges; the edge attribute `link` is an index into `links`.

    Of several links between the same two nodes the one of least latency counts: of one that varies its mean over
    one round or until it holds, so that routes never change. Everything is added in the order of names: which of
    several equal routes is chosen depends on that order, and must not depend on the order of devices.

    The weight of an edge is its latency in femtoseconds, then the number of links. Integers keep the order exact, so
    that of two equally fast routes the one with fewer links is chosen.
    """
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(sorted(nodes))
    for i in sorted(range(len(links)), key=lambda i: (-links[i].mean_delay_s, links[i].name)):
        graph.add_edge(*links[i].ends, link=i, weight=(round(links[i].mean_delay_s * 1e15) << 20) + 1)
    return graph


class Routing:
    """Resources and routes of a cluster; arguments as in `Cluster`, and its `node_graph`."""

    def __init__(
        self,
        devices: Sequence[Device],
        links: Sequence[Link],
        media: Sequence[Medium],
        pinned: Sequence[tuple[str, ...]],
        graph: "nx.Graph[Any]",
    ) -> None:
        self._devices, self._links, self._media = devices, links, media
        self._names = [device.name for device in devices]
        self._pinned, self._graph = pinned, graph
        self._shares: dict[tuple[int, int], Trace] = {}
        self._cell_rates: dict[tuple[int, ...], CellRate] = {}

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """All shared resources: links by direction, network interfaces by direction, media.

        A device or a link that may go down is also a resource, with a capacity that never limits messages while it is
        up.
        """
        return tuple(self._resources.values())

    @cached_property
    def _resources(self) -> dict[_Key, Resource]:
        """Resources by key."""
        resources: dict[_Key, Resource] = {}
        for link in self._links:
            if link.bandwidth is not None:
                for forward in (True, False):
                    resources["link", link.name, forward] = Resource(f"link {link.name!r}", link.bandwidth)
        for device in self._devices:
            for name, rate, sends in (("nic_up", device.nic_up, True), ("nic_down", device.nic_down, False)):
                if rate is not None:
                    resources["nic", device.name, sends] = Resource(f"{name} of {device.name!r}", rate)
        for medium in self._media:
            resources["medium", medium.name, True] = _medium_resource(medium)
        for noun, parts in (("device", self._devices), ("link", self._links)):
            for part in parts:
                if part.up != ALWAYS_ON:
                    name = f"{noun} {part.name!r}"
                    resources["up", f"{noun} {part.name}", True] = Resource(name, scaled(part.up, _UNLIMITED))
        return resources

    @cached_property
    def routes(self) -> tuple[tuple[Route | None, ...], ...]:
        """`routes[i][j]` is the route from device i to device j, pinned or latency-shortest; None for i = j."""
        pinned = {(path[-1], path[0]): path[::-1] for path in self._pinned}
        pinned |= {(path[0], path[-1]): path for path in self._pinned}
        rows = []
        for start in self._names:
            paths: dict[str, Sequence[str]] = dict(
                nx.single_source_dijkstra_path(self._graph, start, weight="weight")
            )
            paths |= {end: path for (begin, end), path in pinned.items() if begin == start}
            rows.append(tuple(None if end == start else self._route(paths[end]) for end in self._names))
        return tuple(rows)

    @cached_property
    def _place(self) -> dict[_Key, int]:
        return {key: i for i, key in enumerate(self._resources)}

    def _route(self, path: Sequence[str]) -> Route:
        hops: list[int] = []
        used: Counter[int] = Counter()
        for a, b in pairwise(path):
            i = self._graph.edges[a, b]["link"]
            link = self._links[i]
            medium = "" if link.medium is None else link.medium
            keys: list[_Key] = [
                ("up", f"link {link.name}", True),
                ("nic", a, True),
                ("link", link.name, link.ends[0] == a),
                ("medium", medium, True),
                ("nic", b, False),
            ]
            used.update(self._place[key] for key in keys if key in self._place)
            hops.append(i)
        ends: list[_Key] = [("up", f"device {node}", True) for node in path]
        used.update(self._place[key] for key in ends if key in self._place)
        return Route(
            tuple(hops),
            math.fsum(self._links[i].fixed_delay_s for i in hops),
            tuple(used),
            tuple(used.values()),
            tuple(self._share(i, uses, hops) for i, uses in used.items()),
            tuple(latency for i in hops if isinstance(latency := self._links[i].latency_s, Trace)),
        )

    def _share(self, resource: int, uses: int, links: Sequence[int]) -> Trace | CellRate:
        """Rate of a resource for a message that crosses it `uses` times, on a route over these links."""
        if self.resources[resource].airtime:
            return self._cell_rate(resource, links)
        return self._part(resource, uses)

    @property
    def switches(self) -> list[Trace]:
        """The traces on routes that only say whether a device or a link is up."""
        return [self._part(self._place[key], 1) for key in self._resources if key[0] == "up"]

    def _part(self, resource: int, uses: int) -> Trace:
        """Rate of a resource for a message that crosses it `uses` times; one trace for all such messages."""
        if (resource, uses) not in self._shares:
            rate = self.resources[resource].bandwidth
            self._shares[resource, uses] = rate if uses == 1 else rate.with_values(rate.values / uses)
        return self._shares[resource, uses]

    def _cell_rate(self, resource: int, links: Sequence[int]) -> CellRate:
        """The rate in a cell of a message over these links; one for all messages over the same links of the cell."""
        (medium,) = (one for one in self._media if self._place["medium", one.name, True] == resource)
        inside = tuple(sorted(i for i in links if self._links[i].medium == medium.name))
        if inside not in self._cell_rates:
            rates = [self._links[i].bandwidth for i in inside]
            hops = tuple((medium.bandwidth,) if rate is None else (rate, medium.bandwidth) for rate in rates)
            self._cell_rates[inside] = CellRate(hops, medium.frame)
        return self._cell_rates[inside]


def _medium_resource(medium: Medium) -> Resource:
    if not medium.airtime:
        return Resource(f"medium {medium.name!r}", medium.bandwidth)
    alive = medium.bandwidth.with_values(medium.bandwidth.values > 0.0)
    return Resource(f"airtime of medium {medium.name!r}", alive, airtime=True)
