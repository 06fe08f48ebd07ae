"""Text in columns, with a time and a value in each row: the output of most loggers, and of Headway itself.

    # comments and blank lines are skipped
    time [s],rate [Mbit/s]
    0,310.5
    0.5,287

Commas, semicolons, tabs or blanks separate columns. The header is optional. Units stand in it in square or round
brackets; a unit that the user gives takes precedence, since some logs have a wrong header. Times may be dates as in ISO
8601. If there are more than two columns, the user names the one of values, and the one of times if it is not the first.
A value holds until the time of the next row. Times are shifted so that the first is 0.

Times must rise from row to row, and no value may be missing, since such a file may be of another kind. `repair` accepts
it. `where` picks the rows of one recording in a file with several. Rows without a time are `step_s` apart.
"""

import re
from collections.abc import Sequence

from headway.traces.errors import InputError, quoted
from headway.traces.readers.clock import ISO, Clock
from headway.traces.readers.headings import (
    OPTIONS,
    Scale,
    chosen_columns,
    column_recording,
    nothing_left,
    scale_of,
    unit_factor,
)
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import BLANKS, Layout, numeral_or_none, read_table, separator_of, splitter
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "csv"
MISSING = frozenset({"", "-", "NULL", "null", "None", "NaN", "nan", "NA", "n/a"})
"""Texts that mean a missing value in a file that is repaired."""

_FORM = 'two columns, such as "time [s],rate [Mbit/s]" over "0,310.5"'
_BLANKS_BEFORE_NO_BRACKET = re.compile(r"\s+(?![\s\[(])")


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines can be read: it has at least two columns, or needs no times."""
    return options.step_s is not None or len(splitter(separator_of(head[0]))(head[0])) >= 2


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A recording of any quantity; it follows from the unit of the values if the caller does not name it."""
    options.allow(path, *OPTIONS)
    layout, scale = _layout(path, quantity, options)
    *times, values = read_table(path, layout)
    if not len(values) and options.where:
        raise nothing_left(path, options)
    if not len(values):
        raise InputError(path, "a header without rows", _FORM)
    return column_recording(path, times[0] if times else None, values, scale, options, NAME)


def _layout(path: str, quantity: Quantity | None, options: Options) -> tuple[Layout, Scale]:
    """The layout of a file and the scale of its values, from its first lines."""
    rows = ((number, line) for number, line in lines(path) if line and not line.startswith("#"))
    first = next(rows, None)
    if first is None:
        raise InputError(path, "no row of data", _FORM)
    number, line = first
    separator = separator_of(line)
    fields = splitter(separator)(line)
    has_header = not any(_is_datum(field) for field in fields)
    if has_header and separator == BLANKS:
        fields = _BLANKS_BEFORE_NO_BRACKET.split(line)
    if options.column is None and len(fields) != (2 if options.step_s is None else 1):
        got = f"a header of {len(fields)} columns: {quoted(line)}"
        expected = f"{_FORM}; or the option column, one of its names or numbers"
        if not has_header:
            got = f"{len(fields)} columns in {quoted(line)}"
            expected = f"{_FORM}; or the option column, a number from 1"
        raise InputError(f"{path}:{number}", got, expected)
    sample = next(rows, None) if has_header else first
    if sample is None:
        raise InputError(path, "a header without rows", _FORM)
    headings = fields if has_header else [""] * len(fields)
    time, value, where = chosen_columns(headings, options, path)
    cells = splitter(separator)(sample[1])
    clock = _clock(f"{path}:{sample[0]}", cells[time.index]) if time and len(cells) == len(fields) else None
    place = f"{path}:{number}" if has_header else path
    layout = Layout(
        separator,
        len(fields),
        (value.index,),
        _FORM if len(fields) == 2 else f"{len(fields)} columns, as in the first line",
        time=time.index if time else None,
        header=number if has_header else 0,
        clock=clock,
        time_factor=unit_factor(time.unit, "time", place, "time_unit") if time and clock is None else 1.0,
        missing=MISSING if options.repair else frozenset(),
        rising=not options.repair,
        where=where,
    )
    return layout, scale_of(value.unit, quantity, place)


def _clock(where: str, cell: str) -> Clock | None:
    """The format of the times, from the first of them; None for numbers.

    Raises:
        InputError: the cell holds neither a date nor a number, and does not mean a missing value.
    """
    text = cell.strip()
    if ISO.nanoseconds(text) is not None:
        return ISO
    if text not in MISSING and numeral_or_none(text) is None:
        expected = f'a number, with its unit in the header, or a date such as "{ISO.example[:19]}"'
        raise InputError(where, f"the time {quoted(text)}", expected)
    return None


def _is_datum(field: str) -> bool:
    return numeral_or_none(field) is not None or ISO.nanoseconds(field.strip()) is not None
