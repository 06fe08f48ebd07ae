"""Changes to a scenario, each in one line: what "what if" is asked with.

    links.wifi.bandwidth=50 Mbit/s    set a key
    links.wifi.bandwidth*0.5          scale a quantity, a number or a trace, whatever form the file gives it
    drop devices.nano                 leave out what stands at a path; of a device also its links
    shift-trace 30 s                  begin every trace, or those at and below a path, so much later in it

A path is the keys from the top of the file with dots between them, as messages show it; items of lists are numbered
from 0. A key with anything but letters, digits, `_` and `-` stands in quotes: `devices."pi.local".memory`.

`simcore.files.overrides.edit` makes the changes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from headway.simcore.files.yaml_document import read_value
from headway.traces.errors import InputError, shown
from headway.traces.units import parse

_KEY = r"""(?:[\w-]+|"(?:[^"]|"")*"|'(?:[^']|'')*')"""
_PATH = rf"{_KEY}(?:\.{_KEY})*"
_ASSIGNED = re.compile(rf"\s*(?P<path>{_PATH})\s*(?P<sign>[=*])(?P<operand>.*)", re.DOTALL)
_DROPPED = re.compile(rf"\s*drop\s+(?P<path>{_PATH})\s*")
# Two words at most are a time, or a path of digits would be taken for one.
_SHIFTED = re.compile(rf"\s*shift-trace\s+(?:(?P<path>{_PATH})\s+)??(?P<seconds>\d\S*(?:\s+\S+)?)\s*")
_FORMS = "PATH=VALUE, PATH*FACTOR, drop PATH, shift-trace TIME or shift-trace PATH TIME"
FACTORS = 'a factor such as 0.5, 2 or "80 %"'
_LONGEST = 100_000


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
        return f"{self.path}={written(self.value)}"


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
        return f"{self.path}*{plain_number(self.factor)}"


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
        return f"shift-trace {self.path}{' ' if self.path else ''}{plain_number(self.seconds)} s"


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


def settings_text(settings: Sequence[Set | Scale]) -> str:
    """The text from which `parse_settings` makes these changes."""
    path = settings[0].path
    values = [change.value for change in settings if isinstance(change, Set)]
    if values:
        return f"{path}={written(values)[1:-1]}"
    return f"{path}*{','.join(change.text.removeprefix(f'{path}*') for change in settings)}"


def _factor(text: str, place: str) -> float:
    try:
        return parse(text, "fraction", place)
    except InputError as error:
        raise InputError(place, error.got, FACTORS) from error


def parts_of(path: str, place: str) -> list[str]:
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


def plain_number(number: float) -> str:
    """A number in the fewest digits that mean it."""
    return repr(float(number)).removesuffix(".0")


def written(value: Any) -> str:
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
