"""Text in columns, with a time and a value in each row: what most loggers write, and what Headway itself writes.

    # comments and blank lines are skipped
    time [s],rate [Mbit/s]
    0,310.5
    0.5,287

Columns are separated by commas, semicolons, tabs or blanks. The header is optional; it gives the units in
square or round brackets, unless the caller does, whose word counts more (logs with a wrong header exist). Times may be
dates as in ISO 8601. Of more than two columns the caller names the one with the values, and the one with the times if
it is not the first. A value holds until the next row's time. Times are shifted so that the first is 0.

Times must rise from row to row, and no value may be missing: such a file may be another than it is taken for. Whoever
knows that it is the right one says `repair`. `where` picks the rows of one recording out of several. Rows without a
time are `step_s` apart.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.traces.errors import InputError, one_of, shown
from headway.traces.readers.assemble import assembled, repaired
from headway.traces.readers.clock import ISO, Clock
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import BLANKS, Layout, numeral_or_none, read_table, separator_of, splitter
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import UNITS, Quantity, convert, factor

NAME = "csv"
MISSING = frozenset({"", "-", "NULL", "null", "None", "NaN", "nan", "NA", "n/a"})
"""What stands for a missing value in a file that is repaired."""

OPTIONS = (
    *("unit", "time_unit", "end", "column", "time_column", "load", "repair", "max_gap_s"),
    *("where", "merge", "step_s"),
)
_FORM = 'two columns, such as "time [s],rate [Mbit/s]" over "0,310.5"'
_EXAMPLE_UNIT = {
    "time": "s",
    "size": "MB",
    "rate": "Mbit/s",
    "compute": "GFLOP/s",
    "fraction": "%",
    "frequency": "/s",
}
MEASURED: tuple[Quantity, ...] = ("fraction", "rate", "size", "time")
"""What a trace may hold."""
_ANY_UNIT = (
    'the unit of a rate, such as "Mbit/s" or "MB/s", of a size, such as "MB", of a time, such as "ms", '
    'or of a share, "%"'
)
_MOST_ALIKE = 5
_HERTZ = re.compile(r"[kKMG]?hz", re.IGNORECASE)
"""A clock rate, which no trace holds but many logs of processors do, beside the load."""

_UNIT_IN_HEADER = re.compile(r"(.*?)\s*[\[(]([^\[\]()]*)[\])]\s*")
_BLANKS_BEFORE_NO_BRACKET = re.compile(r"\s+(?![\s\[(])")


@dataclass(frozen=True)
class Column:
    """A column that is wanted.

    Attributes:
        index: its number, from 0.
        unit: in which it is, "" if nobody says it.
    """

    index: int
    unit: str


@dataclass(frozen=True)
class Plan:
    """Where times and values are in a file.

    Attributes:
        line: number of the header, or of the first row if there is no header.
        separator: between columns.
        width: number of columns.
        has_header: whether the first line of data is one.
        time: the column of times; None where rows have none.
        value: the column of values.
        where: columns, from 0, and what they hold in the rows that are wanted.
        clock: how times are written, None for numbers.
    """

    line: int
    separator: str
    width: int
    has_header: bool
    time: Column | None
    value: Column
    where: tuple[tuple[int, str], ...]
    clock: Clock | None


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines can be read: it has at least two columns, or needs no times."""
    return options.step_s is not None or len(splitter(separator_of(head[0]))(head[0])) >= 2


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A recording of any quantity, which the unit of the values tells if the caller does not.

    Raises:
        InputError: the file, or what is asked of it, breaks the format.
    """
    options.allow(path, *OPTIONS)
    plan = _plan(path, options)
    where = f"{path}:{plan.line}" if plan.has_header else path
    measured = quantity or quantity_of(plan.value.unit, where)
    layout = Layout(
        plan.separator,
        plan.width,
        (plan.value.index,),
        _FORM if plan.width == 2 else f"{plan.width} columns, as in the first line",
        time=plan.time.index if plan.time else None,
        header=plan.line if plan.has_header else 0,
        clock=plan.clock,
        time_factor=unit_factor(plan.time.unit, "time", where, "time_unit")
        if plan.time and not plan.clock
        else 1.0,
        missing=MISSING if options.repair else frozenset(),
        rising=not options.repair,
        where=plan.where,
    )
    unit = unit_factor(plan.value.unit, measured, where, "unit")
    *clocked, values = read_table(path, layout)
    times = clocked[0] if clocked else (options.step_s or 0.0) * np.arange(float(len(values)))
    if not len(times):
        raise (
            nothing_left(path, options) if options.where else InputError(path, "a header without rows", _FORM)
        )
    return finished(
        path, where, times, convert(values, unit), plan.value.unit, measured, quantity is None, options, NAME
    )


def finished(
    path: str,
    where: str,
    times: FloatArray,
    values: FloatArray,
    unit: str,
    measured: Quantity,
    guessed: bool,
    options: Options,
    name: str,
) -> Recording:
    """The recording of rows that were read, repaired if that is wanted.

    Args:
        path: of the file.
        where: the place that says what the columns are, for messages.
        times: in seconds, shape (n,), n >= 1.
        values: in SI units, NaN where one is missing, shape (n,).
        unit: of the values in the file, "" if nobody says it.
        measured: what the values measure.
        guessed: whether the user did not say that.
        options: of the user.
        name: of the format.

    Raises:
        InputError: a repair would lose too much, or no trace can be made of the rows.
    """
    rows, repairs = len(times), Counter[str]()
    if options.repair:
        times, values, repairs = repaired(path, times, values, options)
    if guessed and len(values):
        check_guessed(where, unit, float(values.max()))
    return assembled(
        path,
        times,
        values,
        options,
        format=name,
        quantity=measured,
        rows=rows,
        repairs=repairs,
        is_load=options.load is not None,
    )


def quantity_of(unit: str, where: str) -> Quantity:
    """What values of a unit measure; a share if there is none.

    Raises:
        InputError: nothing that a trace can hold has this unit.
    """
    found: Quantity | None = next((quantity for quantity in MEASURED if unit in UNITS[quantity]), None)
    if found is None:
        raise InputError(where, f"the unit {shown(unit)}", _ANY_UNIT)
    return found


def check_guessed(where: str, unit: str, most: float) -> None:
    """Refuse values that were taken for shares because nobody says what they are, and can be none.

    Raises:
        InputError: the largest is above 1.
    """
    if not unit and most > 1.0:
        expected = f'a header with the unit, such as "rate [Mbit/s]", or the option unit: {_ANY_UNIT}'
        raise InputError(where, f"values up to {most:g} without a unit", expected)


def unit_factor(unit: str, quantity: Quantity, where: str, option: str) -> float:
    """The SI value of a unit that a header or an option must give, except for a share.

    Raises:
        InputError: it is missing, or measures something else.
    """
    if not unit and quantity != "fraction":
        example = _EXAMPLE_UNIT[quantity]
        expected = (
            f'a header with the unit, such as "{quantity} [{example}]", or the option {option}="{example}"'
        )
        raise InputError(where, f"no unit for the {quantity}", expected)
    return factor(unit, quantity, where)


def nothing_left(path: str, options: Options) -> InputError:
    """The mistake of asking for rows that a file does not have."""
    wanted = ", ".join(f"{name} is {value}" for name, value in (options.where or {}).items())
    return InputError(
        f"{path} (option where)", f"no row in which {shown(wanted)[1:-1]}", "values that occur in the file"
    )


def split_header(heading: str) -> tuple[str, str]:
    """A heading without its unit, and the unit, "" if it has none."""
    match = _UNIT_IN_HEADER.fullmatch(heading)
    return (match[1].strip(), match[2].strip()) if match else (heading.strip(), "")


def unit_of(heading: str, given: str | None, where: str, option: str) -> str:
    """The unit of a column: the one that the user gives, else the one in the heading, "" without either.

    Raises:
        InputError: the heading has a unit of another quantity than the given one. Where it is unknown (`Mbps`), or
        another one of the same quantity, the user's word counts more.
    """
    _, written = split_header(heading)
    if given is None:
        return written
    wanted, named = _measured_by(given), _measured_by(written)
    if not wanted or not named or wanted & named:
        return given
    got = f"the unit {shown(given)} for the column {shown(heading.strip())}"
    expected = "a unit of the same quantity as in the header, or another column"
    raise InputError(f"{where} (option {option})", got, expected)


def _measured_by(unit: str) -> frozenset[str]:
    """The quantities that have a unit; none if it is unknown or empty."""
    if unit == "":
        return frozenset()
    known = {quantity for quantity, units in UNITS.items() if unit in units}
    return frozenset(known | ({"cycles"} if _HERTZ.fullmatch(unit) else set()))


def find_column(headings: Sequence[str], wanted: str, option: str, path: str) -> int:
    """The number, from 0, of the column with a heading, with or without the unit, or of that number from 1.

    Raises:
        InputError: there is none, or several have the heading.
    """
    for spelled in (list(map(str.strip, headings)), [split_header(heading)[0] for heading in headings]):
        same = [index for index, name in enumerate(spelled) if name == wanted]
        if len(same) > 1:
            got = f"{shown(wanted)}, which {len(same)} columns are called"
            expected = " or ".join(
                f"{shown(headings[at].strip())} (number {at + 1})" for at in same[:_MOST_ALIKE]
            )
            raise InputError(f"{path} (option {option})", got, expected)
        if same:
            return same[0]
    if wanted.isdecimal() and wanted.isascii() and 1 <= int(wanted[:9]) <= len(headings):
        return int(wanted) - 1
    names = [split_header(heading)[0] for heading in headings]
    expected = f"{one_of(wanted, names)}, or a number from 1 to {len(headings)}"
    raise InputError(f"{path} (option {option})", f"no column {shown(wanted)}", expected)


def _plan(path: str, options: Options) -> Plan:
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
    usual = len(fields) == (2 if options.step_s is None else 1)
    if has_header and not usual and options.column is None:
        got = f"a header of {len(fields)} columns: {shown(line)}"
        raise InputError(
            f"{path}:{number}", got, f"{_FORM}; or the option column, one of its names or numbers"
        )
    if not usual and options.column is None:
        got = f"{len(fields)} columns in {shown(line)}"
        raise InputError(f"{path}:{number}", got, f"{_FORM}; or the option column, a number from 1")
    sample = next(rows, None) if has_header else first
    if sample is None:
        raise InputError(path, "a header without rows", _FORM)
    return _chosen(path, number, separator, fields, has_header, sample, options)


def _chosen(
    path: str,
    number: int,
    separator: str,
    fields: list[str],
    has_header: bool,
    sample: tuple[int, str],
    options: Options,
) -> Plan:
    """The plan for a file whose first line, and first row with its number, are known."""
    line, row = sample
    headings = fields if has_header else [""] * len(fields)
    where = tuple(
        (find_column(headings, name, "where", path), str(wanted))
        for name, wanted in (options.where or {}).items()
    )
    if options.step_s is not None:
        value = 0 if options.column is None else find_column(headings, options.column, "column", path)
        unit = unit_of(headings[value], options.unit, path, "unit")
        return Plan(number, separator, len(fields), has_header, None, Column(value, unit), where, None)
    time = (
        0 if options.time_column is None else find_column(headings, options.time_column, "time_column", path)
    )
    value = (
        1 - min(time, 1) if options.column is None else find_column(headings, options.column, "column", path)
    )
    cells = splitter(separator)(row)
    written = cells[time].strip() if len(cells) == len(fields) else ""
    dated = ISO.nanoseconds(written) is not None
    if not dated and written not in MISSING and numeral_or_none(written) is None:
        expected = f'a number, with its unit in the header, or a date such as "{ISO.example[:19]}"'
        raise InputError(f"{path}:{line}", f"the time {shown(written)}", expected)
    return Plan(
        number,
        separator,
        len(fields),
        has_header,
        Column(time, unit_of(headings[time], options.time_unit, path, "time_unit")),
        Column(value, unit_of(headings[value], options.unit, path, "unit")),
        where,
        ISO if dated else None,
    )


def _is_datum(field: str) -> bool:
    return numeral_or_none(field) is not None or ISO.nanoseconds(field.strip()) is not None
