"""The block table: the units of placement, in the order of computation.

A block is the unit of placement: a key/value head with its query heads and its cache, the output projection of a
layer, the feed-forward network of a layer, the embedding, the output head. Policies see the blocks as arrays; a
placement is one device index per row of the table.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from headway.simcore.arrays import IntArray, immutable
from headway.simcore.world.model import ModelSpec


class Kind(IntEnum):
    """The kind of a block or of a task. All of one kind cost the same, so costs are arrays indexed by kind.

    Blocks have the first five kinds. The others are kinds of tasks only, with which the execution patterns of real
    engines describe parts of the work of blocks, and the work of the engine itself.
    """

    HEAD = 0
    PROJ = 1
    FFN = 2
    EMBED = 3
    LM_HEAD = 4
    QKV = 5
    """W_Q, W_K and W_V of a head."""
    ATTENTION = 6
    """The attention of a head over its cache."""
    OUT = 7
    """The rows of W_O that belong to a head."""
    FFN_UP = 8
    """All matrices of a feed-forward block but the last one."""
    FFN_DOWN = 9
    """The last matrix of a feed-forward block."""
    LAYER = 10
    """The work of an engine in each layer outside the matrices: norms, residuals, conversion of numbers."""
    SYNC = 11
    """The work of an engine to send one message."""


@dataclass(frozen=True, eq=False)
class BlockTable:
    """The blocks of one model, in the order of computation.

    Attributes:
        kind: `Kind` of each block, shape (blocks,).
        layer: layer of each block; -1 for the embedding, the number of layers for the output head, shape (blocks,).
        heads: rows of the heads of each layer, shape (layers, heads per layer).
        proj: row of each layer's projection, shape (layers,).
        shards: rows of each layer's feed-forward network, shape (layers, shards); one if it is not sharded. The
            first shard gathers all sums and holds the output of the layer.
        embed: row of the embedding, or None when it is not placed (the source then holds the first layer's input).
        lm_head: row of the output head, or None when it is not placed (the last layer's output returns to the source).
    """

    kind: IntArray
    layer: IntArray
    heads: IntArray
    proj: IntArray
    shards: IntArray
    embed: int | None
    lm_head: int | None

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return len(self.proj)

    @property
    def ffn(self) -> IntArray:
        """Row of the feed-forward block that holds each layer's output, shape (layers,)."""
        return self.shards[:, 0]

    @cached_property
    def tasks(self) -> IntArray:
        """The kind of each task if all blocks were on one device, layer by layer, shape (tasks,)."""
        return immutable(np.unique(self.kind + len(Kind) * self.layer) % len(Kind))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One readable name per block: `embed`, `L0.head3`, `L0.proj`, `L0.ffn` (of several `L0.ffn2`), `lm_head`."""
        names = [""] * len(self)
        for layer, row in enumerate(self.heads):
            for number, block in enumerate(row):
                names[block] = f"L{layer}.head{number}"
            names[self.proj[layer]] = f"L{layer}.proj"
            for number, block in enumerate(self.shards[layer]):
                names[block] = f"L{layer}.ffn" + (str(number) if self.shards.shape[1] > 1 else "")
        if self.embed is not None:
            names[self.embed] = "embed"
        if self.lm_head is not None:
            names[self.lm_head] = "lm_head"
        return tuple(names)


def block_table(
    model: ModelSpec, *, embed: bool = True, lm_head: bool = True, ffn_shards: int = 1
) -> BlockTable:
    """The block table of a model.

    Args:
        model: the decoder; each of its layers gives `kv_heads` head blocks, a projection and its feed-forward blocks.
        embed: whether the embedding is a block of its own.
        lm_head: whether the output head is a block of its own.
        ffn_shards: number of column blocks of each feed-forward network.
    """
    per_layer = model.kv_heads + 1 + ffn_shards
    first = int(embed)
    rows = first + np.arange(model.layers * per_layer, dtype=np.int64).reshape(model.layers, per_layer)
    layer_kinds = [Kind.HEAD] * model.kv_heads + [Kind.PROJ] + [Kind.FFN] * ffn_shards
    kinds = [Kind.EMBED] * embed + layer_kinds * model.layers + [Kind.LM_HEAD] * lm_head
    layers = [-1] * embed + [n for n in range(model.layers) for _ in layer_kinds] + [model.layers] * lm_head
    return BlockTable(
        kind=immutable(np.array(kinds, dtype=np.int64)),
        layer=immutable(np.array(layers, dtype=np.int64)),
        heads=immutable(rows[:, : model.kv_heads]),
        proj=immutable(rows[:, model.kv_heads]),
        shards=immutable(rows[:, model.kv_heads + 1 :]),
        embed=0 if embed else None,
        lm_head=len(kinds) - 1 if lm_head else None,
    )
