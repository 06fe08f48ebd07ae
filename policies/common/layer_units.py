"""The units of layer-wise policies, which place whole layers."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from headway.simcore import BlockTable, IntArray
from headway.simcore.arrays import immutable


@lru_cache(maxsize=8)
def units(blocks: BlockTable) -> tuple[IntArray, ...]:
    """The rows of the block table that belong to each unit, in the order in which a token meets the units.

    Each layer is a unit. A model of one layer has three: attention, projection and feed-forward network. The embedding
    belongs to the first unit; the output head is a unit of its own, the last.
    """
    only = blocks.layers == 1
    unit = np.array([0, 1, 2, 0, 3])[blocks.kind] if only else np.maximum(blocks.layer, 0)
    return tuple(immutable(np.flatnonzero(unit == number)) for number in range(unit.max() + 1))


def spread(blocks: BlockTable, plan: IntArray) -> IntArray:
    """The device of each block, shape (B,), from the device of each unit, shape (U,)."""
    return on_devices(blocks, units(blocks), plan, -1)


def on_devices(blocks: BlockTable, parts: Iterable[IntArray], plan: IntArray, others: int) -> IntArray:
    """The device of each block, shape (B,): `plan` has one for the rows of each part, `others` is that of the rest."""
    devices = np.full(len(blocks), others, dtype=np.int64)
    for rows, device in zip(parts, plan, strict=True):
        devices[rows] = device
    return devices


def plan_of(blocks: BlockTable, devices: IntArray) -> IntArray | None:
    """The device of each unit, shape (U,), from the device of each block, shape (B,); None if it splits a unit."""
    plan: IntArray = devices[[rows[0] for rows in units(blocks)]]
    return plan if np.array_equal(spread(blocks, plan), devices) else None


def ends_and_layers(blocks: BlockTable) -> tuple[list[int], list[IntArray]]:
    """The rows of embedding and output head, where they are blocks, and those of each unit without them."""
    ends = [row for row in (blocks.embed, blocks.lm_head) if row is not None]
    layers = (np.setdiff1d(rows, ends) for rows in units(blocks))
    return ends, [rows for rows in layers if len(rows)]
