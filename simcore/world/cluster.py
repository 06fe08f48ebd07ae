"""The cluster: devices, relays, and the links between them.

A `Cluster` is an immutable value: quantities that vary with time are traces. Two simulations of one cluster therefore
never influence each other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, immutable, sealed
from headway.simcore.world.crossings import Crossings
from headway.simcore.world.device import Device
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.network_state import NetworkState
from headway.simcore.world.route import Resource, Route
from headway.simcore.world.routing import Routing, node_graph


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
        ValueError: names repeat or are unknown, the graph is not connected, or a pinned route is invalid.
    """

    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    source: str
    relays: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()
    pinned: tuple[tuple[str, ...], ...] = ()
    _index: dict[str, int] = field(init=False, repr=False)

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
                ends = f"two different {what} of {list(nodes)}, not {link.ends}"
                raise ValueError(f"link {link.name!r} must join {ends}")
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
            raise ValueError(f"the pinned route {way} must join two devices and visit no node twice")
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
        """Rate of reading weights of each device [bytes/s], shape (devices,)."""
        return self._column("memory_bandwidth")

    @cached_property
    def kv_bandwidth(self) -> FloatArray:
        """Rate of reading the K/V cache of each device [bytes/s], shape (devices,)."""
        own = np.array([device.kv_bandwidth for device in self.devices], dtype=np.float64)  # None becomes NaN
        return immutable(np.where(np.isnan(own), self.memory_bandwidth, own))

    @cached_property
    def overhead_s(self) -> FloatArray:
        """Fixed time per task of each device, shape (devices,)."""
        return self._column("overhead_s")

    @cached_property
    def sync_s(self) -> FloatArray:
        """Time of the engine on each device to send one message, shape (devices,)."""
        return self._column("sync_s")

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
        if self._steady_up is not None:
            return self._steady_up
        return sealed(np.array([device.up.value(time_s) > 0.0 for device in self.devices]))

    @cached_property
    def _steady_up(self) -> BoolArray | None:
        """Whether each device is up, if that never changes."""
        if not all(device.up.is_constant for device in self.devices):
            return None
        return immutable(np.array([device.up.value(0.0) > 0.0 for device in self.devices]))

    def availability(self, time_s: float, window_s: float) -> FloatArray:
        """Mean availability of each device over the last `window_s` seconds (0: now), shape (devices,).

        0 for a device that is down now; its outages do not count while it is up.
        """
        shares = np.array([device.availability.mean_before(time_s, window_s) for device in self.devices])
        return sealed(shares * self.up(time_s))

    def available_bytes(self, time_s: float) -> FloatArray:
        """Memory of each device that other programs do not use at an instant, 0 while it is down, shape (devices,)."""
        if self._steady_bytes is not None:
            return self._steady_bytes
        return sealed(self._unused_bytes(time_s))

    @cached_property
    def _steady_bytes(self) -> FloatArray | None:
        """The available memory of each device, if it never changes."""
        steady = all(device.used_bytes.is_constant for device in self.devices)
        return immutable(self._unused_bytes(0.0)) if steady and self._steady_up is not None else None

    def _unused_bytes(self, time_s: float) -> FloatArray:
        others = np.array([device.used_bytes.value(time_s) for device in self.devices])
        unused: FloatArray = np.maximum(self.memory_bytes - others, 0.0) * self.up(time_s)
        return unused

    @cached_property
    def by_airtime(self) -> "Cluster":
        """This cluster, with media that share their airtime."""
        return replace(self, media=tuple(replace(medium, airtime=True) for medium in self.media))

    @cached_property
    def graph(self) -> "nx.Graph[Any]":
        """Devices and relays as nodes, links as edges, see `node_graph`."""
        return node_graph([*self.names, *self.relays], self.links)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All that messages may share, see `Routing.resources`."""
        return self._routing.resources

    @property
    def routes(self) -> tuple[tuple[Route | None, ...], ...]:
        """`routes[i][j]` is the route from device i to device j, pinned or latency-shortest; None for i = j."""
        return self._routing.routes

    def latencies(self, time_s: float, window_s: float) -> FloatArray:
        """Latency plus per-message overhead between devices [s], see `NetworkState.latencies`."""
        return self._network.latencies(time_s, window_s)

    def rates(
        self, time_s: float, window_s: float, outages_s: tuple[float, float] | None = None
    ) -> FloatArray:
        """Rate of the narrowest resource between devices [bytes/s], see `NetworkState.rates`."""
        return self._network.rates(time_s, window_s, outages_s)

    def crossings(self, time_s: float, window_s: float) -> Crossings:
        """The shared resources on each route, see `NetworkState.crossings`."""
        return self._network.crossings(time_s, window_s)

    @cached_property
    def _routing(self) -> Routing:
        return Routing(self.devices, self.links, self.media, self.pinned, self.graph)

    @cached_property
    def _network(self) -> NetworkState:
        return NetworkState(self.links, self.routes, self._routing.switches)

    def _column(self, name: str) -> FloatArray:
        return immutable(np.array([getattr(device, name) for device in self.devices], dtype=np.float64))


def _unique(names: Sequence[str], what: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{what} names repeat: {', '.join(repeated)}")
