"""The messages of a token, computed from the block table, the placement and the cost alone."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from headway.simcore.arrays import IntArray
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import Payload, StepCost

DESCRIBED = frozenset({"gathered", "sharded"})
"""Patterns whose messages the auditor can compute; it does not check messages and order under other patterns."""

Sent: TypeAlias = tuple[int, int, float]
"""Sender, receiver, bytes."""


def messages(
    blocks: BlockTable, placement: IntArray, source: int, cost: StepCost, *, sharded: bool
) -> list[Sent]:
    """All messages of one token, in ascending order.

    The input of a layer goes once to every device with a head of it, the head outputs (`sharded`: the partial sums) to
    the projection, its output to every device with a shard of the feed-forward network, and the partial sums of the
    shards to the device of the first shard.
    """
    where: list[int] = placement.tolist()
    size: list[float] = cost.message_bytes.tolist()
    hops: list[Sent] = []
    holder, result = source, Payload.LAST_HIDDEN
    if blocks.embed is not None:
        hops.append((source, where[blocks.embed], size[Payload.PROMPT]))
        holder = where[blocks.embed]
    for layer in range(blocks.layers):
        proj = where[blocks.proj[layer]]
        for device, heads in _hosts(where, blocks.heads[layer]).items():
            of_heads = size[Payload.PARTIAL_SUM] if sharded else heads * size[Payload.HEAD_OUTPUT]
            hops.append((holder, device, size[Payload.HIDDEN]))
            hops.append((device, proj, of_heads))
        holder = where[blocks.shards[layer][0]]
        for device in _hosts(where, blocks.shards[layer]):
            hops.append((proj, device, size[Payload.HIDDEN]))
            hops.append((device, holder, size[Payload.PARTIAL_SUM]))
    if blocks.lm_head is not None:
        hops.append((holder, where[blocks.lm_head], size[Payload.LAST_HIDDEN]))
        holder, result = where[blocks.lm_head], Payload.TOKEN
    hops.append((holder, source, size[result]))
    return sorted(hop for hop in hops if hop[0] != hop[1])


def _hosts(where: Sequence[int], rows: IntArray) -> Counter[int]:
    """The number of the given blocks on each device."""
    return Counter(where[row] for row in rows.tolist())
