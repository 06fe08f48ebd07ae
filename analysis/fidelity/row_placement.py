"""The placement of a row: even parts of every layer, or consecutive layers."""

from collections.abc import Sequence

import numpy as np

from headway.analysis.fidelity.engines import Engine
from headway.analysis.fidelity.interpret import Interpretation
from headway.simcore import BlockTable, IntArray, ModelSpec
from headway.simcore.world.library import DeviceEntry

ALIKE = 1.5
"""Devices whose rates differ by less than this factor have equally many layers, unless llama.cpp places them."""


def even_parts(blocks: BlockTable, devices: int) -> IntArray:
    """Heads and shards spread evenly over devices; all else on the first one, shape (blocks,)."""
    placement = np.zeros(len(blocks), dtype=np.int64)
    heads = blocks.heads.shape[1]
    placement[blocks.heads] = np.arange(heads) * devices // heads
    placement[blocks.shards] = np.arange(blocks.shards.shape[1])
    return placement


def consecutive_layers(
    values: Interpretation,
    engine: Engine,
    entries: Sequence[DeviceEntry],
    blocks: BlockTable,
    model: ModelSpec,
) -> IntArray:
    """Consecutive layers on each device, shape (blocks,). The first device, the source, has the embedding.

    Layers are split as the row states, or else as the engine does it.
    """
    devices = len(entries)
    order = [*range(1, devices), 0] if engine.source_last else list(range(devices))
    split = _stated_layers(values, devices)
    if split is None and engine.fastest_first:
        split = _fastest_first(entries, model)
    if split is None:
        rates = [entry.memory_bandwidth.amount for entry in entries]
        by_memory = engine.source_last or max(rates) > ALIKE * min(rates)
        split = [entry.memory.amount if by_memory else 1.0 for entry in entries]
    placement = np.zeros(len(blocks), dtype=np.int64)
    last = 0
    for device, count in zip(order, _whole([split[device] for device in order], blocks.layers), strict=True):
        placement[(blocks.layer >= last) & (blocks.layer < last + count)] = device
        last += count
    if blocks.lm_head is not None:
        placement[blocks.lm_head] = 0 if engine.output == "source" else placement[blocks.ffn[-1]]
    return placement


def _stated_layers(values: Interpretation, devices: int) -> list[float] | None:
    """The split of the layers that the row states, by device; None if it states none."""
    own = [part.layers for part in values.devices.parts for _ in range(part.count)]
    if all(own) and len(own) == devices:
        return [float(one or 0) for one in own]
    stated = values.execution.split or values.execution.shares
    return [float(share) for share in stated] if len(stated) == devices else None


def _fastest_first(entries: Sequence[DeviceEntry], model: ModelSpec) -> list[float]:
    """Layers of each device: the fastest gets as many as fit into its memory, then the next; each has at least one."""
    layer_bytes = model.weight_bytes / model.layers
    layers, left = [1.0] * len(entries), model.layers - len(entries)
    for device in sorted(range(len(entries)), key=lambda i: -entries[i].memory_bandwidth.amount):
        more = max(0, min(left, int(entries[device].memory.amount // layer_bytes) - 1))
        layers[device] += more
        left -= more
    if left > 0:  # What fits nowhere is read from disk, by all in proportion to their memory.
        total = sum(entry.memory.amount for entry in entries)
        layers = [n + left * entry.memory.amount / total for n, entry in zip(layers, entries, strict=True)]
    return layers


def _whole(shares: Sequence[float], layers: int) -> list[int]:
    """Whole numbers of layers in proportion to shares."""
    ends = np.cumsum(shares)
    bounds = np.round(layers * ends / ends[-1]).astype(int)
    counts: list[int] = np.diff(bounds, prepend=0).tolist()
    return counts
