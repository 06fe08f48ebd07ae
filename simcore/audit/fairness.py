"""Laws of sharing: rates are max-min fair whenever time passes, and their integral is what arrives."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.records import Record
from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.network import Network, shared_cluster
from headway.simcore.instrument import Message
from headway.simcore.registry import name_of
from headway.simcore.scenario import Scenario
from headway.simcore.world.airtime import CellRate
from headway.simcore.world.route import Route

_ROUNDING = 1e-9


@dataclass
class _Account:
    """The bytes of a message that have flowed.

    Attributes:
        route: of the message.
        start_s: start of the flow.
        until_s: last time at which the flow was active.
        flown: bytes until then.
        slack: tolerance for rounded times [bytes].
    """

    route: Route
    start_s: float
    until_s: float
    flown: float = 0.0
    slack: float = 0.0


class FairnessLaws:
    """The laws of flows that share resources; there are none under `dedicated`."""

    def __init__(self, scenario: Scenario, network: Network, checks: Checks) -> None:
        sharing = scenario.network.sharing
        cluster = shared_cluster(scenario.cluster, sharing)
        self._shared = name_of(sharing) in ("airtime", "fair")
        self._routes = cluster.routes
        self._names = cluster.names
        self._resources = cluster.resources
        self._network = network
        self._checks = checks
        self._now_s = 0.0
        self._flowing: list[tuple[Flow, float | None]] = []
        self._accounts: dict[int, _Account] = {}
        self._settled = True

    def advance(self, now_s: float) -> None:
        """Time has passed since the last event: integrate the rates in force."""
        before_s, self._now_s = self._now_s, now_s
        if not self._shared or now_s <= before_s:
            return
        self._checks.that(self._settled, "fairness", "rates when time passes", "recomputed", "not recomputed")
        for flow, rate in self._flowing:
            account = self._accounts[flow.number]
            account.until_s = now_s
            if rate is None:
                account.flown += flow.route.integral(before_s, now_s)
                most = max(_narrowest(flow.route, before_s), _narrowest(flow.route, now_s))
            else:
                account.flown += rate * (now_s - before_s)
                most = rate
            account.slack += tolerance_s(now_s) * most
        # A flow that stopped without arriving at that moment, or within the tolerance, was cancelled.
        since_s = now_s - tolerance_s(now_s)
        self._accounts = {n: account for n, account in self._accounts.items() if account.until_s >= since_s}

    def check(self, record: Record) -> None:
        """A message has arrived: all its bytes must have flowed."""
        if not self._shared or not isinstance(record, Message):
            return
        route = self._routes[record.sender][record.receiver]
        assert route is not None
        flowing = {flow.number for flow in self._network.flows}
        numbers = [
            number
            for number, account in self._accounts.items()
            if account.route is route and account.start_s == record.flow_s and number not in flowing
        ]
        # Several messages may have started and ended at the same times on one route.
        numbers.sort(key=lambda number: abs(self._accounts[number].flown - record.wire_bytes))
        account = self._accounts.pop(numbers[0]) if numbers else _Account(route, record.flow_s, record.flow_s)
        slack = account.slack + tolerance_s(record.arrived_s) * _narrowest(account.route, record.arrived_s)
        what = f"bytes that flowed from {self._names[record.sender]!r} to {self._names[record.receiver]!r}"
        self._checks.equal("bytes", what, record.wire_bytes, account.flown, slack)

    def settle(self, next_s: float) -> None:
        """All spans of an event were reported; the next event is at `next_s`."""
        if not self._shared:
            return
        now_s = self._checks.now_s
        flows, self._settled = self._network.flows, self._network.settled
        self._flowing = [(flow, None if flow.alone else flow.rate) for flow in flows]
        for flow in flows:
            if flow.number not in self._accounts:
                self._accounts[flow.number] = _Account(flow.route, now_s, now_s)
        # Breakpoints of traces take effect within the tolerance, after the last event of a moment.
        if flows and next_s - now_s > 2 * tolerance_s(now_s) and self._settled:
            self._fair(flows, now_s + (next_s - now_s) / 2 if math.isfinite(next_s) else now_s)

    def _fair(self, flows: Sequence[Flow], at_s: float) -> None:
        """No resource is loaded beyond its capacity, and every flow has a bottleneck.

        A flow's bottleneck is a full resource on which no flow has a higher rate.
        """
        rates = [_narrowest(flow.route, at_s) if flow.alone else flow.rate for flow in flows]
        load: defaultdict[int, float] = defaultdict(float)
        top: defaultdict[int, float] = defaultdict(float)
        for flow, rate in zip(flows, rates, strict=True):
            route = flow.route
            for resource, uses, alone in zip(route.resources, route.uses, route.bandwidths, strict=True):
                load[resource] += rate * (alone.airtime(at_s) if isinstance(alone, CellRate) else uses)
                top[resource] = max(top[resource], rate)
        capacity = {resource: self._resources[resource].bandwidth.value(at_s) for resource in load}
        for resource, used in load.items():
            what = f"load of {self._resources[resource].name}"
            self._checks.at_most("fairness", what, capacity[resource], used)
        full = {r for r, used in load.items() if used >= capacity[r] * (1.0 - _ROUNDING)}
        for flow, rate in zip(flows, rates, strict=True):
            least = rate * (1.0 + _ROUNDING)
            stopped = any(resource in full and top[resource] <= least for resource, _ in flow.path)
            what = f"{rate!r} bytes/s over {', '.join(self._resources[r].name for r, _ in flow.path)}"
            self._checks.that(
                stopped, "fairness", what, "a full resource without faster flows", "no bottleneck"
            )


def _narrowest(route: Route, time_s: float) -> float:
    """The rate of a flow that is alone on its route [bytes/s]."""
    return min(trace.value(time_s) for trace in route.bandwidths)
