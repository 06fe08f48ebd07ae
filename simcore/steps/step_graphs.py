"""Execution patterns, and the graphs that one of them makes of a model."""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np

from simcore.arrays import IntArray
from simcore.steps.fork_join import Chain
from simcore.steps.graph import StepGraph
from simcore.world.blocks import BlockTable
from simcore.world.cost import Projection

_KEPT = 8
"""Graphs that are kept: of the placement in force, and of those that a decision compares with it."""


class Pattern(Protocol):
    """Who sends what to whom in a step."""

    @property
    def name(self) -> str:
        """By which scenarios ask for it."""
        ...

    @property
    def projection(self) -> Projection:
        """Which blocks hold W_O."""
        ...

    def chain(self, blocks: BlockTable) -> Chain:
        """The step as policies see it, whatever the placement: which blocks follow which, and what is sent between."""
        ...

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        """A function that builds the graph of a placement, shape (blocks,), with the prompt on a device, its source."""
        ...


class StepGraphs:
    """The graphs of the steps of one model under one pattern, one for each placement.

    Args:
        pattern: of execution.
        blocks: of the model.
    """

    def __init__(self, pattern: Pattern, blocks: BlockTable) -> None:
        self.pattern = pattern
        self._blocks = blocks
        self._build = pattern.graphs(blocks)
        self._graphs: dict[tuple[int, bytes], StepGraph] = {}

    @cached_property
    def chain(self) -> Chain:
        """See `Pattern.chain`."""
        return self.pattern.chain(self._blocks)

    def of(self, placement: IntArray, source: int) -> StepGraph:
        """The graph of a step under a placement, shape (blocks,), with the prompt on device `source`.

        It is built once and kept while it is asked for again and again.
        """
        key = source, np.ascontiguousarray(placement).tobytes()
        graph = self._graphs.pop(key, None)
        if graph is None:
            graph = self._build(placement, source)
        self._graphs[key] = graph
        if len(self._graphs) > _KEPT:
            del self._graphs[next(iter(self._graphs))]
        return graph
