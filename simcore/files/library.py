"""Read the library of devices and links, and files that change it.

The library is data (docs/devices.md): `simcore/library/devices.yaml` and `links.yaml`. A file of the same form changes
values and adds entries, such as the devices of a laboratory that were calibrated. It can also change the costs of
engine profiles (`profiles`).
"""

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import Field, create_model

from headway.simcore.files.mistakes import validated
from headway.simcore.files.profiles import ProfileChanges, changed_profile, profile_values, profiles
from headway.simcore.files.schema.values import FileName, bounded
from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import Document, KeyPath, read_document, yaml_text
from headway.simcore.library import library_values
from headway.simcore.world.library import (
    DeviceEntry,
    Entry,
    Library,
    LinkEntry,
    Names,
    Quality,
    Value,
)
from headway.simcore.world.profile import Profile
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.units import Quantity, number_and_unit

Measured: TypeAlias = Quantity | Literal["power"]

DEVICE_QUANTITIES: Mapping[str, Measured] = {
    "memory": "size",
    "compute": "compute",
    "memory_bandwidth": "rate",
    "kv_bandwidth": "rate",
    "sync": "time",
    "overhead": "time",
    "disk": "rate",
    "power_idle": "power",
    "power_busy": "power",
}
"""The quantities of a device, by their keys in the library and in scenario files."""

LINK_QUANTITIES: Mapping[str, Measured] = {"bandwidth": "rate", "latency": "time", "overhead": "time"}
"""The quantities of a link."""

_SI_UNITS = {"size": "B", "compute": "FLOP/s", "rate": "B/s", "time": "s", "power": "W"}

_AnEntry = TypeVar("_AnEntry", bound=Entry)


class ValueSection(Section):
    """A value of the library."""

    value: str = Field(description="number and unit")
    quality: Quality = Field(description="how far the value can be trusted")
    source: str = Field(min_length=1, description="measurement, data sheet or rule that gives it")


class _EntrySection(Section):
    """The common keys of devices and links."""

    quantities: ClassVar[Mapping[str, Measured]]

    like: str | None = Field(None, description="name of the entry whose other values it has")
    title: str | None = Field(None, min_length=1, description="full name")
    also: list[str] = Field(default_factory=list, description="texts that name it")


def _section(name: str, quantities: Mapping[str, Measured], **more: Any) -> type[_EntrySection]:
    keys: dict[str, Any] = dict.fromkeys(quantities, (ValueSection | None, None)) | more
    section = create_model(name, __base__=_EntrySection, __doc__=f"{name} of a library.", **keys)
    section.quantities = quantities
    return section


DeviceEntrySection = _section("A device", DEVICE_QUANTITIES, kv_context=(int | None, None))
LinkEntrySection = _section("A link", LINK_QUANTITIES, shared=(bool | None, None))


class LibraryFile(Section):
    """A file of devices, links and costs of engine profiles."""

    devices: dict[FileName, DeviceEntrySection] = Field(default_factory=dict)  # type: ignore[valid-type]
    links: dict[FileName, LinkEntrySection] = Field(default_factory=dict)  # type: ignore[valid-type]
    profiles: dict[str, ProfileChanges] = Field(default_factory=dict)


@functools.cache
def shipped_library() -> Library:
    """The devices, links and engine profiles that come with Headway."""
    library = Library(Names("device", {}), Names("link", {}), profiles())
    for name in ("devices.yaml", "links.yaml"):
        library = _added(library, Document(name, "", library_values(name), {}, {(): name}))
    return library


def overlaid(library: Library, path: str | os.PathLike[str]) -> Library:
    """A library as a file of the same form changes it.

    Keys of a known entry replace its values; an unknown name adds an entry, which needs all required values or `like`.

    Raises:
        InputError: the file cannot be read, or an entry is invalid or incomplete.
    """
    return _added(library, read_document(path))


def devices() -> Mapping[str, DeviceEntry]:
    """The devices of the shipped library by name."""
    return shipped_library().devices.entries


def links() -> Mapping[str, LinkEntry]:
    """The links of the shipped library by name."""
    return shipped_library().links.entries


def device_entry(name: str) -> DeviceEntry:
    """A device of the shipped library.

    Raises:
        InputError: there is no device of this name.
    """
    return shipped_library().devices.find(name)


def device_named(text: str) -> DeviceEntry | None:
    """The device of the shipped library that a text names, such as "Raspberry Pi 5 8GB (Cortex-A76)", or None."""
    return shipped_library().devices.named(text)


def link_named(text: str) -> LinkEntry | None:
    """The link of the shipped library that a text names, such as "1 GbE, unmanaged switch", or None."""
    return shipped_library().links.named(text)


def quantity_text(quantity: Measured, amount: float) -> str:
    """An amount with its SI unit and all digits, as scenario files and libraries have it."""
    return f"{amount!r} {_SI_UNITS[quantity]}"


def library_text(
    devices: Iterable[DeviceEntry] = (), links: Iterable[LinkEntry] = (), profiles: Iterable[Profile] = ()
) -> str:
    """The text of a file that `overlaid` reads, with all values of some devices and links, and costs of profiles."""
    file = {
        "devices": {entry.name: _entry_values(entry, DEVICE_QUANTITIES) for entry in devices},
        "links": {
            entry.name: _entry_values(entry, LINK_QUANTITIES) | {"shared": entry.shared} for entry in links
        },
        "profiles": profile_values(profiles),
    }
    return yaml_text({key: entries for key, entries in file.items() if entries})


def _entry_values(entry: Entry, quantities: Mapping[str, Measured]) -> dict[str, Any]:
    values = {
        key: {
            "value": quantity_text(quantities[key], value.amount),
            "quality": value.quality,
            "source": value.source,
        }
        for key, value in entry.values.items()
    }
    return {"title": entry.title, "also": list(entry.also)} | values


def _added(library: Library, document: Document) -> Library:
    file = validated(document, LibraryFile)
    devices = _entries(document, "devices", file.devices, library.devices.entries, DeviceEntry)
    links = _entries(document, "links", file.links, library.links.entries, LinkEntry)
    engines = dict(library.profiles)
    for name, changes in file.profiles.items():
        if name not in engines:
            raise InputError(document.where(("profiles", name)), quoted(name), one_of(name, engines))
        engines[name] = changed_profile(engines[name], changes)
    return Library(Names("device", devices), Names("link", links), engines)


def _entries(
    document: Document,
    kind: str,
    sections: Mapping[str, _EntrySection],
    known: Mapping[str, _AnEntry],
    entry_type: type[_AnEntry],
) -> dict[str, _AnEntry]:
    entries = dict(known)
    for name, section in sections.items():
        key: KeyPath = (kind, name)
        base = entries.get(name)
        keys: dict[str, Any] = {} if base is None else {"title": base.title, "also": base.also}
        if section.like is not None:
            if section.like not in entries:
                raise InputError(
                    document.where((*key, "like")), quoted(section.like), one_of(section.like, entries)
                )
            base = entries[section.like]
        keys |= {} if base is None else _amounts(base)
        given = section.model_fields_set - {"like"}
        for part in given:
            keys[part] = _part(document, (*key, part), getattr(section, part), section.quantities.get(part))
        required = (one.name for one in fields(entry_type) if one.default is MISSING and one.name != "name")
        missing = [part for part in required if keys.get(part) is None]
        if missing:
            raise InputError(
                document.where(key),
                f"no key {quoted(missing[0])}",
                f"the key {missing[0]} here, or `like: NAME` of an entry that has it",
            )
        entries[name] = entry_type(name=name, **keys)
    return entries


def _amounts(entry: Entry) -> dict[str, Any]:
    """The values of an entry that another one takes over with `like`."""
    own = {one.name for one in fields(Entry)}
    return {one.name: getattr(entry, one.name) for one in fields(entry) if one.name not in own}


def _part(document: Document, key: KeyPath, value: Any, quantity: Measured | None) -> Any:
    if not isinstance(value, ValueSection):
        return tuple(value) if isinstance(value, list) else value
    where = document.where((*key, "value"))
    return Value(_amount(value.value, quantity or "size", where), value.quality, value.source)


def _amount(text: str, quantity: Measured, where: str) -> float:
    if quantity != "power":
        return bounded(text, quantity, where)
    parts = number_and_unit(text)
    if parts is None or parts[1] != "W" or not parts[0] >= 0.0:
        raise InputError(where, quoted(text), 'a power in watts, such as "5 W"')
    return parts[0]
