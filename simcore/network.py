"""Messages on links in simulated time."""

import math
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from simcore.cluster import Cluster
from simcore.outcome import RunEndedError
from simcore.route import Route


@dataclass
class Carried:
    """What one direction of one link has carried.

    Attributes:
        messages: number of messages that have arrived.
        size_bytes: their bytes.
        busy_s: summed time in which their bytes flowed.
    """

    messages: int = 0
    size_bytes: float = 0.0
    busy_s: float = 0.0


class Network(Protocol):
    """Carries messages between devices; the engine knows no more of it than this."""

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """Traffic so far by link index and direction (True: from the first of the link's ends to the second)."""
        ...

    def send(self, start: int, end: int, size_bytes: float) -> Generator[simpy.Event, Any, None]:
        """Pass `size_bytes` as one message from one device to another; the generator ends when it has arrived.

        What a device sends to itself takes no time.

        Raises:
            RunEndedError: the message can never arrive.
        """
        ...


class DedicatedNetwork:
    """Every message has its route for itself, as the paper assumes: no message ever slows another.

    A message first pays the latency and the per-message overhead of its route, then flows at the rate of the narrowest
    resource, exactly as that rate changes.
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster) -> None:
        self._env = env
        self._cluster = cluster
        self._carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)
        self._books: dict[tuple[int, int], list[Carried]] = {}

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        return self._carried

    def send(self, start: int, end: int, size_bytes: float) -> Generator[simpy.Event, Any, None]:
        """See `Network.send`."""
        route = self._cluster.routes[start][end]
        if route is None:
            return
        now = self._env.now
        flow_start = now + route.latency_s
        arrival = route.reach(flow_start, size_bytes)
        if math.isinf(arrival):
            raise RunEndedError("stalled", self._complaint(route, start, end, size_bytes))
        yield self._env.timeout(arrival - now)
        for carried in self._books.get((start, end)) or self._open_books(route, start, end):
            carried.messages += 1
            carried.size_bytes += size_bytes
            carried.busy_s += arrival - flow_start

    def _open_books(self, route: Route, start: int, end: int) -> list[Carried]:
        """What is carried on each link of a route in the direction of travel."""
        books = []
        at = self._cluster.names[start]
        for i in route.links:
            ends = self._cluster.links[i].ends
            forward = ends[0] == at
            at = ends[forward]
            books.append(self._carried[i, forward])
        self._books[start, end] = books
        return books

    def _complaint(self, route: Route, start: int, end: int, size_bytes: float) -> str:
        names = self._cluster.names
        links = ", ".join(self._cluster.resources[i].name for i in route.resources)
        return (
            f"{size_bytes:.0f} bytes from {names[start]!r} to {names[end]!r} at {self._env.now:.6g} s "
            f"never arrive over {links}: the rate stays at 0"
        )
