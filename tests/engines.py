"""Worlds under the execution patterns of real engines, for calculations by hand."""

import math
from typing import Any

import numpy as np
from worlds import Scripted, small_world, with_links

from headway.simcore import (
    DecodeCost,
    IntArray,
    ModelSpec,
    Pattern,
    Request,
    Result,
    RunOptions,
    Scenario,
    simulate,
)
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.decode_cost import EngineWork, WireFormat

TENSOR = ("star-4", "star-3", "star-2", "mesh-2", "ring", "recursive-doubling")
SHIPPED: dict[str, Pattern] = {
    **{name: PATTERNS.find(name) for name in (*TENSOR, "pipeline")},
    "pipeline in micro-batches": Pipeline(micro_batch=2, back="chain"),
    "pipeline through the source": Pipeline(micro_batch=3, hops="source"),
}
Q80 = WireFormat(hidden=34 / 32, partial_sum=34 / 32, embedding=4.0, logits=4.0)
"""Blocks of 32 numbers of 8 bits with a scale of 16 bits; the embedding row and the scores in F32."""
F32 = WireFormat(hidden=4.0, partial_sum=4.0, embedding=4.0, logits=4.0)
FAST = {"flops": math.inf}
WIDE = ModelSpec(
    name="wide", layers=2, width=96, heads=48, kv_heads=24, head_size=8, ffn_width=768, gated_ffn=True, vocabulary=960
)  # fmt: skip
"""Two query heads share a key/value head, and all heads together are four times as wide as the hidden state."""


def equal_parts(blocks: BlockTable, devices: int) -> IntArray:
    """Heads and shards of each layer in equal parts on all devices, everything else on the first one."""
    placement = np.zeros(len(blocks), dtype=np.int64)
    for rows in (*blocks.heads, *blocks.shards):
        placement[rows] = np.arange(len(rows)) * devices // len(rows)
    return placement


def cluster_of(
    pattern: Pattern | str, devices: int, model: ModelSpec = WIDE, *, wire: WireFormat = Q80, **changes: Any
) -> Scenario:
    """A model on devices with a link of 100 bytes/s between every two; one token is read and three are made."""
    pattern = PATTERNS.find(pattern)
    names = "abcdefgh"[:devices]
    engine = changes.pop("engine", EngineWork())
    device = {"memory_bytes": 1e15, "flops": 1e12} | changes.pop("device", {})
    values: dict[str, Any] = {
        "embed": True,
        "lm_head": True,
        "requests": (Request(prompt=1, output=3),),
    } | changes
    cost = DecodeCost(
        model, ffn_shards=model.kv_heads, projection=pattern.projection, wire=wire, engine=engine
    )
    return small_world(names, model=model, device=device, cost=cost, execution=pattern, **values)


def run(scenario: Scenario, placement: IntArray | None = None) -> Result:
    blocks, devices = scenario.block_table, len(scenario.cluster.devices)
    placement = equal_parts(blocks, devices) if placement is None else placement
    return simulate(scenario, Scripted(placement), options=RunOptions(audit=True))


def with_latency(scenario: Scenario, latency_s: float = 1.0) -> Scenario:
    return with_links(scenario, latency_s=latency_s)
