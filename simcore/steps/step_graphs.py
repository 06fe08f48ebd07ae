"""Execution patterns, and the graphs that one of them makes of a model."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from headway.simcore.arrays import IntArray
from headway.simcore.steps.fork_join import Chain
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import Projection

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
        build = pattern.graphs(blocks)
        # Runs in several threads may share a scenario, and this.
        self._kept = lru_cache(_KEPT)(
            lambda placed, source: build(np.frombuffer(placed, dtype=np.int64), source)
        )

    def __reduce__(self) -> tuple[type["StepGraphs"], tuple[Pattern, BlockTable]]:
        """Scenarios go to other processes, which build graphs of their own."""
        return type(self), (self.pattern, self._blocks)

    @cached_property
    def chain(self) -> Chain:
        """See `Pattern.chain`."""
        return self.pattern.chain(self._blocks)

    def of(self, placement: IntArray, source: int) -> StepGraph:
        """The graph of a step under a placement, shape (blocks,), with the prompt on device `source`.

        It is built once and kept while it is asked for again and again.
        """
        return self._kept(np.ascontiguousarray(placement, dtype=np.int64).tobytes(), source)
