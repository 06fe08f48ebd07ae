"""Max-min fair rates after a change, without finding all of them anew.

A change reaches only so far: most flows keep their rates. So rates are found for a few flows, in what all others leave
of the resources, and then those others are asked whether they can still say what makes an allocation max-min fair:
*there is a resource that is full, and on which nobody has more than I* (Bertsekas and Gallager, Data
Networks, 2nd ed., section 6.5.2). Who cannot joins the few, until nobody has to. Then everyone can say so, hence the
rates are the max-min fair ones of the whole, which are unique.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headway.simcore.engine.network.flow import Flow, State
from headway.simcore.engine.network.maxmin import Allocation, max_min

# By how much of itself a rate may differ by the order of sums.
_ROUNDING = 1e-12

# Once more than a share of all connected flows have been tried in vain, going on costs more than taking them all.
_FEW = 32
_SHARE = 8


@dataclass(frozen=True)
class Rates:
    """The flows whose rates were found.

    Attributes:
        flows: all that the change reaches, and maybe others.
        resources: on their ways.
        rates: of the flows.
        bottlenecks: the resource that holds each rate down.
        whole: whether these are all flows that are connected.
    """

    flows: list[Flow]
    resources: list[int]
    rates: list[float]
    bottlenecks: list[int]
    whole: bool


def refill(states: Sequence[State], changed: Iterable[Flow], now: float, *, whole: bool = False) -> Rates:
    """Find the rates of `changed` flows, at least one, and of all those that they make different.

    Args:
        states: all resources, with the flows on them; flows that are alone on their way must be among the changed.
        changed: flows without a rate yet, or whose bottleneck is one no more, or that are on an overloaded resource.
        now: the moment.
        whole: do not try to find out how far the change reaches, but take all flows that are connected.
    """
    inside = dict.fromkeys(sorted(_connected(states, changed) if whole else changed, key=_number))
    tried = 0
    while True:
        flows = list(inside)
        resources = dict.fromkeys(resource for flow in flows for resource, _ in flow.path)
        for resource in resources:
            states[resource].refresh(now)
        if whole:
            capacity = {resource: states[resource].capacity for resource in resources}
        else:
            capacity = {resource: _left_by_others(states[resource], inside) for resource in resources}
        cells = [resource for resource in resources if states[resource].airtime]
        allocation = max_min(capacity, [flow.path for flow in flows], cells)
        joining = set() if whole else _joining(states, inside, allocation)
        if not joining:
            return Rates(flows, list(resources), allocation.rates, allocation.bottlenecks, whole)
        tried += len(flows)
        if tried > _FEW and tried * _SHARE > len(connected := _connected(states, inside)):
            whole, joining = True, connected
        inside.update(dict.fromkeys(sorted(joining, key=_number)))


def _number(flow: Flow) -> int:
    return flow.number


def _left_by_others(state: State, inside: dict[Flow, None]) -> float:
    """What flows that are not inside leave of a resource."""
    left = state.capacity
    for flow, uses in state.flows.items():
        if flow not in inside:
            left -= flow.rate * uses
    return max(left, 0.0)


def _connected(states: Sequence[State], flows: Iterable[Flow]) -> set[Flow]:
    """These flows, and all that share a resource with one of them, directly or by way of others."""
    found = set(flows)
    new, seen = list(found), set[int]()
    while new:
        for resource, _ in new.pop().path:
            if resource not in seen:
                seen.add(resource)
                further = [flow for flow in states[resource].flows if flow not in found]
                found.update(further)
                new += further
    return found


def _joining(states: Sequence[State], inside: dict[Flow, None], allocation: Allocation) -> set[Flow]:
    """Flows outside whose rates must be found with those inside."""
    highest: dict[int, float] = {}
    for flow, rate in zip(inside, allocation.rates, strict=True):
        for resource, _ in flow.path:
            highest[resource] = max(rate, highest.get(resource, 0.0))
    stopping = set(allocation.bottlenecks)
    joining: set[Flow] = set()
    for resource, top in highest.items():
        state = states[resource]
        full = allocation.spare[resource] <= _ROUNDING * state.capacity
        # Nobody may have more than those inside where one of them is stopped.
        most = top * (1.0 + _ROUNDING) if resource in stopping else float("inf")
        # Nobody outside is stopped where there is room, or where one inside has more.
        least = top * (1.0 - _ROUNDING) if full else float("inf")
        for flow in state.flows:
            cannot_say_so = flow.rate > most or (flow.bottleneck == resource and flow.rate < least)
            if cannot_say_so and flow not in inside:
                joining.add(flow)
    return joining
