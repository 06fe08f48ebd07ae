"""Collects the rows of a run as compact columns, in memory or in Parquet files."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.results import TABLES, Result, result_in, result_of
from headway.simcore.table_files import NewTables

_CHUNK_ROWS = 1 << 15
"""Number of rows of a table that wait in memory as the engine gave them, before they become columns."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of text that repeats a few names.

    Attributes:
        names: the distinct texts.
        codes: the index in `names` of each row, shape (n,). For a multiple of n rows they are repeated in order.
    """

    names: Sequence[str]
    codes: IntArray

    def tolist(self) -> list[str]:
        """The text of each code."""
        return [self.names[code] for code in self.codes.tolist()]


_COLUMNS = {list, np.ndarray, Labels}
"""Types of a column with a value per row; any other value is the same in all rows."""

_NUMBERS = {pa.int64(): np.int64, pa.float64(): np.float64, pa.bool_(): np.bool_}


def every_label(names: Sequence[str]) -> Labels:
    """All names in order; for a multiple of their number of rows again and again."""
    return Labels(names, np.arange(len(names)))


class Recorder:
    """Collects rows during a run; nothing reads them before the run has ended.

    Rows wait as the engine gave them. When `_CHUNK_ROWS` rows of a table wait, they become a chunk of columns with
    dictionary-encoded text, which stays in memory or goes to the Parquet file of the table (docs/decisions, 42). The
    recorder is a context manager, which removes unfinished files after an exception.

    Args:
        run: name of the run.
        out: folder for the tables; None keeps them in memory.

    Raises:
        InputError: the folder is in use.
        OSError: the folder cannot be written.
    """

    def __init__(self, run: str, out: str | os.PathLike[str] | None = None) -> None:
        self._run = run
        self._waiting: dict[str, list[tuple[int, tuple[Any, ...]]]] = {name: [] for name in TABLES}
        self._rows = dict.fromkeys(TABLES, 0)
        self._chunks: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
        self._files = None if out is None else NewTables(Path(out))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._files is not None:
            self._files.discard()

    def add(self, table: str, *row: object) -> None:
        """Append one row, without its `run`."""
        self.add_many(table, 1, *row)

    def add_many(self, table: str, count: int, *columns: object) -> None:
        """Append `count` rows given as columns, without `run`.

        Args:
            table: its name.
            count: number of rows.
            columns: an array of shape (count,), a list with `count` values, `Labels`, or one value for all rows. Lists
                and arrays must not change afterwards.
        """
        self._waiting[table].append((count, columns))
        self._rows[table] += count
        if self._rows[table] >= _CHUNK_ROWS:
            self._build(table)

    def _build(self, table: str) -> None:
        """Turn the waiting rows of a table into a chunk."""
        chunk = _chunk(table, self._run, self._waiting[table], TABLES[table].names)
        self._waiting[table], self._rows[table] = [], 0
        if self._files is None:
            self._chunks[table].append(chunk)
        else:
            self._files.write(table, chunk.cast(TABLES[table]))

    def result(self) -> Result:
        """All rows as tables.

        Raises:
            OSError: a file cannot be written.
        """
        if self._files is None:
            return result_of(
                {
                    name: [*chunks, partial(_chunk, name, self._run, self._waiting[name])]
                    for name, chunks in self._chunks.items()
                }
            )
        for table in TABLES:
            self._build(table)
        return result_in(self._files.publish())


def _chunk(
    table: str, run: str, waiting: Sequence[tuple[int, tuple[Any, ...]]], columns: Sequence[str]
) -> pa.Table:
    """Some columns of the waiting rows of a table; text is dictionary-encoded."""
    schema = TABLES[table]
    counts = [count for count, _ in waiting]
    arrays = []
    for column in columns:
        position, kind = schema.get_field_index(column) - 1, schema.field(column).type
        if position < 0:
            arrays.append(_text([sum(counts)], [run]))
            continue
        values = [row[position] for _, row in waiting]
        if kind in _NUMBERS:
            flat = _numbers(counts, values, _NUMBERS[kind])
            bits = np.packbits(flat, bitorder="little") if kind == pa.bool_() else flat
            arrays.append(_array(kind, np.isnan(flat), bits))  # NaN becomes a missing value
        else:
            arrays.append(_text(counts, values))
    return pa.Table.from_arrays(arrays, list(columns))


def _numbers(counts: Sequence[int], values: Sequence[Any], kind: type[np.generic]) -> NDArray[Any]:
    """A column of numbers, shape (sum of counts,); None is NaN."""
    if _COLUMNS & set(map(type, values)):
        parts = [
            np.asarray(each, kind) if type(each) in _COLUMNS else np.full(count, each, kind)
            for count, each in zip(counts, values, strict=True)
        ]
        return np.concatenate(parts)
    return _repeated(np.array(values, kind), counts)


def _text(counts: Sequence[int], values: Sequence[Any]) -> pa.Array:
    """A column of text, dictionary-encoded."""
    index: dict[str | None, int] = {}

    def codes(names: Iterable[str | None]) -> NDArray[np.int32]:
        return np.array([index.setdefault(name, len(index)) for name in names], np.int32)

    if not _COLUMNS & set(map(type, values)):
        flat = _repeated(codes(values), counts)
        return _encoded(flat, list(index))
    known: dict[int, NDArray[np.int32]] = {}  # the same labels often come again
    parts = []
    for count, each in zip(counts, values, strict=True):
        if isinstance(each, Labels):
            if id(each) not in known:
                known[id(each)] = codes(each.names)[each.codes]
            one = known[id(each)]
            parts.append(one if len(one) == count else np.tile(one, count // len(one)))
        else:
            parts.append(codes(each) if isinstance(each, list) else np.repeat(codes([each]), count))
    return _encoded(np.concatenate(parts), list(index))


def _encoded(codes: NDArray[np.int32], names: Sequence[str | None]) -> pa.Array:
    """Dictionary-encoded text: the index in `names` of each row."""
    missing = np.array([name is None for name in names], np.bool_)
    texts = [b"" if name is None else name.encode() for name in names]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    index = _array(pa.int32(), np.zeros(len(codes), np.bool_), codes)
    return pa.DictionaryArray.from_arrays(index, _array(pa.string(), missing, ends, b"".join(texts)))


def _array(kind: pa.DataType, missing: BoolArray, *data: NDArray[Any] | bytes) -> pa.Array:
    """An Arrow array of its buffers. `pa.array` would import pandas, which takes a process a quarter of a second."""
    known = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(kind, len(missing), [known, *map(pa.py_buffer, data)])


def _repeated(flat: NDArray[Any], counts: Sequence[int]) -> NDArray[Any]:
    return flat if len(flat) == sum(counts) else np.repeat(flat, counts)
