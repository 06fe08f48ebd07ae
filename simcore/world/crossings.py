"""Which shared resources each route crosses, and at which rates."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray, immutable
from headway.simcore.world.maxmin import Path


@dataclass(frozen=True, eq=False)
class Crossings:
    """All crossings of a route and a shared resource, sorted by route, at one instant. Arrays of shape (crossings,).

    Attributes:
        route: the route, as sender * devices + receiver.
        resource: number of the resource: a direction of a link, a direction of a network interface, or a medium.
        rate: rate of the resource for a message on this route without other traffic [bytes/s].
    """

    route: IntArray
    resource: IntArray
    rate: FloatArray

    def resources_of(self, route: int) -> IntArray:
        """The resources that a route crosses."""
        return self.resource[self._of(route)]

    def path(self, route: int) -> Path:
        """The resources that a route crosses, and the share of each that a byte per second takes."""
        crossed = self._of(route)
        return list(zip(self.resource[crossed].tolist(), (1.0 / self.rate[crossed]).tolist(), strict=True))

    def _of(self, route: int) -> slice:
        return slice(*np.searchsorted(self.route, (route, route + 1)))


NO_CROSSINGS = Crossings(*2 * (immutable(np.empty(0, dtype=np.int64)),), immutable(np.empty(0)))


Order: TypeAlias = list[tuple[int, tuple[int, ...]]]
"""Messages by number in the order in which they start, each with the earlier messages for which it waits."""


def at_the_same_time(crossings: Crossings, routes: IntArray, disks: IntArray | None = None) -> Order:
    """The order of messages of which those that share no resource travel at the same time.

    A message waits for the last earlier message on each resource of its route. Messages on routes with few resources
    come first, because they keep few others waiting; otherwise the order is that of their numbers.

    Args:
        crossings: of the network.
        routes: the route of each message, as in `Crossings.route`, shape (n,).
        disks: the device whose disk each message uses, shape (n,); None: no disks are used.
    """
    needs: dict[int, list[Hashable]] = {
        # A device sends itself one message at a time, although that crosses nothing.
        route: [*crossings.resources_of(route).tolist(), ("route", route)]
        for route in np.unique(routes).tolist()
    }
    disk_of = [None] * len(routes) if disks is None else disks.tolist()
    messages = sorted(enumerate(routes.tolist()), key=lambda message: (len(needs[message[1]]), message[0]))
    last: dict[Hashable, int] = {}
    order: Order = []
    for number, route in messages:
        resources = [*needs[route], ("disk", disk_of[number])] if disks is not None else needs[route]
        order.append((number, tuple({last[resource]: None for resource in resources if resource in last})))
        last.update(dict.fromkeys(resources, number))
    return order


def makespan(order: Order, seconds: FloatArray) -> float:
    """Time until all messages have arrived [s], each of which takes `seconds`, shape (n,)."""
    duration, end_s = seconds.tolist(), [0.0] * len(seconds)
    for number, earlier in order:
        end_s[number] = max((end_s[one] for one in earlier), default=0.0) + duration[number]
    return max(end_s, default=0.0)
