"""Flows that share resources in simulated time.

Rates change only when a flow starts, a flow ends, or a capacity changes. At such a moment the rates of the affected
flows are recomputed (`simcore.engine.network.maxmin_incremental`); other flows are not touched, and nothing is polled.
A flow that shares no resource costs one inverse integral (`Route.reach`) and one event, until another flow joins.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, cast

import simpy

from headway.simcore.engine.moments import LAST, call_at
from headway.simcore.engine.network.event_calendar import EventCalendar
from headway.simcore.engine.network.flow import Flow, State
from headway.simcore.engine.network.maxmin_incremental import refill
from headway.simcore.world.route import Resource, Route

# After so many consecutive changes that affected all connected flows, try a local update only rarely.
_OFTEN = 2
_RARELY = 16


class Fluid:
    """Shares resources among flows, max-min fair at every moment.

    Args:
        env: the SimPy environment.
        resources: the shared resources; routes refer to them by index.
        arrived: called with the owner of a flow when its last byte has left the route.
        never: called with the owner of a flow that can never end, possibly before `start` returns.
    """

    def __init__(
        self,
        env: simpy.Environment,
        resources: Sequence[Resource],
        arrived: Callable[[Any], None],
        never: Callable[[Any], None],
    ) -> None:
        self._env = env
        self._arrived = arrived
        self._never = never
        self._states = [State(i, resource) for i, resource in enumerate(resources)]
        self._numbers = count()
        self._changed: dict[Flow, None] = {}
        self._settling = False
        self._far = 0
        self._calendar = EventCalendar(env, self._wake)
        self._clock = 0.0

    @property
    def flows(self) -> list[Flow]:
        """All active flows in order of arrival; do not modify them."""
        there = {flow for state in self._states for flow in state.flows}
        return sorted(there, key=lambda flow: flow.number)

    @property
    def settled(self) -> bool:
        """Whether all rates are up to date; otherwise they are recomputed before time advances."""
        return not self._settling

    def start(self, route: Route, size_bytes: float, owner: object) -> Flow:
        """Start a flow now. The callbacks receive `owner`, which must not be None."""
        flow = Flow(next(self._numbers), route, size_bytes, self._now(), owner)
        self._join(flow)
        if flow.alone and flow.active:
            # Other flows can only delay it: the flow never ends before it would have ended alone.
            timer = self._env.timeout(max(flow.end - self._env.now, 0.0), flow)
            timer.callbacks.append(self._end_alone)
        return flow

    def stop(self, flow: Flow) -> None:
        """Stop a flow that is still active; no callback follows."""
        flow.owner = None  # a flow that ends at this moment is removed already, but its callback has not run
        if flow.active:
            self._remove(flow)

    def _end_alone(self, event: simpy.Event) -> None:
        """End a flow that never shared a resource; other flows end at their computed times."""
        flow = cast("Flow", event.value)
        if flow.active and not flow.shared:
            self._remove(flow)
            self._arrived(flow.owner)

    def _now(self) -> float:
        # SimPy adds a delay to the present time; by rounding the sum may be just below the intended time.
        return max(self._env.now, self._clock)

    def _join(self, flow: Flow) -> None:
        """Add a flow to its resources."""
        states = [self._states[resource] for resource, _ in flow.path]
        others = [other for state in states for other in state.flows]
        if others:
            flow.alone, flow.shared = False, True
            self._change([flow, *(other for other in others if other.alone)])
            for other in others:
                other.shared = True
        else:
            flow.end = flow.route.reach(flow.since, flow.size)
            if flow.end == math.inf:
                flow.active = False
                self._never(flow.owner)
                return
        for state, (_, uses) in zip(states, flow.path, strict=True):
            state.add(flow, uses, flow.since)

    def _remove(self, flow: Flow) -> None:
        """Remove a flow from its resources, so that others can use its share."""
        flow.active = False
        self._changed.pop(flow, None)
        for resource, _ in flow.path:
            state = self._states[resource]
            del state.flows[flow]
            # The last flow there may be alone now.
            self._change(state.limited if len(state.flows) > 1 else state.flows)

    def _change(self, flows: Iterable[Flow]) -> None:
        """Recompute the rates of some flows before time advances."""
        self._changed.update(dict.fromkeys(flows))
        if self._changed and not self._settling:
            self._settling = True
            call_at(self._env, self.settle, self._env.now, LAST)

    def settle(self, _: simpy.Event) -> None:
        """Recompute the rates of all flows affected by changes at this moment."""
        self._settling = False
        changed, self._changed = self._changed, {}
        now = self._now()
        alone, together = [], []
        for flow in sorted(changed, key=lambda flow: flow.number):
            if all(len(self._states[resource].flows) == 1 for resource, _ in flow.path):
                flow.go_alone(now)
                alone.append(flow)
            else:
                together.append(flow)
        if together:
            self._share(together, now)
        self._expect(alone)
        self._calendar.plan()

    def _share(self, changed: Iterable[Flow], now: float) -> None:
        """Set the new rates of the changed flows and of all flows that they affect."""
        far = self._far >= _OFTEN and self._far % _RARELY != 0
        new = refill(self._states, changed, now, complete=far)
        self._far = self._far + 1 if new.complete else 0
        for flow, rate, bottleneck in zip(new.flows, new.rates, new.bottlenecks, strict=True):
            flow.go_at(rate, bottleneck, now)
        for resource in new.resources:
            self._watch(self._states[resource], now)
        self._expect(new.flows)

    def _expect(self, flows: list[Flow]) -> None:
        """Schedule the ends of flows; fail flows that can never end."""
        self._calendar.note_ends(flows)
        for flow in flows:
            if flow.end < math.inf or not flow.active:
                continue
            if flow.alone or flow.route.wakes(self._now()) == math.inf:
                self._remove(flow)
                self._never(flow.owner)

    def _watch(self, state: State, now: float) -> None:
        """Schedule the next change of a capacity."""
        state.refresh(now)
        if state.watched == math.inf:
            state.noticed = state.capacity
        if state.until < state.watched:
            state.watched = state.until
            self._calendar.note_change(state.until, state)

    def _wake(self, time: float) -> None:
        """Process the events of the calendar up to a time."""
        self._clock = max(self._clock, time)
        ending, changing = self._calendar.take(self._clock)
        for state in changing:
            self._notice(state)
        for flow in ending:
            self._remove(flow)
        self._calendar.plan()
        for flow in ending:
            if flow.owner is not None:
                self._arrived(flow.owner)

    def _notice(self, state: State) -> None:
        """Recompute rates where a changed capacity affects them."""
        before, state.watched = state.noticed, math.inf
        if all(flow.alone for flow in state.flows):
            return
        self._watch(state, self._clock)
        if state.airtime:
            self._change(state.flows)
        elif state.capacity > before:
            self._change(state.limited)
        elif state.capacity < before and state.load > state.capacity:
            self._change(state.flows)
