"""Networks in simulated time: sharing rules, by which messages share links, interfaces and media."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import simpy

from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.fluid import Fluid
from headway.simcore.engine.network.transfer import (
    Arrived,
    Carried,
    Failed,
    LinkTraffic,
    Sender,
    Transfer,
    stalled,
)
from headway.simcore.engine.network.transport import TRANSPORTS, Transport
from headway.simcore.registry import Named, Registry
from headway.simcore.world.cluster import Cluster


class Network(Protocol):
    """The interface of a network: it carries messages between devices."""

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
        self._sender = Sender(transport, cluster)
        self._traffic = LinkTraffic(cluster)
        self.flows: Sequence[Flow] = ()
        self.settled = True

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        return self._traffic.carried

    def send(
        self, sender: int, receiver: int, size_bytes: float, arrived: Arrived, failed: Failed
    ) -> Transfer:
        """See `Network.send`."""
        now = self._env.now
        transfer = self._sender.begin(sender, receiver, size_bytes, now, arrived, failed)
        arrival_s = transfer.route.reach(transfer.flow_s, transfer.wire_bytes)
        if math.isinf(arrival_s):
            self._sender.give_up(transfer)
            failed(stalled(self._cluster, transfer, now))
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
            self._traffic.add(transfer.sender, transfer.receiver, 1, transfer.wire_bytes, transfer.busy_s)
            transfer.arrived(transfer)


class FairNetwork:
    """Messages share the resources of their routes, max-min fair at every moment.

    A message first waits for the latency and the per-message overhead of its route, without loading any resource, then
    flows at its fair rate (`simcore.engine.network.fluid`).
    """

    def __init__(self, env: simpy.Environment, cluster: Cluster, transport: Transport) -> None:
        self._env = env
        self._cluster = cluster
        self._sender = Sender(transport, cluster)
        self._traffic = LinkTraffic(cluster)
        self._fluid = Fluid(env, cluster.resources, self._arrive, self._never)

    @property
    def carried(self) -> Mapping[tuple[int, bool], Carried]:
        """See `Network.carried`."""
        return self._traffic.carried

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
        """Start the flow of a message."""
        transfer.flow_s = self._env.now
        transfer.flow = self._fluid.start(transfer.route, transfer.wire_bytes, transfer)

    def _arrive(self, transfer: Transfer) -> None:
        now = self._env.now
        transfer.flow = None
        transfer.busy_s = now - transfer.flow_s
        self._sender.end(transfer, now)
        self._traffic.add(transfer.sender, transfer.receiver, 1, transfer.wire_bytes, transfer.busy_s)
        transfer.arrived(transfer)

    def _never(self, transfer: Transfer) -> None:
        self._sender.give_up(transfer)
        transfer.failed(stalled(self._cluster, transfer, self._env.now))


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
    env: simpy.Environment,
    net: Network,
    sender: int,
    receiver: int,
    size_bytes: float,
    on_arrival: Arrived = lambda transfer: None,
) -> Generator[simpy.Event, Any, Transfer]:
    """Send a message from a process; the generator ends after arrival. Closing it cancels the message.

    Args:
        env: the SimPy environment.
        net: carries the message.
        sender: device index.
        receiver: device index of another device.
        size_bytes: of the message.
        on_arrival: called when it has arrived, even if the process is cancelled at this moment.

    Raises:
        RunEndedError: the message can never arrive.
    """
    done = env.event()

    def arrived(transfer: Transfer) -> None:
        on_arrival(transfer)
        done.succeed(transfer)

    failed = cast("Failed", done.fail)
    transfer = net.send(sender, receiver, size_bytes, arrived, failed)
    try:
        yield done
    finally:
        done.defused = True
        net.cancel(transfer)
    return transfer
