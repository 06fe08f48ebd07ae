"""Parts: folders of Parquet files that appear as a whole or not at all.

A part is written into a temporary folder that no reader opens, synced to disk, and renamed. The rename makes all its
tables visible at once. A visible part never changes. Its manifest lists the size and digest of each file, so a part
without a manifest, or with files that differ from it, is damaged.
"""

import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headway.analysis.store.tables import STORED, Tables
from headway.simcore.manifest import MANIFEST, FileRecord, Manifest, read_manifest, write_manifest
from headway.simcore.table_files import reading, table_file
from headway.traces.errors import InputError

JOURNAL, PARTS, CAMPAIGNS, UNFINISHED = FOLDERS = ("journal", "parts", "campaigns", ".unfinished")
"""Names of the folders of a store."""

_ROWS = 1 << 17
"""Approximate number of rows in memory while journal entries are folded into a part."""

_NAME = re.compile(r"[0-9]{6,12}-[0-9a-f]{8}")


def parts_in(folder: Path) -> list[Path]:
    """The visible parts of a folder, sorted by name. Other files and folders are ignored."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())


def write_part(folder: Path, tables: Tables, temporary: Path) -> Path:
    """Write tables as a new part. A table without rows gets no file.

    Args:
        folder: where the part appears.
        tables: its content.
        temporary: a folder on the same disk for unfinished files. A hidden folder below `folder` is not suitable:
            DuckDB and polars also read hidden folders.

    Raises:
        OSError: the part cannot be written; then nothing is visible.
    """
    with temporary_folder(temporary) as new:
        write_tables(new, tables)
        return publish(new, folder)


def write_tables(folder: Path, tables: Tables, replaces: Sequence[str] = ()) -> None:
    """Write the tables that have rows, and their manifest, into a folder.

    Raises:
        OSError: a file cannot be written.
    """
    for name, table in tables.items():
        if table.num_rows:
            with table_file(folder / f"{name}.parquet", STORED[name]) as file:
                file.write_table(table)
    write_manifest(folder, replaces)


def fold(entries: Sequence[Path], folder: Path, temporary: Path) -> Path:
    """Combine journal entries into a new part, whose manifest lists their names; arguments as `write_part`.

    Raises:
        OSError: the part cannot be written; then nothing is visible.
        InputError: an entry is damaged.
    """
    records = {entry / name: record for entry in entries for name, record in manifest_of(entry).files.items()}
    with temporary_folder(temporary) as new:
        for name in STORED:
            files = {path: record for path, record in records.items() if path.stem == name}
            if files:
                with table_file(new / f"{name}.parquet", STORED[name]) as file:
                    for table in _batches(files):
                        file.write_table(table)
        write_manifest(new, [entry.name for entry in entries])
        return publish(new, folder)


def folded(entries: Sequence[Path], manifests: Iterable[Manifest]) -> set[str]:
    """Names of the journal entries whose rows are in a part with one of these manifests."""
    names = {entry.name for entry in entries}
    return {name for manifest in manifests for name in manifest.replaces} & names if names else set()


def manifest_of(part: Path) -> Manifest:
    """Read the manifest of a part.

    Raises:
        InputError: the manifest is missing or damaged.
    """
    try:
        return read_manifest(part)
    except FileNotFoundError as error:
        raise damage_error(part / MANIFEST, "no such file") from error
    except InputError as error:
        raise damage_error(part / MANIFEST, error.got) from error


def check(path: Path, record: FileRecord, *, size_only: bool = False) -> None:
    """Compare a file, or only its size, with its record in the manifest.

    Raises:
        InputError: the file is damaged.
    """
    if damage := record.damage(path, size_only=size_only):
        raise damage_error(path, damage)


def damage_error(path: Path, got: str) -> InputError:
    """The error for a damaged file of a part; its message names the command that repairs the store."""
    return InputError(
        str(path),
        got,
        f"the file as headway wrote it (to repair: `headway sweep verify {path.parents[2]} --repair`)",
    )


def size_bytes(part: Path) -> int:
    """Total size of the files of a part."""
    return sum(path.stat().st_size for path in part.iterdir())


def remove(part: Path) -> None:
    """Remove a journal entry whose rows are in a part."""
    shutil.rmtree(part)


def clear(temporary: Path) -> None:
    """Remove the unfinished files of a killed writer."""
    for path in temporary.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync(path: Path) -> None:
    """Flush a file, or the list of names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_folder(temporary: Path) -> Iterator[Path]:
    """A new folder for unfinished files. It is removed at the end of the block unless `publish` has renamed it."""
    new = temporary / uuid.uuid4().hex
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def publish(new: Path, folder: Path) -> Path:
    """Sync a folder to disk and make it visible as the last part of `folder`.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    for path in new.iterdir():
        sync(path)
    sync(new)
    # A number can occur again after entries were removed. Manifests list entries by name, so a name must be unique.
    last = max((int(path.name.partition("-")[0]) for path in parts_in(folder)), default=0)
    part = folder / f"{last + 1:06}-{new.name[:8]}"
    new.rename(part)
    sync(folder)
    return part


def _batches(files: Mapping[Path, FileRecord]) -> Iterator[pa.Table]:
    """The rows of all files, about `_ROWS` at a time."""
    tables: list[pa.Table] = []
    for path, record in files.items():
        check(path, record)
        with reading(path):
            tables.append(pq.read_table(path))
        if sum(table.num_rows for table in tables) >= _ROWS:
            yield pa.concat_tables(tables)
            tables.clear()
    if tables:
        yield pa.concat_tables(tables)
