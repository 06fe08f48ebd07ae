"""Which shared resources each route crosses, and at which rates."""

from dataclasses import dataclass

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


def lanes(crossings: Crossings, routes: IntArray, disks: IntArray | None = None) -> IntArray:
    """Group messages into lanes that share no resource, so that lanes can proceed at the same time.

    Routes that cross a common resource, directly or through other routes of the group, are in one lane.

    Args:
        crossings: of the network.
        routes: the route of each message, as in `Crossings.route`, shape (n,).
        disks: the device whose disk each message uses, shape (n,); None: no disks are used.

    Returns:
        The lane of each message, shape (n,), numbered from 0 in order of their first messages.
    """
    used = routes[:, None] if disks is None else np.stack((routes, disks), axis=1)
    kinds, kind_of = np.unique(used, axis=0, return_inverse=True)
    groups: list[tuple[set[int], set[int]]] = []
    for number, (route, *disk) in enumerate(kinds.tolist()):
        members, resources = {number}, {*crossings.resources_of(route).tolist(), *(-1 - one for one in disk)}
        apart = []
        for group in groups:
            if group[1] & resources:
                members |= group[0]
                resources |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (members, resources)]
    lane_of_kind = np.empty(len(kinds), dtype=np.int64)
    for lane, (members, _) in enumerate(groups):
        lane_of_kind[list(members)] = lane
    return _numbered_by_first(lane_of_kind[kind_of.reshape(-1)])


def _numbered_by_first(lane: IntArray) -> IntArray:
    _, first, inverse = np.unique(lane, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]
