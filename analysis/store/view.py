"""A consistent snapshot of a store, also while a writer adds to it.

A writer never removes a part. It removes a journal entry after a part has replaced it, so a reader that opens file
after file could miss an entry, or read both the entry and its part. For this reason a snapshot reads the journal, which
is small, into memory, and starts again if a new part has appeared meanwhile. A snapshot contains each run once, with
all its tables.
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
from headway.analysis.store.tables import STORED
from headway.simcore.manifest import Manifest
from headway.simcore.results import TABLES
from headway.simcore.table_files import reading, schema_mistake
from headway.traces.errors import InputError

BATCH_ROWS = 1 << 14
"""Rows of a batch: the most that are in memory where a table is read batch by batch."""

_BITS = {table: 1 << i for i, table in enumerate(TABLES)}


def bits(tables: Iterable[str]) -> int:
    """Encode a set of tables of a run as an integer."""
    return sum(_BITS[table] for table in set(tables))


def tables_in(number: int) -> tuple[str, ...]:
    """The tables that `bits` encoded, in their usual order."""
    return tuple(table for table, bit in _BITS.items() if number & bit)


@dataclass(frozen=True, eq=False)
class View:
    """The rows of a store at one moment.

    Attributes:
        folder: of the store.
        manifests: of its parts, by path.
        journal: the content of each file of the journal entries that are in no part, by path.
    """

    folder: Path
    manifests: Mapping[Path, Manifest] = field(default_factory=dict)
    journal: Mapping[Path, bytes] = field(default_factory=dict)

    def contents(self) -> Index:
        """The tables that are kept of each run, encoded by `bits`."""
        batches = (
            (batch["run"].to_pylist(), [_BITS.get(table, 0) for table in batch["table"].to_pylist()])
            for batch in self.batches("kept", ("run", "table"))
        )
        return Index.of(batches, np.uint16, union)

    def batches(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a table, batch by batch, in the order in which they were added.

        Args:
            table: its name.
            columns: all by default.

        Raises:
            InputError: a file is damaged or has other columns.
        """
        for path, source in self._files(table):
            with reading(path), pq.ParquetFile(source) as file:
                if not file.schema_arrow.equals(STORED[table]):
                    raise schema_mistake(path, file.schema_arrow, TABLES["runs"], "use a new store")
                for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                    if batch["run"].null_count:
                        raise InputError(str(path), "a row without a run", "a table written by headway")
                    yield batch

    def rows(self, table: str) -> int:
        """The number of rows of a table."""
        name = f"{table}.parquet"
        in_parts = sum(each.files[name].rows for each in self.manifests.values() if name in each.files)
        in_journal = (pa.BufferReader(data) for path, data in self.journal.items() if path.name == name)
        return in_parts + sum(int(pq.read_metadata(source).num_rows) for source in in_journal)

    def read(self, table: str, runs: Collection[str] | None = None) -> pa.Table:
        """The rows of a table, of all runs or of `runs`, in the order in which they were added."""
        batches = self.batches(table)
        if runs is not None:
            chosen = pa.array(list(runs), pa.string())
            batches = (batch.filter(pc.is_in(batch["run"], chosen)) for batch in batches)
        return pa.Table.from_batches(batches, STORED[table])

    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(map(parts.size_bytes, self.manifests)) + sum(map(len, self.journal.values()))

    def _files(self, table: str) -> Iterator[tuple[Path, Path | pa.BufferReader]]:
        """The path of each file of a table, and its content; files of parts are checked first."""
        name = f"{table}.parquet"
        for part, manifest in self.manifests.items():
            if name in manifest.files:
                parts.check(part / name, manifest.files[name])
                yield part / name, part / name
        for path, data in self.journal.items():
            if path.name == name:
                yield path, pa.BufferReader(data)


def read_view(folder: Path) -> View:
    """Take a snapshot of a store.

    Compares the size of each file of a part, and the content of each file of the journal, with the manifests.

    Raises:
        InputError: the store is damaged or cannot be read.
    """
    done = folder / parts.PARTS
    with reading(folder):
        while True:
            # A writer removes a journal entry only after the part that replaces it is visible.
            before = parts.parts_in(done)
            manifests = {part: parts.manifest_of(part) for part in before}
            for part, manifest in manifests.items():
                for name, record in manifest.files.items():
                    parts.check(part / name, record, size_only=True)
            try:
                view = View(folder, manifests, _journal(folder / parts.JOURNAL, manifests.values()))
            except (InputError, FileNotFoundError):
                if parts.parts_in(done) == before:
                    raise
            else:
                if parts.parts_in(done) == before:
                    return view


def _journal(folder: Path, manifests: Iterable[Manifest]) -> dict[Path, bytes]:
    """The files of all journal entries that are in no part, in order.

    Raises:
        InputError: a file is damaged, or a writer removes its entry at this moment.
        FileNotFoundError: a writer removes the entry at this moment.
    """
    entries = parts.parts_in(folder)
    folded = parts.folded(entries, manifests)
    files: dict[Path, bytes] = {}
    for entry in entries:
        if entry.name not in folded:
            for name, record in parts.manifest_of(entry).files.items():
                parts.check(entry / name, record)
                files[entry / name] = (entry / name).read_bytes()
    return files
