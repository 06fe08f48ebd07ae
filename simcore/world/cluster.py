"""The cluster: devices, relays, links, and the routes of messages.

A `Cluster` is immutable, so simulations of one cluster never influence each other. Quantities that vary with time are
`Trace` objects.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from numbers import Real
from typing import Any, TypeAlias

import networkx as nx
import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray, immutable, sealed
from headway.simcore.registry import Named
from headway.simcore.world.airtime import CellRate, Frame
from headway.simcore.world.route import Resource, Route, divided
from headway.traces import Trace, scaled

_Key: TypeAlias = tuple[str, str, bool]
"""Key of a resource: "link", "nic", "medium" or "up", a name, and a direction."""

_ALWAYS_ON = Trace.constant(1.0)
_NOTHING = Trace.constant(0.0)
_WIDE_OPEN = 1e30  # [bytes/s] more than anything asks for


@dataclass(frozen=True, kw_only=True)
class Device:
    """A machine that holds and computes blocks.

    Attributes:
        name: unique in its cluster.
        memory_bytes: capacity.
        runtime_bytes: memory of the inference engine itself, on a device that has blocks.
        flops: peak speed [FLOP/s].
        memory_bandwidth: [bytes/s]; infinite if only the peak speed counts.
        overhead_s: fixed time per task, which is all blocks of one kind and layer on the device.
        disk_bandwidth: rate at which swapped data is read [bytes/s]; 0 without a disk.
        availability: share of the device that is free for the model over time, in [0, 1].
        used_bytes: memory that other programs use over time.
        discipline: tasks run one after another (`fifo`) or all at once, each on an equal share (`ps`); by name, or as a
            `Discipline`.
        nic_up: rate at which its network interface sends over time [bytes/s], over all its links together; None if
            only the links limit it. Forwarded messages count too.
        nic_down: rate at which its network interface receives, as `nic_up`.
        up: 1 while the device is up and 0 while it is down. When it goes down, it loses its blocks and caches; while it
            is down, it neither computes nor sends, receives or forwards.

    Raises:
        ValueError: a number is negative, or none.
    """

    name: str
    memory_bytes: float
    flops: float
    memory_bandwidth: float = math.inf
    overhead_s: float = 0.0
    disk_bandwidth: float = 0.0
    runtime_bytes: float = 0.0
    availability: Trace = _ALWAYS_ON
    used_bytes: Trace = _NOTHING
    discipline: Named | str = "fifo"
    nic_up: Trace | None = None
    nic_down: Trace | None = None
    up: Trace = _ALWAYS_ON

    def __post_init__(self) -> None:
        for name in (
            "memory_bytes",
            "runtime_bytes",
            "flops",
            "memory_bandwidth",
            "overhead_s",
            "disk_bandwidth",
        ):
            _not_negative(f"{name} of the device {self.name!r}", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A half-duplex channel: all links on it share its bandwidth in both directions.

    Attributes:
        name: unique among the media of its cluster.
        bandwidth: rate over time [bytes/s].
        frame: payload and overhead of a frame where airtime is shared.
        airtime: whether messages share its airtime instead of its bandwidth: a message over a link with half the rate
            takes twice the airtime. The sharing rule `airtime` sets this.
    """

    name: str
    bandwidth: Trace
    frame: Frame = field(default_factory=Frame)
    airtime: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection between two nodes (devices or relays).

    Attributes:
        name: unique in its cluster.
        ends: names of the two nodes.
        bandwidth: rate over time [bytes/s] in each direction (full duplex); None if only the medium limits it.
        latency_s: one-way latency, a number or a trace [s]. The latency when a message is sent counts.
        overhead_s: fixed time per message.
        medium: name of the medium of the link, which all its links share. If the link also has a bandwidth, the lower
            rate counts.
        up: 1 while the link is up and 0 while it is down and carries nothing.

    Raises:
        ValueError: there is neither a bandwidth nor a medium, a time is negative or no number, or the latency becomes 0
            after the end of its trace.
    """

    name: str
    ends: tuple[str, str]
    bandwidth: Trace | None = None
    latency_s: float | Trace = 0.0
    overhead_s: float = 0.0
    medium: str | None = None
    up: Trace = _ALWAYS_ON

    def __post_init__(self) -> None:
        if self.bandwidth is None and self.medium is None:
            raise ValueError(f"link {self.name!r} needs a bandwidth or a medium")
        latency = self.latency_s
        if isinstance(latency, Trace):
            if latency.end == "zero":
                raise ValueError(f"latency_s of the link {self.name!r} must hold or loop, not end")
            if latency.is_constant:
                object.__setattr__(self, "latency_s", latency.value(0.0))
        else:
            _not_negative(f"latency_s of the link {self.name!r}", latency)
        _not_negative(f"overhead_s of the link {self.name!r}", self.overhead_s)


@dataclass(frozen=True, eq=False)
class Cluster:
    """Devices, relays, links and the device at which tokens are read and written.

    Attributes:
        devices: at least one, with distinct names.
        links: between nodes of the cluster; all nodes must be connected.
        source: name of the device that holds the prompt and receives each token.
        relays: names of the nodes that are not devices, such as switches and access points. They forward messages and
            hold no blocks.
        media: shared channels, with distinct names.
        pinned: routes that messages take instead of the latency-shortest ones, each as the names of its nodes from one
            device to another. A pinned route applies to both directions, unless the other direction is pinned too.

    Raises:
        ValueError: names repeat or are unknown, the graph is not connected, or a pinned route is none.
    """

    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    source: str
    relays: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()
    pinned: tuple[tuple[str, ...], ...] = ()
    _index: dict[str, int] = field(init=False, repr=False)
    _shares: dict[tuple[int, int], Trace] = field(init=False, repr=False, default_factory=dict)
    _cell_rates: dict[tuple[int, ...], CellRate] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = [device.name for device in self.devices]
        if not names:
            raise ValueError("a cluster needs at least one device")
        _unique([*names, *self.relays], "node" if self.relays else "device")
        _unique([link.name for link in self.links], "link")
        _unique([medium.name for medium in self.media], "medium")
        object.__setattr__(self, "_index", {name: i for i, name in enumerate(names)})
        self._check_links([*names, *self.relays])
        if self.source not in self._index:
            raise ValueError(f"the source {self.source!r} is not one of the devices {names}")
        unreached = {*names, *self.relays} - set(nx.node_connected_component(self.graph, names[0]))
        if unreached:
            raise ValueError(f"no path of links from {names[0]!r} to {', '.join(sorted(unreached))}")
        self._check_pinned()

    def _check_links(self, nodes: Sequence[str]) -> None:
        known, media = set(nodes), {medium.name for medium in self.media}
        what = "nodes" if self.relays else "devices"
        for link in self.links:
            if link.ends[0] == link.ends[1] or not set(link.ends) <= known:
                raise ValueError(
                    f"link {link.name!r} must join two different {what} of {list(nodes)}, not {link.ends}"
                )
            if link.medium is not None and link.medium not in media:
                raise ValueError(f"link {link.name!r} is on {link.medium!r}, which is not one of the media")

    def _check_pinned(self) -> None:
        for path in self.pinned:
            self._check_path(path)
        repeated = [ends for ends, n in Counter((path[0], path[-1]) for path in self.pinned).items() if n > 1]
        if repeated:
            raise ValueError(f"the route from {repeated[0][0]!r} to {repeated[0][1]!r} is pinned twice")

    def _check_path(self, path: Sequence[str]) -> None:
        way = " - ".join(path)
        if len(path) < 2 or not {path[0], path[-1]} <= set(self._index) or len(set(path)) < len(path):
            raise ValueError(
                f"the pinned route {way} must lead from one device to another and meet no node twice"
            )
        for a, b in pairwise(path):
            if not self.graph.has_edge(a, b):
                raise ValueError(f"the pinned route {way} needs a link between {a!r} and {b!r}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Device names in order of their index."""
        return tuple(device.name for device in self.devices)

    @property
    def source_index(self) -> int:
        """Index of the source."""
        return self._index[self.source]

    @cached_property
    def memory_bytes(self) -> FloatArray:
        """Capacity of each device, shape (devices,)."""
        return self._column("memory_bytes")

    @cached_property
    def flops(self) -> FloatArray:
        """Peak speed of each device [FLOP/s], shape (devices,)."""
        return self._column("flops")

    @cached_property
    def memory_bandwidth(self) -> FloatArray:
        """Memory bandwidth of each device [bytes/s], shape (devices,)."""
        return self._column("memory_bandwidth")

    @cached_property
    def overhead_s(self) -> FloatArray:
        """Fixed time per task of each device, shape (devices,)."""
        return self._column("overhead_s")

    @cached_property
    def disk_bandwidth(self) -> FloatArray:
        """Disk bandwidth of each device [bytes/s], 0 without a disk, shape (devices,)."""
        return self._column("disk_bandwidth")

    @cached_property
    def runtime_bytes(self) -> FloatArray:
        """Memory of the inference engine on each device that has blocks, shape (devices,)."""
        return self._column("runtime_bytes")

    def up(self, time_s: float) -> BoolArray:
        """Whether each device is up at an instant, shape (devices,)."""
        return sealed(np.array([device.up.value(time_s) > 0.0 for device in self.devices]))

    def availability(self, time_s: float, window_s: float) -> FloatArray:
        """Mean availability of each device over the last `window_s` seconds (0: now), shape (devices,).

        0 for a device that is down now; its outages do not count while it is up.
        """
        shares = np.array([device.availability.mean_before(time_s, window_s) for device in self.devices])
        return sealed(shares * self.up(time_s))

    def available_bytes(self, time_s: float) -> FloatArray:
        """Memory of each device that other programs do not use at an instant, 0 while it is down, shape (devices,)."""
        others = np.array([device.used_bytes.value(time_s) for device in self.devices])
        return sealed(np.maximum(self.memory_bytes - others, 0.0) * self.up(time_s))

    @cached_property
    def by_airtime(self) -> "Cluster":
        """This cluster, with media that share their airtime."""
        return replace(self, media=tuple(replace(medium, airtime=True) for medium in self.media))

    @cached_property
    def graph(self) -> "nx.Graph[Any]":
        """Devices and relays as nodes, links as edges; the edge attribute `link` is an index into `links`.

        Of several links between the same two nodes the one of least latency counts: of one that varies its mean over
        one round or until it holds, so that routes never change. Everything is added in the order of names: which of
        several equal routes is chosen depends on that order, and must not depend on the order of devices.
        """
        graph: nx.Graph[Any] = nx.Graph()
        graph.add_nodes_from(sorted([*self.names, *self.relays]))
        order = sorted(
            range(len(self.links)), key=lambda i: (-_mean_delay(self.links[i]), self.links[i].name)
        )
        for i in order:
            graph.add_edge(*self.links[i].ends, link=i, weight=_weight(self.links[i]))
        return graph

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
        found: dict[_Key, Resource] = {}
        for link in self.links:
            if link.bandwidth is not None:
                for forward in (True, False):
                    found["link", link.name, forward] = Resource(f"link {link.name!r}", link.bandwidth)
        for device in self.devices:
            if device.nic_up is not None:
                found["nic", device.name, True] = Resource(f"nic_up of {device.name!r}", device.nic_up)
            if device.nic_down is not None:
                found["nic", device.name, False] = Resource(f"nic_down of {device.name!r}", device.nic_down)
        for medium in self.media:
            found["medium", medium.name, True] = _medium_resource(medium)
        for what, one in [("device", device) for device in self.devices] + [
            ("link", link) for link in self.links
        ]:
            if one.up != _ALWAYS_ON:
                found["up", f"{what} {one.name}", True] = Resource(
                    f"{what} {one.name!r}", scaled(one.up, _WIDE_OPEN)
                )
        return found

    @cached_property
    def routes(self) -> tuple[tuple[Route | None, ...], ...]:
        """`routes[i][j]` is the route from device i to device j, pinned or latency-shortest; None for i = j."""
        pinned = {(path[-1], path[0]): path[::-1] for path in self.pinned}
        pinned |= {(path[0], path[-1]): path for path in self.pinned}
        rows = []
        for start in self.names:
            paths = nx.single_source_dijkstra_path(self.graph, start, weight="weight")
            rows.append(
                tuple(
                    self._route(pinned.get((start, end), paths[end])) if end != start else None
                    for end in self.names
                )
            )
        return tuple(rows)

    def latencies(self, time_s: float, window_s: float) -> FloatArray:
        """Latency plus per-message overhead between devices [s], shape (devices, devices), 0 on the diagonal.

        The latency of a link is its mean over the last `window_s` seconds, or its present latency with a window of 0.
        """
        if not self._varying_latencies:
            return self._fixed_latencies
        matrix = self._fixed_latencies.copy()
        for trace, cells in self._varying_latencies:
            matrix.flat[cells] += trace.mean_before(time_s, window_s)
        return sealed(matrix)

    @cached_property
    def _fixed_latencies(self) -> FloatArray:
        """The latencies and overheads that never change, shape (devices, devices)."""
        return immutable(
            np.array(
                [[route.latency_s if route else 0.0 for route in row] for row in self.routes],
                dtype=np.float64,
            )
        )

    @cached_property
    def _varying_latencies(self) -> list[tuple[Trace, list[int]]]:
        """The traces of latencies that change, each with the cells of the matrix whose routes cross its link."""
        cells: dict[int, tuple[Trace, list[int]]] = {}
        for cell, route in self._pairs:
            for link in route.links:
                latency = self.links[link].latency_s
                if isinstance(latency, Trace):
                    cells.setdefault(link, (latency, []))[1].append(cell)
        return list(cells.values())

    def rates(self, time_s: float, window_s: float) -> FloatArray:
        """Rate of the narrowest resource between devices [bytes/s], shape (devices, devices).

        The rate of a resource is its mean over the last `window_s` seconds, or its present rate with a window of 0,
        without other traffic; 0 while a device or a link on the route is down. Infinite on the diagonal: messages of a
        device to itself are free.
        """
        rates = self._fixed_rates.copy()
        varying, switches = self._varying_traces, self._switches
        rates[varying] = [self._traces[i].mean_before(time_s, window_s) for i in varying]
        rates[switches] = [self._traces[i].value(time_s) for i in switches]
        count = len(self.devices)
        matrix = np.full(count * count, np.inf)
        crossed, starts, pairs = self._crossings
        if len(pairs):
            matrix[pairs] = np.minimum.reduceat(rates[crossed], starts)
        return sealed(matrix.reshape(count, count))

    @cached_property
    def _traces(self) -> list[Trace | CellRate]:
        """The distinct traces on all routes; many links may share one trace."""
        return list({id(trace): trace for _, route in self._pairs for trace in route.bandwidths}.values())

    @cached_property
    def _varying_traces(self) -> list[int]:
        return [i for i, trace in enumerate(self._traces) if not trace.is_constant]

    @cached_property
    def _switches(self) -> list[int]:
        """The traces that only say whether a device or a link is up."""
        switches = {id(self._part(self._place[key], 1)) for key in self._resources if key[0] == "up"}
        return [i for i, trace in enumerate(self._traces) if id(trace) in switches]

    @cached_property
    def _fixed_rates(self) -> FloatArray:
        return np.array([trace.value(0.0) for trace in self._traces], dtype=np.float64)

    @property
    def _pairs(self) -> Iterator[tuple[int, Route]]:
        """The routes between different devices, each with its cell in a matrix of all devices."""
        for i, row in enumerate(self.routes):
            for j, route in enumerate(row):
                if route:
                    yield i * len(self.devices) + j, route

    @cached_property
    def _crossings(self) -> tuple[IntArray, IntArray, IntArray]:
        """All routes concatenated: their traces, the start of each route among them, and its cell in the matrix."""
        number = {id(trace): i for i, trace in enumerate(self._traces)}
        crossed: list[int] = []
        starts: list[int] = []
        pairs: list[int] = []
        for cell, route in self._pairs:
            starts.append(len(crossed))
            pairs.append(cell)
            crossed.extend(number[id(trace)] for trace in route.bandwidths)
        return (
            np.array(crossed, dtype=np.int64),
            np.array(starts, dtype=np.int64),
            np.array(pairs, dtype=np.int64),
        )

    def _column(self, name: str) -> FloatArray:
        return immutable(np.array([getattr(device, name) for device in self.devices], dtype=np.float64))

    @cached_property
    def _place(self) -> dict[_Key, int]:
        return {key: i for i, key in enumerate(self._resources)}

    def _route(self, path: Sequence[str]) -> Route:
        hops: list[int] = []
        used: Counter[int] = Counter()
        for a, b in pairwise(path):
            i = self.graph.edges[a, b]["link"]
            link = self.links[i]
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
            math.fsum(_fixed_delay(self.links[i]) for i in hops),
            tuple(used),
            tuple(used.values()),
            tuple(self._share(i, uses, hops) for i, uses in used.items()),
            tuple(latency for i in hops if isinstance(latency := self.links[i].latency_s, Trace)),
        )

    def _share(self, resource: int, uses: int, links: Sequence[int]) -> Trace | CellRate:
        """Rate of a resource for a message that crosses it `uses` times, on a route over these links."""
        if self.resources[resource].airtime:
            return self._cell_rate(resource, links)
        return self._part(resource, uses)

    def _part(self, resource: int, uses: int) -> Trace:
        """Rate of a resource for a message that crosses it `uses` times; one trace for all such messages."""
        if (resource, uses) not in self._shares:
            self._shares[resource, uses] = divided(self.resources[resource].bandwidth, uses)
        return self._shares[resource, uses]

    def _cell_rate(self, resource: int, links: Sequence[int]) -> CellRate:
        """The rate in a cell of a message over these links; one for all messages over the same links of the cell."""
        (medium,) = (one for one in self.media if self._place["medium", one.name, True] == resource)
        inside = tuple(sorted(i for i in links if self.links[i].medium == medium.name))
        if inside not in self._cell_rates:
            rates = [self.links[i].bandwidth for i in inside]
            hops = tuple((medium.bandwidth,) if rate is None else (rate, medium.bandwidth) for rate in rates)
            self._cell_rates[inside] = CellRate(hops, medium.frame)
        return self._cell_rates[inside]


def _medium_resource(medium: Medium) -> Resource:
    if not medium.airtime:
        return Resource(f"medium {medium.name!r}", medium.bandwidth)
    rate = medium.bandwidth
    alive = Trace(rate.times, rate.values > 0.0, end=rate.end, duration=rate.duration)
    return Resource(f"airtime of medium {medium.name!r}", alive, airtime=True)


def _fixed_delay(link: Link) -> float:
    """Latency, unless it varies, plus overhead."""
    return link.overhead_s if isinstance(link.latency_s, Trace) else link.latency_s + link.overhead_s


def _mean_delay(link: Link) -> float:
    """Latency plus overhead; of a varying latency the mean over one period, or until it holds."""
    if not isinstance(link.latency_s, Trace):
        return _fixed_delay(link)
    trace = link.latency_s
    return trace.mean(0.0, trace.duration or float(trace.times[-1])) + link.overhead_s


def _weight(link: Link) -> int:
    """Path weight: latency in femtoseconds first, then number of links.

    Integers keep the order exact, so that of two equally fast routes the one with fewer links is chosen.
    """
    return (round(_mean_delay(link) * 1e15) << 20) + 1


def _unique(names: Sequence[str], what: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{what} names repeat: {', '.join(repeated)}")


def _not_negative(what: str, value: object) -> None:
    """Refuse invalid numbers of a world built in Python; scenario files are checked before."""
    if not isinstance(value, Real) or not float(value) >= 0.0:
        raise ValueError(f"{what} must be a number that is not negative, not {value!r}")
