"""Changes to a scenario, one per line.

    links.wifi.bandwidth=50 Mbit/s    set a key
    links.wifi.bandwidth*0.5          scale a quantity, a number or a trace of any form
    drop devices.nano                 remove the value at a path; with a device also its links
    shift-trace 30 s                  begin all traces, or those at and below a path, at a later time of the trace

A path is the keys from the top level of the file with dots between them, as in messages; items of lists are numbered
from 0. Keys with characters other than letters, digits, `_` and `-` need quotes: `devices."pi.local".memory`.

`simcore.files.overrides.edit` applies the changes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from headway.simcore.files.yaml_document import read_value
from headway.traces.errors import InputError, quoted
from headway.traces.units import parse

_KEY = r"""(?:[\w-]+|"(?:[^"]|"")*"|'(?:[^']|'')*')"""
_PATH = rf"{_KEY}(?:\.{_KEY})*"
_ASSIGNED = re.compile(rf"\s*(?P<path>{_PATH})\s*(?P<sign>[=*])(?P<operand>.*)", re.DOTALL)
_DROPPED = re.compile(rf"\s*drop\s+(?P<path>{_PATH})\s*")
# A time has at most two words; otherwise a path of digits would match it.
_SHIFTED = re.compile(rf"\s*shift-trace\s+(?:(?P<path>{_PATH})\s+)??(?P<seconds>\d\S*(?:\s+\S+)?)\s*")
_FORMS = "PATH=VALUE, PATH*FACTOR, drop PATH, shift-trace TIME or shift-trace PATH TIME"
FACTORS = 'a factor such as 0.5, 2 or "80 %"'
_LONGEST = 100_000  # characters of a change


@dataclass(frozen=True)
class Set:
    """Set a key, which may be new in the file.

    Attributes:
        path: of the key.
        value: a YAML value: text, number, true or false, list, mapping or None.
        place: origin of the change, for messages.
    """

    path: str
    value: Any
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as text."""
        return f"{self.path}={value_text(self.value)}"


@dataclass(frozen=True)
class Scale:
    """Multiply a quantity, a number, or every value of a trace.

    Attributes:
        path: of a value in the file; a default value must be set first.
        factor: finite and not negative.
        place: origin of the change, for messages.
    """

    path: str
    factor: float
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as text."""
        return f"{self.path}*{plain_number(self.factor)}"


@dataclass(frozen=True)
class Drop:
    """Remove the value at a path; with a device also its links, its faults and the routes through it.

    Attributes:
        path: of a value in the file.
        place: origin of the change, for messages.
    """

    path: str
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as text."""
        return f"drop {self.path}"


@dataclass(frozen=True)
class ShiftTraces:
    """Begin traces at a later time of the trace, recorded and synthetic ones.

    Attributes:
        seconds: finite and not negative.
        path: of the traces: those at and below it; all traces of the scenario if empty.
        place: origin of the change, for messages.
    """

    seconds: float
    path: str = ""
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The change as text."""
        return f"shift-trace {self.path}{' ' if self.path else ''}{plain_number(self.seconds)} s"


Change: TypeAlias = Set | Scale | Drop | ShiftTraces


def parse_change(text: str, place: str | None = None) -> Change:
    """Read a change from text.

    Args:
        text: in one of the four forms above.
        place: origin of the text, for messages; the text itself by default.

    Raises:
        InputError: the text has none of the forms, or its value, factor or time is invalid.
    """
    place = f"change {quoted(text)}" if place is None else place
    form = text if len(text) <= _LONGEST else ""
    if match := _DROPPED.fullmatch(form):
        return Drop(match["path"], place)
    if match := _SHIFTED.fullmatch(form):
        return ShiftTraces(parse(match["seconds"], "time", place), match["path"] or "", place)
    if match := _ASSIGNED.fullmatch(form):
        if match["sign"] == "*":
            return Scale(match["path"], _factor(match["operand"], place), place)
        return Set(match["path"], read_value(match["operand"], place), place)
    raise InputError(place, quoted(text), _FORMS)


def parse_settings(text: str, place: str) -> tuple[Set | Scale, ...]:
    """Read changes of one path, one change for each value or factor.

    Args:
        text: `PATH=VALUE,VALUE,...` or `PATH*FACTOR,FACTOR,...`; values as in a YAML list.
        place: origin of the text, for messages.

    Raises:
        InputError: the text has neither form, or it has fewer than two values or repeats one.
    """
    match = _ASSIGNED.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise InputError(place, quoted(text), "PATH=VALUE,VALUE,... or PATH*FACTOR,FACTOR,...")
    path, operand = match["path"], match["operand"]
    settings: tuple[Set | Scale, ...]
    if match["sign"] == "*":
        settings = tuple(Scale(path, _factor(part, place), place) for part in operand.split(","))
    else:
        settings = tuple(Set(path, value, place) for value in read_value(f"[{operand}]", place))
    if len({change.text for change in settings}) < max(2, len(settings)):
        raise InputError(place, quoted(operand), "two or more different values, separated by commas")
    return settings


def settings_text(settings: Sequence[Set | Scale]) -> str:
    """The text from which `parse_settings` makes these changes."""
    path = settings[0].path
    values = [change.value for change in settings if isinstance(change, Set)]
    if values:
        return f"{path}={value_text(values)[1:-1]}"
    return f"{path}*{','.join(change.text.removeprefix(f'{path}*') for change in settings)}"


def _factor(text: str, place: str) -> float:
    try:
        return parse(text, "fraction", place)
    except InputError as error:
        raise InputError(place, error.got, FACTORS) from error


def parts_of(path: str, place: str) -> list[str]:
    """The keys of a path.

    Raises:
        InputError: the text is not a path.
    """
    if not re.fullmatch(_PATH, path):
        raise InputError(
            place,
            f"the path {quoted(path)}",
            "keys with dots between them, quoted if they are not plain",
        )
    return [_unquoted(part) for part in re.findall(_KEY, path)]


def _unquoted(part: str) -> str:
    quote = part[0]
    return part[1:-1].replace(2 * quote, quote) if quote in "\"'" else part


def plain_number(number: float) -> str:
    """The shortest text that reads as the same number."""
    return repr(float(number)).removesuffix(".0")


def value_text(value: Any) -> str:
    """The text of a value in a change, from which the same value is read."""
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
