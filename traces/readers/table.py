"""Columns of numbers out of text of any size.

pyarrow turns a clean block of lines into arrays. A block that it refuses, or in which a number is out of range, is read
again row by row; this slow reader defines the format, and reports the line of a mistake.
"""

import csv as plain_csv
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import methodcaller

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from headway.traces.errors import InputError, quoted
from headway.traces.readers.clock import NANOSECONDS, Clock
from headway.traces.readers.lines import LONGEST_LINE, blocks, lines_of
from headway.traces.trace import FloatArray
from headway.traces.units import convert

LARGEST = 1e100
"""Numbers in files are below this, so that products of two are finite."""

NUMBER = f"a finite number >= 0 and below {LARGEST:g}, written like 12.5 or 1e-3"
BLANKS = " "
"""The separator for columns with any number of blanks and tabs between them."""


_COMMENT = re.compile(rb"^[ \t]*#[^\n]*(?:\n|\Z)", re.MULTILINE)

Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Layout:
    """The form of the rows of a file, and the columns to read.

    Attributes:
        separator: between columns; `BLANKS` for any number of blanks and tabs.
        width: columns of a row.
        values: numbers, from 0, of the columns of values to read.
        time: number of the column with times; None if there is none.
        header: lines up to this one are not rows.
        clock: the format of dates; None if times are numbers of a unit worth `time_factor` seconds.
        time_factor: unit of the times [s].
        missing: texts that mean a missing value; empty if no value may be missing.
        absolute: whether times that are numbers count from 0, and not from the first row.
        rising: whether each time must be after the one before.
        where: numbers of columns, from 0, and their cells in the wanted rows.
        form: description of a row, for messages.
    """

    separator: str
    width: int
    values: tuple[int, ...]
    form: str
    time: int | None = 0
    header: int = 0
    clock: Clock | None = None
    time_factor: float = 1.0
    missing: frozenset[str] = field(default_factory=frozenset)
    absolute: bool = False
    rising: bool = False
    where: tuple[tuple[int, str], ...] = ()

    @property
    def wanted(self) -> tuple[int, ...]:
        """The wanted columns, times first."""
        return self.values if self.time is None else (self.time, *self.values)

    @cached_property
    def arrow(self) -> dict[str, object]:
        """The options of pyarrow for a clean block."""
        names = [str(number) for number in range(self.width)]
        types = {str(number): pa.float64() for number in self.wanted}
        if self.clock is not None:
            types[str(self.time)] = NANOSECONDS
        return {
            "read_options": csv.ReadOptions(column_names=names, use_threads=False, block_size=1 << 24),
            "parse_options": csv.ParseOptions(delimiter=self.separator),
            "convert_options": csv.ConvertOptions(
                column_types=types,
                include_columns=[str(number) for number in self.wanted],
                null_values=sorted(self.missing),
                timestamp_parsers=[csv.ISO8601 if self.clock is None else self.clock.parser],
            ),
        }


def read_table(path: str, layout: Layout) -> list[FloatArray]:
    """The wanted columns, shape (rows,) each: times [s] if there are any, then values, NaN where one is missing.

    Times are counted from the first row unless the layout has them absolute. Memory is that of the result and a few
    blocks.

    Raises:
        InputError: the file cannot be read, or a row breaks the layout.
    """
    reader = _Reader(path, layout)
    columns = [array("d") for _ in layout.wanted]
    for first, block in blocks(path, LONGEST_LINE):
        for column, part in zip(columns, reader.parts(*_below(layout.header, first, block)), strict=True):
            column.frombytes(part.tobytes())
    return [np.frombuffer(column) if column else np.empty(0) for column in columns]


def _below(header: int, first: int, block: bytes) -> tuple[int, bytes]:
    """The part of a block below the header."""
    if first > header:
        return first, block
    return header + 1, b"\n".join(block.split(b"\n")[header + 1 - first :])


class _Reader:
    """Reads one block after another; keeps the first and the last time."""

    def __init__(self, path: str, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._split = splitter(layout.separator)
        # Subtracted before the unit is applied: an epoch in milliseconds is exact, but not in seconds.
        self._origin: float | None = 0.0 if layout.absolute else None
        self._before = -1.0

    def parts(self, first: int, block: bytes) -> list[FloatArray]:
        """The columns of a block."""
        columns = self._fast(block) or self._slow(first, block)
        if self._layout.time is not None and len(columns[0]):
            self._before = float(columns[0][-1])
        return columns

    def _fast(self, block: bytes) -> list[FloatArray] | None:
        """The columns of a block that is clean; None for any other."""
        if self._layout.where:
            return None
        if b"#" in block:
            block = _COMMENT.sub(b"", block)
        if self._layout.separator == BLANKS:
            block = _single_blanks(block)
        if self._layout.clock is not None and self._layout.clock.doubtful.search(block):
            return None
        try:
            table = csv.read_csv(pa.BufferReader(block), **self._layout.arrow)
        except pa.ArrowException:
            return None
        # A quotation mark may hide the end of a line from pyarrow.
        if b'"' in block and table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
            return None
        columns = [column.combine_chunks() for column in table.columns]
        seconds: list[FloatArray] = []
        if self._layout.time is not None:
            if (times := self._seconds(columns.pop(0))) is None:
                return None
            seconds = [times]
        values = [*map(_numbers, columns)]
        missing = [column.null_count for column in columns]
        return [*seconds, *values] if all(map(_is_clean, values, missing)) else None

    def _seconds(self, times: pa.Array) -> FloatArray | None:
        """Times in seconds; None if one is missing or out of range, or if they do not rise where they must."""
        if times.null_count:
            return None
        if self._layout.clock is not None:
            seconds = self._since_first(times.to_numpy().astype(np.int64))
        elif _is_clean(numbers := _numbers(times), 0):
            seconds = self._since_first(numbers)
        else:
            return None
        rising = not self._layout.rising or bool((np.diff(seconds, prepend=self._before) > 0).all())
        return seconds if rising else None

    def _since_first(self, times: FloatArray | npt.NDArray[np.int64]) -> FloatArray:
        """Seconds since the first row, of numbers in the unit of the layout or of nanoseconds."""
        if self._origin is None and len(times):
            self._origin = times[0].item()
        since: FloatArray = np.asarray(times - (self._origin or 0), dtype=np.float64)
        return since / 1e9 if self._layout.clock else convert(since, self._layout.time_factor)

    def _slow(self, first: int, block: bytes) -> list[FloatArray]:
        columns = [array("d") for _ in self._layout.wanted]
        for number, line in lines_of(first, block):
            if line and not line.startswith("#"):
                fields = self._fields(number, line)
                if all(is_same(fields[at], wanted) for at, wanted in self._layout.where):
                    for column, value in zip(columns, self._row(number, fields), strict=True):
                        column.append(value)
        return [np.array(column) for column in columns]

    def _fields(self, number: int, line: str) -> list[str]:
        fields = self._split(line)
        if len(fields) != self._layout.width:
            got = f"{len(fields)} columns in {quoted(line)}"
            raise InputError(f"{self._path}:{number}", got, self._layout.form)
        return fields

    def _row(self, number: int, fields: list[str]) -> Iterator[float]:
        if self._layout.time is not None:
            yield self._time(number, fields[self._layout.time].strip())
        for column in self._layout.values:
            text = fields[column].strip()
            yield np.nan if text in self._layout.missing else numeral(text, number, self._path)

    def _time(self, number: int, text: str) -> float:
        clock = self._layout.clock
        if clock is None:
            time = float(self._since_first(np.array([numeral(text, number, self._path)]))[0])
        else:
            nanoseconds = clock.nanoseconds(text)
            if nanoseconds is None:
                raise InputError(f"{self._path}:{number}", quoted(text), f"a time such as {clock.example}")
            time = float(self._since_first(np.array([nanoseconds]))[0])
        if self._layout.rising and time <= self._before:
            raise InputError(f"{self._path}:{number}", f"the time {text}", "a time after the row before")
        self._before = time
        return time


def _numbers(column: pa.Array) -> FloatArray:
    """The numbers of a column. `to_numpy` would import pandas, which takes longer than to read most files."""
    if column.null_count or not pa.types.is_floating(column.type):
        numbers: FloatArray = column.to_numpy(zero_copy_only=False)
        return numbers
    return np.from_dlpack(column).astype(np.float64, copy=False)


def _is_clean(values: FloatArray, missing: int) -> bool:
    """Whether all values are in range, apart from missing ones, which are NaN."""
    return bool(np.count_nonzero((values >= 0) & (values < LARGEST)) + missing == len(values))


def _single_blanks(block: bytes) -> bytes:
    """The lines with one blank between two columns, and none at their ends."""
    block = block.replace(b"\t", b" ").replace(b"\r\n", b"\n")
    while b"  " in block:
        block = block.replace(b"  ", b" ")
    return block.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip(b" ")


def splitter(separator: str) -> Split:
    """The function that splits a line into columns; a column in double quotes may contain the separator."""
    if separator == BLANKS:
        return str.split
    plain: Split = methodcaller("split", separator)

    def split(line: str) -> list[str]:
        if '"' not in line:
            return plain(line)
        try:
            fields: list[str] = next(plain_csv.reader([line], delimiter=separator))
        except plain_csv.Error:
            return []
        return fields

    return split


def separator_of(line: str) -> str:
    """The separator of a line: the first of semicolon, comma and tab that it contains, else blanks."""
    return next((separator for separator in ";,\t" if separator in line), BLANKS)


def is_same(cell: str, wanted: str) -> bool:
    """Whether a cell equals a wanted one, as text or as a number."""
    cell = cell.strip()
    if cell == wanted:
        return True
    number = numeral_or_none(cell)
    return number is not None and number == numeral_or_none(wanted)


def numeral_or_none(text: str) -> float | None:
    """The number in a text; None if the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return None


def numeral(text: str, line: int, path: str) -> float:
    """The number in a text of a line.

    Raises:
        InputError: the text is not a number in range.
    """
    value = numeral_or_none(text)
    # float() also takes "1_000" and the digits of other scripts: in a trace, more likely damage than numbers.
    if value is None or not 0 <= value < LARGEST or not text.isascii() or "_" in text:
        raise InputError(f"{path}:{line}", quoted(text), NUMBER)
    return value
