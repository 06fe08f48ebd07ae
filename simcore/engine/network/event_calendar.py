"""Future events of flows and resources, sorted by time."""

import math
from collections.abc import Iterable
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import TypeAlias

from headway.simcore.engine.network.flow import Flow, State

_End: TypeAlias = tuple[float, int, Flow, int]
"""Time at which a flow ends, its number, and the stamp for which this entry is valid."""


class EventCalendar:
    """Ends of flows and changes of capacities.

    Flows whose rates are computed together are stored as one list, with the first end last: most of these ends are
    superseded before they occur, and then cost nothing more.
    """

    def __init__(self) -> None:
        self._orders = count()
        self._heap: list[tuple[float, int, State | list[_End]]] = []

    def note_ends(self, flows: Iterable[Flow]) -> None:
        """Add the expected ends of flows."""
        ends = [(flow.end, flow.number, flow, flow.stamp) for flow in flows if flow.end < math.inf]
        if ends:
            ends.sort(reverse=True)
            heappush(self._heap, (ends[-1][0], next(self._orders), ends))

    def note_change(self, time: float, state: State) -> None:
        """Add a time at which the capacity of a resource may change."""
        heappush(self._heap, (time, next(self._orders), state))

    def first(self) -> float:
        """Time of the next event; infinite if there is none."""
        while self._heap:
            time, order, item = self._heap[0]
            if isinstance(item, State):
                return time
            while item and not _holds(item[-1]):
                item.pop()
            if not item:
                heappop(self._heap)
            elif item[-1][0] > time:
                heapreplace(self._heap, (item[-1][0], order, item))
            else:
                return time
        return math.inf

    def take(self, time: float) -> tuple[list[Flow], list[State]]:
        """Remove and return the flows that end and the resources that may change up to a time."""
        ending: list[Flow] = []
        changing: list[State] = []
        while self.first() <= time:
            item = self._heap[0][2]
            if isinstance(item, State):
                changing.append(item)
                heappop(self._heap)
            else:
                ending.append(item.pop()[2])
        return sorted(ending, key=lambda flow: flow.number), changing


def _holds(end: _End) -> bool:
    _, _, flow, stamp = end
    return flow.active and flow.stamp == stamp
