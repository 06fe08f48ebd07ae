"""Messages on links in simulated time."""

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import simpy

from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.fluid import Fluid
from headway.simcore.engine.network.transport import TRANSPORTS, Transport
from headway.simcore.engine.outages import Outages
from headway.simcore.errors import RunEndedError
from headway.simcore.registry import Named, Registry
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.route import Route


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


class Transfer:
    """A message in transit.

    Attributes:
        sender: device index.
        receiver: device index.
        size_bytes: of the message.
        route: the route.
        sent_s: when it was sent.
        wait_s: delay by latency and transport before its bytes flow.
        flow_s: when its bytes begin to flow.
        wire_bytes: bytes on the wire, including those of the transport.
        busy_s: time in which they flowed, known at arrival.
        active: whether it is in transit.
        flow: its flow in a shared network.
        arrived: called with the transfer when its last byte arrives.
        failed: called when it can never arrive.
    """

    __slots__ = (
        "active", "arrived", "busy_s", "failed", "flow", "flow_s", "receiver", "route", "sender", "sent_s",
        "size_bytes", "wait_s", "wire_bytes",
    )  # fmt: skip

    def __init__(
        self,
        sender: int,
        receiver: int,
        size_bytes: float,
        route: Route,
        sent_s: float,
        arrived: "Arrived",
        failed: "Failed",
    ) -> None:
        self.sender = sender
        self.receiver = receiver
        self.size_bytes = size_bytes
        self.wire_bytes = size_bytes
        self.route = route
        self.sent_s = self.flow_s = sent_s
        self.arrived = arrived
        self.failed = failed
        self.active = True
        self.wait_s = self.busy_s = 0.0
        self.flow: Flow | None = None


Arrived: TypeAlias = Callable[[Transfer], None]
Failed: TypeAlias = Callable[[RunEndedError], None]


class Network(Protocol):
    """Interface of what carries messages between devices."""

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """Traffic so far by link index and direction (True: from the first of the link's ends to the second)."""
        ...

    @property
    def flows(self) -> Sequence[Flow]:
        """The active flows that share resources; do not modify them. Empty under `dedicated`."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the rates of `flows` are up to date; otherwise they are recomputed before time advances."""
        ...

    def send(
        self, sender: int, receiver: int, size_bytes: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """Send one message of `size_bytes` from one device to another.

        Args:
            sender: device index.
            receiver: device index of another device.
            size_bytes: of the message.
            arrived: called when it has arrived.
            failed: called when it can never arrive, possibly before this method returns.
        """
        ...

    def cancel(self, transfer: Transfer) -> None:
        """Cancel a message that has not arrived; no callback follows."""
        ...


def _unchanged(cluster: Cluster) -> Cluster:
    return cluster


def _by_airtime(cluster: Cluster) -> Cluster:
    return cluster.by_airtime


@dataclass(frozen=True)
class SharingRule:
    """How messages share links, interfaces and media.

    Attributes:
        name: in scenarios.
        network: creates the network of a cluster under a transport, without messages.
        cluster: the cluster with the resources and rates of this rule; its devices and links are the same.
        shared: whether messages slow each other.
    """

    name: str
    network: Callable[[simpy.Environment, Cluster, Transport], Network]
    cluster: Callable[[Cluster], Cluster] = _unchanged
    shared: bool = True


class DedicatedNetwork:
    """Every message has its route for itself, as the paper assumes: messages do not slow each other.

    A message first waits for the latency and the per-message overhead of its route, then flows at the exact, varying
    rate of the narrowest resource.
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, transport: Transport) -> None:
        self._env = env
        self._cluster = cluster
        self._sender = _Sender(transport, cluster)
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

    def send(
        self, sender: int, receiver: int, size_bytes: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """See `Network.send`."""
        now = self._env.now
        transfer = self._sender.begin(sender, receiver, size_bytes, now, arrived, failed)
        arrival_s = transfer.route.reach(transfer.flow_s, transfer.wire_bytes)
        if math.isinf(arrival_s):
            self._sender.give_up(transfer)
            failed(_stalled(self._cluster, transfer, now))
            return transfer
        transfer.busy_s = arrival_s - transfer.flow_s
        self._env.timeout(arrival_s - now, transfer).callbacks.append(self._arrive)
        return transfer

    def cancel(self, transfer: Transfer) -> None:
        """See `Network.cancel`."""
        self._sender.give_up(transfer)

    def _arrive(self, event: simpy.Event) -> None:
        transfer = cast("Transfer", event.value)
        if transfer.active:
            self._sender.end(transfer, self._env.now)
            self._books.enter(transfer)
            transfer.arrived(transfer)


class FairNetwork:
    """Messages share the resources of their routes, max-min fair at every moment.

    A message first waits for the latency and the per-message overhead of its route, without loading any resource, then
    flows at its fair rate (`simcore.engine.network.fluid`).
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, transport: Transport) -> None:
        self._env = env
        self._cluster = cluster
        self._sender = _Sender(transport, cluster)
        self._books = _Books(cluster)
        self._fluid = Fluid(env, cluster.resources, self._arrive, self._never)

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

    def send(
        self, sender: int, receiver: int, size_bytes: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """See `Network.send`."""
        now = self._env.now
        transfer = self._sender.begin(sender, receiver, size_bytes, now, arrived, failed)
        if transfer.wait_s > 0.0:
            self._env.timeout(transfer.wait_s, transfer).callbacks.append(self._flow)
        else:
            self._begin(transfer)
        return transfer

    def cancel(self, transfer: Transfer) -> None:
        """See `Network.cancel`."""
        self._sender.give_up(transfer)
        if transfer.flow is not None:
            self._fluid.stop(transfer.flow)

    def _flow(self, event: simpy.Event) -> None:
        transfer = cast("Transfer", event.value)
        if transfer.active:
            self._begin(transfer)

    def _begin(self, transfer: Transfer) -> None:
        """The first byte begins to flow."""
        transfer.flow_s = self._env.now
        transfer.flow = self._fluid.start(transfer.route, transfer.wire_bytes, transfer)

    def _arrive(self, transfer: Transfer) -> None:
        now = self._env.now
        transfer.flow = None
        transfer.busy_s = now - transfer.flow_s
        self._sender.end(transfer, now)
        self._books.enter(transfer)
        transfer.arrived(transfer)

    def _never(self, transfer: Transfer) -> None:
        self._sender.give_up(transfer)
        transfer.failed(_stalled(self._cluster, transfer, self._env.now))


DEDICATED = SharingRule("dedicated", DedicatedNetwork, shared=False)
FAIR = SharingRule("fair", FairNetwork)
AIRTIME = SharingRule("airtime", FairNetwork, _by_airtime)

SHARING_RULES: Registry[SharingRule] = Registry(
    "sharing", "headway.sharing", {rule.name: rule for rule in (AIRTIME, DEDICATED, FAIR)}
)
"""Every sharing rule by name."""


def network(
    env: simpy.Environment, cluster: Cluster, sharing: Named | str, transport: Named | str = "ideal"
) -> Network:
    """The network of a cluster under a sharing rule and a transport."""
    rule = SHARING_RULES.find(sharing)
    return rule.network(env, rule.cluster(cluster), TRANSPORTS.find(transport).open())


def shared_cluster(cluster: Cluster, sharing: Named | str) -> Cluster:
    """A cluster with the resources, routes and rates of a sharing rule."""
    return SHARING_RULES.find(sharing).cluster(cluster)


def sent(
    env: simpy.Environment, net: Network, sender: int, receiver: int, size_bytes: float
) -> Generator[simpy.Event, Any, Transfer]:
    """Send a message from a process; the generator ends at arrival. Closing it cancels the message.

    Raises:
        RunEndedError: the message can never arrive.
    """
    done = env.event()
    told = cast("Arrived", done.succeed), cast("Failed", done.fail)
    transfer = net.send(sender, receiver, size_bytes, *told)
    try:
        yield done
    finally:
        done.defused = True
        net.cancel(transfer)
    return transfer


class _Sender:
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


class _Books:
    """Accounts of the traffic of links."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)
        self._on_route: dict[tuple[int, int], list[Carried]] = {}

    def enter(self, transfer: Transfer) -> None:
        """Account a message that has arrived."""
        ends = transfer.sender, transfer.receiver
        for carried in self._on_route.get(ends) or self._open_books(transfer.route, *ends):
            carried.messages += 1
            carried.size_bytes += transfer.wire_bytes
            carried.busy_s += transfer.busy_s

    def _open_books(self, route: Route, start: int, end: int) -> list[Carried]:
        """The accounts of the links of a route, in the direction of travel."""
        books = []
        at = self._cluster.names[start]
        for i in route.links:
            ends = self._cluster.links[i].ends
            forward = ends[0] == at
            at = ends[forward]
            books.append(self.carried[i, forward])
        self._on_route[start, end] = books
        return books


def _stalled(cluster: Cluster, transfer: Transfer, time_s: float) -> RunEndedError:
    names = cluster.names
    links = ", ".join(cluster.resources[i].name for i in transfer.route.resources)
    return RunEndedError(
        "stalled",
        f"{transfer.size_bytes:.0f} bytes from {names[transfer.sender]!r} to {names[transfer.receiver]!r} at "
        f"{time_s:.6g} s never arrive over {links}: the rate stays at 0",
    )
