"""A flow, and a resource as flows find it, while simulated time passes; `simcore.engine.network.fluid` moves them."""

import math

from headway.simcore.world.airtime import CellRate
from headway.simcore.world.route import Resource, Route

# What is through but for rounding when rates change does not wait for the next one; `Trace.reach` has the same rule.
_ROUNDING = 1e-12


class Flow:
    """Bytes on their way.

    Attributes:
        number: flows are numbered in order of arrival.
        route: which way.
        path: resources, and how often it uses each; of a cell that shares airtime, the airtime per byte.
        size: bytes when it started.
        left: bytes that were still to come at `since`.
        since: when that was.
        rate: since then; unused while it is alone on its way, where the route knows.
        bottleneck: the resource that holds the rate down; -1 while there is none.
        end: when it will have ended if nothing changes.
        stamp: how often `end` has been another one.
        alone: whether nobody else is on its way.
        shared: whether it has ever not been alone.
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
        """Bring the airtime that it takes of a cell per byte up to date; that, and when it may change."""
        place = self.route.resources.index(resource)
        rate = self.route.bandwidths[place]
        assert isinstance(rate, CellRate)
        airtime = rate.airtime(now)
        self.path[place] = resource, airtime
        return airtime, rate.next_change(now)

    def advance(self, now: float) -> None:
        """Bring what is left up to date."""
        if now > self.since:
            flown = self.route.integral(self.since, now) if self.alone else self.rate * (now - self.since)
            self.left = max(0.0, self.left - flown)
            self.since = now

    def expect(self, end: float) -> None:
        """Know when it will end."""
        self.end = end
        self.stamp += 1

    def go_at(self, rate: float, bottleneck: int, now: float) -> None:
        """Flow at another rate from now on."""
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
        """Flow as fast as the way allows from now on."""
        self.advance(now)
        self.alone = True
        self.bottleneck = -1
        self.expect(self.route.reach(now, self.left))


class State:
    """A resource at this moment.

    Attributes:
        index: of the resource.
        bandwidth: its trace.
        capacity: rate now, as of the last `refresh`.
        noticed: the capacity that flows were told of.
        airtime: whether it is a cell whose airtime is shared.
        until: when that, or of a cell what a flow takes of it, may change.
        watched: when that will be noticed; infinite while nobody has to.
        flows: those on it, in order of arrival, and how often each uses it; of a cell the airtime per byte.
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
        """What flows take of it."""
        return sum(flow.rate * uses for flow, uses in self.flows.items())

    @property
    def held(self) -> list[Flow]:
        """The flows whose bottleneck it is."""
        return [flow for flow in self.flows if flow.bottleneck == self.index]

    def add(self, flow: Flow, uses: float, now: float) -> None:
        """Put a flow on it."""
        if self.airtime:
            uses, change = flow.take_airtime(self.index, now)
            self.until = min(self.until, change)
        self.flows[flow] = uses

    def refresh(self, now: float) -> None:
        """Bring the capacity up to date, and of a cell what flows take of it."""
        if self.until <= now:
            self.capacity = self.bandwidth.value(now)
            self.until = self.bandwidth.next_change(now)
            if self.airtime:
                for flow in self.flows:
                    self.flows[flow], change = flow.take_airtime(self.index, now)
                    self.until = min(self.until, change)
