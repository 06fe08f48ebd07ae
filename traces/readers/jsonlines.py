"""JSON lines: one object a line, with a time and a value in it, such as `{"time [s]": 0.5, "rate [Mbit/s]": 12.5}`.

Keys are like the headings of text in columns (format `csv`), and the options are the same: units stand in the keys or
beside the file; of more than two keys, `column` names the one with the values, and `time_column` the one with the times
if that is not the first. A time is a number, or a date as text; a value is a number. A value holds until the next
time. Rows must be in order and complete unless `repair` is said; a value that is `null` or not there is missing.
"""

import json
import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.clock import ISO
from headway.traces.readers.columns import (
    OPTIONS,
    find_column,
    finished,
    nothing_left,
    quantity_of,
    unit_factor,
    unit_of,
)
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import LARGEST, NUMBER, is_same
from headway.traces.recording import Recording
from headway.traces.units import Quantity, convert

NAME = "jsonl"
_FORM = 'one JSON object a line, such as {"time [s]": 0.5, "rate [Mbit/s]": 12.5}'
_LONGEST = 1 << 16

Row = dict[str, object]


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is JSON of any kind: `read` tells what is wrong with others."""
    return head[0].startswith(("{", "[{")) or head[0] == "["


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A recording of any quantity, which the unit of the values tells if the caller does not.

    Raises:
        InputError: the file, or what is asked of it, breaks the format.
    """
    options.allow(path, *OPTIONS)
    rows = _rows(path)
    number, first = next(rows, (0, None))
    if first is None:
        raise InputError(path, "no row of data", _FORM)
    where = f"{path}:{number}"
    names = list(first)
    time, value = _keys(where, names, options)
    unit = unit_of(value, options.unit, path, "unit")
    measured = quantity or quantity_of(unit, where)
    factor = unit_factor(unit, measured, where, "unit")
    dated = time is not None and isinstance(first.get(time), str)
    time_factor = 1e-9
    if time is not None and not dated:
        time_unit = unit_of(time, options.time_unit, path, "time_unit")
        time_factor = unit_factor(time_unit, "time", where, "time_unit")
    wanted = [
        (names[find_column(names, name, "where", path)], str(cell))
        for name, cell in (options.where or {}).items()
    ]
    times: array[Any] = array("q" if dated else "d")
    values = array("d")
    for line, row in chain([(number, first)], rows):
        at = f"{path}:{line}"
        if not all(is_same(str(row.get(key)), cell) for key, cell in wanted):
            continue
        values.append(_value(row.get(value), at, missing=bool(options.repair)))
        if time is not None:
            moment = _moment(row.get(time), at) if dated else _value(row.get(time), at, missing=False)
            if times and moment <= times[-1] and not options.repair:
                raise InputError(at, f"the time {shown(row.get(time))}", "a time after the row before")
            times.append(moment)
    if not values:
        raise nothing_left(path, options)
    if time is None:
        seconds = (options.step_s or 0.0) * np.arange(float(len(values)))
    else:
        # The start is subtracted first: an epoch in milliseconds is exact, but not in seconds.
        seconds = convert((np.array(times) - times[0]).astype(np.float64), time_factor)
    return finished(
        path,
        where,
        seconds,
        convert(np.array(values), factor),
        unit,
        measured,
        quantity is None,
        options,
        NAME,
    )


def _rows(path: str) -> Iterator[tuple[int, Row]]:
    """The objects of a file, with the numbers of their lines."""
    for number, line in lines(path, _LONGEST):
        if line:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}:{number}", f"{shown(line)}, no whole JSON object", _FORM) from error
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}", shown(line), _FORM)
            yield number, row


def _keys(where: str, names: list[str], options: Options) -> tuple[str | None, str]:
    """The keys of the time, None if rows have none, and of the value."""
    clocked = options.step_s is None
    if options.column is None and len(names) != (2 if clocked else 1):
        expected = (
            f"{_FORM}; of more keys, the option column: the one with the values. If these are requests, name the "
            "keys of their arrival, prompt and output (columns in a workload, --requests)"
        )
        raise InputError(where, f"the keys {shown(names)}", expected)
    path = where.rpartition(":")[0]
    at = 0 if options.time_column is None else find_column(names, options.time_column, "time_column", path)
    if options.column is not None:
        value = find_column(names, options.column, "column", path)
    else:
        value = 1 - at if clocked else 0
    return (names[at] if clocked else None), names[value]


def _value(cell: object, where: str, *, missing: bool) -> float:
    """A number in range; NaN for one that is missing and may be."""
    if cell is None and missing:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, (int, float)) or not 0 <= cell < LARGEST:
        raise InputError(where, shown(cell), NUMBER)
    return float(cell)


def _moment(cell: object, where: str) -> int:
    """Nanoseconds of a date and time of day."""
    nanoseconds = ISO.nanoseconds(cell) if isinstance(cell, str) else None
    if nanoseconds is None:
        raise InputError(
            where, f"the time {shown(cell)}", f"a time such as {ISO.example}, as in the first row"
        )
    return nanoseconds
