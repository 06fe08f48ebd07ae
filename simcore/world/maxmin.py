"""Max-min fair rates at one instant.

Progressive filling (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2): the rates of all flows rise
together until a resource is full; the flows on it keep their rates, and the others rise further. In the end every flow
has a bottleneck: a full resource on which no flow has a higher rate.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Path: TypeAlias = Sequence[tuple[int, float]]
"""The resources of a flow, each once, and the load on it per unit of rate: the number of uses, or the airtime per byte
in a cell."""


@dataclass(frozen=True)
class Allocation:
    """The rates of flows, and the capacity left.

    Attributes:
        rates: of each flow, in the unit of the capacities.
        spare: capacity left of each resource on a path; of a bottleneck 0 up to rounding, possibly negative.
        bottlenecks: the resource that stopped each flow.
    """

    rates: list[float]
    spare: dict[int, float]
    bottlenecks: list[int]


def max_min(capacity: Mapping[int, float], paths: Sequence[Path], cells: Collection[int] = ()) -> Allocation:
    """Share capacities among flows.

    The result does not depend on the order of the flows, except for last digits where flows load a resource
    differently.

    Args:
        capacity: of each resource on a path, not negative.
        paths: of each flow, not empty; loads per unit of rate are above 0.
        cells: resources with fractional loads.
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
        stored, resource = heappop(levels)
        if not rising[resource]:
            continue
        if resource in cells:
            # Differences of loads of very different size would lose the small ones.
            unstopped = (paths[flow] for flow in members[resource] if rates[flow] < 0.0)
            demand[resource] = math.fsum(dict(path)[resource] for path in unstopped)
        # Flows may have stopped at other resources since the level was stored; this can only have raised it.
        present = max(level, spare[resource] / demand[resource])
        if present > stored and levels and present > levels[0][0]:
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
