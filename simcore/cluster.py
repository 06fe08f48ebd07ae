"""What is in the lab: devices, the links between them, and the way a message takes.

A `Cluster` is a value. Two simulations of one cluster never influence each other, because nothing here changes while
simulated time passes: what varies with time is a `Trace`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import networkx as nx
import numpy as np

from simcore.arrays import FloatArray, IntArray, sealed
from traces import Trace

_ALWAYS_ON = Trace.constant(1.0)
_NOTHING = Trace.constant(0.0)
_MOST_IDLE_CHANGES = 100_000
# What is through but for rounding when an outage begins does not wait for its end; `Trace.reach` has the same rule.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Device:
    """A machine that holds and computes blocks.

    Attributes:
        name: unique in its cluster.
        memory_bytes: capacity.
        flops: peak speed [FLOP/s].
        memory_bandwidth: [bytes/s]; infinite when only the peak speed shall count.
        overhead_s: fixed time per block and step.
        disk_bandwidth: [bytes/s] at which what does not fit in memory is read on every token; 0 when there is no disk.
        availability: share of the device that is free for the model over time, in [0, 1].
        used_bytes: memory taken by others over time.
        discipline: tasks run one after another (`fifo`) or all at once, each on an equal share (`ps`).
    """

    name: str
    memory_bytes: float
    flops: float
    memory_bandwidth: float = math.inf
    overhead_s: float = 0.0
    disk_bandwidth: float = 0.0
    availability: Trace = _ALWAYS_ON
    used_bytes: Trace = _NOTHING
    discipline: Literal["fifo", "ps"] = "fifo"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A full-duplex connection between two devices: each direction has the whole bandwidth.

    Attributes:
        name: unique in its cluster.
        ends: names of the two devices.
        bandwidth: rate over time [bytes/s].
        latency_s: one-way latency.
        overhead_s: fixed time per message.
    """

    name: str
    ends: tuple[str, str]
    bandwidth: Trace
    latency_s: float = 0.0
    overhead_s: float = 0.0


@dataclass(frozen=True)
class Route:
    """The links that a message crosses from one device to another.

    Attributes:
        links: indices into `Cluster.links`, in order of travel.
        latency_s: latency and per-message overhead of all of them, paid once before the first byte arrives.
        bandwidths: their bandwidth traces.
    """

    links: tuple[int, ...]
    latency_s: float
    bandwidths: tuple[Trace, ...]

    def reach(self, start_s: float, size_bytes: float) -> float:
        """When the last of `size_bytes` leaves the route if they start to flow at `start_s`; inf when never.

        The rate at any moment is that of the narrowest link. Exact: between two breakpoints of the traces the rate is
        constant, so it is enough to go from breakpoint to breakpoint. Links whose ups never meet would be followed for
        ever; after `_MOST_IDLE_CHANGES` breakpoints in a row without a byte the message is taken never to arrive.
        """
        if len(self.bandwidths) == 1:
            return self.bandwidths[0].reach(start_s, size_bytes)
        now, left, idle = start_s, size_bytes, 0
        while idle < _MOST_IDLE_CHANGES:
            rate = min(trace.value(now) for trace in self.bandwidths)
            change = min(trace.next_change(now) for trace in self.bandwidths)
            end = now + left / rate if rate > 0.0 else math.inf
            if end <= change:
                return end
            left -= rate * (change - now)
            if left <= _ROUNDING * size_bytes:
                return change
            idle = 0 if rate > 0.0 else idle + 1
            now = change
        return math.inf


@dataclass(frozen=True, eq=False)
class Cluster:
    """Devices, links and the device at which tokens are read and written.

    Attributes:
        devices: at least one, with distinct names.
        links: between devices of the cluster; any two devices must be connected.
        source: name of the device that holds the prompt and receives each token.

    Raises:
        ValueError: names repeat or are unknown, or the graph is not connected.
    """

    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    source: str
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = [device.name for device in self.devices]
        if not names:
            raise ValueError("a cluster needs at least one device")
        _unique(names, "device")
        _unique([link.name for link in self.links], "link")
        object.__setattr__(self, "_index", {name: i for i, name in enumerate(names)})
        for link in self.links:
            if link.ends[0] == link.ends[1] or not set(link.ends) <= set(names):
                raise ValueError(
                    f"link {link.name!r} must join two different devices of {names}, not {link.ends}"
                )
        if self.source not in self._index:
            raise ValueError(f"the source {self.source!r} is not one of the devices {names}")
        unreached = set(names) - set(nx.node_connected_component(self.graph, names[0]))
        if unreached:
            raise ValueError(f"no path of links leads from {names[0]!r} to {', '.join(sorted(unreached))}")

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
        """Fixed time per block and step of each device, shape (devices,)."""
        return self._column("overhead_s")

    @cached_property
    def disk_bandwidth(self) -> FloatArray:
        """Disk bandwidth of each device [bytes/s], 0 without a disk, shape (devices,)."""
        return self._column("disk_bandwidth")

    def availability(self, time_s: float, window_s: float) -> FloatArray:
        """Share of each device that was free over the last `window_s` seconds (0: is free now), shape (devices,)."""
        return sealed(
            np.array([device.availability.mean_before(time_s, window_s) for device in self.devices])
        )

    def available_bytes(self, time_s: float) -> FloatArray:
        """Memory of each device that others do not take at an instant, never below 0, shape (devices,)."""
        others = np.array([device.used_bytes.value(time_s) for device in self.devices])
        return sealed(np.maximum(self.memory_bytes - others, 0.0))

    @cached_property
    def graph(self) -> "nx.Graph[Any]":
        """Devices as nodes and links as edges; the edge attribute `link` is an index into `links`.

        Of several links between the same two devices the one of least latency counts.
        """
        graph: nx.Graph[Any] = nx.Graph()
        graph.add_nodes_from(device.name for device in self.devices)
        order = sorted(range(len(self.links)), key=lambda i: -_delay(self.links[i]))
        for i in order:
            graph.add_edge(*self.links[i].ends, link=i, weight=_weight(self.links[i]))
        return graph

    @cached_property
    def routes(self) -> tuple[tuple[Route | None, ...], ...]:
        """`routes[i][j]` is the latency-shortest route from device i to device j; None for i = j."""
        rows = []
        for start in self.names:
            paths = nx.single_source_dijkstra_path(self.graph, start, weight="weight")
            rows.append(tuple(self._route(paths[end]) if end != start else None for end in self.names))
        return tuple(rows)

    @cached_property
    def latency_s(self) -> FloatArray:
        """Latency plus per-message overhead between devices, shape (devices, devices), 0 on the diagonal."""
        return sealed(
            np.array(
                [[route.latency_s if route else 0.0 for route in row] for row in self.routes],
                dtype=np.float64,
            )
        )

    def rates(self, time_s: float, window_s: float) -> FloatArray:
        """Rate of the narrowest link between devices [bytes/s], shape (devices, devices).

        The rate of a link is its mean over the last `window_s` seconds, or with a window of 0 what it is now. Infinite
        on the diagonal: what a device sends to itself is free.
        """
        rates = self._fixed_rates.copy()
        varying = self._varying_links
        rates[varying] = [self.links[i].bandwidth.mean_before(time_s, window_s) for i in varying]
        count = len(self.devices)
        matrix = np.full(count * count, np.inf)
        crossed, starts, pairs = self._crossings
        if len(pairs):
            matrix[pairs] = np.minimum.reduceat(rates[crossed], starts)
        return sealed(matrix.reshape(count, count))

    @cached_property
    def _varying_links(self) -> list[int]:
        return [i for i, link in enumerate(self.links) if not link.bandwidth.is_constant]

    @cached_property
    def _fixed_rates(self) -> FloatArray:
        return np.array([link.bandwidth.value(0.0) for link in self.links], dtype=np.float64)

    @cached_property
    def _crossings(self) -> tuple[IntArray, IntArray, IntArray]:
        """All routes end to end: links crossed, where each route begins among them, and its cell in the matrix."""
        crossed: list[int] = []
        starts: list[int] = []
        pairs: list[int] = []
        for i, row in enumerate(self.routes):
            for j, route in enumerate(row):
                if route:
                    starts.append(len(crossed))
                    pairs.append(i * len(self.devices) + j)
                    crossed.extend(route.links)
        return (
            np.array(crossed, dtype=np.int64),
            np.array(starts, dtype=np.int64),
            np.array(pairs, dtype=np.int64),
        )

    def _column(self, name: str) -> FloatArray:
        return sealed(np.array([getattr(device, name) for device in self.devices], dtype=np.float64))

    def _route(self, path: Sequence[str]) -> Route:
        hops = tuple(self.graph.edges[a, b]["link"] for a, b in pairwise(path))
        links = [self.links[i] for i in hops]
        return Route(hops, math.fsum(_delay(link) for link in links), tuple(link.bandwidth for link in links))


def _delay(link: Link) -> float:
    return link.latency_s + link.overhead_s


def _weight(link: Link) -> int:
    """Path weight: latency in femtoseconds first, then number of links.

    Whole numbers keep the order exact, so that of two equally fast routes the one with fewer links is taken.
    """
    return (round(_delay(link) * 1e15) << 20) + 1


def _unique(names: Sequence[str], what: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{what} names repeat: {', '.join(repeated)}")
