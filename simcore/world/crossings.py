"""Which shared resources each route crosses, and at which rates."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

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


class MoveQueue:
    """Messages that wait for their routes: those that share no resource travel at the same time.

    Messages of one route travel in order; of several routes that are free, the one of the earliest message goes first.

    Args:
        crossings: of the network; None: all messages travel one after another.
        routes: the route of each message, as in `Crossings.route`, shape (n,).
        disks: the device whose disk each message uses, shape (n,); None: no disks are used.
    """

    def __init__(self, crossings: Crossings | None, routes: IntArray, disks: IntArray | None = None) -> None:
        keys = list(zip(routes.tolist(), routes.tolist() if disks is None else disks.tolist(), strict=True))
        self._key = [_EVERYWHERE] * len(keys) if crossings is None else keys
        self._waiting: dict[tuple[int, int], deque[int]] = {}
        for number, key in enumerate(self._key):
            self._waiting.setdefault(key, deque()).append(number)
        self._resources = (
            {
                # A message of a device to itself crosses nothing, but there is only one such message at a time.
                (route, disk): {*crossings.resources_of(route).tolist(), ("route", route)}
                | ({("disk", disk)} if disks is not None else set())
                for route, disk in self._waiting
            }
            if crossings is not None
            else {_EVERYWHERE: {0}}
        )
        self._busy: set[Hashable] = set()

    def start(self) -> list[int]:
        """The messages that start now, by number."""
        started = []
        for key, numbers in self._waiting.items():
            if numbers and self._busy.isdisjoint(self._resources[key]):
                self._busy |= self._resources[key]
                started.append(numbers.popleft())
        return started

    def end(self, number: int) -> None:
        """A message has arrived: free its route."""
        self._busy -= self._resources[self._key[number]]


_EVERYWHERE = (-1, -1)


def makespan(queue: MoveQueue, seconds: FloatArray) -> float:
    """Time until all messages have arrived [s], each of which takes `seconds`, shape (n,)."""
    now = 0.0
    ends = [(float(seconds[number]), number) for number in queue.start()]
    heapify(ends)
    while ends:
        now, number = heappop(ends)
        queue.end(number)
        for other in queue.start():
            heappush(ends, (now + float(seconds[other]), other))
    return now
