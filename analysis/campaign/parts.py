"""Folders of Parquet files that appear at once or not at all.

A part is written elsewhere, where no reader looks, brought to the disk, and then renamed: that one step makes it
visible, all its tables together. Nothing that is visible is ever changed.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.campaign.tables import STORED, Tables, table_file, told_of
from traces.errors import InputError, reason, shown

_ROWS = 1 << 17
"""Rows that are held in memory while journal entries are put together, about."""

_FOLDED = "folded.json"
_PART = re.compile(r"[0-9]{6,12}-[0-9a-f]{8}")


def parts_in(folder: Path) -> list[Path]:
    """The visible parts in a folder, in order of their names; what no runner has made is left alone."""
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name) and path.is_dir())


def write_part(folder: Path, tables: Tables, unfinished: Path) -> Path:
    """Write tables as a new part; those without rows are left out.

    Args:
        folder: where it shall appear.
        tables: what shall be in it.
        unfinished: a folder on the same disk for what is being written. A hidden one in `folder` would not do: DuckDB
            and polars look into hidden folders too.

    Raises:
        OSError: it cannot be written; then nothing is visible.
    """
    with _hidden(unfinished) as hidden:
        for name, table in tables.items():
            if table.num_rows:
                with table_file(hidden / f"{name}.parquet", STORED[name]) as file:
                    file.write_table(table)
        return _show(hidden, folder)


def fold(entries: Sequence[Path], folder: Path, unfinished: Path) -> Path:
    """Put the tables of many parts together into a new one, which knows what it was made from; as `write_part`.

    Raises:
        OSError: it cannot be written; then nothing is visible.
        InputError: an entry is broken.
    """
    with _hidden(unfinished) as hidden:
        for name in STORED:
            files = [path for entry in entries if (path := entry / f"{name}.parquet").exists()]
            if files:
                with table_file(hidden / f"{name}.parquet", STORED[name]) as file:
                    for table in _batches(files):
                        file.write_table(table)
        (hidden / _FOLDED).write_text(json.dumps([entry.name for entry in entries]), encoding="utf-8")
        return _show(hidden, folder)


def folded(entries: Sequence[Path], parts: Iterable[Path]) -> set[str]:
    """Names of those entries that parts were made from."""
    names, found = {entry.name for entry in entries}, set[str]()
    if names:
        for path in (part / _FOLDED for part in parts):
            if path.exists():
                found |= names.intersection(_names(path))
    return found


def _names(path: Path) -> list[str]:
    """The names in a list that a fold has left.

    Raises:
        InputError: it is none.
    """
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), reason(error), "a list of names written by headway") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(str(path), shown(names), "a list of names written by headway")
    return names


def size_bytes(part: Path) -> int:
    """What a part takes on the disk."""
    return sum(path.stat().st_size for path in part.iterdir())


def remove(part: Path) -> None:
    """Remove a part whose rows are in another one."""
    shutil.rmtree(part)


def clear(unfinished: Path) -> None:
    """Remove what was being written when a runner died."""
    for path in unfinished.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _hidden(unfinished: Path) -> Iterator[Path]:
    hidden = unfinished / uuid.uuid4().hex
    hidden.mkdir()
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _show(hidden: Path, folder: Path) -> Path:
    for path in hidden.iterdir():
        sync(path)
    sync(hidden)
    # The random end keeps names unique after entries were removed: a fold remembers its entries by name.
    last = max((int(path.name.partition("-")[0]) for path in parts_in(folder)), default=0)
    shown = folder / f"{last + 1:06}-{hidden.name[:8]}"
    hidden.rename(shown)
    sync(folder)
    return shown


def _batches(files: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of all files, many at a time but not all."""
    tables: list[pa.Table] = []
    for path in files:
        with told_of(path):
            tables.append(pq.read_table(path))
        if sum(table.num_rows for table in tables) >= _ROWS:
            yield pa.concat_tables(tables)
            tables.clear()
    if tables:
        yield pa.concat_tables(tables)
