"""The duration of a step from the times of its nodes, in a world that does not change.

Tasks on one device run one after another, in the order in which they become ready. The event executor takes exactly as
long in such a world (`simcore.engine.events`), on devices with the discipline `fifo` and with the transport `ideal`.
"""

import math
from collections.abc import Mapping
from functools import cache
from heapq import heappop, heappush
from itertools import count

import numpy as np

from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.steps.frozen_network import FrozenNetwork
from headway.simcore.steps.graph import Branches, NodeLists, StepGraph
from headway.simcore.world.crossings import Crossings
from headway.simcore.world.maxmin import Path


def makespan(graph: StepGraph, seconds: FloatArray) -> float:
    """Seconds from the start of a step to the end of its last node; every message has its route for itself.

    Args:
        graph: of the step.
        seconds: duration of each node alone, shape (nodes,).
    """
    if graph.branches is not None:
        return _of_branches(graph.branches, seconds)
    return _of_nodes(graph.nodes, seconds.tolist(), {})


def shared_makespan(
    graph: StepGraph, fixed_s: FloatArray, size_bytes: FloatArray, crossings: Crossings, devices: int
) -> float:
    """Seconds from the start of a step to the end of its last node; messages share resources max-min fair.

    A message first waits for its latency without loading any resource, then its bytes flow.

    Args:
        graph: of the step.
        fixed_s: duration of each task, and latency of each message, shape (nodes,).
        size_bytes: of each message, 0 of other nodes, shape (nodes,).
        crossings: the resources that each route crosses; on routes of messages that are not empty, rates are above 0.
        devices: number of devices.
    """
    routes = graph.device * devices + graph.receiver
    if graph.branches is not None:
        return _of_shared_branches(graph.branches, fixed_s, size_bytes, routes, crossings)
    return _of_nodes(graph.nodes, fixed_s.tolist(), _flows(size_bytes, routes, crossings))


def _flows(size_bytes: FloatArray, routes: IntArray, crossings: Crossings) -> dict[int, tuple[float, Path]]:
    sent = np.flatnonzero(size_bytes)
    paths = {route: crossings.path(route) for route in set(routes[sent].tolist())}
    each = zip(sent.tolist(), size_bytes[sent].tolist(), routes[sent].tolist(), strict=True)
    return {node: (size, paths[route]) for node, size, route in each}


def _of_branches(branches: Branches, seconds: FloatArray) -> float:
    """The slowest branch of each stage, one stage after another; no two tasks of one device are ready together."""
    length = seconds[: 3 * branches.count].reshape(-1, 3).sum(axis=1)
    return float(np.maximum.reduceat(length, branches.first).sum() + seconds[-1])


def _of_shared_branches(
    branches: Branches, fixed_s: FloatArray, size_bytes: FloatArray, routes: IntArray, crossings: Crossings
) -> float:
    """One stage after another. Branches whose messages slow each other are simulated, equal ones once."""
    sent = np.flatnonzero(size_bytes)
    flow_s = np.zeros(len(fixed_s))
    # Divide by the rate, as the event executor does, for equal bits.
    flow_s[sent] = size_bytes[sent] / (1.0 / crossings.seconds_per_byte[routes[sent]])
    fixed, flow = (times[: 3 * branches.count].reshape(-1, 3) for times in (fixed_s, flow_s))
    # The end of each node if no message slows another one; the third nodes last, with their bytes.
    ends = np.empty_like(fixed)
    ends[:, 0] = fixed[:, 0] + flow[:, 0]
    ends[:, 1] = ends[:, 0] + fixed[:, 1]
    out_s = ends[:, 1] + fixed[:, 2]
    ends[:, 2] = out_s + flow[:, 2]
    begins = fixed.copy()
    begins[:, 2] = out_s
    sent = sent[sent < 3 * branches.count]
    stages = np.searchsorted(branches.first, sent // 3, "right")
    sharing = crossings.meeting(routes[sent], stages, begins.ravel()[sent], ends.ravel()[sent])
    end_s = ends[:, 2].copy()
    known: dict[bytes, float] = {}
    for stage in set(stages[sharing].tolist()):
        rows = np.unique(sent[sharing[stages[sharing] == stage]] // 3)
        nodes = (3 * rows[:, None] + np.arange(3)).ravel()
        key = b"".join(column[nodes].tobytes() for column in (fixed_s, size_bytes, routes))
        if key not in known:
            flows = _flows(size_bytes[nodes], routes[nodes], crossings)
            known[key] = _of_nodes(_branches_of(len(nodes)), fixed_s[nodes].tolist(), flows)
        end_s[rows] = known[key]
    total_s = 0.0
    for slowest_s in np.maximum.reduceat(end_s, branches.first).tolist():
        total_s += slowest_s
    return total_s + float(fixed_s[-1] + flow_s[-1])


@cache
def _branches_of(count: int) -> NodeLists:
    """Parallel branches with `count` nodes together: a message, a task on its own device and a message each.

    One node is a message.
    """
    nodes = range(count)
    device = [node // 3 for node in nodes]
    return NodeLists(
        is_task=[node % 3 == 1 for node in nodes],
        is_sent=[False for _ in nodes],
        device=device,
        receiver=device,
        predecessors=[int(node % 3 > 0) for node in nodes],
        successors=[[node + 1] if node % 3 < 2 and count > 1 else [] for node in nodes],
        first=list(nodes[::3]),
    )


def _of_nodes(nodes: NodeLists, length: list[float], flows: Mapping[int, tuple[float, Path]]) -> float:
    """Process nodes in the order in which they end, as the event executor does.

    Nodes that end at the same moment are processed in the order of their starts; so both agree on the order of tasks.

    Args:
        nodes: of the graph.
        length: seconds of each node, without those in which its bytes flow.
        flows: of the messages, see `FrozenNetwork`.
    """
    network = FrozenNetwork(flows)
    missing = nodes.predecessors.copy()
    free_s: dict[int, float] = {}
    begun = count()
    ends: list[tuple[float, int, int]] = []

    def begins_and_ends(node: int, begin_s: float) -> bool:
        device = nodes.device[node]
        if nodes.is_task[node]:
            begin_s = max(begin_s, free_s.get(device, 0.0))
            free_s[device] = begin_s + length[node]
        elif length[node] == 0.0 and not nodes.is_sent[node] and node not in flows:
            return True
        heappush(ends, (begin_s + length[node], next(begun), node))
        return False

    def end(node: int, end_s: float) -> None:
        ended = [node]
        for one in ended:
            for later in nodes.successors[one]:
                missing[later] -= 1
                if missing[later] == 0 and begins_and_ends(later, end_s):
                    ended.append(later)

    now = 0.0
    for node in nodes.first:
        if begins_and_ends(node, now):
            end(node, now)
    while True:
        # Rates are computed once for all starts and ends of a moment, when no other node ends at it.
        flow_end_s = now if ends and ends[0][0] <= now else network.next_end(now)
        if ends and ends[0][0] <= flow_end_s:
            now, _, node = heappop(ends)
            if not network.start(node, now):
                end(node, now)
        elif flow_end_s < math.inf:
            now = flow_end_s
            for node in network.take(now):
                end(node, now)
        else:
            return now
