"""Flows that share resources in simulated time.

Between two changes every rate is constant, so all that happens is: a flow starts, a flow ends, a capacity changes. Then
the rates of those flows that are connected with the change by shared resources are found anew; nothing else is touched,
and nothing is ever polled. A flow that meets nobody on its way is one inverse integral (`Route.reach`) and one event,
until another joins it.
"""

import math
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import simpy
from simpy.events import EventPriority

from simcore.fairshare import max_min
from simcore.route import Resource, Route

_LAST = EventPriority(2)
"""A priority behind SimPy's own: after everything else that happens at one moment."""

# What is through but for rounding when rates change does not wait for the next one; `Trace.reach` has the same rule.
_ROUNDING = 1e-12


class NeverError(Exception):
    """A flow will never end: what it needs stays at 0."""


class _Flow:
    """Bytes on their way.

    Attributes:
        route: which way.
        path: resources and how often it uses each.
        weight: its claim when rates are shared.
        size: bytes when it started.
        left: bytes that were still to come at `since`.
        since: when that was.
        rate: since then; unused while it is alone on its way, where the route knows.
        end: when it will have ended if nothing changes.
        alone: whether nobody else is on its way.
        component: with whom it shares; None when it never has.
        done: fires when it has ended, or fails if it never will.
        active: whether it has not ended yet.
    """

    __slots__ = (
        "active", "alone", "component", "done", "end", "left", "path", "rate", "route", "since", "size", "weight",
    )  # fmt: skip

    def __init__(self, route: Route, size: float, weight: float, now: float, done: simpy.Event) -> None:
        self.route = route
        self.path = tuple(zip(route.resources, route.uses, strict=True))
        self.weight = weight
        self.size = self.left = size
        self.since = now
        self.rate = 0.0
        self.end = math.inf
        self.alone = True
        self.component: _Component | None = None
        self.done = done
        self.active = True

    def advance(self, now: float) -> None:
        """Bring what is left up to date."""
        if now > self.since:
            flown = self.route.integral(self.since, now) if self.alone else self.rate * (now - self.since)
            self.left = max(0.0, self.left - flown)
            self.since = now


class _State:
    """A resource at this moment.

    Attributes:
        bandwidth: its trace.
        capacity: rate now.
        until: when that may change.
        load: what flows take of it.
        binding: whether it is the bottleneck of a flow.
        flows: on it, in order of arrival.
    """

    __slots__ = ("bandwidth", "binding", "capacity", "flows", "load", "until")

    def __init__(self, resource: Resource) -> None:
        self.bandwidth = resource.bandwidth
        self.capacity = self.bandwidth.value(0.0)
        self.until = self.bandwidth.next_change(0.0)
        self.load = 0.0
        self.binding = False
        self.flows: dict[_Flow, None] = {}

    def refresh(self, now: float) -> None:
        """Bring the capacity up to date."""
        if self.until <= now:
            self.capacity = self.bandwidth.value(now)
            self.until = self.bandwidth.next_change(now)


class _Component:
    """Flows that share with each other, directly or by way of others, and with nobody else.

    Attributes:
        flows: all of them.
        resources: all that they use.
        next: when one of them ends or a capacity changes.
        current: whether its flows have not come to share with others or fewer.
    """

    __slots__ = ("current", "flows", "next", "resources")

    def __init__(self, flows: list[_Flow], resources: list[int]) -> None:
        self.flows = flows
        self.resources = resources
        self.next = math.inf
        self.current = True


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
    """

    def __init__(self, env: simpy.Environment, resources: Sequence[Resource]) -> None:
        self._env = env
        self._states = [_State(resource) for resource in resources]
        self._touched: dict[int, None] = {}
        self._settling = False
        self._clock = 0.0

    def carry(
        self, route: Route, size_bytes: float, weight: float = 1.0
    ) -> Generator[simpy.Event, Any, None]:
        """Let bytes flow from now on; the generator ends when the last is through.

        Closing the generator, or throwing into it, takes the flow off its way at once.

        Raises:
            NeverError: the flow can never end.
        """
        flow = _Flow(route, size_bytes, weight, self._now(), simpy.Event(self._env))
        alone_s = self._join(flow)
        try:
            if flow.alone:
                # Company can only make it later: the flow never ends before it would have ended alone.
                yield self._env.timeout(alone_s - self._env.now)
            if flow.active and (flow.component is not None or not flow.alone):
                yield flow.done
        finally:
            flow.done.defused = True
            if flow.active:
                self._remove(flow)

    def _now(self) -> float:
        # SimPy adds delays to the present time; rounding may let that sum fall just short of the moment that is meant.
        return max(self._env.now, self._clock)

    def _join(self, flow: _Flow) -> float:
        """Put a flow on its way; when it ends if it stays alone."""
        states = [self._states[resource] for resource, _ in flow.path]
        flow.alone = not any(state.flows for state in states)
        if flow.alone:
            flow.end = flow.route.reach(flow.since, flow.size)
            if flow.end == math.inf:
                raise NeverError
        else:
            self._touch(flow.path[0][0])
        for state in states:
            state.flows[flow] = None
        return max(flow.end, self._env.now)

    def _remove(self, flow: _Flow) -> None:
        """Take a flow off its way and leave its share to the others."""
        flow.active = False
        for resource, _ in flow.path:
            state = self._states[resource]
            del state.flows[flow]
            if state.flows:
                self._touch(resource)

    def _touch(self, resource: int) -> None:
        """Find the rates around a resource anew before time goes on."""
        self._touched[resource] = None
        if not self._settling:
            self._settling = True
            _Moment(self._env).callbacks.append(self._settle)

    def _settle(self, _: simpy.Event) -> None:
        """Find the rates around all that was touched at this moment."""
        self._settling = False
        touched, self._touched = self._touched, {}
        seen: set[int] = set()
        for resource in touched:
            if resource not in seen and self._states[resource].flows:
                component = self._around(resource)
                seen.update(component.resources)
                self._share(component)

    def _around(self, resource: int) -> _Component:
        """The component of a resource."""
        resources = {resource: None}
        flows: dict[_Flow, None] = {}
        new = [resource]
        while new:
            for flow in self._states[new.pop()].flows:
                if flow not in flows:
                    flows[flow] = None
                    for crossed, _ in flow.path:
                        if crossed not in resources:
                            resources[crossed] = None
                            new.append(crossed)
        return _Component(list(flows), list(resources))

    def _share(self, component: _Component) -> None:
        """Give the flows of a new component their rates, from now on."""
        now = self._now()
        for flow in component.flows:
            flow.advance(now)
            if flow.component is not None:
                flow.component.current = False
            flow.component = component
        through = [flow for flow in component.flows if flow.left <= _ROUNDING * flow.size]
        if through:
            self._end(through)
            return
        if len(component.flows) == 1:
            self._leave_alone(component.flows[0])
        else:
            self._fill(component, now)
        self._wait(component)

    def _leave_alone(self, flow: _Flow) -> None:
        flow.alone = True
        flow.end = flow.route.reach(flow.since, flow.left)
        if flow.end == math.inf:
            self._give_up(flow)

    def _fill(self, component: _Component, now: float) -> None:
        """Find the max-min fair rates of several flows, and when each would end."""
        flows, states = component.flows, self._states
        for resource in component.resources:
            states[resource].refresh(now)
        capacity = {resource: states[resource].capacity for resource in component.resources}
        allocation = max_min(capacity, [flow.path for flow in flows], [flow.weight for flow in flows])
        for resource, spare in allocation.spare.items():
            state = states[resource]
            state.load = state.capacity - spare
            state.binding = resource in allocation.bottlenecks
        for flow, rate in zip(flows, allocation.rates, strict=True):
            flow.alone = False
            flow.rate = rate
            flow.end = now + flow.left / rate if rate > 0.0 else math.inf
            if rate == 0.0 and flow.route.wakes(now) == math.inf:
                self._give_up(flow)

    def _wait(self, component: _Component) -> None:
        """Come back when something happens to the component."""
        moments = [flow.end for flow in component.flows if flow.active]
        if len(component.flows) > 1:
            moments += [self._states[resource].until for resource in component.resources]
        component.next = min(moments, default=math.inf)
        if component.next < math.inf:
            delay = max(0.0, component.next - self._env.now)
            self._env.timeout(delay, component).callbacks.append(self._wake)

    def _wake(self, event: simpy.Event) -> None:
        """Something happens to a component, unless it has become another one since it was expected."""
        component = event.value
        assert isinstance(component, _Component)
        if not component.current:
            return
        self._clock = max(self._clock, component.next)
        ended = [flow for flow in component.flows if flow.active and flow.end <= component.next]
        self._end(ended)
        changed = len(component.flows) > 1 and self._notice_changes(component.resources)
        if not ended and not changed:
            self._wait(component)

    def _notice_changes(self, resources: Iterable[int]) -> bool:
        """Touch those resources whose capacity has become another one, where that makes a difference; are there any?"""
        now, found = self._now(), False
        for resource in resources:
            state = self._states[resource]
            if state.until <= now:
                before = state.capacity
                state.refresh(now)
                if state.capacity != before and (state.binding or state.capacity < state.load):
                    self._touch(resource)
                    found = True
        return found

    def _end(self, flows: Iterable[_Flow]) -> None:
        for flow in flows:
            self._remove(flow)
            flow.done.succeed()

    def _give_up(self, flow: _Flow) -> None:
        """End a flow that will never move again; it takes nothing from anybody."""
        flow.end = math.inf
        self._remove(flow)
        flow.done.fail(NeverError())
