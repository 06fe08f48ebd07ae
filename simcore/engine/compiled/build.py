"""The arrays of a world, from the cluster."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from headway.simcore.engine.compiled import layout
from headway.simcore.engine.compiled.layout import NONE, ROW, Records, World
from headway.simcore.world.airtime import CellRate
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.route import Route
from headway.traces import Trace


@dataclass(frozen=True, eq=False)
class Template:
    """A world without steps and messages.

    Attributes:
        world: its arrays, with the rows in use only.
        first_route: row of the route from device 0 to itself; that from i to j is `i * devices + j` rows later.
        first_device: row of device 0.
    """

    world: World
    first_route: int
    first_device: int


_templates: WeakKeyDictionary[Cluster, Template] = WeakKeyDictionary()


def template_of(cluster: Cluster) -> Template:
    """The world of a cluster that has the resources and rates of its sharing rule; do not change it."""
    if cluster not in _templates:
        _templates[cluster] = _Builder(cluster).template()
    return _templates[cluster]


def records(dtype: np.dtype[np.void], size: int) -> Records:
    """An array of records, filled with 0."""
    return np.zeros(size, dtype).view(np.recarray)


class _Builder:
    """Gives a row to each trace, resource, device and route of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._rows: list[dict[str, float]] = [{}]  # the clock
        self._traces: dict[int, int] = {}
        self._segments: list[Trace] = []
        self._cells: dict[int, int] = {}
        self._others: list[int] = []
        self._count = 0
        every = (route for row in cluster.routes for route in row if route is not None)
        self._routes_on = Counter(resource for route in every for resource in route.resources)

    def template(self) -> Template:
        cluster = self._cluster
        first_resource = self._resources()
        first_device = self._devices()
        crossings = [self._crossings(route, first_resource) for row in cluster.routes for route in row]
        first_route = len(self._rows)
        for (first, count), route in zip(crossings, (r for row in cluster.routes for r in row), strict=True):
            for crossing in range(first, first + count):
                self._rows[crossing]["route"] = len(self._rows)
            self._route(route, first, count)
        rows = records(ROW, len(self._rows))
        for name in ROW.names or ():
            given = [(i, row[name]) for i, row in enumerate(self._rows) if name in row]
            if given:
                numbers, values = zip(*given, strict=True)
                rows[name][list(numbers)] = values
        lists = np.zeros((len(layout.LISTS), 0), dtype=np.int64)
        heap, queue = records(layout.EVENT, 0), records(layout.EVENT, 0)
        others = np.array(self._others, dtype=np.int64)
        world = World(rows, _segments(self._segments), heap, queue, lists, np.zeros(0), others)
        return Template(world, first_route, first_device)

    def _add(self, **fields: float) -> int:
        self._rows.append(fields)
        return len(self._rows) - 1

    def _resources(self) -> int:
        traces = [self._trace(resource.bandwidth) for resource in self._cluster.resources]
        for trace, resource in zip(traces, self._cluster.resources, strict=True):
            value = resource.bandwidth.value(0.0)
            self._add(
                what=layout.RESOURCE, place=NONE, supply=trace, airtime=resource.airtime, head=NONE,
                watched_s=np.inf, capacity=value, noticed=value, until_s=resource.bandwidth.next_change(0.0),
            )  # fmt: skip
        return len(self._rows) - len(traces)

    def _devices(self) -> int:
        traces = [
            (self._trace(device.availability), self._trace(device.used_bytes), self._trace(device.up))
            for device in self._cluster.devices
        ]
        for (trace, used, up), device in zip(traces, self._cluster.devices, strict=True):
            self._add(
                what=layout.DEVICE, place=NONE, supply=trace, used=used, up=up, head=NONE, tail=NONE,
                memory_bytes=device.memory_bytes,
            )  # fmt: skip
        return len(self._rows) - len(traces)

    def _crossings(self, route: Route | None, first_resource: int) -> tuple[int, int]:
        """Add the crossings of a route; the first of them and their number."""
        if route is None:
            return 0, 0
        rates = [self._rate(rate) for rate in route.bandwidths]
        for latency in route.latencies:
            self._trace(latency)
        for (trace, cell), resource, uses in zip(rates, route.resources, route.uses, strict=True):
            self._add(load=uses, resource=first_resource + resource, supply=trace, cell=cell)
        return len(self._rows) - len(rates), len(rates)

    def _route(self, route: Route | None, first: int, count: int) -> None:
        nowhere = dict.fromkeys(("place", "head", "tail", "slot", "supply"), NONE)
        fields: dict[str, float] = {"what": layout.ROUTE, **nowhere}
        if route is not None:
            latencies = len(self._others)
            self._others.extend(self._traces[id(trace)] for trace in route.latencies)
            fields |= {"first": first, "count": count, "bottleneck": NONE, "latency_s": route.latency_s}
            fields |= {"period_s": route.period_s or 0.0}
            if count == 1 and self._routes_on[route.resources[0]] == 1:
                fields["supply"] = self._rows[first]["supply"]
            fields |= {"first_latency": latencies, "latencies": len(route.latencies)}
        self._add(**fields)

    def _rate(self, rate: Trace | CellRate) -> tuple[int, int]:
        """The trace of a rate, or its cell."""
        if isinstance(rate, Trace):
            return self._trace(rate), NONE
        if id(rate) not in self._cells:
            hops = [
                (self._trace(hop[0]) if len(hop) > 1 else NONE, self._trace(hop[-1])) for hop in rate.hops
            ]
            numbers = [self._add(link_trace=own, medium_trace=medium) for own, medium in hops]
            frame_s = len(hops) * (rate.frame.overhead_s / rate.frame.size_bytes)
            self._cells[id(rate)] = self._add(frame_s=frame_s, first=numbers[0], count=len(hops))
        return NONE, self._cells[id(rate)]

    def _trace(self, trace: Trace) -> int:
        if id(trace) not in self._traces:
            of = trace.segments
            count = len(of.levels)
            constant = of.levels[0] if count == 1 else -1.0
            self._traces[id(trace)] = self._add(
                constant=constant, period_s=of.period or 0.0, first=self._count, count=count
            )
            self._segments.append(trace)
            self._count += count + 1
        return self._traces[id(trace)]


def _segments(traces: Iterable[Trace]) -> Records:
    every = [trace.segments for trace in traces]
    segments = records(layout.SEGMENT, sum(len(of.sums) for of in every))
    first = 0
    for of in every:
        end = first + len(of.levels)
        for name, values in (("start_s", of.starts), ("end_s", of.ends), ("level", of.levels)):
            segments[name][first:end] = values
        segments["total"][first : end + 1], segments["low"][first : end + 1] = of.sums, of.lows
        first = end + 1
    return segments
