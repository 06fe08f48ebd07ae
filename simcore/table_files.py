"""Parquet files of tables: reading files of unknown origin, and writing a folder of tables while a run goes on."""

import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headway.simcore.arrays import FloatArray
from headway.simcore.manifest import write_manifest
from headway.traces import InputError
from headway.traces.errors import quoted, reason
from headway.traces.files import open_input

MOST_ROWS = 200_000_000
"""Maximum rows of a table that is read at once: a file of a few kilobytes may claim any number."""

_LARGEST = 1e60
"""Numbers in a scenario are at most 1e18; sums and quotients of them stay far below this."""

VERSION_KEY = "headway.schema"
"""Key of the schema version in the metadata of a table."""

_MAYBE_INFINITE = "predicted_"
_MAYBE_MISSING = ("parameters", "executor")  # for a run that could not start


def read_table(path: Path, schema: pa.Schema | None = None, *, versioned: bool = False) -> pa.Table:
    """Read a table from a Parquet file of unknown origin; check its size and columns before reading its rows.

    Checksums of its pages are compared, if it has any.

    Args:
        path: of the file.
        schema: the columns that it must have, names and types; any if None.
        versioned: whether the file must also state the schema version of `schema`.

    Raises:
        InputError: the file cannot be read, has other columns or too many rows, or lacks a value that is never missing.
    """
    try:
        with open_input(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            _check_columns(path, file.schema_arrow, schema, versioned)
            if file.metadata.num_rows > MOST_ROWS:
                raise InputError(str(path), f"{file.metadata.num_rows:,} rows", f"at most {MOST_ROWS:,}")
            table = file.read()
            table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), reason(error), "a table written by headway") from error
    check_table(table, str(path))
    return table


def _check_columns(path: Path, actual: pa.Schema, schema: pa.Schema | None, versioned: bool) -> None:
    if schema is not None and (
        (versioned and actual.metadata != schema.metadata) or not actual.equals(schema)
    ):
        raise schema_mistake(path, actual, schema, "repeat the run")


def schema_mistake(path: Path, actual: pa.Schema, schema: pa.Schema, remedy: str) -> InputError:
    """The error for a table with other columns; `remedy` says what to do with a table of another version."""
    version, current = _version(actual), _version(schema)
    if version in ("", current):
        return InputError(str(path), "a table with another schema", "a table written by headway")
    got = f"a table of schema version {quoted(version)}"
    return InputError(str(path), got, f"schema version {current} ({remedy})")


def _version(schema: pa.Schema) -> str:
    version: bytes = (schema.metadata or {}).get(VERSION_KEY.encode(), b"")
    return version.decode(errors="replace")


def check_table(table: pa.Table, where: str) -> None:
    """Refuse a table with missing or impossible values.

    Text, integers and booleans are never missing; floats may be missing, and predictions may be infinite.

    Raises:
        InputError: names the column.
    """
    for field, column in zip(table.schema, table.columns, strict=True):
        if not pa.types.is_floating(field.type):
            if column.null_count and field.name not in _MAYBE_MISSING:
                raise InputError(where, f"a row without {quoted(field.name)}", "a table written by headway")
            continue
        odd = _odd(column.to_numpy(), field.name.startswith(_MAYBE_INFINITE))
        if odd is not None:
            got = f"the number {odd:g} in {quoted(field.name)}"
            raise InputError(where, got, "numbers that a run can produce")


def _odd(column: FloatArray, maybe_infinite: bool) -> float | None:
    """The first number that no run can produce; missing values are NaN."""
    size = np.abs(column)
    good = (size < _LARGEST) & ((size > 1.0 / _LARGEST) | (size == 0.0)) | np.isnan(size)
    if maybe_infinite:
        good |= np.isinf(size)
    return None if good.all() else float(column[np.argmin(good)])


def row_groups(path: Path, columns: Collection[str]) -> Iterator[pa.Table]:
    """Read some columns of a Parquet file that Headway wrote, one group of rows at a time.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """
    with reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(columns))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report errors of pyarrow and of the system while a path is read.

    Raises:
        InputError: replaces such an error.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(str(path), reason(error), "a table written by headway") from error


@contextmanager
def table_file(path: Path, schema: pa.Schema, compression: str = "zstd") -> Iterator[pq.ParquetWriter]:
    """Open a new Parquet file.

    The file is closed even after an error. On a full disk, `ParquetWriter` alone would keep the file open, and the
    system could not free its space after the file was removed.

    Raises:
        OSError: the file cannot be written.
    """
    with (
        pa.OSFile(str(path), "wb") as file,
        pq.ParquetWriter(file, schema, compression=compression, write_page_checksum=True) as writer,
    ):
        yield writer


class NewTables:
    """A folder of tables that grow while a run goes on.

    The files are in a hidden folder beside the target, which is renamed to the target when they are complete. If the
    process is killed, only the hidden folder is left.

    Args:
        target: a new or an empty folder.

    Raises:
        InputError: the target is in use.
        OSError: the hidden folder cannot be made.
    """

    def __init__(self, target: Path) -> None:
        if os.path.lexists(target) and not (target.is_dir() and not os.listdir(target)):
            raise InputError(str(target), "a path that is in use", "a new or an empty folder")
        self._target = target = Path(os.path.realpath(target))
        self._new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.unfinished")
        self._new.mkdir(parents=True)
        self._open = ExitStack()
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Append rows to a table; the first call makes its file.

        Raises:
            OSError: the disk is full, or the file cannot be written.
        """
        if name not in self._writers:
            file = table_file(self._new / f"{name}.parquet", table.schema, "snappy")
            self._writers[name] = self._open.enter_context(file)
        if table.num_rows:
            self._writers[name].write_table(table)

    def publish(self) -> Path:
        """Complete all files, add their manifest, and give the folder its name, which is returned.

        Raises:
            OSError: the disk is full, or the target is in use now.
        """
        self._open.close()
        write_manifest(self._new)
        with suppress(FileNotFoundError):
            self._target.rmdir()  # only POSIX renames over an empty folder
        self._new.rename(self._target)
        return self._target

    def discard(self) -> None:
        """Remove the hidden folder; without effect after `publish`."""
        with suppress(OSError):  # a full disk
            self._open.close()
        shutil.rmtree(self._new, ignore_errors=True)
