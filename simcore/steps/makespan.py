"""The duration of a step from the times of its nodes, in a world that does not change and without sharing."""

from heapq import heappop, heappush
from itertools import count

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.steps.graph import Branches, StepGraph


def makespan(graph: StepGraph, seconds: FloatArray) -> float:
    """Seconds from the start of a step to the end of its last node.

    Messages do not share links; tasks on one device run one after another, in the order in which they become ready. The
    event executor takes exactly as long in such a world (`simcore.engine.events`).

    Args:
        graph: of the step.
        seconds: duration of each node alone, shape (nodes,).
    """
    if graph.branches is not None:
        return _of_branches(graph.branches, seconds)
    return _of_nodes(graph, seconds)


def _of_branches(branches: Branches, seconds: FloatArray) -> float:
    """The slowest branch of each stage, one stage after another; no two tasks of one device are ready together."""
    length = seconds[: 3 * branches.count].reshape(-1, 3).sum(axis=1)
    return float(np.maximum.reduceat(length, branches.first).sum() + seconds[-1])


def _of_nodes(graph: StepGraph, seconds: FloatArray) -> float:
    """Process nodes in the order in which they end, as the event executor does.

    Nodes that end at the same moment are processed in the order of their starts; so both agree on the order of tasks.
    """
    nodes, length = graph.nodes, seconds.tolist()
    missing = nodes.predecessors.copy()
    free_s: dict[int, float] = {}
    begun = count()
    ends: list[tuple[float, int, int]] = []

    def begins_and_ends(node: int, begin_s: float) -> bool:
        device = nodes.device[node]
        if nodes.is_task[node]:
            begin_s = max(begin_s, free_s.get(device, 0.0))
            free_s[device] = begin_s + length[node]
        elif length[node] == 0.0 and not nodes.is_sent[node]:
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

    last_s = 0.0
    for node in nodes.first:
        if begins_and_ends(node, last_s):
            end(node, last_s)
    while ends:
        last_s, _, node = heappop(ends)
        end(node, last_s)
    return last_s
