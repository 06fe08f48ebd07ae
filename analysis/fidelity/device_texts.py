"""The devices of a row: fragments of its text with their numbers, from texts such as "1x Pi 5 8GB + 3x Pi 5 4GB"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import COUNT, NUMBER, count, split_outside_brackets

_HEAD = re.compile(r"\d{1,9} \w+: ")
_CONTAINERS = re.compile(r"(\d{1,9}) containers on (?:\d{1,9}\s*x )?", re.IGNORECASE)
_TIMES = re.compile(r"^(?:(\d{1,9})\s*x\s+(?=\D)|(\d{1,9})x(?=[^\W\d]|\d{3}))")
_WORDED = re.compile(rf"^({COUNT}) (?=[A-Za-z])", re.IGNORECASE)
_AFTER = re.compile(r" x(\d{1,9})$")
_LAYERS = re.compile(r"\s*\((\d{1,9}) (?:layers|blocks)\)")
_STAGES = re.compile(r",? stages of ((?:\d{1,9}, )+\d{1,9}) (?:layers|blocks)")
_LINK = re.compile(rf"\s*\(({NUMBER}) Mbps, ({NUMBER}) ms\)")
_MEMORIES = re.compile(r"\s*\((\d{1,9})x(\d{1,9} ?GB)(?: \+|,) (\d{1,9})x(\d{1,9} ?GB)\)")
_CLIENT = r"[,;] client\b"
_FROM_CLIENT = re.compile(r"^.* -> ")
_ASIDES = re.compile(
    r"^one host,? (?=[A-Z])|^one (?=.*emulating)| emulating the devices|; workers with .*|, all nodes on one machine.*"
    r"|, split \d.*|^remote |(?: worker| orchestrator| class| host)$"
)
"""Parts of a text that do not belong to the name of a device."""

_NO_NAME = re.compile(
    r"(?:not (?:visible|named)\b.*|one host|(?:unequal )?nodes\b.*|(?:of )?the laptops|volunteers)"
)


@dataclass(frozen=True)
class DevicePart:
    """Equal devices of a row.

    Attributes:
        count: number of them.
        name: text that names the device, to be looked up in the library of devices.
        layers: layers that each of them holds, where the text states it.
        rate_bit_s: rate of its own link [bit/s], where the text states it.
        delay_s: delay of its own link [s], where the text states it.
    """

    count: int
    name: str
    layers: int | None = None
    rate_bit_s: float | None = None
    delay_s: float | None = None


@dataclass(frozen=True)
class Devices:
    """All devices of a row.

    Attributes:
        parts: in the order of the text; empty where the number or the names are not known.
        missing: what the text lacks, in one sentence; empty if nothing.
    """

    parts: tuple[DevicePart, ...]
    missing: str = ""


def devices_of(row: Row) -> Devices:
    """The devices of a row. One text for several devices is for equal ones."""
    total = row.device_count
    if total is None:
        got = f"is only {row.n_devices!r}" if row.n_devices else "is blank"
        return Devices((), f"the number of devices {got}")
    if not row.devices:
        return Devices((), "the devices are blank")
    parts = _parts(row.devices, total)
    if any(_NO_NAME.fullmatch(part.name) for part in parts):
        return Devices((), f"the devices {row.devices!r} are not named")
    number = sum(part.count for part in parts)
    # A client without layers may be one of the devices.
    if number not in (total, total - _has_client(row.devices)):
        return Devices(tuple(parts), f"the text names {number} of {total} devices: {row.devices!r}")
    return Devices(tuple(parts))


def _has_client(text: str) -> bool:
    return len(split_outside_brackets(text, _CLIENT)) > 1


def _parts(text: str, total: int) -> list[DevicePart]:
    plain = text[1:-1] if re.fullmatch(r"\([^()]*\)", text) else text
    plain = split_outside_brackets(plain, _CLIENT)[0]
    plain = _ASIDES.sub("", _FROM_CLIENT.sub("", _CONTAINERS.sub("", plain)))
    stages = _STAGES.search(plain)
    if stages:
        name = _STAGES.sub("", plain)
        return [DevicePart(1, name, int(layers)) for layers in stages[1].split(", ")]
    memories = _MEMORIES.search(plain)
    if memories:
        return _by_memory(_MEMORIES.sub("", plain), memories.groups(), total)
    if total == 1:
        return [replace(_part(plain), count=1)]
    head = _HEAD.match(plain)
    pieces = split_outside_brackets(plain[head.end() :] if head else plain, "," if head else r" \+ | plus ")
    parts = [_part(piece) for piece in pieces]
    if len(parts) == 1 and not any(form.search(pieces[0]) for form in (_AFTER, _TIMES, _WORDED)):
        return [replace(parts[0], count=total - _has_client(text))]
    return parts


def _by_memory(name: str, groups: Sequence[str], total: int) -> list[DevicePart]:
    """Devices with two sizes of memory; those of the larger size come first where the row has fewer devices."""
    sizes = [(int(groups[i + 1].rstrip(" GB")), int(groups[i])) for i in (0, 2)]
    (large, first), (small, second) = sorted(sizes, reverse=True)
    first = min(first, total)
    parts = (
        DevicePart(first, f"{name} {large}GB"),
        DevicePart(min(second, total - first), f"{name} {small}GB"),
    )
    return [part for part in parts if part.count]


def _part(text: str) -> DevicePart:
    """One fragment: a number, a name, and in brackets its layers or its link."""
    number, before = 1, _TIMES.match(text) or _WORDED.match(text)
    if before:
        number, text = count(next(filter(None, before.groups()))), text[before.end() :]
    after = _AFTER.search(text)
    if after:
        number, text = int(after[1]), text[: after.start()]
    layers, link = _LAYERS.search(text), _LINK.search(text)
    name = _LINK.sub("", _LAYERS.sub("", text))
    return DevicePart(
        number,
        _ASIDES.sub("", name).strip(),
        int(layers[1]) if layers else None,
        float(link[1]) * 1e6 if link else None,
        float(link[2]) * 1e-3 if link else None,
    )
