"""Text in two columns, time and value: what most loggers write, and what Headway itself writes.

    # comments and blank lines are skipped
    time [s],rate [Mbit/s]
    0,310.5
    0.5,287

Columns are separated by commas, semicolons, tabs or blanks. The header is optional; it gives the units in
square or round brackets, unless the caller does, whose word counts more (logs with a wrong header exist). A
value holds until the next row's time. Times are shifted so that the first is 0.
"""

import math
import re
from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from operator import methodcaller

import numpy as np

from traces.errors import InputError, shown
from traces.readers.lines import lines
from traces.trace import EndRule, FloatArray, Trace
from traces.units import Quantity, convert, factor

_FORM = 'two columns, such as "time [s],rate [Mbit/s]" over "0,310.5"'
_LARGEST = 1e100
_NUMBER = f"a finite number >= 0 and below {_LARGEST:g}, written like 12.5 or 1e-3"
_EXAMPLE_UNIT = {"time": "s", "size": "MB", "rate": "Mbit/s", "compute": "GFLOP/s", "fraction": "%"}
_UNIT_IN_HEADER = re.compile(r".*[\[(]([^\[\]()]*)[\])]\s*")
_BLANKS_BEFORE_NO_BRACKET = re.compile(r"\s+(?![\s\[(])")

Split = Callable[[str], list[str]]
Row = tuple[int, str]


def recognises(first_line: str) -> bool:
    """Whether a file with this first line of data can be read: it has at least two columns."""
    return len(_splitter(first_line)(first_line)) >= 2


def read(
    path: str, quantity: Quantity, unit: str | None, time_unit: str | None, end: EndRule | None
) -> Trace:
    """A trace of any quantity, in SI units; it holds its last value unless `end` says otherwise.

    "loop" and "zero" end one step after the last row, the step being the median of all: how long the last
    value was valid is not in the file.

    Raises:
        InputError: the file, or what is asked of it, breaks the format.
    """
    rows = ((number, line) for number, line in lines(path) if line and not line.startswith("#"))
    first = next(rows, None)
    if first is None:
        raise InputError(path, "no row of data", _FORM)
    header = _header(first, path)
    units = (time_unit or header[0], unit or header[1]) if header else (time_unit, unit)
    where = f"{path}:{first[0]}" if header else path
    times, values = _parse(
        rows if header else chain([first], rows),
        _splitter(first[1]),
        _factor(units[0], "time", where, "time_unit"),
        _factor(units[1], quantity, where, "unit"),
        path,
    )
    return Trace(times - times[0], values, end or "hold", _duration(times, end, path))


def _splitter(line: str) -> Split:
    """How to split lines like this one: at the first separator that it holds, in order of precedence."""
    for separator in ";,\t":
        if separator in line:
            return methodcaller("split", separator)
    return str.split


def _header(first: Row, path: str) -> tuple[str, str] | None:
    """The units that the first row names, "" where it names none; None if that row is data."""
    number, line = first
    split = _splitter(line)
    fields = split(line)
    if any(_float(field) is not None for field in fields):
        return None
    if split is str.split:
        fields = _BLANKS_BEFORE_NO_BRACKET.split(line)
    if len(fields) != 2:
        raise InputError(f"{path}:{number}", f"a header of {len(fields)} columns: {shown(line)}", _FORM)
    time, value = (_UNIT_IN_HEADER.fullmatch(field) for field in fields)
    return (time[1].strip() if time else "", value[1].strip() if value else "")


def _factor(unit: str | None, quantity: Quantity, where: str, option: str) -> float:
    if not unit and quantity != "fraction":
        example = _EXAMPLE_UNIT[quantity]
        accepted = (
            f'a header with the unit, such as "{quantity} [{example}]", or the option {option}="{example}"'
        )
        raise InputError(where, f"no unit for the {quantity}", accepted)
    return factor(unit or "", quantity, where)


def _parse(
    rows: Iterator[Row], split: Split, time_factor: float, value_factor: float, path: str
) -> tuple[FloatArray, FloatArray]:
    """Times [s], strictly increasing, and values [SI] of all rows."""
    times, values = array("d"), array("d")
    before = -1.0
    for number, line in rows:
        fields = split(line)
        if len(fields) != 2:
            raise InputError(f"{path}:{number}", f"{len(fields)} columns in {shown(line)}", _FORM)
        time = convert(_number(fields[0], number, path), time_factor)
        if time <= before:
            raise InputError(
                f"{path}:{number}", f"the time {fields[0].strip()}", "a time after the row before"
            )
        times.append(time)
        values.append(_number(fields[1], number, path))
        before = time
    if not times:
        raise InputError(path, "a header without rows", _FORM)
    return np.asarray(times), convert(np.asarray(values), value_factor)


def _float(field: str) -> float | None:
    """The number in a field, None if it is none."""
    try:
        return float(field)
    except ValueError:
        return None


def _number(field: str, line_number: int, path: str) -> float:
    value = _float(field)
    # float() also takes "1_000" and the digits of other scripts: in a trace, more likely damage than numbers.
    if value is None or not 0 <= value < _LARGEST or not field.isascii() or "_" in field:
        raise InputError(f"{path}:{line_number}", shown(field.strip()), _NUMBER)
    return value


def _duration(times: FloatArray, end: EndRule | None, path: str) -> float | None:
    if end is None or end == "hold":
        return None
    if len(times) == 1:
        raise InputError(path, f'a single row, and end="{end}"', 'at least two rows, or end="hold"')
    last = float(times[-1] - times[0])
    return max(last + float(np.median(np.diff(times))), math.nextafter(last, math.inf))
