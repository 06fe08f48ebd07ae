"""How long a step takes when the time of each of its nodes is known: in a world that stands still, without sharing."""

from heapq import heappop, heappush

import numpy as np

from simcore.arrays import FloatArray
from simcore.steps.graph import Branches, StepGraph


def makespan(graph: StepGraph, seconds: FloatArray) -> float:
    """Seconds from the begin of a step to the end of its last node.

    Every message has its way for itself; tasks on one device run one after another, in the order in which they become
    ready.

    Args:
        graph: of the step.
        seconds: that each node takes alone, shape (nodes,).
    """
    if graph.branches is not None:
        return _of_branches(graph.branches, seconds)
    return _of_nodes(graph, seconds)


def _of_branches(branches: Branches, seconds: FloatArray) -> float:
    """The slowest branch of each stage, one stage after another; no two tasks of one device are ready together."""
    length = seconds[: 3 * branches.count].reshape(-1, 3).sum(axis=1)
    return float(np.maximum.reduceat(length, branches.first).sum() + seconds[-1])


def _of_nodes(graph: StepGraph, seconds: FloatArray) -> float:
    """Node by node in the order in which they become ready, which is that in which a device serves its tasks."""
    nodes, length = graph.nodes, seconds.tolist()
    missing = nodes.predecessors.copy()
    ready_s = [0.0] * len(graph)
    free_s: dict[int, float] = {}
    ready = [(0.0, node) for node in nodes.first]
    last_s = 0.0
    while ready:
        begin_s, node = heappop(ready)
        device = nodes.device[node]
        if nodes.is_task[node]:
            begin_s = max(begin_s, free_s.get(device, 0.0))
        end_s = begin_s + length[node]
        if nodes.is_task[node]:
            free_s[device] = end_s
        last_s = max(last_s, end_s)
        for later in nodes.successors[node]:
            ready_s[later] = max(ready_s[later], end_s)
            missing[later] -= 1
            if missing[later] == 0:
                heappush(ready, (ready_s[later], later))
    return last_s
