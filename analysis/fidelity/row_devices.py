"""The devices of a row: entries of the library, devices of a scenario, and the blocks that each of them holds."""

import re
from collections.abc import Sequence

import numpy as np

from headway.analysis.fidelity.engines import Engine
from headway.analysis.fidelity.interpret import Interpretation, MissingError, Remarks
from headway.simcore import BlockTable, Device, IntArray, ModelSpec
from headway.simcore.world.library import DeviceEntry, Library

_ENOUGH_BYTES = 1e15
"""Memory of devices in rows that do not read weights from disk: their models fit."""

_FAST_DISK = 1e9

TWO_OF_FOUR_CORES = 0.4
"""Share of its rate per thread of a Raspberry Pi: three threads read as fast as four (row
spec-raspberrypi5sustainedweight-readra), two do not."""

TABLES = 0.7
"""Share of its rate at which a device reads weights in formats with tables of values, which need more work per weight
(rows sparkpair-glm53-1 and strix1-mm27-tg128)."""


def entries_of(values: Interpretation, library: Library, remarks: Remarks) -> list[DeviceEntry]:
    """The library's entry of each device, in the order of the row.

    Raises:
        MissingError: the row names no devices, or one that is not in the library.
    """
    entries = []
    for part in values.devices.parts:
        entry = library.devices.named(part.name)
        if entry is None:
            raise MissingError(f"the device {part.name!r} is not in the library")
        entries += part.count * [_with_threads(entry, values.work.threads, library)]
    if not entries:
        raise MissingError("the devices are not stated")
    if values.execution.kind == "single":
        entries = entries[:1]
    for entry in dict.fromkeys(entries):
        if entry.memory_bandwidth.quality == "guessed":
            remarks.extrapolated.append(f"the speed of {entry.name} is guessed")
    return entries


def devices_of_row(values: Interpretation, entries: Sequence[DeviceEntry]) -> tuple[Device, ...]:
    """The devices, named d0, d1, ..., at the rates of the library."""
    swap = "offload" in values.work.flags
    return tuple(
        Device(
            name=f"d{number}",
            memory_bytes=entry.memory.amount if swap else _ENOUGH_BYTES,
            flops=entry.compute.amount,
            memory_bandwidth=entry.memory_bandwidth.amount * _share(values, entry),
            kv_bandwidth=(entry.kv_bandwidth or entry.memory_bandwidth).amount,
            overhead_s=entry.overhead.amount if entry.overhead else 0.0,
            sync_s=entry.sync.amount if entry.sync else 0.0,
            disk_bandwidth=entry.disk.amount if entry.disk else _FAST_DISK,
        )
        for number, entry in enumerate(entries)
    )


def _with_threads(entry: DeviceEntry, threads: int | None, library: Library) -> DeviceEntry:
    """The entry of the same device with the row's number of threads, such as `epyc-7763-2t`, if there is one."""
    name = re.sub(r"-\d+t$", f"-{threads}t", entry.name)
    return library.devices.entries.get(name, entry)


def _share(values: Interpretation, entry: DeviceEntry) -> float:
    """Share of the rate of a device that the row's threads and format of weights leave."""
    threads, board = values.work.threads, entry.name.startswith(("raspberry", "turing"))
    share = min(1.0, TWO_OF_FOUR_CORES * threads) if board and threads else 1.0
    return share * (TABLES if re.search("IQ|UD-Q3", values.weights.name) else 1.0)


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
    ends = np.cumsum([split[device] for device in order])
    counts = np.diff(np.round(blocks.layers * ends / ends[-1]).astype(int), prepend=0)
    placement = np.zeros(len(blocks), dtype=np.int64)
    inside = (blocks.layer >= 0) & (blocks.layer < blocks.layers)
    placement[inside] = np.repeat(order, counts)[blocks.layer[inside]]
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
