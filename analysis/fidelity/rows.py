"""Rows of measurements: CSV files with one published or own measurement per row.

A row names a system, its devices, the model, the network and the work in free text, and has measured numbers in fixed
units. Blank numbers were not measured. Unknown columns are ignored. `interpret` turns the texts into values.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from headway.traces.errors import InputError, quoted, reason
from headway.traces.files import read_text

LARGEST_FILE = 1 << 24
"""Largest file [bytes]."""

LONGEST_CELL = 4_000
"""Longest cell [characters]."""

MOST_ROWS = 20_000

REQUIRED = ("id", "system", "devices", "model", "phase")
"""Columns that every file has."""

_LARGEST = 1e15
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|\.[0-9]+")
_COUNT = re.compile(r"(\d{1,4})(?: \([^()]*\))?", re.ASCII)
_FORM = f"a CSV file with a header that has the columns {', '.join(REQUIRED)}"


@dataclass(frozen=True)
class Row:
    """One measurement, or one question without measured numbers.

    Attributes:
        line: number of its first line in the file; 0 without a CSV file.
        n_devices: text of the number of devices; `device_count` is the number where it is clear.
        ms_per_token_total: time per token [ms].
        ms_compute: part of it in which the root computes [ms].
        ms_transfer_or_sync: part of it in which the root communicates or waits [ms].
        root_sent_kB_per_token: sent by the root [kB of 1024 B].
        root_recv_kB_per_token: received by the root [kB of 1024 B].
        tokens_per_s: generated or processed tokens per second.
        other_metric: name of a further measured quantity.
        other_value: its value, or several, as text.
        other_unit: its unit, or several, as text.
    """

    id: str
    system: str
    devices: str
    model: str
    phase: str
    record_type: str = ""
    version: str = ""
    n_devices: str = ""
    weights_precision: str = ""
    wire_precision: str = ""
    kv_precision: str = ""
    network: str = ""
    parallelism: str = ""
    context_or_tokens: str = ""
    other_metric: str = ""
    other_value: str = ""
    other_unit: str = ""
    ms_per_token_total: float | None = None
    ms_compute: float | None = None
    ms_transfer_or_sync: float | None = None
    root_sent_kB_per_token: float | None = None  # noqa: N815 (the name of the column)
    root_recv_kB_per_token: float | None = None  # noqa: N815
    tokens_per_s: float | None = None
    line: int = 0

    @property
    def device_count(self) -> int | None:
        """The number of devices; None where the text has none or a range, such as "2-4 (not stated)"."""
        form = _COUNT.fullmatch(self.n_devices)
        return int(form[1]) or None if form else None


NUMBERS = tuple(field.name for field in fields(Row) if field.type == float | None)
"""Columns of measured numbers."""

_COLUMNS = tuple(field.name for field in fields(Row) if field.name != "line")


def read_rows(path: str | Path) -> list[Row]:
    """Read a file of measurements.

    Raises:
        InputError: the file cannot be read, lacks a required column, has no or damaged rows, or repeats an id.
    """
    return rows_in(read_text(path, LARGEST_FILE, _FORM), str(path))


def rows_in(text: str, path: str) -> list[Row]:
    """The rows in the text of a file; exceptions as those of `read_rows`."""
    table = _table(path, text)
    line, header = next(table, (0, []))
    if not line:
        raise InputError(path, "an empty file", _FORM)
    columns = _columns(f"{path}:{line}", header)
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for line, cells in table:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise InputError(where, f"{len(cells)} cells", f"{len(header)} cells, as in the header")
        longest = max(map(len, cells))
        if longest > LONGEST_CELL:
            raise InputError(where, f"a cell of {longest:,} characters", f"at most {LONGEST_CELL:,}")
        row = _row(where, line, {name: cells[index].strip() for name, index in columns.items()})
        if row.id in lines:
            raise InputError(where, f"the id {quoted(row.id)} of line {lines[row.id]} again", "unique ids")
        if len(rows) == MOST_ROWS:
            raise InputError(where, f"more than {MOST_ROWS:,} rows", "a shorter file")
        lines[row.id] = line
        rows.append(row)
    if not rows:
        raise InputError(path, "a header without rows", "at least one row")
    return rows


def _table(path: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}:{line}", f"damaged CSV ({reason(error)})", _FORM) from error
        if cells is None:
            return
        if any(map(str.strip, cells)):
            yield line, cells
        line = reader.line_num + 1


def _columns(where: str, header: Sequence[str]) -> dict[str, int]:
    """The index of each known column."""
    names = [name.strip() for name in header]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise InputError(where, f"a header without {', '.join(missing)}", _FORM)
    known = [name for name in _COLUMNS if name in names]
    twice = next((name for name in known if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(where, f"two columns {twice}", "unique names of columns")
    return {name: names.index(name) for name in known}


def _row(where: str, line: int, cells: dict[str, str]) -> Row:
    if not cells["id"]:
        raise InputError(where, "a row without id", "a unique id in every row")
    values: dict[str, Any] = {
        name: _number(f"{where} ({name})", text) if name in NUMBERS else text for name, text in cells.items()
    }
    return Row(line=line, **values)


def _number(where: str, text: str) -> float | None:
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not value <= _LARGEST:
        raise InputError(where, quoted(text), "a number >= 0 such as 12.5, or nothing")
    return value
