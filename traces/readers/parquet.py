"""Parquet files with a time and a value in each row; names of columns are like the header of a text file.

As in text, a value holds until the time of the next row, times are shifted so that the first is 0 and must rise unless
`repair` is set, and the user names the columns if there are more than two. Times may be of a timestamp type.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from headway.traces.errors import InputError, quoted, reason
from headway.traces.readers.assemble import repair
from headway.traces.readers.headings import (
    OPTIONS,
    chosen_columns,
    nothing_left,
    scale_of,
    scaled_recording,
    unit_factor,
)
from headway.traces.readers.lines import opened, read_block
from headway.traces.readers.options import Options
from headway.traces.readers.table import LARGEST, NUMBER, is_same
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import Quantity, convert

NAME = "parquet"
_MAGIC = b"PAR1"
_BATCH = 1 << 16
_FORM = "a Parquet file with a column of times and one of values"

MOST_ROWS = 20_000_000
"""The most rows that are read: a row may take much less space in the file than in text."""


def is_parquet(path: str) -> bool:
    """Whether a file begins like a Parquet file."""
    with opened(path) as file:
        return read_block(file, path, len(_MAGIC)) == _MAGIC


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Never: a Parquet file has no lines; see `is_parquet`."""
    return False


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A recording of any quantity; it follows from the unit of the values if the caller does not name it."""
    options.allow(path, *(name for name in OPTIONS if name != "step_s"))
    with opened(path) as file:
        if not file.seekable():
            raise InputError(path, "a Parquet file that is compressed as a whole", "it decompressed")
        try:
            return _read(path, pq.ParquetFile(file), quantity, options)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(path, f"a file that cannot be read ({reason(error)})", _FORM) from error


def _read(path: str, file: pq.ParquetFile, quantity: Quantity | None, options: Options) -> Recording:
    names = file.schema_arrow.names
    if len(names) != 2 and (options.column is None or len(names) < 2):
        raise InputError(path, f"{len(names)} columns", f"{_FORM}; of more than two, the option column")
    time_column, value_column, cells = chosen_columns(names, options, path)
    assert time_column is not None, "rows of Parquet files have times"
    time, time_unit, value = time_column.index, time_column.unit, value_column.index
    scale = scale_of(value_column.unit, quantity, path)
    _check_types(path, file, time, value)
    dated = pa.types.is_timestamp(file.schema_arrow.field(time).type)
    if dated:
        times, time_unit, time_factor = _moments(path, file, time), "s", 1.0
    else:
        times, time_factor = _numbers(file, time), unit_factor(time_unit, "time", path, "time_unit")
    values = convert(_numbers(file, value), scale.factor)
    if cells:
        mask = _rows_with(file, cells)
        times, values = times[mask], values[mask]
        if not len(times):
            raise nothing_left(path, options)
    rows, repairs = len(times), Counter[str]()
    if options.repair:
        present = ~np.isnan(times)
        times, values, repairs = repair(path, times[present], values[present], options)
        repairs += Counter({"missing times": int(np.count_nonzero(~present))})
    _check(path, times, values, dated, time_unit)
    # The start is subtracted first: an epoch in milliseconds is exact, but not in seconds.
    times = convert(times - times[:1], time_factor)
    return scaled_recording(path, times, values, scale, options, NAME, rows, repairs)


def _check_types(path: str, file: pq.ParquetFile, time: int, value: int) -> None:
    """Refuse nested columns and too many rows, before any row is read."""
    rows = sum(file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))
    if max(rows, file.metadata.num_rows) > MOST_ROWS:
        raise InputError(path, f"{rows:,} rows", f"at most {MOST_ROWS:,}")
    for column in (time, value):
        kind = file.schema_arrow.field(column).type
        plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not plain and not (column == time and pa.types.is_timestamp(kind)):
            name = file.schema_arrow.names[column]
            raise InputError(path, f"the column {quoted(name)} of type {quoted(str(kind))[1:-1]}", "numbers")


def _batches(file: pq.ParquetFile, column: int) -> Iterator[pa.Array]:
    """The cells of a column, a batch at a time."""
    for batch in file.iter_batches(_BATCH, columns=[file.schema_arrow.names[column]]):
        yield batch.column(0)


def _numbers(file: pq.ParquetFile, column: int) -> FloatArray:
    """A column of numbers, NaN where one is missing."""
    numbers = array("d")
    for cells in _batches(file, column):
        numbers.frombytes(cells.cast(pa.float64()).to_numpy(zero_copy_only=False).tobytes())
    return np.frombuffer(numbers) if numbers else np.empty(0)


def _rows_with(file: pq.ParquetFile, wanted: Sequence[tuple[int, str]]) -> npt.NDArray[np.bool_]:
    """A mask of the rows that have the wanted cells in columns given by number."""
    mask = np.ones(file.metadata.num_rows, dtype=np.bool_)
    for column, cell in wanted:
        start = 0
        for cells in _batches(file, column):
            mask[start : start + len(cells)] &= [is_same(str(one), cell) for one in cells.to_pylist()]
            start += len(cells)
    return mask


def _moments(path: str, file: pq.ParquetFile, column: int) -> FloatArray:
    """A column of times of a timestamp type, in seconds since the first."""
    nanoseconds = array("q")
    for cells in _batches(file, column):
        if cells.null_count:
            raise InputError(path, "a row without a time", "a time in each row")
        nanoseconds.frombytes(cells.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy().tobytes())
    since = np.array(nanoseconds, dtype=np.int64)
    return (since - since[:1]) / 1e9


def _check(path: str, times: FloatArray, values: FloatArray, dated: bool, time_unit: str) -> None:
    """Refuse a row in which a number is out of range, or a time not after the one before."""
    for what, column in (("time", times), ("value", values)):
        good = (column >= 0) & (column < LARGEST) if what == "value" or not dated else np.isfinite(column)
        if not good.all():
            at = int(np.argmin(good))
            raise InputError(f"{path} (row {at + 1})", f"the {what} {quoted(float(column[at]))}", NUMBER)
    rising = np.diff(times, prepend=-np.inf) > 0
    if not rising.all():
        at = int(np.argmin(rising))
        got = f"the time {times[at]:.17g} {time_unit}"
        raise InputError(f"{path} (row {at + 1})", got, "a time after the row before")
