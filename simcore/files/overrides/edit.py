"""Apply changes to the plain values of a scenario file, before the schema validates them.

A changed scenario is therefore validated like any other. Errors in changed values name the key path and the change
instead of a line of the file.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from headway.simcore.files import bounds
from headway.simcore.files.overrides.changes import (
    FACTORS,
    Change,
    Drop,
    Scale,
    Set,
    ShiftTraces,
    parts_of,
    plain_number,
    value_text,
)
from headway.simcore.files.overrides.keys import is_trace, names, sections
from headway.simcore.files.yaml_document import Document, KeyPath, key_text
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.files import is_number
from headway.traces.units import number_and_unit, parse

_NAMELESS = ("description", "model", "devices", "workload", "policies")
"""Sections without names of devices; in lists of all other sections, the name of a device means the device."""

_Origin = TypeVar("_Origin")


def apply_changes(document: Document, changes: Sequence[Change]) -> Document:
    """The document after all changes, applied in order.

    Raises:
        InputError: a path does not exist, or its value cannot be changed in this way.
    """
    draft = _Draft(document)
    for change in changes:
        place = change.place or f"change {quoted(change.text)}"
        match change:
            case Set():
                _set(draft, change, place)
            case Scale():
                _scale(draft, change, place)
            case Drop():
                _drop(draft, change, place)
            case ShiftTraces():
                _shift(draft, change, place)
    return draft.document()


class _Draft:
    """The values of a document during changes, and the origin of each value."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.values = copy.deepcopy(document.values)
        self._lines = document.lines
        self._places = document.places

    def document(self) -> Document:
        """The changed document."""
        return replace(self._document, values=self.values, lines=self._lines, places=self._places)

    def get(self, key: KeyPath) -> Any:
        """The value at a key path."""
        value: Any = self.values
        for part in key:
            value = value[part]
        return value

    def put(self, key: KeyPath, value: Any, place: str) -> None:
        """Set the value at a key path whose container exists."""
        self.get(key[:-1])[key[-1]] = copy.deepcopy(value)
        self._lines = {at: line for at, line in self._lines.items() if at[: len(key)] != key}
        others = {at: old for at, old in self._places.items() if at[: len(key)] != key}
        self._places = others | dict.fromkeys(_paths(value, key), place)

    def remove(self, key: KeyPath, place: str) -> None:
        """Remove the value at a key path, and mark its container as changed."""
        del self.get(key[:-1])[key[-1]]
        self._lines, self._places = _without(self._lines, key), _without(self._places, key)
        self.mark(key[:-1], place)

    def mark(self, key: KeyPath, place: str) -> None:
        """Mark a section of the file as changed."""
        self._places = self._places | {key: place}


def _paths(value: Any, key: KeyPath) -> Iterator[KeyPath]:
    """The key paths of a value and of all values in it."""
    yield key
    for part, inner in _items(value):
        yield from _paths(inner, (*key, part))


def _items(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _without(origins: dict[KeyPath, _Origin], key: KeyPath) -> dict[KeyPath, _Origin]:
    """The origins without a removed key path; later items of its list have smaller numbers."""
    depth, last = len(key) - 1, key[-1]
    result = {}
    for at, origin in origins.items():
        if at[: depth + 1] == key:
            continue
        part = at[depth] if at[:depth] == key[:-1] and len(at) > depth else None
        if isinstance(part, int) and isinstance(last, int) and part > last:
            result[(*at[:depth], part - 1, *at[depth + 1 :])] = origin
        else:
            result[at] = origin
    return result


def _step(draft: _Draft, key: KeyPath, part: str, place: str) -> KeyPath | None:
    """The key path of a part of the value at `key`; None if a mapping does not have this key.

    Raises:
        InputError: the value has no parts, or no item with this number.
    """
    value = draft.get(key)
    if isinstance(value, dict):
        return (*key, part) if part in value else None
    if not isinstance(value, list):
        raise InputError(
            place, f"the key {quoted(part)} below {key_text(key)}, which is a single value", key_text(key)
        )
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(value):
        expected = f"a number from 0 to {len(value) - 1}" if value else "no number, because the list is empty"
        raise InputError(place, f"no item {quoted(part)} in {key_text(key)}", expected)
    return (*key, int(part))


def _existing(draft: _Draft, path: str, place: str) -> KeyPath:
    """The key path of a value in the file.

    Raises:
        InputError: there is no such value; suggests the most similar key.
    """
    key: KeyPath = ()
    for part in parts_of(path, place):
        child = _step(draft, key, part, place)
        if child is None and part in names(key):
            got = f"no key {quoted(part)}{_inside(key)} in the file (it has its default)"
            expected = f"a key in the file, or the change {key_text((*key, part))}=VALUE before this one"
            raise InputError(place, got, expected)
        if child is None:
            raise InputError(place, f"no key {quoted(part)}{_inside(key)}", one_of(part, draft.get(key)))
        key = child
    return key


def _inside(key: KeyPath) -> str:
    return f" in {key_text(key)}" if key else ""


def _set(draft: _Draft, change: Set, place: str) -> None:
    *above, last = parts_of(change.path, place)
    key: KeyPath = ()
    for part in above:
        child = _step(draft, key, part, place)
        if child is None:
            child = (*key, part)
            if not (part in names(key) and sections(child)):
                keys = dict.fromkeys((*draft.get(key), *names(key)))
                raise InputError(place, f"no key {quoted(part)}{_inside(key)}", one_of(part, keys))
            draft.put(child, {}, place)
        key = child
    draft.put(_step(draft, key, last, place) or (*key, last), change.value, place)


def _scale(draft: _Draft, change: Scale, place: str) -> None:
    if not 0.0 <= change.factor < math.inf:
        raise InputError(place, f"the factor {change.factor}", FACTORS)
    key = _existing(draft, change.path, place)
    value = draft.get(key)
    if is_trace(key, value):
        key_of_scale = (*key, "scale")
        before = value.get("scale", 1.0)
        draft.put(key_of_scale, _scaled(key_of_scale, before, change.factor, place), place)
        draft.mark(key, place)
    else:
        draft.put(key, _scaled(key, value, change.factor, place), place)


def _scaled(key: KeyPath, value: Any, factor: float, place: str) -> Any:
    """A number or a quantity times a factor; a whole number remains one if the product is whole."""
    if factor == 1.0 and isinstance(value, str | int | float):
        return value
    if is_number(value):
        product = value * factor
        return int(product) if isinstance(value, int) and product.is_integer() else product
    parts = number_and_unit(value) if isinstance(value, str) else None
    if parts is None:
        got = f"{_kind(value)} at {key_text(key)}"
        raise InputError(place, got, "the path of a number, a quantity with its unit, or a trace")
    number, unit = parts
    return f"{plain_number(number * factor)} {unit}".rstrip()


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else value_text(value) or "nothing"


def _shift(draft: _Draft, change: ShiftTraces, place: str) -> None:
    if not 0.0 <= change.seconds < math.inf:
        raise InputError(place, f"a shift of {change.seconds} s", "a time that is finite and not negative")
    start = _existing(draft, change.path, place) if change.path else ()
    traces = [key for key in _paths(draft.get(start), start) if is_trace(key, draft.get(key))]
    if not traces:
        raise InputError(place, f"no varying trace{_inside(start)}", "the path of a trace or its section")
    for key in traces:
        before = parse(draft.get(key).get("shift", "0 s"), "time", draft.document().where((*key, "shift")))
        draft.put((*key, "shift"), f"{plain_number(before + change.seconds)} s", place)
        draft.mark(key, place)


def _drop(draft: _Draft, change: Drop, place: str) -> None:
    key = _existing(draft, change.path, place)
    links = set(_mapping(draft.values.get("links")))
    if len(key) == 2 and key[0] == "devices":
        _drop_device(draft, str(key[1]), place)
    draft.remove(key, place)
    dropped = links.difference(_mapping(draft.values.get("links")))
    if dropped and "faults" in draft.values:
        # The name of a link of a section with several is the name of the section, a colon, and its ends.
        _remove_references(draft, ("faults",), lambda name: name.partition(":")[0] in dropped, place)


def _drop_device(draft: _Draft, name: str, place: str) -> None:
    """Remove all references to a device before the device itself."""
    devices = _mapping(draft.values["devices"])
    if len(devices) <= 1:
        raise InputError(place, f"{quoted(name)}, the only device", "one of several devices")
    dropped = {name, *_members(name, devices[name])}
    source = draft.values.get("source", next(iter(devices)))
    if isinstance(source, str) and source in dropped:
        other = next(other for other in devices if other != name)
        expected = f"another device, or the change source={other} before this one"
        raise InputError(place, f"{quoted(name)}, the source", expected)
    for section in [section for section in draft.values if section not in _NAMELESS]:
        _remove_references(draft, (section,), dropped.__contains__, place)
    draft.mark(("links",), place)


def _remove_references(draft: _Draft, key: KeyPath, dropped: Callable[[str], bool], place: str) -> bool:
    """Remove the names of dropped devices or links from a value; whether a section in it has lost all items of a list.

    A pair of nodes, a route or a fault is removed as a whole if it has such a name; other lists lose the name only. A
    list that becomes empty is removed, together with its section.
    """
    value, emptied = draft.get(key), False
    for part, inner in reversed(_items(value)):
        at, has_items = (*key, part), isinstance(inner, list) and bool(inner)
        if isinstance(value, list) and _names_dropped(key, inner, dropped):
            draft.remove(at, place)
        elif _remove_references(draft, at, dropped, place) or (has_items and not inner):
            draft.remove(at, place)
            emptied = emptied or (isinstance(value, dict) and has_items)
    return emptied


def _names_dropped(key: KeyPath, item: Any, dropped: Callable[[str], bool]) -> bool:
    """Whether an item of the list at a key path names a dropped device or link."""
    if isinstance(item, dict) or (isinstance(item, list) and key[-1] in ("connect", "routes")):
        return any(isinstance(inner, str) and dropped(inner) for _, inner in _items(item))
    return isinstance(item, str) and dropped(item)


def _members(name: str, section: Any) -> Iterator[str]:
    """The names of the devices of a section with a count."""
    count = _mapping(section).get("count")
    if isinstance(count, int) and 1 < count <= bounds.MOST_DEVICES:
        yield from (f"{name}-{number}" for number in range(1, count + 1))


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping; empty for other values, which the schema reports later."""
    return value if isinstance(value, dict) else {}
