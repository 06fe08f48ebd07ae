"""The devices of a row, as entries of the library and as they are in a scenario."""

import re
from collections.abc import Sequence

from headway.analysis.fidelity.interpret import Interpretation, MissingError, Remarks
from headway.simcore import Device
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
