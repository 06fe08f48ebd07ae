"""Allocation of the rows of a world: steps, messages and step graphs take rows and give them back."""

from collections import defaultdict
from typing import Any

import numpy as np

from headway.simcore.engine.compiled import layout
from headway.simcore.engine.compiled.build import Template
from headway.simcore.engine.compiled.layout import World
from headway.simcore.steps.graph import StepGraph

_MOST_GRAPHS = 16
"""Number of graphs from which all are removed as soon as no step is in flight."""


class RowAllocator:
    """The arrays of a world, which grow when all rows are in use.

    Args:
        template: the world without steps and messages.
        devices: number of devices.

    Attributes:
        world: the arrays; another tuple after each growth.
        amount: of items; a column of the rows, as all that follow: they are read much faster than records.
        reading_s: of items.
        begun_s: of items.
        start_s: of items.
        end_s: of items.
        route: of items.
        state: of items.
        in_report: `reported`.
    """

    def __init__(self, template: Template, devices: int) -> None:
        self.world: World = template.world
        self._template = template
        self._devices = devices
        self._in_use, self._others = len(self.world.rows), len(self.world.others)
        self._grow(2 * self._in_use + 64)
        # Rows that were given back, by how many they are.
        self._free: defaultdict[int, list[int]] = defaultdict(list)
        self._graphs: dict[int, tuple[StepGraph, int]] = {}

    def take(self, count: int) -> int:
        """Reserve consecutive rows, and return the first."""
        if self._free[count]:
            return self._free[count].pop()
        first, self._in_use = self._in_use, self._in_use + count
        if self._in_use > len(self.world.rows):
            self._grow(2 * self._in_use)
        return first

    def give_back(self, first: int, count: int) -> None:
        """Release the rows of one `take`."""
        self._free[count].append(first)

    def first_node(self, graph: StepGraph, *, idle: bool) -> int:
        """The row of the first node of a graph; adds the graph if it is new.

        Args:
            graph: of a step.
            idle: whether only graphs have rows at present. Old graphs may then be removed.
        """
        if id(graph) not in self._graphs:
            if idle and len(self._graphs) >= _MOST_GRAPHS:
                self._graphs.clear()
                self._free.clear()
                fixed = self._template.world
                self._in_use, self._others = len(fixed.rows), len(fixed.others)
            self._graphs[id(graph)] = graph, self._add(graph)
        return self._graphs[id(graph)][1]

    def _add(self, graph: StepGraph) -> int:
        first = self.take(len(graph))
        edge, self._others = self._others, self._others + len(graph.successor)
        if self._others > len(self.world.others):
            self.world = self.world._replace(others=_longer(self.world.others, 2 * self._others))
        self.world.others[edge : self._others] = graph.successor
        does = np.full(len(graph), layout.JOIN)
        does[graph.tasks], does[graph.messages] = layout.TASK, layout.MESSAGE
        rows = self._columns[first : first + len(graph)]
        rows["does"], rows["kind"], rows["payload"] = does, graph.kind, graph.payload
        rows["blocks"], rows["predecessors"] = graph.count, graph.predecessors
        rows["processor"] = self._template.first_device + graph.device
        rows["route"] = self._template.first_route + graph.device * self._devices + graph.receiver
        rows["first"], rows["count"] = edge + graph.first_successor[:-1], np.diff(graph.first_successor)
        return first

    def _grow(self, size: int) -> None:
        lists = self.world.lists
        longer = np.zeros((len(lists), size), dtype=np.int64)
        longer[:, : lists.shape[1]] = lists
        rows, heap, queue = (
            _longer(one, size) for one in (self.world.rows, self.world.heap, self.world.queue)
        )
        levels = np.zeros(size)
        self.world = self.world._replace(rows=rows, heap=heap, queue=queue, lists=longer, levels=levels)
        self._columns = columns = rows.view(np.ndarray)
        self.amount, self.reading_s = columns["amount"], columns["reading_s"]
        self.begun_s, self.start_s, self.end_s = (columns[name] for name in ("begun_s", "start_s", "end_s"))
        self.route, self.state, self.in_report = (columns[name] for name in ("route", "state", "reported"))


def _longer(values: Any, size: int) -> Any:
    """A longer copy of an array, with zeros at its end."""
    longer = np.zeros(size, values.dtype).view(type(values))
    longer[: len(values)] = values
    return longer
