"""Which shared resources each route crosses, and at which rates."""

from dataclasses import dataclass
from functools import cached_property

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
        for name in ("begin", "lists", "resources", "longest"):
            vars(other)[name] = getattr(self, name)
        return other

    @cached_property
    def begin(self) -> IntArray:
        """The crossings of route r are those from `begin[r]` to `begin[r + 1]`, shape (last route + 2,)."""
        return immutable(np.searchsorted(self.route, np.arange(int(self.route.max(initial=-1)) + 2)))

    @cached_property
    def lists(self) -> tuple[list[int], list[int]]:
        """`begin` and `resource` as lists, for code that looks at few of them."""
        return self.begin.tolist(), self.resource.tolist()

    @cached_property
    def resources(self) -> int:
        """The highest number of a resource, plus 1."""
        return int(self.resource.max(initial=-1)) + 1

    @cached_property
    def longest(self) -> int:
        """The most resources on one route."""
        return int(np.diff(self.begin).max(initial=0))

    def resources_of(self, route: int) -> tuple[int, ...]:
        """The resources that a route crosses."""
        return tuple(self.lists[1][self._of(route)])

    def path(self, route: int) -> Path:
        """The resources that a route crosses, and the share of each that a byte per second takes."""
        loads = (1.0 / self.rate[self._of(route)]).tolist()
        return list(zip(self.resources_of(route), loads, strict=True))

    def _of(self, route: int) -> slice:
        begin = self.lists[0]
        return slice(begin[route], begin[route + 1]) if route + 1 < len(begin) else slice(0)

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
