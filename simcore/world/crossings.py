"""Which shared resources each route crosses, and at which rates."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray, immutable, sealed
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

    def at_rate(self, rate: FloatArray) -> "Crossings":
        """The same crossings with other rates, shape (crossings,)."""
        other = Crossings(self.route, self.resource, rate)
        vars(other)["begin"], vars(other)["_resources"] = self.begin, self._resources
        return other

    @cached_property
    def begin(self) -> IntArray:
        """The crossings of route r are those from `begin[r]` to `begin[r + 1]`, shape (last route + 2,)."""
        return immutable(np.searchsorted(self.route, np.arange(int(self.route.max(initial=-1)) + 2)))

    def resources_of(self, route: int) -> tuple[int, ...]:
        """The resources that a route crosses."""
        resources = self._resources.get(route)
        if resources is None:
            resources = self._resources[route] = tuple(self.resource[self._of(route)].tolist())
        return resources

    @cached_property
    def _resources(self) -> dict[int, tuple[int, ...]]:
        """The resources of routes, filled by `resources_of`."""
        return {}

    def path(self, route: int) -> Path:
        """The resources that a route crosses, and the share of each that a byte per second takes."""
        loads = (1.0 / self.rate[self._of(route)]).tolist()
        return list(zip(self.resources_of(route), loads, strict=True))

    def _of(self, route: int) -> slice:
        begin = self.begin
        return slice(int(begin[route]), int(begin[route + 1])) if route + 1 < len(begin) else slice(0)

    @cached_property
    def seconds_per_byte(self) -> FloatArray:
        """Seconds per byte of a message alone on each route, 0 if it crosses nothing, shape (last route + 1,)."""
        seconds = np.zeros(len(self.begin) - 1)
        with np.errstate(divide="ignore", over="ignore"):
            np.maximum.at(seconds, self.route, 1.0 / self.rate)
        return sealed(seconds)

    def meeting(self, routes: IntArray, groups: IntArray, begin_s: FloatArray, end_s: FloatArray) -> IntArray:
        """The messages that slow each other, and all messages of their group that share a resource, with repetitions.

        Args:
            routes: of the messages, shape (n,).
            groups: of the messages; those of different groups never meet, shape (n,).
            begin_s: when their bytes begin to flow if they do not slow each other, shape (n,).
            end_s: when they arrive then, shape (n,).
        """
        first = self.begin[routes]
        count = self.begin[routes + 1] - first
        message = np.repeat(np.arange(len(routes)), count)
        offset = first - np.cumsum(count) + count
        resource = self.resource[np.arange(len(message)) + offset[message]]
        crossed = groups[message] * (int(resource.max(initial=0)) + 1) + resource
        order = np.lexsort((begin_s[message], crossed))
        message = message[order]
        same = np.flatnonzero(np.diff(crossed[order]) == 0)
        if not len(same):
            return same
        one, other = message[same], message[same + 1]
        meet = begin_s[other] <= end_s[one]
        if not meet.any():
            return message[:0]
        together = np.isin(groups[one], groups[one[meet]])
        return np.concatenate((one[together], other[together]))


NO_CROSSINGS = Crossings(*2 * (immutable(np.empty(0, dtype=np.int64)),), immutable(np.empty(0)))


Order: TypeAlias = list[tuple[int, tuple[int, ...]]]
"""Messages by number in the order in which they start, each with the earlier messages for which it waits."""


def transfer_order(crossings: Crossings, routes: IntArray, disks: IntArray | None = None) -> Order:
    """The order of messages of which those that share no resource travel at the same time.

    A message waits for the last earlier message on each resource of its route. Messages on routes with few resources
    come first, because they keep few others waiting; otherwise the order is that of their numbers.

    Args:
        crossings: of the network.
        routes: the route of each message, as in `Crossings.route`, shape (n,).
        disks: the device whose disk each message uses, shape (n,); None: no disks are used.
    """
    last: dict[int, int] = {}
    order: Order = []
    for number, resources in _turns(crossings, routes, disks):
        order.append((number, tuple({last[resource]: None for resource in resources if resource in last})))
        last.update(dict.fromkeys(resources, number))
    return order


def transfer_makespan(
    crossings: Crossings, routes: IntArray, seconds: FloatArray, disks: IntArray | None = None
) -> float:
    """Time until all messages have arrived [s] in the order of `transfer_order`.

    Each message takes `seconds`, shape (n,); the other arguments are those of `transfer_order`.
    """
    duration_s, latest_s = seconds.tolist(), 0.0
    free_s: defaultdict[int, float] = defaultdict(float)
    for number, resources in _turns(crossings, routes, disks):
        end_s = max([free_s[resource] for resource in resources]) + duration_s[number]
        for resource in resources:
            free_s[resource] = end_s
        latest_s = max(latest_s, end_s)
    return latest_s


def _turns(crossings: Crossings, routes: IntArray, disks: IntArray | None) -> list[tuple[int, list[int]]]:
    """Messages in the order of `transfer_order`, each with all that only one message uses at a time.

    Resources by number, the route as an odd number below 0, and the disk as an even number below 0.
    """
    each = routes.tolist()
    # A device sends itself one message at a time, although that crosses nothing.
    needs = {route: [*crossings.resources_of(route), -1 - 2 * route] for route in dict.fromkeys(each)}
    order = sorted(range(len(each)), key=lambda number: len(needs[each[number]]))
    if disks is None:
        return [(number, needs[each[number]]) for number in order]
    return [(number, [*needs[each[number]], -2 - 2 * int(disks[number])]) for number in order]
