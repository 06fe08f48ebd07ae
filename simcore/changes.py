"""Changes to a scenario, each in one line: what "what if" is asked with.

    links.wifi.bandwidth=50 Mbit/s    set a key
    links.wifi.bandwidth*0.5          scale a quantity, a number or a trace, whatever form the file gives it
    drop devices.nano                 leave out what stands at a path; of a device also its links
    shift-trace 30 s                  begin every trace, or those at and below a path, so much later in it

A path is the keys from the top of the file with dots between them, as messages show it; items of lists are numbered
from 0. A key with anything but letters, digits, `_` and `-` stands in quotes: `devices."pi.local".memory`.

Changes work on the plain values of a file, before the schema reads them. So a changed scenario is checked like any
other, and a mistake in it is told with its key path and the change that made it.
"""

import copy
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from simcore import schema
from simcore.document import Document, KeyPath, read_value, spelled
from simcore.keys import is_trace, names, sections
from traces.errors import InputError, one_of, shown
from traces.units import number_and_unit, parse

_KEY = r"""(?:[\w-]+|"(?:[^"]|"")*"|'(?:[^']|'')*')"""
_PATH = rf"{_KEY}(?:\.{_KEY})*"
_ASSIGNED = re.compile(rf"\s*(?P<path>{_PATH})\s*(?P<sign>[=*])(?P<operand>.*)", re.DOTALL)
_DROPPED = re.compile(rf"\s*drop\s+(?P<path>{_PATH})\s*")
_SHIFTED = re.compile(rf"\s*shift-trace\s+(?:(?P<path>{_PATH})\s+)??(?P<seconds>\d.*)", re.DOTALL)
_FORMS = "PATH=VALUE, PATH*FACTOR, drop PATH, shift-trace TIME or shift-trace PATH TIME"
_FACTOR = 'a factor such as 0.5, 2 or "80 %"'
_LONGEST = 100_000
_NAMELESS = ("description", "model", "devices", "workload", "policies")
"""Sections in which no device is named; in any other a text in a list that is the name of one means it."""

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Set:
    """Give a key a value, whether it stands in the file or not.

    Attributes:
        path: of the key.
        value: as YAML has it: text, number, true or false, list, mapping or None.
        place: where the change was written, for messages.
    """

    path: str
    value: Any
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as it is written."""
        return f"{self.path}={_written(self.value)}"


@dataclass(frozen=True)
class Scale:
    """Multiply a quantity, a number, or every value of a trace.

    Attributes:
        path: of what the file gives; a default must be set first.
        factor: finite and not negative.
        place: where the change was written, for messages.
    """

    path: str
    factor: float
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as it is written."""
        return f"{self.path}*{_plain(self.factor)}"


@dataclass(frozen=True)
class Drop:
    """Leave out what stands at a path; of a device also its links, its faults and the routes through it.

    Attributes:
        path: of something that stands in the file.
        place: where the change was written, for messages.
    """

    path: str
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as it is written."""
        return f"drop {self.path}"


@dataclass(frozen=True)
class ShiftTraces:
    """Begin traces later in their recording; walks too.

    Attributes:
        seconds: how much later, finite and not negative.
        path: every trace at and below it; all traces of the scenario if empty.
        place: where the change was written, for messages.
    """

    seconds: float
    path: str = ""
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as it is written."""
        return f"shift-trace {self.path}{' ' if self.path else ''}{_plain(self.seconds)} s"


Change: TypeAlias = Set | Scale | Drop | ShiftTraces


def parse_change(text: str, place: str | None = None) -> Change:
    """The change that a line means.

    Args:
        text: in one of the four forms above.
        place: where it was written, for messages; the line itself by default.

    Raises:
        InputError: it has none of the forms, or its value, factor or time cannot be read.
    """
    place = f"change {shown(text)}" if place is None else place
    form = text if len(text) <= _LONGEST else ""
    if match := _DROPPED.fullmatch(form):
        return Drop(match["path"], place)
    if match := _SHIFTED.fullmatch(form):
        return ShiftTraces(parse(match["seconds"], "time", place), match["path"] or "", place)
    if match := _ASSIGNED.fullmatch(form):
        if match["sign"] == "*":
            return Scale(match["path"], _factor(match["operand"], place), place)
        return Set(match["path"], read_value(match["operand"], place), place)
    raise InputError(place, shown(text), _FORMS)


def parse_settings(text: str, place: str) -> tuple[Set | Scale, ...]:
    """A change for each of several values or factors of one path.

    Args:
        text: `PATH=VALUE,VALUE,...` or `PATH*FACTOR,FACTOR,...`; values as in a YAML list.
        place: where it was written, for messages.

    Raises:
        InputError: it has neither form, there are fewer than two of them, or one twice.
    """
    match = _ASSIGNED.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise InputError(place, shown(text), "PATH=VALUE,VALUE,... or PATH*FACTOR,FACTOR,...")
    path, operand = match["path"], match["operand"]
    settings: tuple[Set | Scale, ...]
    if match["sign"] == "*":
        settings = tuple(Scale(path, _factor(part, place), place) for part in operand.split(","))
    else:
        settings = tuple(Set(path, value, place) for value in read_value(f"[{operand}]", place))
    if len({change.text for change in settings}) < max(2, len(settings)):
        raise InputError(place, shown(operand), "two or more of them between commas, each once")
    return settings


def _factor(text: str, place: str) -> float:
    try:
        return parse(text, "fraction", place)
    except InputError as error:
        raise InputError(place, error.found, _FACTOR) from error


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


def _parts(path: str, place: str) -> list[str]:
    """The keys of a path.

    Raises:
        InputError: it is no path.
    """
    if not re.fullmatch(_PATH, path):
        raise InputError(place, f"the path {shown(path)}", "keys with dots between them, odd ones in quotes")
    return [_unquoted(part) for part in re.findall(_KEY, path)]


def _unquoted(part: str) -> str:
    quote = part[0]
    return part[1:-1].replace(2 * quote, quote) if quote in "\"'" else part


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
        accepted = f"a number from 0 to {len(value) - 1}" if value else "no number, for the list is empty"
        raise InputError(place, f"no item {shown(part)} in {spelled(key)}", accepted)
    return (*key, int(part))


def _existing(draft: _Draft, path: str, place: str) -> KeyPath:
    """The key path of something that stands in the file.

    Raises:
        InputError: nothing does, with the nearest key that does.
    """
    key: KeyPath = ()
    for part in _parts(path, place):
        further = _step(draft, key, part, place)
        if further is None and part in names(key):
            found = f"no key {shown(part)}{_inside(key)} of the file: its default holds"
            raise InputError(place, found, f"what the file gives, or {spelled((*key, part))}=VALUE before it")
        if further is None:
            raise InputError(place, f"no key {shown(part)}{_inside(key)}", one_of(part, draft.get(key)))
        key = further
    return key


def _inside(key: KeyPath) -> str:
    return f" in {spelled(key)}" if key else ""


def _set(draft: _Draft, change: Set, place: str) -> None:
    *above, last = _parts(change.path, place)
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
        raise InputError(place, f"the factor {change.factor}", _FACTOR)
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
        found = f"{_kind(value)} at {spelled(key)}"
        raise InputError(place, found, "the path of a number, a quantity with its unit, or a trace")
    number, unit = parts
    return f"{_plain(number * factor)} {unit}".rstrip()


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    return shown(value) if isinstance(value, str) else _written(value) or "nothing"


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
        draft.put((*key, "shift"), f"{_plain(before + change.seconds)} s", place)
        draft.mark(key, place)


def _drop(draft: _Draft, change: Drop, place: str) -> None:
    key = _existing(draft, change.path, place)
    if len(key) == 2 and key[0] == "devices":
        _drop_device(draft, str(key[1]), place)
    draft.remove(key, place)


def _drop_device(draft: _Draft, name: str, place: str) -> None:
    """Take away what ends at a device, before the device itself goes."""
    devices = draft.values["devices"]
    if len(devices) == 1:
        raise InputError(place, f"{shown(name)}, the only device", "a device that is not the last one")
    gone = {name, *_members(name, devices[name])}
    source = draft.values.get("source", next(iter(devices)))
    if source in gone:
        other = next(other for other in devices if other != name)
        raise InputError(place, f"{shown(name)}, the source", f"another device, or source={other} before it")
    for section in [section for section in draft.values if section not in _NAMELESS]:
        _forget(draft, (section,), gone, place)


def _forget(draft: _Draft, key: KeyPath, gone: set[str], place: str) -> bool:
    """Take what needs a lost device from a value; whether a section there has lost the last item of a list.

    A pair to link or a route goes as a whole, since it ends at the device or passes through it; from any other list
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


def _needs(key: KeyPath, item: Any, gone: set[str]) -> bool:
    """Whether an item of the list at a key path is nothing without the lost devices."""
    if isinstance(item, list) and key[-1] in ("connect", "routes"):
        return any(isinstance(name, str) and name in gone for name in item)
    return isinstance(item, str) and item in gone


def _members(name: str, section: Any) -> Iterator[str]:
    """The names of the devices of a section, other than its own."""
    count = _mapping(section).get("count")
    if isinstance(count, int) and 1 < count <= schema.MOST_DEVICES:
        yield from (f"{name}-{number}" for number in range(1, count + 1))


def _mapping(value: Any) -> dict[str, Any]:
    """What a user may have left out or written wrongly, which is for the schema to tell."""
    return value if isinstance(value, dict) else {}


def _plain(number: float) -> str:
    return repr(float(number)).removesuffix(".0")


def _written(value: Any) -> str:
    """A value as it stands after the sign, so that it is read back as what it is."""
    if value is None:
        return ""
    if isinstance(value, str) and _reads_as_itself(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(read_value(text, "") == text)
    except InputError:
        return False
