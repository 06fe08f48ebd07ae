"""Execution patterns, and the step graphs that a pattern builds for a model."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from headway.simcore.arrays import IntArray
from headway.simcore.steps.fork_join import Chain, ForkJoin, Stages
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import Projection

_KEPT = 8
"""Number of cached graphs: for the placement in force, and those that a decision compares with it."""


class Pattern(Protocol):
    """Which device sends what to which in a step."""

    @property
    def name(self) -> str:
        """The name in scenarios."""
        ...

    @property
    def projection(self) -> Projection:
        """Which blocks hold W_O."""
        ...

    def chain(self, blocks: BlockTable) -> Chain:
        """The step as policies see it, for any placement: the order of blocks, and the payloads between them."""
        ...

    def graphs(self, blocks: BlockTable) -> Callable[..., StepGraph]:
        """A function that builds the graph of a placement, shape (blocks,), with the prompt on a device, its source.

        A pattern that processes long steps in several pieces has a method `pieces`, which returns their number for a
        batch. The function then has their number as its third argument.
        """
        ...


class StepGraphs:
    """The graphs of the steps of one model under one pattern, one for each placement.

    Attributes:
        stages: of all graphs, if they are chains of fork-join stages in one piece; None if not.
    """

    def __init__(self, pattern: Pattern, blocks: BlockTable) -> None:
        self.pattern = pattern
        self._blocks = blocks
        build = pattern.graphs(blocks)
        self.stages: Stages | None = build.stages if type(build) is ForkJoin else None
        # Runs in several threads may share a scenario, and with it this cache.
        self._kept = lru_cache(_KEPT)(
            lambda placed, *others: build(np.frombuffer(placed, dtype=np.int64), *others)
        )

    def __reduce__(self) -> tuple[type["StepGraphs"], tuple[Pattern, BlockTable]]:
        """Pickle without the cache: other processes build their own graphs."""
        return type(self), (self.pattern, self._blocks)

    @cached_property
    def chain(self) -> Chain:
        """See `Pattern.chain`."""
        return self.pattern.chain(self._blocks)

    def pieces(self, batch: Batch) -> int:
        """The number of pieces in which the pattern processes a step of a batch."""
        count: Callable[[Batch], int] | None = getattr(self.pattern, "pieces", None)
        return 1 if count is None else count(batch)

    def of(self, placement: IntArray, source: int, pieces: int = 1) -> StepGraph:
        """The graph of a step under a placement, shape (blocks,), with the prompt on device `source`.

        Recently used graphs are cached.
        """
        others = (source,) if pieces == 1 else (source, pieces)
        return self._kept(np.ascontiguousarray(placement, dtype=np.int64).tobytes(), *others)
