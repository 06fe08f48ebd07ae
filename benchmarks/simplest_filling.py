"""The simplest max-min fair network on SimPy: one process that recomputes all rates at every change.

This is the code that one writes first: plain lists, no search for the flows that a change affects. Benchmark (f)
compares Headway's network with it, in speed and in the time of the last arrival.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy


@dataclass(eq=False, slots=True)
class _Flow:
    path: Sequence[int]
    left_bytes: float
    done: simpy.Event
    rate: float = 0.0


class SimplestNetwork:
    """Flows share resources of constant capacity, max-min fair.

    Args:
        env: the SimPy environment.
        capacities: of the resources [bytes/s].
    """

    def __init__(self, env: simpy.Environment, capacities: Sequence[float]) -> None:
        self._env = env
        self._capacities = capacities
        self._flows: list[_Flow] = []
        self._changed = env.event()
        env.process(self._run())

    def send(self, path: Sequence[int], size_bytes: float) -> simpy.Event:
        """Start a flow over resources; the event fires when its last byte has arrived."""
        flow = _Flow(path, size_bytes, self._env.event())
        self._flows.append(flow)
        if not self._changed.triggered:
            self._changed.succeed()
        return flow.done

    def _run(self) -> Generator[simpy.Event, Any, None]:
        """Carry the flows from one change to the next; a change is the start or the end of flows."""
        env = self._env
        while True:
            fill(self._flows, self._capacities)
            remaining_s = min((flow.left_bytes / flow.rate for flow in self._flows), default=math.inf)
            ending = [flow for flow in self._flows if flow.left_bytes / flow.rate <= remaining_s]
            since_s, carried = env.now, self._flows.copy()
            if ending:
                end = env.timeout(remaining_s)
                yield end | self._changed
            else:
                yield self._changed
            passed_s = env.now - since_s
            for flow in carried:
                flow.left_bytes -= flow.rate * passed_s
            if ending and end.processed:
                for flow in ending:
                    self._flows.remove(flow)
                    flow.done.succeed()
            if self._changed.triggered:
                self._changed = env.event()


def fill(flows: Sequence[_Flow], capacities: Sequence[float]) -> None:
    """Progressive filling: set the max-min fair rates of all flows (Bertsekas and Gallager, Data Networks, 6.5.2)."""
    left = list(capacities)
    users: dict[int, list[_Flow]] = {}
    for flow in flows:
        flow.rate = 0.0
        for resource in flow.path:
            users.setdefault(resource, []).append(flow)
    count = {resource: len(there) for resource, there in users.items()}
    while count:
        bottleneck = min(count, key=lambda resource: left[resource] / count[resource])
        share = left[bottleneck] / count[bottleneck]
        for flow in users[bottleneck]:
            if flow.rate == 0.0:
                flow.rate = share
                for resource in flow.path:
                    left[resource] -= share
                    count[resource] -= 1
                    if count[resource] == 0:
                        del count[resource]
