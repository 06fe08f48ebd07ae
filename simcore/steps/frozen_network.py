"""Messages that share a network whose capacities do not change, as the event engine shares it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from headway.simcore.world.maxmin import Path, max_min

# A flow that is complete up to rounding when rates change ends now, as in the event engine.
_ROUNDING = 1e-12


class FrozenNetwork:
    """Flows of bytes, max-min fair at every moment.

    Args:
        flows: by node of the step graph, the bytes of a message, above 0, and its path, where every resource has a
            capacity of 1. Nodes without a flow are left out.
    """

    def __init__(self, flows: Mapping[int, tuple[float, Path]]) -> None:
        self._flows = flows
        self._users: defaultdict[int, dict[int, None]] = defaultdict(dict)
        self._left: dict[int, float] = {}
        self._rate: dict[int, float] = {}
        self._since: dict[int, float] = {}
        self._ends: dict[int, float] = {}
        self._changed: dict[int, None] = {}

    def start(self, node: int, now: float) -> bool:
        """Start the flow of a node; False if it has none."""
        if node not in self._flows:
            return False
        self._left[node], path = self._flows[node]
        self._rate[node], self._since[node], self._ends[node] = 0.0, now, math.inf
        for resource, _ in path:
            self._users[resource][node] = None
        self._changed[node] = None
        return True

    def next_end(self, now: float) -> float:
        """When the next flow ends if no other starts before; infinite without flows."""
        if self._changed:
            self._share(now)
        return min(self._ends.values(), default=math.inf)

    def take(self, now: float) -> list[int]:
        """Remove the flows that end now, in the order of their starts."""
        ended = [node for node, end_s in self._ends.items() if end_s <= now]
        for node in ended:
            del self._ends[node]
            for resource, _ in self._flows[node][1]:
                del self._users[resource][node]
                self._changed.update(self._users[resource])
        for node in ended:
            self._changed.pop(node, None)
        return ended

    def _share(self, now: float) -> None:
        """Set new rates of the flows that a change affects."""
        connected = self._connected(self._changed)
        self._changed = {}
        together = []
        for node in connected:
            path = self._flows[node][1]
            if all(len(self._users[resource]) == 1 for resource, _ in path):
                self._set_rate(node, 1.0 / max(load for _, load in path), now)
            else:
                together.append(node)
        if together:
            paths = [self._flows[node][1] for node in together]
            capacity = {resource: 1.0 for path in paths for resource, _ in path}
            rates = max_min(capacity, paths, cells=capacity).rates
            for node, rate in zip(together, rates, strict=True):
                self._set_rate(node, rate, now)

    def _connected(self, nodes: Iterable[int]) -> list[int]:
        """These flows, and all that share a resource with one of them, directly or through others."""
        connected = dict.fromkeys(nodes)
        new, visited = list(connected), set[int]()
        while new:
            for resource, _ in self._flows[new.pop()][1]:
                if resource not in visited:
                    visited.add(resource)
                    further = [node for node in self._users[resource] if node not in connected]
                    connected.update(dict.fromkeys(further))
                    new += further
        return list(connected)

    def _set_rate(self, node: int, rate: float, now: float) -> None:
        left = self._left[node] - self._rate[node] * (now - self._since[node])
        self._left[node], self._rate[node], self._since[node] = left, rate, now
        self._ends[node] = now if left <= _ROUNDING * self._flows[node][0] else now + left / rate
