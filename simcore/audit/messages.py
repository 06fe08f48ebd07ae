"""What a token sends, worked out from the block table, the placement and the cost alone."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from simcore.arrays import IntArray
from simcore.world.blocks import BlockTable, Kind
from simcore.world.cost import StepCost

Sent: TypeAlias = tuple[int, int, float]
"""Sender, receiver, bytes."""


def messages(blocks: BlockTable, placement: IntArray, source: int, cost: StepCost) -> list[Sent]:
    """All messages of one token, in ascending order.

    What a layer works on goes once to every device with a head of it, their outputs to the projection, its output to
    every device with a shard of the feed-forward network, and their sums to the first shard's.
    """
    where: list[int] = placement.tolist()
    out: list[float] = cost.out_bytes.tolist()
    hops: list[Sent] = []
    holder, last = source, Kind.FFN
    if blocks.embed is not None:
        hops.append((source, where[blocks.embed], cost.prompt_bytes))
        holder = where[blocks.embed]
    for layer in range(blocks.layers):
        proj = where[blocks.proj[layer]]
        for device, heads in _hosts(where, blocks.heads[layer]).items():
            hops.append((holder, device, cost.input_bytes))
            hops.append((device, proj, heads * out[Kind.HEAD] + cost.head_sum_bytes))
        holder = where[blocks.shards[layer][0]]
        for device in _hosts(where, blocks.shards[layer]):
            hops.append((proj, device, out[Kind.PROJ]))
            hops.append((device, holder, cost.ffn_sum_bytes))
    if blocks.lm_head is not None:
        hops.append((holder, where[blocks.lm_head], out[Kind.FFN]))
        holder, last = where[blocks.lm_head], Kind.LM_HEAD
    hops.append((holder, source, out[last]))
    return sorted(hop for hop in hops if hop[0] != hop[1])


def _hosts(where: Sequence[int], rows: IntArray) -> Counter[int]:
    """How many of some blocks each device has."""
    return Counter(where[row] for row in rows.tolist())
