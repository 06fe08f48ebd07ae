"""Messages in transit, and the traffic of links."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.transport import Transport
from headway.simcore.engine.outages import Outages
from headway.simcore.errors import RunEndedError
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.route import Route


@dataclass(eq=False, slots=True)
class Transfer:
    """A message in transit.

    Attributes:
        sender: device index.
        receiver: device index.
        size_bytes: of the message.
        route: the route.
        sent_s: when it was sent.
        arrived: called with the transfer when its last byte arrives.
        failed: called when it can never arrive.
        flow_s: when its bytes begin to flow.
        wire_bytes: bytes on the wire, including those of the transport.
        wait_s: delay by latency and transport before its bytes flow.
        busy_s: time in which they flowed, known at arrival.
        active: whether it is in transit.
        flow: its flow in a shared network.
        item: its number in the compiled executor.
    """

    sender: int
    receiver: int
    size_bytes: float
    route: Route
    sent_s: float
    arrived: "Arrived"
    failed: "Failed"
    flow_s: float = field(init=False)
    wire_bytes: float = field(init=False)
    wait_s: float = 0.0
    busy_s: float = 0.0
    active: bool = True
    flow: Flow | None = None
    item: int = -1

    def __post_init__(self) -> None:
        self.flow_s, self.wire_bytes = self.sent_s, self.size_bytes


Arrived: TypeAlias = Callable[[Transfer], None]
Failed: TypeAlias = Callable[[RunEndedError], None]


class Sender:
    """Sends messages through a transport, and resets connections of devices that have been down."""

    def __init__(self, transport: Transport, cluster: Cluster) -> None:
        self._transport = transport
        self._cluster = cluster
        self._outages = Outages(cluster.devices)
        self._last_sent_s: dict[tuple[int, int], float] = {}

    def begin(
        self, sender: int, receiver: int, size_bytes: float, now: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """Create a message that is sent now, with the start of its flow and its bytes on the wire."""
        ends = sender, receiver
        route, back = self._cluster.routes[sender][receiver], self._cluster.routes[receiver][sender]
        assert route is not None
        assert back is not None
        latency_s = route.latency_at(now)
        round_trip_s = latency_s + back.latency_at(now)
        if not self._outages.devices.isdisjoint(ends):
            if self._outages.next_failure(ends, self._last_sent_s.get(ends, now)) <= now:
                self._transport.reset(ends)
            self._last_sent_s[ends] = now
        transfer = Transfer(sender, receiver, size_bytes, route, now, arrived, failed)
        wait_s, transfer.wire_bytes = self._transport.begin(ends, route, round_trip_s, size_bytes, now)
        transfer.wait_s = latency_s + wait_s
        transfer.flow_s = now + transfer.wait_s
        return transfer

    def end(self, transfer: Transfer, now: float) -> None:
        """A message has arrived."""
        transfer.active = False
        self._transport.end((transfer.sender, transfer.receiver), now)

    def give_up(self, transfer: Transfer) -> None:
        """A message can never arrive."""
        if transfer.active:
            transfer.active = False
            self._transport.reset((transfer.sender, transfer.receiver))


@dataclass
class Carried:
    """Traffic of one direction of one link.

    Attributes:
        messages: number of messages that have arrived.
        size_bytes: bytes of these messages on the wire, under `tcp` with headers.
        busy_s: sum of the times in which their bytes flowed.
    """

    messages: int = 0
    size_bytes: float = 0.0
    busy_s: float = 0.0


class LinkTraffic:
    """The traffic of the links of a cluster.

    Attributes:
        carried: by index of the link and direction, see `Network.carried`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)
        self._on_route: dict[tuple[int, int], list[Carried]] = {}

    def add(self, sender: int, receiver: int, messages: int, wire_bytes: float, busy_s: float) -> None:
        """Add messages that have arrived to the links of their route."""
        for carried in self._on_route.get((sender, receiver)) or self._on_links(sender, receiver):
            carried.messages += messages
            carried.size_bytes += wire_bytes
            carried.busy_s += busy_s

    def _on_links(self, start: int, end: int) -> list[Carried]:
        """The traffic of the links of a route, in the direction of travel."""
        links = []
        at, route = self._cluster.names[start], self._cluster.routes[start][end]
        assert route is not None
        for i in route.links:
            ends = self._cluster.links[i].ends
            forward = ends[0] == at
            at = ends[forward]
            links.append(self.carried[i, forward])
        self._on_route[start, end] = links
        return links


def stalled(cluster: Cluster, transfer: Transfer, time_s: float) -> RunEndedError:
    """The error for a message over resources whose rate stays at 0."""
    names = cluster.names
    links = ", ".join(cluster.resources[i].name for i in transfer.route.resources)
    return RunEndedError(
        "stalled",
        f"{transfer.size_bytes:.0f} bytes from {names[transfer.sender]!r} to {names[transfer.receiver]!r} at "
        f"{time_s:.6g} s never arrive over {links}: the rate stays at 0",
    )
