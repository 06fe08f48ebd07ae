"""The text of a scenario with the cluster of another program; comments give the origin of each value."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headway.simcore.files.importers.cluster import ClusterFile, Connection, Node, Reading
from headway.simcore.files.library import device_named, link_named
from headway.simcore.files.load import build_scenario
from headway.simcore.files.yaml_document import read_value
from headway.simcore.world.presets import preset
from headway.traces.errors import InputError, shortened, some_of, visible
from headway.traces.units import UNITS, Quantity, parse

_LONGEST_COMMENT = 80
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_WORDS = ("true", "false", "null")


class _Key(NamedTuple):
    """A key of a device or a link: its quantity, units for values of the file, and an example of a value.

    Of the units, the first one with the shortest text is used.
    """

    quantity: Quantity
    units: Sequence[str]
    example: str


_KEYS: Mapping[str, _Key] = {
    "memory": _Key("size", ("GiB", "GB"), "16 GiB"),
    "compute": _Key("compute", ("TFLOP/s", "GFLOP/s"), "2 TFLOP/s"),
    "memory_bandwidth": _Key("rate", ("GB/s",), "100 GB/s"),
    "disk": _Key("rate", ("GB/s", "MB/s"), "2 GB/s"),
    "bandwidth": _Key("rate", ("Gbit/s",), "1 Gbit/s"),
    "latency": _Key("time", ("ms",), "0.2 ms"),
}


@dataclass(frozen=True, kw_only=True)
class Additions:
    """The parts of a scenario that a file of a cluster does not have.

    Attributes:
        model: name of a preset.
        bytes_per_weight: of the model, such as 0.5625 for 4-bit weights with a 16-bit scale for every 32 of them.
        prompt: number of tokens of the prompt.
        output: number of tokens to generate.
        assumed: a quantity with its unit for devices or links without a measured value in the file, by key: `memory`,
            `compute`, `memory_bandwidth`, `bandwidth` or `latency`; None for a key without one.
    """

    model: str
    bytes_per_weight: float
    prompt: int
    output: int
    assumed: Mapping[str, str | None]


def imported_scenario(cluster: ClusterFile, program: str, path: str, additions: Additions) -> str:
    """The text of a scenario file, which Headway can read.

    A value comes from the first of these sources that has it: a measurement in the file, the additions, the library of
    devices and links (found by the name of the hardware and the kind of the connection), a table of data sheets in the
    file.

    Args:
        cluster: the devices and connections of the file.
        program: that wrote the file.
        path: of the file, for comments and messages.
        additions: the model, the workload, and values that the file lacks.

    Raises:
        InputError: the preset is unknown, a quantity is invalid, no source has a value,
            or the scenario is invalid, for instance because the devices are not connected.
    """
    preset(additions.model)
    assumed: dict[str, str] = {}
    for key, value in additions.assumed.items():
        if value is not None:
            parse(value, _KEYS[key].quantity, _option(key))
            assumed[key] = value.strip()
    devices = [_device(node, assumed) for node in cluster.nodes]
    pairs = len(devices) * (len(devices) - 1) // 2
    links = [
        _link(name, members, assumed, every=len(members) == pairs > 1)
        for name, members in _groups(cluster.connections).items()
    ]
    _check_complete([*devices, *links], path)
    lines = [
        f"# A cluster of {program}, from {_comment(path)}. Comments give the origin of each value.",
        "headway: 1",
        f"model: {{preset: {additions.model}, bytes_per_weight: {additions.bytes_per_weight:.12g}}}",
        *([] if cluster.source is None else [f"source: {_name(cluster.source)}"]),
        "devices:",
        *itertools.chain.from_iterable(map(_lines, devices)),
        *(["links:"] if links else []),
        *itertools.chain.from_iterable(map(_lines, links)),
        "workload:",
        f"  - {{prompt: {additions.prompt}, output: {additions.output}}}",
    ]
    text = "\n".join(lines) + "\n"
    try:
        build_scenario(read_value(text, path))
    except InputError as error:
        raise InputError(f"{path}, as a {error.where}", error.got, error.expected) from error
    return text


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


class _Section(NamedTuple):
    """A section of a device or of links.

    Attributes:
        name: of the section.
        comment: on the section.
        members: names of the device or of the connections, for messages.
        values: of the keys, with their comments; empty if the library has the value, None if nothing has it.
    """

    name: str
    comment: str
    members: Sequence[str]
    values: Mapping[str, str | None]


def _check_complete(sections: Sequence[_Section], path: str) -> None:
    """Refuse a cluster with unknown values, and name all of them."""
    missing: dict[str, list[str]] = {}
    for section in sections:
        for key, value in section.values.items():
            if value is None:
                missing.setdefault(key, []).extend(section.members)
    if missing:
        got = "; ".join(f"no {key.replace('_', ' ')} of {some_of(names)}" for key, names in missing.items())
        options = ", ".join(f'{_option(key)} "{_KEYS[key].example}"' for key in missing)
        raise InputError(path, got, f"these values as options, such as {options}")


def _device(node: Node, assumed: Mapping[str, str]) -> _Section:
    entry = device_named(node.hardware) if node.hardware else None
    readings = {"memory": node.memory, "compute": node.compute, "memory_bandwidth": node.memory_bandwidth}
    values: dict[str, str | None] = {}
    if entry is not None:
        values["device"] = f"{entry.name} # in the library; it gives the values that are not here"
    for key, one in readings.items():
        values[key] = _value(key, one, assumed, library=entry is not None)
    if node.disk is not None:
        values["disk"] = _value("disk", node.disk, assumed, library=False)
    return _Section(node.name, node.hardware, [node.name], values)


def _link(name: str, members: Sequence[Connection], assumed: Mapping[str, str], *, every: bool) -> _Section:
    """The section of some connections; `every` if they connect each two devices."""
    entry = link_named(members[0].kind)
    readings = {"bandwidth": None, "latency": members[0].latency}
    given = {key: _value(key, one, assumed, library=entry is not None) for key, one in readings.items()}
    pairs = ", ".join(f"[{_name(a)}, {_name(b)}]" for a, b in (one.ends for one in members))
    values: dict[str, str | None] = {"connect": "all" if every else f"[{pairs}]"}
    if entry is not None and "" in given.values():
        values["link"] = f"{entry.name} # guessed from the kind of the connection; in the library"
    return _Section(name, "", ["-".join(one.ends) for one in members], values | given)


def _value(key: str, reading: Reading | None, assumed: Mapping[str, str], *, library: bool) -> str | None:
    """A value with its comment; empty if the library has the value, None if nothing has it."""
    if reading is None or reading.tabulated:
        if key in assumed:
            return f"{assumed[key]} # guessed: from the option {_option(key)}"
        if library:
            return ""
    if reading is None:
        return None
    units = UNITS[_KEYS[key].quantity]
    texts = (f"{reading.value / units[unit]:.12g} {unit}" for unit in _KEYS[key].units)
    table = ", from a table of data sheets" if reading.tabulated else ""
    return f"{min(texts, key=len)} # in the file: {_comment(reading.origin)}{table}"


def _groups(connections: Sequence[Connection]) -> dict[str, list[Connection]]:
    """The connections with the same kind and latency, by the name of their section."""
    groups: dict[tuple[str, Reading | None], list[Connection]] = {}
    for one in connections:
        groups.setdefault((_link_name(one.kind), one.latency), []).append(one)
    kinds = [kind for kind, _ in groups]
    numbers = {kind: itertools.count(1) for kind in kinds}
    return {
        kind if kinds.count(kind) == 1 else f"{kind}.{next(numbers[kind])}": members
        for (kind, _), members in groups.items()
    }


def _lines(section: _Section) -> Iterator[str]:
    yield f"  {_name(section.name)}:" + (f" # {_comment(section.comment)}" if section.comment else "")
    for key, value in section.values.items():
        if value:
            yield f"    {key}: {value}"


def _link_name(kind: str) -> str:
    """A valid name of a link."""
    return re.sub(r"[^a-z0-9]+", "-", kind.lower()[:40]).strip("-") or "network"


def _name(name: str) -> str:
    """A name as a YAML key that is a text."""
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() not in _WORDS else f'"{name}"'


def _comment(text: str) -> str:
    """A text of the file that fits into a comment."""
    return shortened(visible(" ".join(text[: 4 * _LONGEST_COMMENT].split())), _LONGEST_COMMENT)
