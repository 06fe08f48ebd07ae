"""Clusters of prima.cpp: the table of device profiles in its log.

prima.cpp (github.com/Lizonghang/prima.cpp) measures each device at the start and prints a table with one row for each
property and one column for each device ("Rank 0", "Rank 1", ...), from `device_print_props` in `common/profiler.cpp`.
Names have at most ten characters there. 0 means that a value was not measured. Profiles travel between devices in a
binary form, which this module does not read.

A device with CUDA becomes a device with the memory and the rates of its graphics card; its processor and main memory
are left out. A device with Metal has one memory: that of the processor. The speed is the first measured one of the
products F16xF32, Q8_0xF32, Q4_KxF32 and F32xF32. All devices reach each other; rates of links are not in the table.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from headway.simcore.files.bounds import LARGEST
from headway.simcore.files.importers.cluster import (
    FACTORS,
    ClusterFile,
    Node,
    Reading,
    all_pairs,
    unique_names,
)
from headway.traces.errors import InputError, quoted

_TABLE = "the table of device profiles that prima.cpp prints"
_PRODUCTS = ("F16xF32", "Q80xF32", "Q4KxF32", "F32xF32")


def is_prima_cpp(text: str) -> bool:
    """Whether a text has the head of the table."""
    return any(_cells(line)[:2] == ["Property", "Rank 0"] for line in text.splitlines())


def read_prima_cpp(text: str, where: str) -> ClusterFile:
    """The cluster in a log of prima.cpp.

    Raises:
        InputError: there is no such table, it has no names, or a value is invalid.
    """
    lines = iter(text.splitlines())
    head = next((cells for cells in map(_cells, lines) if cells[:2] == ["Property", "Rank 0"]), None)
    if head is None:
        raise InputError(where, "a text without the row Property | Rank 0 | ...", _TABLE)
    rows: dict[str, list[str]] = {}
    for label, *values in filter(None, map(_cells, lines)):
        if len(values) == len(head) - 1:
            rows.setdefault(_label(label), values)
    if "Device Name" not in rows:
        raise InputError(where, "a table without the row Device Name", _TABLE)
    wanted = {str(rank): name for rank, name in enumerate(rows["Device Name"])}
    names = list(unique_names(wanted, where).values())
    nodes = tuple(_node(name, rows, rank, where) for rank, name in enumerate(names))
    return ClusterFile(nodes, all_pairs(names, "network", where), names[0])


def _cells(line: str) -> list[str]:
    """The cells of a row of the table, without the prefix of a log line; none for other lines."""
    return [cell.strip() for cell in line.split("|")[1:]]


def _label(text: str) -> str:
    """The name of a row, the same in all versions: "CPU flops (Q4K x F32, GFLOPS)" is `CPU flops Q4KxF32`."""
    name = re.sub(r"\((?:GiB|GB|GB/s|ms/l)\)|, GFLOPS|[()]", "", text)
    return re.sub(r" +", " ", name.replace(" x ", "x")).strip()


def _node(name: str, rows: Mapping[str, Sequence[str]], rank: int, where: str) -> Node:
    value = partial(_reading, rows, rank, where)
    cuda, metal = (value(f"GPU {kind}", "") for kind in ("CUDA", "Metal"))
    unit = "CUDA" if cuda else "Metal" if metal else "CPU"
    bandwidth = "CPU RAM Read BW" if unit == "CPU" else f"{unit} VRAM Read BW"
    speeds = (value(f"{unit} flops {product}", "GFLOP/s") for product in _PRODUCTS)
    chip = "CPU Description" if unit == "CPU" else "GPU Description"
    return Node(
        name=name,
        hardware=rows.get(chip, [""] * (rank + 1))[rank],
        memory=value("GPU Mem Total" if cuda else "Physical Mem Total", "GiB"),
        compute=next((speed for speed in speeds if speed is not None), None),
        memory_bandwidth=value(bandwidth, "GB/s"),
        disk=value("Disk Read Seq Speed", "GB/s"),
    )


def _reading(
    rows: Mapping[str, Sequence[str]], rank: int, where: str, label: str, unit: str
) -> Reading | None:
    """The value of a cell; None without the row and for 0."""
    if label not in rows:
        return None
    text = rows[label][rank]
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= LARGEST:
        raise InputError(f"{where}: {label}, rank {rank}", quoted(text), f"a number from 0 to {LARGEST:g}")
    return Reading(number * FACTORS[unit], f"{label} {text} {unit}") if number else None
