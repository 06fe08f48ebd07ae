"""Future events of flows and resources, sorted by time, and the SimPy timer for the first of them."""

import math
from collections.abc import Callable, Iterable
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import TypeAlias

import simpy

from headway.simcore.engine.network.flow import Flow, State

_End: TypeAlias = tuple[float, int, Flow, int]
"""Time at which a flow ends, its number, and the stamp for which this entry is valid."""


class EventCalendar:
    """Ends of flows and changes of capacities.

    Flows whose rates are computed together are stored as one list, with the first end last: most of these ends are
    superseded before they occur, and then cost nothing more.

    Args:
        env: the SimPy environment.
        wake: called with the time of the first event when that time comes, see `plan`.
    """

    def __init__(self, env: simpy.Environment, wake: Callable[[float], None]) -> None:
        self._env = env
        self._wake = wake
        self._waking = math.inf
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

    def plan(self) -> None:
        """Schedule a call of `wake` for the first event."""
        time = self.first()
        if time < self._waking:
            self._waking = time
            self._env.timeout(max(0.0, time - self._env.now), time).callbacks.append(self._on_time)

    def _on_time(self, timer: simpy.Event) -> None:
        time = self._waking
        if timer.value == time:  # otherwise an earlier call has been scheduled since
            self._waking = math.inf
            self._wake(time)

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
