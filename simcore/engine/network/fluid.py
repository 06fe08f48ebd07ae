"""Flows that share resources in simulated time.

Between two changes every rate is constant, so all that happens is: a flow starts, a flow ends, a capacity changes. Then
the rates of those flows that the change reaches are found anew (`simcore.engine.network.maxmin_incremental`); nothing
else is touched, and nothing is ever polled. A flow that meets nobody on its way is one inverse integral (`Route.reach`)
and one event, until another joins it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, cast

import simpy
from simpy.events import EventPriority

from headway.simcore.engine.network.event_calendar import EventCalendar
from headway.simcore.engine.network.flow import Flow, State
from headway.simcore.engine.network.maxmin_incremental import refill
from headway.simcore.world.route import Resource, Route

_LAST = EventPriority(2)
"""A priority behind SimPy's own: after everything else that happens at one moment."""


# Where changes have so often in a row reached all that is connected, how far they reach is rarely asked.
_OFTEN = 2
_RARELY = 16


class _Moment(simpy.Event):
    """An event after everything else that happens at this moment."""

    def __init__(self, env: simpy.Environment) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        env.schedule(self, priority=_LAST)


class Fluid:
    """Shares resources among flows, max-min fair at every moment.

    Args:
        env: the SimPy environment.
        resources: what there is to share; routes refer to them by index.
        arrived: called with the owner of a flow when its last byte is through.
        never: called with it when that can never be, maybe before `start` returns.
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
        self._calendar = EventCalendar()
        self._waking = math.inf
        self._clock = 0.0

    @property
    def flows(self) -> list[Flow]:
        """All that are on their way, in order of arrival, to be looked at only."""
        there = {flow for state in self._states for flow in state.flows}
        return sorted(there, key=lambda flow: flow.number)

    @property
    def settled(self) -> bool:
        """Whether all rates are those of this moment; otherwise they are found anew before time goes on."""
        return not self._settling

    def start(self, route: Route, size_bytes: float, owner: object) -> Flow:
        """Let bytes flow from now on. The callbacks receive `owner`, which must not be None."""
        flow = Flow(next(self._numbers), route, size_bytes, self._now(), owner)
        self._join(flow)
        if flow.alone and flow.active:
            # Company can only make it later: the flow never ends before it would have ended alone.
            timer = self._env.timeout(max(flow.end - self._env.now, 0.0), flow)
            timer.callbacks.append(self._end_alone)
        return flow

    def stop(self, flow: Flow) -> None:
        """Take a flow off its way, if it is still there; nothing is called any more."""
        flow.owner = None  # what ends at this moment is off its way already, but not yet told
        if flow.active:
            self._remove(flow)

    def _end_alone(self, event: simpy.Event) -> None:
        """End a flow that has met nobody; another one is ended when its rate says so."""
        flow = cast("Flow", event.value)
        if flow.active and not flow.shared:
            self._remove(flow)
            self._arrived(flow.owner)

    def _now(self) -> float:
        # SimPy adds delays to the present time; rounding may let that sum fall just short of the moment that is meant.
        return max(self._env.now, self._clock)

    def _join(self, flow: Flow) -> None:
        """Put a flow on its way."""
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
        """Take a flow off its way and leave its share to the others."""
        flow.active = False
        self._changed.pop(flow, None)
        for resource, _ in flow.path:
            state = self._states[resource]
            del state.flows[flow]
            # The last one there may be alone now.
            self._change(state.held if len(state.flows) > 1 else state.flows)

    def _change(self, flows: Iterable[Flow]) -> None:
        """Find the rates of some flows anew before time goes on."""
        self._changed.update(dict.fromkeys(flows))
        if self._changed and not self._settling:
            self._settling = True
            _Moment(self._env).callbacks.append(self._settle)

    def _settle(self, _: simpy.Event) -> None:
        """Find the rates of all flows that something has changed for at this moment."""
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
        self._plan()

    def _share(self, changed: Iterable[Flow], now: float) -> None:
        """Give flows that share, and whom they disturb, their rates from now on."""
        far = self._far >= _OFTEN and self._far % _RARELY != 0
        found = refill(self._states, changed, now, whole=far)
        self._far = self._far + 1 if found.whole else 0
        for flow, rate, bottleneck in zip(found.flows, found.rates, found.bottlenecks, strict=True):
            flow.go_at(rate, bottleneck, now)
        for resource in found.resources:
            self._watch(self._states[resource], now)
        self._expect(found.flows)

    def _expect(self, flows: list[Flow]) -> None:
        """Come back when flows end; end those now that never will."""
        self._calendar.note_ends(flows)
        for flow in flows:
            if flow.end < math.inf or not flow.active:
                continue
            if flow.alone or flow.route.wakes(self._now()) == math.inf:
                self._remove(flow)
                self._never(flow.owner)

    def _watch(self, state: State, now: float) -> None:
        """Come back when a capacity changes."""
        state.refresh(now)
        if state.watched == math.inf:
            state.noticed = state.capacity
        if state.until < state.watched:
            state.watched = state.until
            self._calendar.note_change(state.until, state)

    def _plan(self) -> None:
        """Wake up for what comes first."""
        time = self._calendar.first()
        if time < self._waking:
            self._waking = time
            self._env.timeout(max(0.0, time - self._env.now), time).callbacks.append(self._wake)

    def _wake(self, event: simpy.Event) -> None:
        """Do what was noted for this moment, unless an earlier one has come to be planned since."""
        if event.value != self._waking:
            return
        self._clock = max(self._clock, self._waking)
        self._waking = math.inf
        ending, changing = self._calendar.take(self._clock)
        for state in changing:
            self._notice(state)
        for flow in ending:
            self._remove(flow)
        self._plan()
        for flow in ending:
            if flow.owner is not None:
                self._arrived(flow.owner)

    def _notice(self, state: State) -> None:
        """Find rates anew where a capacity that has become another one makes a difference."""
        before, state.watched = state.noticed, math.inf
        if all(flow.alone for flow in state.flows):
            return
        self._watch(state, self._clock)
        if state.airtime:
            self._change(state.flows)
        elif state.capacity > before:
            self._change(state.held)
        elif state.capacity < before and state.load > state.capacity:
            self._change(state.flows)
