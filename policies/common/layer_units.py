"""The units of layer-wise policies, which place whole layers."""

import numpy as np

from headway.simcore import BlockTable, IntArray


def units(blocks: BlockTable) -> tuple[IntArray, ...]:
    """The rows of the block table that belong to each unit, in the order in which a token meets the units.

    Each layer is a unit. A model of one layer has three: attention, projection and feed-forward network. The embedding
    belongs to the first unit; the output head is a unit of its own, the last.
    """
    only = blocks.layers == 1
    unit = np.array([0, 1, 2, 0, 3])[blocks.kind] if only else np.maximum(blocks.layer, 0)
    return tuple(np.flatnonzero(unit == number) for number in range(unit.max() + 1))
