"""What a store holds at one moment, whatever a runner does to it meanwhile.

Parts never go away. An entry of the journal does when a part has taken it in, and the reader of a thousand files would
meet that part, and no entry, half-way. So the journal, which is small, is taken into memory at once, and that again if
a part has appeared meanwhile. From then on nothing that a runner does is seen: each run is there once, with all its
tables.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headway.analysis.store import parts
from headway.analysis.store.index import Index, union
from headway.analysis.store.tables import STORED, told_of
from headway.simcore.manifest import Manifest
from headway.simcore.results import TABLES
from headway.traces.errors import InputError

_ROWS = 1 << 14
"""Rows that are read at a time where not all are needed at once."""

_BITS = {table: 1 << i for i, table in enumerate(TABLES)}


def bits(tables: Iterable[str]) -> int:
    """A set of tables of a run as one number."""
    return sum(_BITS[table] for table in set(tables))


def named(number: int) -> tuple[str, ...]:
    """The tables of which `bits` made a number, in their usual order."""
    return tuple(table for table, bit in _BITS.items() if number & bit)


@dataclass(frozen=True, eq=False)
class View:
    """The rows of a store as they were when it was looked at.

    Attributes:
        folder: of the store.
        done: its parts, with their manifests.
        journal: the files of those entries that no part has taken in, by path.
    """

    folder: Path
    done: Mapping[Path, Manifest] = field(default_factory=dict)
    journal: Mapping[Path, bytes] = field(default_factory=dict)

    def contents(self) -> Index:
        """Which tables are kept of each run, as `bits`."""
        batches = (
            (batch["run"].to_pylist(), [_BITS.get(table, 0) for table in batch["table"].to_pylist()])
            for batch in self.batches("kept", ("run", "table"))
        )
        return Index.of(batches, np.uint16, union)

    def batches(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a table in the order in which they were added, some at a time.

        Args:
            table: its name.
            columns: those that are wanted; all by default.

        Raises:
            InputError: a file of it is broken, or from elsewhere.
        """
        for path, source in self._files(table):
            with told_of(path), pq.ParquetFile(source) as file:
                if not file.schema_arrow.equals(STORED[table]):
                    raise InputError(str(path), "a table with another schema", "a table written by headway")
                for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
                    if batch["run"].null_count:
                        raise InputError(str(path), "a row without a run", "a table written by headway")
                    yield batch

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        name = f"{table}.parquet"
        stored = sum(manifest.files[name].rows for manifest in self.done.values() if name in manifest.files)
        waiting = (pa.BufferReader(data) for path, data in self.journal.items() if path.name == name)
        return stored + sum(int(pq.read_metadata(source).num_rows) for source in waiting)

    def read(self, table: str, runs: Collection[str] | None = None) -> pa.Table:
        """The rows of a table, of all runs or of some, in the order in which they were added."""
        batches = self.batches(table)
        if runs is not None:
            chosen = pa.array(list(runs), pa.string())
            batches = (batch.filter(pc.is_in(batch["run"], chosen)) for batch in batches)
        return pa.Table.from_batches(batches, STORED[table])

    def size_bytes(self) -> int:
        """What all of it takes on the disk."""
        return sum(map(parts.size_bytes, self.done)) + sum(map(len, self.journal.values()))

    def _files(self, table: str) -> Iterator[tuple[Path, Path | pa.BufferReader]]:
        """The files of a table, none of which is damaged, and where to read each."""
        name = f"{table}.parquet"
        for part, manifest in self.done.items():
            if name in manifest.files:
                parts.check(part / name, manifest.files[name])
                yield part / name, part / name
        for path, data in self.journal.items():
            if path.name == name:
                yield path, pa.BufferReader(data)


def look_at(folder: Path, journal: Path, done: Path) -> View:
    """The present view of a store.

    Sizes of all files of parts are compared with their manifests, and of the journal, which is small, all content.

    Args:
        folder: of the store.
        journal: its folder of entries.
        done: its folder of parts.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    with told_of(folder):
        while True:
            # No entry that counts can go away, wholly or in part, before a part that has taken it in is visible.
            before = parts.parts_in(done)
            manifests = {part: parts.manifest_of(part) for part in before}
            _check_sizes(manifests)
            try:
                view = View(folder, manifests, _files_of(journal, manifests.values()))
            except InputError:
                if parts.parts_in(done) == before:
                    raise
            else:
                if parts.parts_in(done) == before:
                    return view


def _check_sizes(manifests: Mapping[Path, Manifest]) -> None:
    for part, manifest in manifests.items():
        for name, record in manifest.files.items():
            try:
                found = record.size_damage((part / name).stat().st_size)
            except FileNotFoundError:
                found = "a missing file"
            if found:
                raise parts.damaged(part / name, found)


def _files_of(journal: Path, done: Iterable[Manifest]) -> dict[Path, bytes]:
    """All files of the entries that no part has taken in, in order.

    Raises:
        InputError: one is damaged, or goes away because a part has taken in its entry.
    """
    entries = parts.parts_in(journal)
    gone = parts.folded(entries, done)
    files = {}
    for entry in entries:
        if entry.name not in gone:
            for name, record in parts.manifest_of(entry).files.items():
                files[entry / name] = parts.content(entry / name, record)
    return files
