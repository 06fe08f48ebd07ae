"""The cluster in a file of another program: devices with the properties that the file has, and their connections."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headway.simcore.files.bounds import MOST_DEVICES, MOST_LINKS
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, quoted
from headway.traces.units import UNITS

FACTORS: Mapping[str, float] = {unit: factor for units in UNITS.values() for unit, factor in units.items()}
"""The SI value of each unit."""

_LONGEST_NAME = 60


class Reading(NamedTuple):
    """A value of the file.

    Attributes:
        value: in SI units.
        origin: in words.
        tabulated: whether the program took it from its table of data sheets; engines reach less.
    """

    value: float
    origin: str
    tabulated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A device in the file.

    Attributes:
        name: a valid name of a device, unique in the cluster.
        hardware: name of the chip or the graphics cards; empty if unknown.
        memory: capacity [bytes]; None if unknown, as all the following.
        compute: speed [FLOP/s].
        memory_bandwidth: rate of reading weights [bytes/s].
        disk: rate of reading the disk [bytes/s].
    """

    name: str
    hardware: str
    memory: Reading | None = None
    compute: Reading | None = None
    memory_bandwidth: Reading | None = None
    disk: Reading | None = None


class Connection(NamedTuple):
    """A connection in both directions.

    Attributes:
        ends: names of two devices.
        kind: a word such as `ethernet`.
        latency: one-way latency [s]; None if unknown.
    """

    ends: tuple[str, str]
    kind: str
    latency: Reading | None = None


class ClusterFile(NamedTuple):
    """The content of a file: devices, connections, and the device that holds the prompt (None if unknown)."""

    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]
    source: str | None = None


def reading(values: JsonObject, key: str, unit: str, *, tabulated: bool = False) -> Reading | None:
    """The value of a key in a unit; None without the key and for 0, which programs write for unknown values.

    Raises:
        InputError: the value is not a number, or is negative.
    """
    number = values.number(key)
    return Reading(number * FACTORS[unit], f"{key} {number:.12g} {unit}", tabulated) if number else None


def unique_names(wanted: Mapping[str, str], where: str) -> dict[str, str]:
    """A valid name of a device for each node of the file.

    Args:
        wanted: the preferred name of each node by its key in the file. Characters that names do not allow become `-`;
            a name that another node already has gets a number.
        where: the file, for messages.

    Raises:
        InputError: there are no nodes, or too many.
    """
    if not 1 <= len(wanted) <= MOST_DEVICES:
        raise InputError(where, f"{len(wanted) or 'no'} devices", f"1 to {MOST_DEVICES} devices")
    names: dict[str, str] = {}
    used: set[str] = set()
    numbers: dict[str, int] = {}
    for key, text in wanted.items():
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", text[:1000]).strip("-._")[:_LONGEST_NAME] or "device"
        name = base
        while name in used:
            numbers[base] = numbers.get(base, 1) + 1
            name = f"{base[: _LONGEST_NAME - 5]}-{numbers[base]}"
        used.add(name)
        names[key] = name
    return names


def all_pairs(names: Sequence[str], kind: str, where: str) -> tuple[Connection, ...]:
    """A connection between each two devices, for a file that lists none.

    Raises:
        InputError: these are too many connections.
    """
    check_connections(len(names) * (len(names) - 1) // 2, where)
    return tuple(Connection(pair, kind) for pair in itertools.combinations(names, 2))


def connected(
    pairs: Iterable[tuple[tuple[str, str], str]], names: Mapping[str, str], kinds: Sequence[str], where: str
) -> tuple[Connection, ...]:
    """The connections of a file, one for each pair of devices.

    Args:
        pairs: the two nodes of each connection by their keys in the file, and its kind; each direction may be listed.
        names: of the nodes.
        kinds: kinds from the most to the least preferred; other kinds come after them.
        where: the file, for messages.

    Raises:
        InputError: an end is unknown, or there are too many connections.
    """
    best: dict[tuple[str, str], str] = {}
    order = {kind: number for number, kind in enumerate(kinds)}
    for ends, kind in pairs:
        for end in ends:
            if end not in names:
                raise InputError(
                    where, f"a connection of {quoted(end)}, which is not a node", "nodes of the file"
                )
        a, b = (names[end] for end in ends)
        pair = (b, a) if (b, a) in best else (a, b)
        if a != b and order.get(kind, len(order)) < order.get(best.get(pair, ""), len(order) + 1):
            best[pair] = kind
    check_connections(len(best), where)
    return tuple(Connection(pair, kind) for pair, kind in best.items())


def check_connections(count: int, where: str) -> None:
    """Refuse more connections than a scenario may have links."""
    if count > MOST_LINKS:
        raise InputError(where, f"{count} connections of devices", f"at most {MOST_LINKS}")
