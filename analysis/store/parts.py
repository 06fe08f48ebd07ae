"""Folders of Parquet files that appear at once or not at all.

A part is written elsewhere, where no reader looks, brought to the disk, and then renamed: that one step makes it
visible, all its tables together. Nothing that is visible is ever changed, and a manifest in each part says how many
bytes its files have and which digests: a part without a manifest, or one that differs from it, is damaged.
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

from headway.analysis.store.tables import STORED, Tables, table_file, told_of
from headway.simcore.manifest import MANIFEST, FileRecord, Manifest, read_manifest, write_manifest
from headway.traces.errors import InputError

_ROWS = 1 << 17
"""Rows that are held in memory while journal entries are put together, about."""

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
    with hidden(unfinished) as new:
        write_tables(new, tables)
        return show(new, folder)


def write_tables(folder: Path, tables: Tables, replaces: Sequence[str] = ()) -> None:
    """Write tables that have rows, and their manifest, into a folder.

    Raises:
        OSError: it cannot be written.
    """
    for name, table in tables.items():
        if table.num_rows:
            with table_file(folder / f"{name}.parquet", STORED[name]) as file:
                file.write_table(table)
    write_manifest(folder, replaces)


def fold(entries: Sequence[Path], folder: Path, unfinished: Path) -> Path:
    """Put the tables of many parts together into a new one, whose manifest names them; as `write_part`.

    Raises:
        OSError: it cannot be written; then nothing is visible.
        InputError: an entry is damaged.
    """
    records = {entry / name: record for entry in entries for name, record in manifest_of(entry).files.items()}
    with hidden(unfinished) as new:
        for name in STORED:
            files = {path: record for path, record in records.items() if path.stem == name}
            if files:
                with table_file(new / f"{name}.parquet", STORED[name]) as file:
                    for table in _batches(files):
                        file.write_table(table)
        write_manifest(new, [entry.name for entry in entries])
        return show(new, folder)


def folded(entries: Sequence[Path], manifests: Iterable[Manifest]) -> set[str]:
    """Names of those entries that parts with these manifests were made from."""
    names = {entry.name for entry in entries}
    return {name for manifest in manifests for name in manifest.replaces} & names if names else set()


def manifest_of(part: Path) -> Manifest:
    """The manifest of a part.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        return read_manifest(part)
    except FileNotFoundError as error:
        raise damaged(part / MANIFEST, "a missing file") from error
    except InputError as error:
        raise damaged(part / MANIFEST, error.got) from error


def check(path: Path, record: FileRecord) -> None:
    """Compare a file of a part with what its manifest says.

    Raises:
        InputError: it is damaged.
    """
    if found := record.damage(path):
        raise damaged(path, found)


def content(path: Path, record: FileRecord) -> bytes:
    """The content of a file of a part.

    Raises:
        InputError: it is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise damaged(path, "a missing file") from error
    if found := record.content_damage(data):
        raise damaged(path, found)
    return data


def damaged(path: Path, got: str) -> InputError:
    """The message about a damaged file of a part, which says what to do about it."""
    return InputError(
        str(path),
        got,
        f"the file as headway wrote it (to repair: `headway sweep verify {path.parents[2]} --repair`)",
    )


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
def hidden(unfinished: Path) -> Iterator[Path]:
    """A new folder for what is being written, which is gone afterwards unless it is shown."""
    new = unfinished / uuid.uuid4().hex
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def show(new: Path, folder: Path) -> Path:
    """Bring a hidden folder to the disk, and make it visible as a part in a folder of parts.

    Raises:
        OSError: it cannot be written.
    """
    for path in new.iterdir():
        sync(path)
    sync(new)
    # The random end keeps names unique after entries were removed: a fold remembers its entries by name.
    last = max((int(path.name.partition("-")[0]) for path in parts_in(folder)), default=0)
    shown = folder / f"{last + 1:06}-{new.name[:8]}"
    new.rename(shown)
    sync(folder)
    return shown


def _batches(files: Mapping[Path, FileRecord]) -> Iterator[pa.Table]:
    """The rows of all files, many at a time but not all."""
    tables: list[pa.Table] = []
    for path, record in files.items():
        check(path, record)
        with told_of(path):
            tables.append(pq.read_table(path))
        if sum(table.num_rows for table in tables) >= _ROWS:
            yield pa.concat_tables(tables)
            tables.clear()
    if tables:
        yield pa.concat_tables(tables)
