"""The state of a flow and of a resource in simulated time; `simcore.engine.network.fluid` updates them."""

import math

from headway.simcore.world.airtime import CellRate
from headway.simcore.world.route import Resource, Route

# A flow that is complete up to rounding when rates change ends now; `Trace.reach` has the same rule.
_ROUNDING = 1e-12


class Flow:
    """A flow of bytes.

    Attributes:
        number: flows are numbered in order of arrival.
        route: the route.
        path: its resources, and how often it uses each; for a cell that shares airtime, the airtime per byte.
        size: bytes at the start.
        left: bytes left at `since`.
        since: time of the last update.
        rate: rate since then; unused while the flow is alone on its route, which then gives the rate.
        bottleneck: the resource that limits the rate; -1 if there is none.
        end: expected end if nothing changes.
        stamp: number of changes of `end`.
        alone: whether no other flow uses any of its resources.
        shared: whether it has ever met another flow.
        owner: passed to the callbacks when the flow ends or fails; None after the flow was stopped.
        active: whether it has not ended yet.
    """

    __slots__ = (
        "active", "alone", "bottleneck", "end", "left", "number", "owner", "path", "rate", "route", "shared", "since",
        "size", "stamp",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        route: Route,
        size: float,
        now: float,
        owner: object,
    ) -> None:
        self.number = number
        self.route = route
        self.path: list[tuple[int, float]] = list(zip(route.resources, route.uses, strict=True))
        self.size = self.left = size
        self.since = now
        self.rate = 0.0
        self.bottleneck = -1
        self.end = math.inf
        self.stamp = 0
        self.alone = True
        self.shared = False
        self.owner = owner
        self.active = True

    def take_airtime(self, resource: int, now: float) -> tuple[float, float]:
        """Update the airtime per byte in a cell; returns it, and when it may change."""
        place = self.route.resources.index(resource)
        rate = self.route.bandwidths[place]
        assert isinstance(rate, CellRate)
        airtime = rate.airtime(now)
        self.path[place] = resource, airtime
        return airtime, rate.next_change(now)

    def advance(self, now: float) -> None:
        """Update the bytes left."""
        if now > self.since:
            flown = self.route.integral(self.since, now) if self.alone else self.rate * (now - self.since)
            self.left = max(0.0, self.left - flown)
            self.since = now

    def expect(self, end: float) -> None:
        """Update the expected end."""
        self.end = end
        self.stamp += 1

    def go_at(self, rate: float, bottleneck: int, now: float) -> None:
        """Set another rate from now on."""
        self.advance(now)
        self.alone = False
        self.shared = True
        self.rate = rate
        self.bottleneck = bottleneck
        if self.left <= _ROUNDING * self.size:
            self.expect(now)
        else:
            self.expect(now + self.left / rate if rate > 0.0 else math.inf)

    def go_alone(self, now: float) -> None:
        """Use the full rate of the route from now on."""
        self.advance(now)
        self.alone = True
        self.bottleneck = -1
        self.expect(self.route.reach(now, self.left))


class State:
    """The state of a resource.

    Attributes:
        index: of the resource.
        bandwidth: its trace.
        capacity: capacity at the last `refresh`.
        noticed: the capacity for which the present rates were computed.
        airtime: whether it is a cell whose airtime is shared.
        until: when the capacity, or the airtime per byte of a flow in a cell, may change.
        watched: when this change will be processed; infinite if no flow depends on it.
        flows: flows on the resource, in order of arrival, and how often each uses it; for a cell, the airtime per byte.
    """

    __slots__ = ("airtime", "bandwidth", "capacity", "flows", "index", "noticed", "until", "watched")

    def __init__(self, index: int, resource: Resource) -> None:
        self.index = index
        self.bandwidth = resource.bandwidth
        self.airtime = resource.airtime
        self.capacity = self.noticed = self.bandwidth.value(0.0)
        self.until = self.bandwidth.next_change(0.0)
        self.watched = math.inf
        self.flows: dict[Flow, float] = {}

    @property
    def load(self) -> float:
        """The present load."""
        return sum(flow.rate * uses for flow, uses in self.flows.items())

    @property
    def limited(self) -> list[Flow]:
        """The flows that have this resource as bottleneck."""
        return [flow for flow in self.flows if flow.bottleneck == self.index]

    def add(self, flow: Flow, uses: float, now: float) -> None:
        """Add a flow."""
        if self.airtime:
            uses, change = flow.take_airtime(self.index, now)
            self.until = min(self.until, change)
        self.flows[flow] = uses

    def refresh(self, now: float) -> None:
        """Update the capacity and, for a cell, the airtime per byte of its flows."""
        if self.until <= now:
            self.capacity = self.bandwidth.value(now)
            self.until = self.bandwidth.next_change(now)
            if self.airtime:
                for flow in self.flows:
                    self.flows[flow], change = flow.take_airtime(self.index, now)
                    self.until = min(self.until, change)
