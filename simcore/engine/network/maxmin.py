"""Max-min fair rates: who gets how much of what is shared at one instant.

Progressive filling (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2): the rates of all flows rise
together until a resource is full; the flows on it keep what they have, the others rise on. In the end every flow has a
bottleneck: a resource that is full and on which nobody has more than it.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Path: TypeAlias = Sequence[tuple[int, float]]
"""The resources of a flow, each once, and what the flow takes of it per unit of rate: how often it uses it, or the
airtime per byte in a cell."""


@dataclass(frozen=True)
class Allocation:
    """The rates of flows, and what that leaves.

    Attributes:
        rates: of each flow, in the unit of the capacities.
        spare: what is left of each resource on a path; of a bottleneck, no more than rounding, which may be below 0.
        bottlenecks: the resource that stopped each flow.
    """

    rates: list[float]
    spare: dict[int, float]
    bottlenecks: list[int]


def max_min(capacity: Mapping[int, float], paths: Sequence[Path], cells: Collection[int] = ()) -> Allocation:
    """Share capacities among flows.

    The order of the flows changes nothing, or only last digits where flows on one resource take different amounts.

    Args:
        capacity: of each resource that occurs on a path, not negative.
        paths: of each flow, not empty; what a flow takes is above 0.
        cells: resources of which flows take fractions.
    """
    rates = [-1.0] * len(paths)
    members: dict[int, list[int]] = {}
    demand: dict[int, float] = {}
    for flow, path in enumerate(paths):
        for resource, uses in path:
            members.setdefault(resource, []).append(flow)
            demand[resource] = demand.get(resource, 0.0) + uses
    spare = {resource: capacity[resource] for resource in members}
    rising = {resource: len(flows) for resource, flows in members.items()}
    levels = [(spare[resource] / demand[resource], resource) for resource in members]
    heapify(levels)
    bottlenecks = [-1] * len(paths)
    left, level = len(paths), 0.0
    while left:
        noted, resource = heappop(levels)
        if not rising[resource]:
            continue
        if resource in cells:
            # Differences of fractions that are far apart would lose the small ones.
            demand[resource] = math.fsum(
                uses
                for flow in members[resource]
                if rates[flow] < 0.0
                for crossed, uses in paths[flow]
                if crossed == resource
            )
        # Since the level was noted, flows may have stopped elsewhere; what they left can only have raised it.
        present = max(level, spare[resource] / demand[resource])
        if present > noted and levels and present > levels[0][0]:
            heappush(levels, (present, resource))
            continue
        level = present
        for flow in members[resource]:
            if rates[flow] < 0.0:
                rates[flow] = level
                bottlenecks[flow] = resource
                left -= 1
                for crossed, uses in paths[flow]:
                    rising[crossed] -= 1
                    demand[crossed] -= uses
                    spare[crossed] -= level * uses
    return Allocation(rates, spare, bottlenecks)
