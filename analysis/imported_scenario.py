"""The text of a scenario with the cluster of another program; comments give the origin of each value."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headway.simcore import build_scenario
from headway.simcore.files.importers.cluster import ClusterFile, Connection, Node, Reading
from headway.simcore.files.yaml_document import read_value
from headway.simcore.world.presets import preset
from headway.traces.errors import InputError, shortened, visible
from headway.traces.units import UNITS, Quantity, parse

_LONGEST_COMMENT = 80
_MOST_NAMED = 5
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
class Wishes:
    """The parts of a scenario that a file of a cluster does not have.

    Attributes:
        model: name of a preset.
        bytes_per_weight: of the model, such as 0.5625 for 4-bit weights with a 16-bit scale for every 32 of them.
        prompt: number of tokens of the prompt.
        output: number of tokens to generate.
        assumed: a quantity with its unit for devices or links whose value is not in the file, by key: `memory`,
            `compute`, `memory_bandwidth`, `bandwidth` or `latency`; None for a key without one.
    """

    model: str
    bytes_per_weight: float
    prompt: int
    output: int
    assumed: Mapping[str, str | None]


def imported_scenario(cluster: ClusterFile, program: str, path: str, wishes: Wishes) -> str:
    """The text of a scenario file, which Headway can read.

    Args:
        cluster: the devices and connections of the file.
        program: that wrote the file.
        path: of the file, for comments and messages.
        wishes: the model, the workload, and values that the file lacks.

    Raises:
        InputError: the preset is unknown, a quantity is invalid, a value is neither in the file nor among the wishes,
            or the scenario is invalid, for instance because the devices are not connected.
    """
    preset(wishes.model)
    assumed = {
        key: value.strip()
        for key, value in wishes.assumed.items()
        if value is not None and _valid(key, value)
    }
    _check_complete(cluster, assumed, path)
    text = "\n".join(_lines(cluster, program, path, wishes, assumed)) + "\n"
    try:
        build_scenario(read_value(text, path))
    except InputError as error:
        raise InputError(f"{path}, as a {error.where}", error.got, error.expected) from error
    return text


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _valid(key: str, value: str) -> bool:
    parse(value, _KEYS[key].quantity, _option(key))
    return True


def _check_complete(cluster: ClusterFile, assumed: Mapping[str, str], path: str) -> None:
    """Refuse a cluster with unknown values, and name all of them."""
    missing = {}
    for key in ("memory", "compute", "memory_bandwidth"):
        if key not in assumed:
            missing[key] = [node.name for node in cluster.nodes if getattr(node, key) is None]
    links = ["-".join(one.ends) for one in cluster.connections]
    missing["bandwidth"] = [] if "bandwidth" in assumed else links
    delays = ["-".join(one.ends) for one in cluster.connections if one.latency is None]
    missing["latency"] = [] if "latency" in assumed else delays
    missing = {key: names for key, names in missing.items() if names}
    if missing:
        got = "; ".join(f"no {key.replace('_', ' ')} of {_named(names)}" for key, names in missing.items())
        options = ", ".join(f'{_option(key)} "{_KEYS[key].example}"' for key in missing)
        raise InputError(path, got, f"these values as options, such as {options}")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _lines(
    cluster: ClusterFile, program: str, path: str, wishes: Wishes, assumed: Mapping[str, str]
) -> Iterator[str]:
    yield f"# A cluster of {program}, from {_comment(path)}. Comments give the origin of each value."
    yield "headway: 1"
    yield f"model: {{preset: {wishes.model}, bytes_per_weight: {wishes.bytes_per_weight:.12g}}}"
    if cluster.source is not None:
        yield f"source: {_name(cluster.source)}"
    yield "devices:"
    for node in cluster.nodes:
        yield from _device(node, assumed)
    if cluster.connections:
        yield "links:"
        yield from _links(cluster, assumed)
    yield "workload:"
    yield f"  - {{prompt: {wishes.prompt}, output: {wishes.output}}}"


def _device(node: Node, assumed: Mapping[str, str]) -> Iterator[str]:
    hardware = f" # {_comment(node.hardware)}" if node.hardware else ""
    yield f"  {_name(node.name)}:{hardware}"
    for key in ("memory", "compute", "memory_bandwidth", "disk"):
        value: Reading | None = getattr(node, key)
        if value is not None or key in assumed:
            yield f"    {_quantity(key, value, assumed)}"


def _links(cluster: ClusterFile, assumed: Mapping[str, str]) -> Iterator[str]:
    """A section for each group of connections with the same kind and latency."""
    groups: dict[tuple[str, Reading | None], list[Connection]] = {}
    for one in cluster.connections:
        groups.setdefault((_link_name(one.kind), one.latency), []).append(one)
    kinds = [kind for kind, _ in groups]
    numbers: dict[str, int] = {}
    for (kind, latency), members in groups.items():
        numbers[kind] = numbers.get(kind, 0) + 1
        yield f"  {_name(kind if kinds.count(kind) == 1 else f'{kind}.{numbers[kind]}')}:"
        pairs = ", ".join(f"[{_name(a)}, {_name(b)}]" for a, b in (one.ends for one in members))
        yield f"    connect: [{pairs}]"
        yield f"    {_quantity('bandwidth', None, assumed)}"
        yield f"    {_quantity('latency', latency, assumed)}"


def _quantity(key: str, value: Reading | None, assumed: Mapping[str, str]) -> str:
    """A key with its value and the origin of the value."""
    if value is None:
        return f"{key}: {assumed[key]} # guessed: not in the file, from {_option(key)}"
    units = UNITS[_KEYS[key].quantity]
    texts = (f"{value.value / units[unit]:.12g} {unit}" for unit in _KEYS[key].units)
    return f"{key}: {min(texts, key=len)} # {_comment(value.origin)}"


def _link_name(kind: str) -> str:
    """A valid name of a link."""
    return re.sub(r"[^a-z0-9]+", "-", kind.lower()[:40]).strip("-") or "network"


def _name(name: str) -> str:
    """A name as a YAML key that is a text."""
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() not in _WORDS else f'"{name}"'


def _comment(text: str) -> str:
    """A text of the file that fits into a comment."""
    return shortened(visible(" ".join(text[: 4 * _LONGEST_COMMENT].split())), _LONGEST_COMMENT)
