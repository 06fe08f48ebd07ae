"""The contents of blocks as time passes, for checks of moves that began earlier."""

from bisect import bisect_left
from typing import NamedTuple

from headway.simcore.arrays import FloatArray
from headway.simcore.world.batch import Batch


class Content(NamedTuple):
    """The contents of all blocks between two changes.

    Attributes:
        cached: sequences with a cache.
        block_bytes: size of a block of each kind, shape (kinds,).
    """

    cached: Batch
    block_bytes: FloatArray


class ContentHistory:
    """All contents since the start of a run, when blocks have weights only."""

    def __init__(self, weights: FloatArray) -> None:
        self._times = [0.0]
        self._contents = [Content((), weights)]

    def add(self, time_s: float, cached: Batch, block_bytes: FloatArray) -> None:
        """Add a change."""
        self._times.append(time_s)
        self._contents.append(Content(cached, block_bytes))

    def at(self, time_s: float) -> list[Content]:
        """The contents at a time: those before it and, if they changed at that time, those after each change."""
        first = bisect_left(self._times, time_s)
        changes = [i for i in range(first, len(self._times)) if self._times[i] == time_s]
        return [self._contents[i] for i in (*range(max(0, first - 1), first), *changes)]
