"""Messages on links in simulated time."""

import math
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import simpy

from simcore.engine.network.flow import Flow
from simcore.engine.network.fluid import Fluid, NeverError
from simcore.engine.network.transport import Transport, open_transport
from simcore.errors import RunEndedError
from simcore.world.cluster import Cluster
from simcore.world.options import IDEAL, Sharing, Transporting
from simcore.world.route import Route

Sending: TypeAlias = Generator[simpy.Event, Any, tuple[float, float] | None]
"""Ends with the begin of the flow [s] and the bytes on the wire."""


@dataclass
class Carried:
    """What one direction of one link has carried.

    Attributes:
        messages: number of messages that have arrived.
        size_bytes: their bytes, as many as flowed: under `tcp` with the headers.
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

    @property
    def flows(self) -> Sequence[Flow]:
        """What flows now and shares what it meets, to be looked at only; nothing where all have their ways alone."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the rates of `flows` are those of this moment; if not they will be before time goes on."""
        ...

    def send(self, start: int, end: int, size_bytes: float) -> Sending:
        """Pass `size_bytes` as one message from one device to another; the generator ends when it has arrived.

        What a device sends to itself takes no time.

        Returns:
            When its bytes began to flow, and how many flowed; None if it did not leave the device.

        Raises:
            RunEndedError: the message can never arrive.
        """
        ...


class DedicatedNetwork:
    """Every message has its route for itself, as the paper assumes: no message ever slows another.

    A message first pays the latency and the per-message overhead of its route, then flows at the rate of the narrowest
    resource, exactly as that rate changes.
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, transporting: Transporting = IDEAL) -> None:
        self._env = env
        self._cluster = cluster
        self._transport = open_transport(transporting)
        self._books = _Books(cluster)

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        return self._books.carried

    @property
    def flows(self) -> Sequence[Flow]:
        """See `Network.flows`."""
        return ()

    @property
    def settled(self) -> bool:
        """See `Network.settled`."""
        return True

    def send(self, start: int, end: int, size_bytes: float) -> Sending:
        """See `Network.send`."""
        route = self._cluster.routes[start][end]
        if route is None:
            return None
        now = self._env.now
        wait_s, wire_bytes = _begin(self._transport, self._cluster, start, end, size_bytes, now)
        flow_start = now + wait_s
        arrival = route.reach(flow_start, wire_bytes)
        if math.isinf(arrival):
            raise _stalled(self._cluster, route, start, end, size_bytes, now)
        yield self._env.timeout(arrival - now)
        self._transport.end((start, end), self._env.now)
        self._books.enter(route, start, end, wire_bytes, arrival - flow_start)
        return flow_start, wire_bytes


class FairNetwork:
    """Messages share what they meet on their ways, max-min fair at every moment.

    A message first pays the latency and the per-message overhead of its route, during which it loads nothing, then
    flows as fast as the others leave it to (`simcore.engine.network.fluid`).
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, transporting: Transporting = IDEAL) -> None:
        self._env = env
        self._cluster = cluster
        self._transport = open_transport(transporting)
        self._books = _Books(cluster)
        self._fluid = Fluid(env, cluster.resources)

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        return self._books.carried

    @property
    def flows(self) -> Sequence[Flow]:
        """See `Network.flows`."""
        return self._fluid.flows

    @property
    def settled(self) -> bool:
        """See `Network.settled`."""
        return self._fluid.settled

    def send(self, start: int, end: int, size_bytes: float, weight: float = 1.0) -> Sending:
        """See `Network.send`.

        Args:
            start: device index.
            end: device index.
            size_bytes: of the message.
            weight: its claim beside that of others, whose weight is 1 unless said otherwise.

        Raises:
            RunEndedError: the message can never arrive.
        """
        route = self._cluster.routes[start][end]
        if route is None:
            return None
        wait_s, wire_bytes = _begin(self._transport, self._cluster, start, end, size_bytes, self._env.now)
        if wait_s > 0.0:
            yield self._env.timeout(wait_s)
        flow_start = self._env.now
        try:
            yield from self._fluid.carry(route, wire_bytes, weight)
        except NeverError:
            raise _stalled(self._cluster, route, start, end, size_bytes, self._env.now) from None
        self._transport.end((start, end), self._env.now)
        self._books.enter(route, start, end, wire_bytes, self._env.now - flow_start)
        return flow_start, wire_bytes


def network(
    env: simpy.Environment, cluster: Cluster, sharing: Sharing, transporting: Transporting = IDEAL
) -> Network:
    """The network of a cluster under a way of sharing and a transport."""
    kind = FairNetwork if sharing == "fair" else DedicatedNetwork
    return kind(env, cluster, transporting)


def _begin(
    transport: Transport, cluster: Cluster, start: int, end: int, size_bytes: float, now: float
) -> tuple[float, float]:
    """How long a message waits for its first byte to flow, and how many flow."""
    route, back = cluster.routes[start][end], cluster.routes[end][start]
    assert route is not None
    assert back is not None
    round_trip_s = route.latency_s + back.latency_s
    wait_s, wire_bytes = transport.begin((start, end), route, round_trip_s, size_bytes, now)
    return route.latency_s + wait_s, wire_bytes


class _Books:
    """Who has carried what."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)
        self._on_route: dict[tuple[int, int], list[Carried]] = {}

    def enter(self, route: Route, start: int, end: int, size_bytes: float, busy_s: float) -> None:
        """Note a message that has arrived."""
        for carried in self._on_route.get((start, end)) or self._open_books(route, start, end):
            carried.messages += 1
            carried.size_bytes += size_bytes
            carried.busy_s += busy_s

    def _open_books(self, route: Route, start: int, end: int) -> list[Carried]:
        """What is carried on each link of a route in the direction of travel."""
        books = []
        at = self._cluster.names[start]
        for i in route.links:
            ends = self._cluster.links[i].ends
            forward = ends[0] == at
            at = ends[forward]
            books.append(self.carried[i, forward])
        self._on_route[start, end] = books
        return books


def _stalled(
    cluster: Cluster, route: Route, start: int, end: int, size_bytes: float, time_s: float
) -> RunEndedError:
    names = cluster.names
    links = ", ".join(cluster.resources[i].name for i in route.resources)
    return RunEndedError(
        "stalled",
        f"{size_bytes:.0f} bytes from {names[start]!r} to {names[end]!r} at {time_s:.6g} s "
        f"never arrive over {links}: the rate stays at 0",
    )
