"""Latencies and rates between all devices as time passes: what policies see of the network."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray, immutable, sealed
from headway.simcore.world.airtime import CellRate
from headway.simcore.world.crossings import Crossings
from headway.simcore.world.link import Link
from headway.simcore.world.route import Route
from headway.traces import Trace
from headway.traces.trace import values_between


class NetworkState:
    """Matrices of latencies and rates, shape (devices, devices), at any time.

    Args:
        links: of the cluster.
        routes: `routes[i][j]` from device i to device j, None for i = j.
        switches: traces that only say whether a device or a link is up; of these the present value counts.
    """

    def __init__(
        self,
        links: Sequence[Link],
        routes: Sequence[Sequence[Route | None]],
        switches: Sequence[Trace],
    ) -> None:
        self._links = links
        self._routes = routes
        self._switch_traces = switches

    def latencies(self, time_s: float, window_s: float) -> FloatArray:
        """Latency plus per-message overhead between devices [s], shape (devices, devices), 0 on the diagonal.

        The latency of a link is its mean over the last `window_s` seconds, or its present latency with a window of 0.
        """
        if not self._varying_latencies:
            return self._fixed_latencies
        matrix = self._fixed_latencies.copy()
        for trace, entries in self._varying_latencies:
            matrix.flat[entries] += trace.mean_before(time_s, window_s)
        return sealed(matrix)

    @cached_property
    def _fixed_latencies(self) -> FloatArray:
        """The latencies and overheads that never change, shape (devices, devices)."""
        latencies = [[route.latency_s if route else 0.0 for route in row] for row in self._routes]
        return immutable(np.array(latencies, dtype=np.float64))

    @cached_property
    def _varying_latencies(self) -> list[tuple[Trace, list[int]]]:
        """The traces of latencies that change, each with the entries of the matrix whose routes cross its link."""
        entries: dict[int, tuple[Trace, list[int]]] = {}
        for entry, route in self._pairs:
            for link in route.links:
                latency = self._links[link].latency_s
                if isinstance(latency, Trace):
                    entries.setdefault(link, (latency, []))[1].append(entry)
        return list(entries.values())

    def rates(
        self, time_s: float, window_s: float, outages_s: tuple[float, float] | None = None
    ) -> FloatArray:
        """Rate of the narrowest resource between devices [bytes/s], shape (devices, devices).

        The rate of a resource is its mean over the last `window_s` seconds, or its present rate with a window of 0,
        without other traffic; 0 if a device or a link on the route is down at any time of the span `outages_s`, by
        default at `time_s`. Infinite on the diagonal: messages of a device to itself are free.
        """
        if not (self._varying_traces or self._switches):
            return self._fixed_matrix
        rates = self._trace_rates(time_s, window_s)
        begin_s, end_s = outages_s or (time_s, time_s)
        for i, trace in self._switches:
            rates[i] = min(values_between(trace, begin_s, end_s))
        return sealed(self._narrowest(rates))

    @cached_property
    def _fixed_matrix(self) -> FloatArray:
        """The rates if none of them ever changes."""
        return immutable(self._narrowest(self._fixed_rates))

    def _narrowest(self, rates: FloatArray) -> FloatArray:
        """The least rate on each route, from the rates of the traces."""
        count = len(self._routes)
        matrix = np.full(count * count, np.inf)
        crossed, starts, pairs = self._crossed
        if len(pairs):
            matrix[pairs] = np.minimum.reduceat(rates[crossed], starts)
        return matrix.reshape(count, count)

    def crossings(self, time_s: float, window_s: float) -> Crossings:
        """The shared resources on each route, with rates as in `rates`, without the switches."""
        if not self._varying_traces:
            return self._fixed_crossings
        trace = self._limiting[2]
        return self._fixed_crossings.at_rate(sealed(self._trace_rates(time_s, window_s)[trace]))

    @cached_property
    def _fixed_crossings(self) -> Crossings:
        """The crossings with their rates at the start."""
        route, resource, trace = self._limiting
        return Crossings(route, resource, immutable(self._fixed_rates[trace]))

    def _trace_rates(self, time_s: float, window_s: float) -> FloatArray:
        rates = self._fixed_rates.copy()
        varying = self._varying_traces
        rates[varying] = [self._traces[i].mean_before(time_s, window_s) for i in varying]
        return rates

    @cached_property
    def _limiting(self) -> tuple[IntArray, IntArray, IntArray]:
        """The crossings of resources that limit messages: route, resource and number of the trace."""
        switches = {i for i, _ in self._switches}
        rows = [
            (entry, resource, number)
            for entry, route in self._pairs
            for resource, trace in zip(route.resources, route.bandwidths, strict=True)
            if (number := self._number[id(trace)]) not in switches
        ]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return immutable(table[0]), immutable(table[1]), immutable(table[2])

    @cached_property
    def _traces(self) -> list[Trace | CellRate]:
        """The distinct traces on all routes; many links may share one trace."""
        return list({id(trace): trace for _, route in self._pairs for trace in route.bandwidths}.values())

    @cached_property
    def _number(self) -> dict[int, int]:
        """The number of each of `_traces` by its `id`."""
        return {id(trace): i for i, trace in enumerate(self._traces)}

    @cached_property
    def _varying_traces(self) -> list[int]:
        return [i for i, trace in enumerate(self._traces) if not trace.is_constant]

    @cached_property
    def _switches(self) -> list[tuple[int, Trace]]:
        """The traces that only say whether a device or a link is up, each with its number."""
        number = self._number
        return [(number[id(trace)], trace) for trace in self._switch_traces if id(trace) in number]

    @cached_property
    def _fixed_rates(self) -> FloatArray:
        return np.array([trace.value(0.0) for trace in self._traces], dtype=np.float64)

    @property
    def _pairs(self) -> Iterator[tuple[int, Route]]:
        """The routes between different devices, each with its flat index in a matrix of all devices."""
        for i, row in enumerate(self._routes):
            for j, route in enumerate(row):
                if route:
                    yield i * len(self._routes) + j, route

    @cached_property
    def _crossed(self) -> tuple[IntArray, IntArray, IntArray]:
        """The traces of all routes in sequence, the start of each route among them, and its index in the matrix."""
        crossed, starts, pairs = list[int](), list[int](), list[int]()
        for entry, route in self._pairs:
            starts.append(len(crossed))
            pairs.append(entry)
            crossed.extend(self._number[id(trace)] for trace in route.bandwidths)
        return np.array(crossed, np.int64), np.array(starts, np.int64), np.array(pairs, np.int64)
