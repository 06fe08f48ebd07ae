"""Max-min fair rates after a change, without recomputing all of them.

Most flows keep their rates after a change. The algorithm computes rates for a subset of the flows in the capacity that
the others leave, and then checks the condition of max-min fairness for the others: every flow has a bottleneck, a full
resource on which no flow has a higher rate (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2). Flows that
violate it join the subset, until no flow violates it. Then the condition holds for all flows, so the rates are the
max-min fair rates of the whole network, which are unique.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headway.simcore.engine.network.flow import Flow, State
from headway.simcore.world.maxmin import Allocation, max_min

# Relative difference of rates that the order of additions may cause.
_ROUNDING = 1e-12

LOCAL_FLOWS = 32
"""A local update may always compute so many rates."""

# If this share of all connected flows was not enough, recomputing all of them is cheaper than continuing.
_SHARE = 8


@dataclass(frozen=True)
class Rates:
    """Flows with recomputed rates.

    Attributes:
        flows: all flows that the change affects, and possibly others.
        resources: on their routes.
        rates: of the flows.
        bottlenecks: the resource that limits each rate.
        complete: whether these are all connected flows.
    """

    flows: list[Flow]
    resources: list[int]
    rates: list[float]
    bottlenecks: list[int]
    complete: bool


def refill(states: Sequence[State], changed: Iterable[Flow], now: float, *, complete: bool = False) -> Rates:
    """Compute the rates of `changed` flows, at least one, and of all flows that they affect.

    Args:
        states: all resources, with their flows; flows that share no resource must be among `changed`.
        changed: flows without a rate, or without a bottleneck, or on an overloaded resource.
        now: simulated time.
        complete: recompute all connected flows at once, without a local update.
    """
    inside = dict.fromkeys(sorted(_connected(states, changed) if complete else changed, key=_number))
    tried = 0
    while True:
        flows = list(inside)
        resources = dict.fromkeys(resource for flow in flows for resource, _ in flow.path)
        for resource in resources:
            states[resource].refresh(now)
        if complete:
            capacity = {resource: states[resource].capacity for resource in resources}
        else:
            capacity = {resource: _left_by_others(states[resource], inside) for resource in resources}
        cells = [resource for resource in resources if states[resource].airtime]
        allocation = max_min(capacity, [flow.path for flow in flows], cells)
        joining = set() if complete else _joining(states, inside, allocation)
        if not joining:
            return Rates(flows, list(resources), allocation.rates, allocation.bottlenecks, complete)
        tried += len(flows)
        if tried > LOCAL_FLOWS and tried * _SHARE > len(connected := _connected(states, inside)):
            complete, joining = True, connected
        inside.update(dict.fromkeys(sorted(joining, key=_number)))


def _number(flow: Flow) -> int:
    return flow.number


def _left_by_others(state: State, inside: dict[Flow, None]) -> float:
    """Capacity of a resource that flows outside the subset leave."""
    left = state.capacity
    for flow, uses in state.flows.items():
        if flow not in inside:
            left -= flow.rate * uses
    return max(left, 0.0)


def _connected(states: Sequence[State], flows: Iterable[Flow]) -> set[Flow]:
    """The given flows, and all flows that share resources with them, directly or through other flows."""
    connected = set(flows)
    queue, visited = list(connected), set[int]()
    while queue:
        for resource, _ in queue.pop().path:
            if resource not in visited:
                visited.add(resource)
                neighbours = [flow for flow in states[resource].flows if flow not in connected]
                connected.update(neighbours)
                queue += neighbours
    return connected


def _joining(states: Sequence[State], inside: dict[Flow, None], allocation: Allocation) -> set[Flow]:
    """Flows outside the subset that must join it."""
    highest: dict[int, float] = {}
    for flow, rate in zip(inside, allocation.rates, strict=True):
        for resource, _ in flow.path:
            highest[resource] = max(rate, highest.get(resource, 0.0))
    stopping = set(allocation.bottlenecks)
    joining: set[Flow] = set()
    for resource, top in highest.items():
        state = states[resource]
        full = allocation.spare[resource] <= _ROUNDING * state.capacity
        # On a bottleneck of a flow inside, no flow outside may have a higher rate.
        most = top * (1.0 + _ROUNDING) if resource in stopping else float("inf")
        # A resource with spare capacity, or with a faster flow inside, cannot be the bottleneck of a flow outside.
        least = top * (1.0 - _ROUNDING) if full else float("inf")
        for flow in state.flows:
            violates = flow.rate > most or (flow.bottleneck == resource and flow.rate < least)
            if violates and flow not in inside:
                joining.add(flow)
    return joining
