"""Making changes: the plain values of a scenario file are edited before the schema reads them.

So a changed scenario is checked like any other, and a mistake in it is told with its key path and the change that made
it, not with a line that says something else.
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
    written,
)
from headway.simcore.files.overrides.keys import is_trace, names, sections
from headway.simcore.files.yaml_document import Document, KeyPath, spelled
from headway.traces.errors import InputError, one_of, shown
from headway.traces.units import number_and_unit, parse

_NAMELESS = ("description", "model", "devices", "workload", "policies")
"""Sections in which no device is named; in any other a text in a list that is the name of one means it."""

_Kept = TypeVar("_Kept")


def apply_changes(document: Document, changes: Sequence[Change]) -> Document:
    """The document as if its file had been edited, change by change.

    Raises:
        InputError: a path leads nowhere, or what stands there cannot be changed in this way.
    """
    draft = _Draft(document)
    for change in changes:
        place = change.place or f"change {shown(change.text)}"
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
    """The values of a document while they are being changed, and where each of them comes from."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.values = copy.deepcopy(document.values)
        self._lines = document.lines
        self._places = document.places

    def document(self) -> Document:
        return replace(self._document, values=self.values, lines=self._lines, places=self._places)

    def get(self, key: KeyPath) -> Any:
        value: Any = self.values
        for part in key:
            value = value[part]
        return value

    def put(self, key: KeyPath, value: Any, place: str) -> None:
        """Let a value stand at a key path whose container exists."""
        self.get(key[:-1])[key[-1]] = copy.deepcopy(value)
        self._lines = {at: line for at, line in self._lines.items() if at[: len(key)] != key}
        kept = {at: old for at, old in self._places.items() if at[: len(key)] != key}
        self._places = kept | dict.fromkeys(_paths(value, key), place)

    def remove(self, key: KeyPath, place: str) -> None:
        """Take away what stands at a key path; what holds it counts as changed."""
        del self.get(key[:-1])[key[-1]]
        self._lines, self._places = _without(self._lines, key), _without(self._places, key)
        self.mark(key[:-1], place)

    def mark(self, key: KeyPath, place: str) -> None:
        """Say that a section, though it stands in the file, has been changed."""
        self._places = self._places | {key: place}


def _paths(value: Any, key: KeyPath) -> Iterator[KeyPath]:
    """The key paths of a value and of everything in it."""
    yield key
    for part, inner in _items(value):
        yield from _paths(inner, (*key, part))


def _items(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _without(kept: dict[KeyPath, _Kept], key: KeyPath) -> dict[KeyPath, _Kept]:
    """What is known of key paths after one of them is gone; later items of its list move up."""
    depth, last = len(key) - 1, key[-1]
    result = {}
    for at, known in kept.items():
        if at[: depth + 1] == key:
            continue
        part = at[depth] if at[:depth] == key[:-1] and len(at) > depth else None
        if isinstance(part, int) and isinstance(last, int) and part > last:
            result[(*at[:depth], part - 1, *at[depth + 1 :])] = known
        else:
            result[at] = known
    return result


def _step(draft: _Draft, key: KeyPath, part: str, place: str) -> KeyPath | None:
    """The key path one step further down, or None if a mapping has no such key.

    Raises:
        InputError: there are no keys here, or no item of this number.
    """
    value = draft.get(key)
    if isinstance(value, dict):
        return (*key, part) if part in value else None
    if not isinstance(value, list):
        raise InputError(
            place, f"the key {shown(part)} below {spelled(key)}, which is a single value", spelled(key)
        )
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(value):
        expected = f"a number from 0 to {len(value) - 1}" if value else "no number, for the list is empty"
        raise InputError(place, f"no item {shown(part)} in {spelled(key)}", expected)
    return (*key, int(part))


def _existing(draft: _Draft, path: str, place: str) -> KeyPath:
    """The key path of something that stands in the file.

    Raises:
        InputError: nothing does, with the nearest key that does.
    """
    key: KeyPath = ()
    for part in parts_of(path, place):
        further = _step(draft, key, part, place)
        if further is None and part in names(key):
            got = f"no key {shown(part)}{_inside(key)} in the file, which leaves it at its default"
            expected = (
                f"a key that the file gives, or the change {spelled((*key, part))}=VALUE before this one"
            )
            raise InputError(place, got, expected)
        if further is None:
            raise InputError(place, f"no key {shown(part)}{_inside(key)}", one_of(part, draft.get(key)))
        key = further
    return key


def _inside(key: KeyPath) -> str:
    return f" in {spelled(key)}" if key else ""


def _set(draft: _Draft, change: Set, place: str) -> None:
    *above, last = parts_of(change.path, place)
    key: KeyPath = ()
    for part in above:
        further = _step(draft, key, part, place)
        if further is None:
            further = (*key, part)
            if not (part in names(key) and sections(further)):
                known = dict.fromkeys((*draft.get(key), *names(key)))
                raise InputError(place, f"no key {shown(part)}{_inside(key)}", one_of(part, known))
            draft.put(further, {}, place)
        key = further
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
    """A number or a quantity times a factor; a whole number stays one where that is exact."""
    if factor == 1.0 and isinstance(value, str | int | float):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        product = value * factor
        return int(product) if isinstance(value, int) and product.is_integer() else product
    parts = number_and_unit(value) if isinstance(value, str) else None
    if parts is None:
        got = f"{_kind(value)} at {spelled(key)}"
        raise InputError(place, got, "the path of a number, a quantity with its unit, or a trace")
    number, unit = parts
    return f"{plain_number(number * factor)} {unit}".rstrip()


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    return shown(value) if isinstance(value, str) else written(value) or "nothing"


def _shift(draft: _Draft, change: ShiftTraces, place: str) -> None:
    if not 0.0 <= change.seconds < math.inf:
        raise InputError(place, f"a shift of {change.seconds} s", "a time that is finite and not negative")
    start = _existing(draft, change.path, place) if change.path else ()
    traces = [key for key in _paths(draft.get(start), start) if is_trace(key, draft.get(key))]
    if not traces:
        raise InputError(
            place, f"no trace that varies{_inside(start)}", "a path at or below which there is one"
        )
    for key in traces:
        given = draft.get(key).get("shift", "0 s")
        before = parse(given, "time", draft.document().where((*key, "shift")))
        draft.put((*key, "shift"), f"{plain_number(before + change.seconds)} s", place)
        draft.mark(key, place)


def _drop(draft: _Draft, change: Drop, place: str) -> None:
    key = _existing(draft, change.path, place)
    links = set(_mapping(draft.values.get("links")))
    if len(key) == 2 and key[0] == "devices":
        _leave_device(draft, str(key[1]), place)
    draft.remove(key, place)
    lost = links.difference(_mapping(draft.values.get("links")))
    if lost and "faults" in draft.values:
        # A member of a group of links is called after the group, a colon, and its ends.
        _forget(draft, ("faults",), lambda name: name.partition(":")[0] in lost, place)


def _leave_device(draft: _Draft, name: str, place: str) -> None:
    """Take away what ends at a device, before the device itself goes."""
    devices = _mapping(draft.values["devices"])
    if len(devices) <= 1:
        raise InputError(place, f"{shown(name)}, the only device", "a device beside which others remain")
    gone = {name, *_members(name, devices[name])}
    source = draft.values.get("source", next(iter(devices)))
    if isinstance(source, str) and source in gone:
        other = next(other for other in devices if other != name)
        expected = f"another device, or the change source={other} before this one"
        raise InputError(place, f"{shown(name)}, the source", expected)
    for section in [section for section in draft.values if section not in _NAMELESS]:
        _forget(draft, (section,), gone.__contains__, place)
    draft.mark(("links",), place)


def _forget(draft: _Draft, key: KeyPath, gone: Callable[[str], bool], place: str) -> bool:
    """Take what needs something lost from a value; whether a section there has lost the last item of a list.

    A pair to link, a route or a fault goes as a whole, since it is nothing without what it names; from any other list
    goes the name. A list without items goes too, and the section it was in.
    """
    value, hollow = draft.get(key), False
    for part, inner in reversed(_items(value)):
        at, full = (*key, part), isinstance(inner, list) and bool(inner)
        if isinstance(value, list) and _needs(key, inner, gone):
            draft.remove(at, place)
        elif _forget(draft, at, gone, place) or (full and not inner):
            draft.remove(at, place)
            hollow = hollow or (isinstance(value, dict) and full)
    return hollow


def _needs(key: KeyPath, item: Any, gone: Callable[[str], bool]) -> bool:
    """Whether an item of the list at a key path names something lost."""
    if isinstance(item, dict) or (isinstance(item, list) and key[-1] in ("connect", "routes")):
        return any(isinstance(inner, str) and gone(inner) for _, inner in _items(item))
    return isinstance(item, str) and gone(item)


def _members(name: str, section: Any) -> Iterator[str]:
    """The names of the devices of a section, other than its own."""
    count = _mapping(section).get("count")
    if isinstance(count, int) and 1 < count <= bounds.MOST_DEVICES:
        yield from (f"{name}-{number}" for number in range(1, count + 1))


def _mapping(value: Any) -> dict[str, Any]:
    """What a user may have left out or written wrongly, which is for the schema to tell."""
    return value if isinstance(value, dict) else {}
