"""JSON lines: one object a line, with a time and a value in it, such as `{"time [s]": 0.5, "rate [Mbit/s]": 12.5}`.

Keys are like the headings of text in columns (format `csv`), and the options are the same: units stand in the keys or
are given as options; if there are more than two keys, `column` names that of values, and `time_column` that of times if
it is not the first. A time is a number, or a date as text; a value is a number. A value holds until the next time. Rows
must be in order and complete unless `repair` is set; a value that is `null` or absent is missing.
"""

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from headway.traces.errors import InputError, quoted
from headway.traces.readers.clock import ISO
from headway.traces.readers.headings import (
    OPTIONS,
    chosen_columns,
    column_recording,
    nothing_left,
    scale_of,
    unit_factor,
)
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import LARGEST, NUMBER, is_same
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import Quantity, convert

NAME = "jsonl"
_FORM = 'one JSON object a line, such as {"time [s]": 0.5, "rate [Mbit/s]": 12.5}'
_LONGEST = 1 << 16

Row = dict[str, object]


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is JSON of any kind; `read` reports what is wrong with others."""
    return head[0].startswith(("{", "[{")) or head[0] == "["


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A recording of any quantity; it follows from the unit of the values if the caller does not name it."""
    options.allow(path, *OPTIONS)
    rows = _rows(path)
    number, first = next(rows, (0, None))
    if first is None:
        raise InputError(path, "no row of data", _FORM)
    where = f"{path}:{number}"
    names = list(first)
    if options.column is None and len(names) != (2 if options.step_s is None else 1):
        expected = (
            f"{_FORM}; of more keys, the option column: the one with the values. If these are requests, name the "
            "keys of their arrival, prompt and output (columns in a workload, --requests)"
        )
        raise InputError(where, f"the keys {quoted(names)}", expected)
    time, value, cells = chosen_columns(names, options, path)
    scale = scale_of(value.unit, quantity, where)
    dated = time is not None and isinstance(first[names[time.index]], str)
    factor = unit_factor(time.unit, "time", where, "time_unit") if time and not dated else 1e-9
    times, values = _columns(
        path,
        chain([(number, first)], rows),
        names[time.index] if time else None,
        names[value.index],
        {names[index]: cell for index, cell in cells},
        dated=dated,
        repair=bool(options.repair),
    )
    if not len(values):
        raise nothing_left(path, options)
    # The start is subtracted first: an epoch in milliseconds is exact, but not in seconds.
    seconds = convert((times - times[0]).astype(np.float64), factor) if time else None
    return column_recording(path, seconds, values, scale, options, NAME)


def _rows(path: str) -> Iterator[tuple[int, Row]]:
    """The objects of a file, with the numbers of their lines."""
    for number, line in lines(path, _LONGEST):
        if line:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                got = f"{quoted(line)}, no whole JSON object"
                raise InputError(f"{path}:{number}", got, _FORM) from error
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}", quoted(line), _FORM)
            yield number, row


def _columns(
    path: str,
    rows: Iterator[tuple[int, Row]],
    time: str | None,
    value: str,
    cells: Mapping[str, str],
    *,
    dated: bool,
    repair: bool,
) -> tuple[Any, FloatArray]:
    """Times, in nanoseconds or as numbers, empty without a key for them, and values of the rows with given cells."""
    times: array[Any] = array("q" if dated else "d")
    values = array("d")
    for number, row in rows:
        where = f"{path}:{number}"
        if all(is_same(str(row.get(key)), cell) for key, cell in cells.items()):
            values.append(_number(row.get(value), where, missing=repair))
            if time is not None:
                cell = row.get(time)
                moment = _nanoseconds(cell, where) if dated else _number(cell, where, missing=False)
                if times and moment <= times[-1] and not repair:
                    raise InputError(where, f"the time {quoted(cell)}", "a time after the row before")
                times.append(moment)
    return np.array(times), np.array(values)


def _number(cell: object, where: str, *, missing: bool) -> float:
    """A number in range; NaN for a missing one, if one may be missing."""
    if cell is None and missing:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, (int, float)) or not 0 <= cell < LARGEST:
        raise InputError(where, quoted(cell), NUMBER)
    return float(cell)


def _nanoseconds(cell: object, where: str) -> int:
    """Nanoseconds of a date and time of day."""
    nanoseconds = ISO.nanoseconds(cell) if isinstance(cell, str) else None
    if nanoseconds is None:
        expected = f"a time such as {ISO.example}, as in the first row"
        raise InputError(where, f"the time {quoted(cell)}", expected)
    return nanoseconds
