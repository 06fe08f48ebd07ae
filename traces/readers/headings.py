"""Columns by their headings: names, units and quantities, for every format whose columns the user may choose."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.traces.errors import InputError, one_of, quoted
from headway.traces.readers.assemble import recording_of, repair
from headway.traces.readers.clock import Clock
from headway.traces.readers.lines import head
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import UNITS, Quantity, convert, factor

OPTIONS = (
    *("unit", "time_unit", "end", "column", "time_column", "load", "repair", "max_gap_s"),
    *("where", "merge", "step_s"),
)
MEASURED: tuple[Quantity, ...] = ("fraction", "rate", "size", "time")
"""Quantities of traces."""

_EXAMPLE_UNIT = {"time": "s", "size": "MB", "rate": "Mbit/s"}
_ANY_UNIT = (
    'the unit of a rate, such as "Mbit/s" or "MB/s", of a size, such as "MB", of a time, such as "ms", '
    'or of a share, "%"'
)
_MOST_ALIKE = 5
_HERTZ = re.compile(r"[kKMG]?hz", re.IGNORECASE)
"""A clock rate: not for traces, but logs of processors often have it beside the load."""

_UNIT_IN_HEADER = re.compile(r"(.*?)\s*[\[(]([^\[\]()]*)[\])]\s*")


@dataclass(frozen=True)
class Column:
    """A column to read.

    Attributes:
        index: number, from 0.
        unit: of its values, "" if neither the heading nor the user gives one.
    """

    index: int
    unit: str


@dataclass(frozen=True)
class Scale:
    """The quantity and unit of a column of values.

    Attributes:
        where: place of the heading, for messages.
        unit: as in the file or the option, "" without one.
        quantity: of the values.
        factor: SI value of the unit.
        guessed: whether the user did not name the quantity.
    """

    where: str
    unit: str
    quantity: Quantity
    factor: float
    guessed: bool


def headings_of(path: str, wanted: Sequence[str], separator: str = ",") -> list[str]:
    """The headings in the first line of a file.

    Raises:
        InputError: the first line lacks one of the wanted headings.
    """
    first = (head(path) or [""])[0]
    if not has_headings(first, wanted, separator):
        expected = f"a header with {', '.join(wanted[:-1])} and {wanted[-1]}"
        raise InputError(f"{path}:1", quoted(first), expected)
    return [heading.strip() for heading in first.split(separator)]


def layout_below(
    headings: Sequence[str],
    values: tuple[int, ...],
    separator: str = ",",
    *,
    time: int | None,
    clock: Clock | None = None,
    missing: frozenset[str] = frozenset(),
) -> Layout:
    """The layout of the rows below a header in the first line; arguments as the fields of `Layout`."""
    form = f"{len(headings)} columns, as in the header"
    return Layout(separator, len(headings), values, form, time=time, header=1, clock=clock, missing=missing)


def has_headings(line: str, wanted: Sequence[str], separator: str = ",") -> bool:
    """Whether a line has all the wanted headings."""
    return set(wanted) <= {heading.strip() for heading in line.split(separator)}


def chosen_columns(
    headings: Sequence[str], options: Options, path: str
) -> tuple[Column | None, Column, tuple[tuple[int, str], ...]]:
    """The column of times, None if the rows have none, that of values, and the cells that wanted rows have.

    Raises:
        InputError: there is no column of a name, or a unit does not fit.
    """

    def column(index: int, unit: str | None, option: str) -> Column:
        return Column(index, unit_of(headings[index], unit, path, option))

    cells = (options.where or {}).items()
    where = tuple((find_column(headings, name, "where", path), str(cell)) for name, cell in cells)
    times = 0
    if options.time_column is not None:
        times = find_column(headings, options.time_column, "time_column", path)
    value = 1 - min(times, 1) if options.step_s is None else 0
    if options.column is not None:
        value = find_column(headings, options.column, "column", path)
    values = column(value, options.unit, "unit")
    return (
        None if options.step_s is not None else column(times, options.time_unit, "time_unit"),
        values,
        where,
    )


def scale_of(unit: str, quantity: Quantity | None, where: str) -> Scale:
    """The scale of values in a unit; their quantity follows from the unit if the user does not name it.

    Raises:
        InputError: no trace has values in this unit, or it does not measure the quantity.
    """
    measured = quantity or next((one for one in MEASURED if unit in UNITS[one]), None)
    if measured is None:
        raise InputError(where, f"the unit {quoted(unit)}", _ANY_UNIT)
    return Scale(where, unit, measured, unit_factor(unit, measured, where, "unit"), quantity is None)


def unit_factor(unit: str, quantity: Quantity, where: str, option: str) -> float:
    """The SI value of a unit that a header or an option must give, except for a share.

    Raises:
        InputError: it is missing, or measures another quantity.
    """
    if not unit and quantity != "fraction":
        example = _EXAMPLE_UNIT[quantity]
        header, argument = f"{quantity} [{example}]", f'{option}="{example}"'
        expected = f'a header with the unit, such as "{header}", or the option {argument}'
        raise InputError(where, f"no unit for the {quantity}", expected)
    return factor(unit, quantity, where)


def column_recording(
    path: str, times: FloatArray | None, values: FloatArray, scale: Scale, options: Options, name: str
) -> Recording:
    """The recording of rows in columns, repaired if the user asks for it.

    Args:
        path: of the file.
        times: in seconds, shape (n,); None for rows that are `options.step_s` apart.
        values: in the unit of the scale, NaN where one is missing, shape (n,), n >= 1.
        scale: of the values.
        options: of the user.
        name: of the format.

    Raises:
        InputError: a repair would lose too much, values without a unit cannot be shares, or the rows make no trace.
    """
    rows, repairs = len(values), Counter[str]()
    if times is None:
        times = (options.step_s or 0.0) * np.arange(float(rows))
    values = convert(values, scale.factor)
    if options.repair:
        times, values, repairs = repair(path, times, values, options)
    return scaled_recording(path, times, values, scale, options, name, rows, repairs)


def scaled_recording(
    path: str,
    times: FloatArray,
    values: FloatArray,
    scale: Scale,
    options: Options,
    name: str,
    rows: int,
    repairs: Counter[str],
) -> Recording:
    """The recording of values in SI units, whose scale gives the quantity; further arguments as for `recording_of`.

    Raises:
        InputError: the rows make no trace, or values above 1 count as shares only because there is no unit.
    """
    most = float(values.max(initial=0.0))
    if scale.guessed and not scale.unit and most > 1.0:
        expected = f'a header with the unit, such as "rate [Mbit/s]", or the option unit: {_ANY_UNIT}'
        raise InputError(scale.where, f"values up to {most:g} without a unit", expected)
    load = options.load is not None
    return recording_of(
        path, times, values, options, name, scale.quantity, rows=rows, repairs=repairs, is_load=load
    )


def nothing_left(path: str, options: Options) -> InputError:
    """The error for a file without rows that have the wanted cells."""
    wanted = ", ".join(f"{name} is {value}" for name, value in (options.where or {}).items())
    got = f"no row in which {quoted(wanted)[1:-1]}"
    return InputError(f"{path} (option where)", got, "values that occur in the file")


def split_header(heading: str) -> tuple[str, str]:
    """A heading without its unit, and the unit, "" if it has none."""
    match = _UNIT_IN_HEADER.fullmatch(heading)
    return (match[1].strip(), match[2].strip()) if match else (heading.strip(), "")


def unit_of(heading: str, user_unit: str | None, where: str, option: str) -> str:
    """The unit of a column: that of the user, else that in the heading, "" without either.

    Raises:
        InputError: the heading has a unit of another quantity than that of the user. If the unit in the heading is
            unknown (`Mbps`) or of the same quantity, the unit of the user is used.
    """
    _, header_unit = split_header(heading)
    if user_unit is None:
        return header_unit
    by_user, in_header = _measured_by(user_unit), _measured_by(header_unit)
    if not by_user or not in_header or by_user & in_header:
        return user_unit
    got = f"the unit {quoted(user_unit)} for the column {quoted(heading.strip())}"
    expected = "a unit of the same quantity as in the header, or another column"
    raise InputError(f"{where} (option {option})", got, expected)


def _measured_by(unit: str) -> frozenset[str]:
    """The quantities that have a unit; none if it is unknown or empty."""
    if unit == "":
        return frozenset()
    known = {quantity for quantity, units in UNITS.items() if unit in units}
    return frozenset(known | ({"cycles"} if _HERTZ.fullmatch(unit) else set()))


def find_column(headings: Sequence[str], wanted: str, option: str, path: str) -> int:
    """The number, from 0, of a column, from its heading with or without the unit, or from its number, from 1.

    Raises:
        InputError: there is none, or several have the heading.
    """
    for spelled in (list(map(str.strip, headings)), [split_header(heading)[0] for heading in headings]):
        same = [index for index, name in enumerate(spelled) if name == wanted]
        if len(same) > 1:
            got = f"{quoted(wanted)}, which {len(same)} columns are called"
            places = [f"{quoted(headings[at].strip())} (number {at + 1})" for at in same[:_MOST_ALIKE]]
            raise InputError(f"{path} (option {option})", got, " or ".join(places))
        if same:
            return same[0]
    if wanted.isdecimal() and wanted.isascii() and 1 <= int(wanted[:9]) <= len(headings):
        return int(wanted) - 1
    names = [split_header(heading)[0] for heading in headings]
    expected = f"{one_of(wanted, names)}, or a number from 1 to {len(headings)}"
    raise InputError(f"{path} (option {option})", f"no column {quoted(wanted)}", expected)
