"""Where runs are kept: one folder to which is only added.

    store.json                 the version of this layout
    parts/NUMBER/TABLE.parquet the tables, one row group of many runs after another; for anybody to read
    journal/                   what was finished last; put together into a part now and then, and at the end
    campaigns/NAME.parquet     which runs a campaign consists of; NAME.yaml is its file, NAME.scenario its scenario's
    log.txt                    what happened
    lock                       who is at work

A run is in the store as soon as a part or journal entry that tells so is visible, with all its tables at once.
"""

import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from analysis.campaign import parts
from analysis.campaign.index import Index, union
from analysis.campaign.lock import Lock, locked
from analysis.campaign.tables import STORED, Tables, merged
from analysis.output import writing
from simcore.results import TABLES, check_table
from traces.errors import InputError, reason

SCENARIO, ORIGIN = ".scenario", ".origin.json"
"""Ends of the names of a campaign's copy of its scenario, and of the file that says where that was."""

_FORMAT = 1
_MARK = "store.json"
_COMMIT_S = 0.5
_FOLD_RUNS = 500
_FOLD_BYTES = 64_000_000
_ROWS = 1 << 14
"""Rows that are read at a time where not all are needed at once."""

_BITS = {table: 1 << i for i, table in enumerate(TABLES)}


def bits(tables: Iterable[str]) -> int:
    """A set of tables of a run as one number."""
    return sum(_BITS[table] for table in set(tables))


def named(number: int) -> tuple[str, ...]:
    """The tables of which `bits` made a number, in their usual order."""
    return tuple(table for table, bit in _BITS.items() if number & bit)


def is_store(folder: Path) -> bool:
    """Whether there is a store in a folder, whatever its version."""
    return (folder / _MARK).exists()


class Store:
    """A store, to be read; `writer` gives what adds to it.

    Args:
        folder: where it is, or shall be.

    Raises:
        InputError: something else is there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        mark = self.folder / _MARK
        _check_inside(self.folder)
        if mark.exists():
            if _version(mark) != _FORMAT:
                raise InputError(str(mark), "a store of another version of headway", f"version {_FORMAT}")
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InputError(
                str(folder), "something that is not a store", "a store, or a new or empty folder"
            )

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return is_store(self.folder)

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
        for path in self._files(table):
            with _told_of(path), pq.ParquetFile(path) as file:
                if not file.schema_arrow.equals(STORED[table]):
                    raise InputError(str(path), "a table of another schema", "a table written by headway")
                for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
                    if batch["run"].null_count:
                        raise InputError(str(path), "a row without its run", "a table written by headway")
                    yield batch

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        count = 0
        for path in self._files(table):
            with _told_of(path):
                count += pq.read_metadata(path).num_rows
        return count

    def read(self, table: str, runs: Collection[str] | None = None) -> pa.Table:
        """The rows of a table, of all runs or of some, in the order in which they were added."""
        schema = STORED[table]
        chosen = None if runs is None else pc.field("run").isin(pa.array(list(runs), pa.string()))
        files = self._files(table)
        if not files:
            return schema.empty_table()
        with _told_of(self.folder):
            found = ds.dataset(files, schema=schema, format="parquet").to_table(filter=chosen)
        check_table(found.select(["run"]), f"{self.folder}: {table}")
        return found

    def _files(self, table: str) -> list[Path]:
        return [path for part in self._visible() if (path := part / f"{table}.parquet").exists()]

    def size_bytes(self) -> int:
        """What all parts take on the disk."""
        return sum(map(parts.size_bytes, self._visible()))

    def cases(self, campaign: str) -> Path:
        """Where the table of cases of a campaign is."""
        return self.folder / "campaigns" / f"{campaign}.parquet"

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """Hold the store's lock, and what is needed to add to it.

        Raises:
            InputError: somebody else holds it, or the folder cannot be written.
        """
        with writing(self.folder):
            for name in ("parts", "journal", "campaigns"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            mark = self.folder / _MARK
            if not mark.exists():
                _replace(mark, json.dumps({"headway store": _FORMAT}).encode())
        with ExitStack() as held:
            with writing(self.folder):
                writer = Writer(self, held.enter_context(locked(self.folder)))
            yield writer

    def _visible(self) -> list[Path]:
        """Parts and journal entries, each run in one of them only."""
        if not self.exists:
            return []
        if missing := [name for name in ("journal", "parts") if not (self.folder / name).is_dir()]:
            raise InputError(str(self.folder), f"a store without its folder {missing[0]}", "a whole store")
        journal = parts.parts_in(self.folder / "journal")
        done = parts.parts_in(self.folder / "parts")
        gone = parts.folded(journal, done)
        return [*done, *(entry for entry in journal if entry.name not in gone)]


class Writer:
    """Adds to a store; only one at a time can.

    What comes in is committed to the journal after `_COMMIT_S`, and the journal is folded into a part when it holds
    `_FOLD_RUNS` or `_FOLD_BYTES`: a loss of power costs little, and there are few files.
    """

    def __init__(self, store: Store, lock: Lock) -> None:
        self._store = store
        self._lock = lock
        self._waiting: list[Tables] = []
        self._committed = time.monotonic()
        self._runs = self._bytes = 0
        self._journal, self._parts = store.folder / "journal", store.folder / "parts"
        self._recover()

    def add(self, tables: Tables) -> None:
        """Take in finished runs."""
        self._waiting.append(tables)

    def turn(self) -> None:
        """Commit and fold if it is time; to be called every second or so.

        Raises:
            InputError: the disk takes no more, or somebody else has taken the lock.
        """
        with writing(self._store.folder):
            self._lock.check()
        if time.monotonic() - self._committed >= _COMMIT_S:
            self.commit()
        if self._runs >= _FOLD_RUNS or self._bytes >= _FOLD_BYTES:
            self.fold()

    def commit(self) -> None:
        """Make visible what came in."""
        if self._waiting:
            tables = merged(self._waiting)
            self._waiting.clear()
            with writing(self._store.folder):
                entry = parts.write_part(self._journal, tables)
            self._bytes += parts.size_bytes(entry)
            self._runs += pc.count_distinct(tables["kept"]["run"]).as_py() if "kept" in tables else 0
        self._committed = time.monotonic()

    def fold(self) -> None:
        """Put the journal together into a part."""
        with writing(self._store.folder):
            entries = parts.parts_in(self._journal)
            if entries:
                parts.fold(entries, self._parts)
            self._recover()

    def describe(self, campaign: str, cases: Path, text: str, scenario: Path) -> None:
        """Save what a campaign consists of: the table of its cases, its file, and its scenario's."""
        with writing(self._store.folder):
            target = self._store.cases(campaign)
            _replace(target, cases)
            _replace(target.with_suffix(".yaml"), text.encode())
            _replace(target.with_suffix(SCENARIO), scenario)
            origin = json.dumps({"scenario": os.path.abspath(scenario)})
            _replace(target.with_suffix(ORIGIN), origin.encode())

    def _recover(self) -> None:
        """Remove what a part has taken in, and what was being written when a runner died."""
        entries = parts.parts_in(self._journal)
        gone = parts.folded(entries, parts.parts_in(self._parts))
        for entry in entries:
            if entry.name in gone:
                parts.remove(entry)
        for folder in (self._journal, self._parts):
            parts.clear_hidden(folder)
        left = parts.parts_in(self._journal)
        self._runs, self._bytes = len(left), sum(map(parts.size_bytes, left))


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Tell what is wrong with a file that somebody else may have written.

    Raises:
        InputError: in place of what the library says.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(str(path), reason(error), "a table written by headway") from error


def _replace(path: Path, content: bytes | Path) -> None:
    """Write a file, or copy one, so that its old content is there until the new one is."""
    new = path.with_name(f".{path.name}")
    if isinstance(content, Path):
        shutil.copyfile(content, new)
    else:
        new.write_bytes(content)
    parts.sync(new)
    new.replace(path)


def _version(mark: Path) -> object:
    try:
        return json.loads(mark.read_text(encoding="utf-8")).get("headway store")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _check_inside(folder: Path) -> None:
    """Refuse a store with a link in it: what is written and removed in a store of somebody's stays in its folder.

    Raises:
        InputError: names the link.
    """
    inner = [folder, folder / "parts", folder / "journal", folder / "campaigns"]
    paths = [path for place in inner if place.is_dir() for path in place.iterdir()]
    if links := sorted(path for path in paths if path.is_symlink()):
        raise InputError(str(links[0]), "a link in a store", "files and folders that are there themselves")
    if broken := [path for path in inner[1:] if path.exists() and not path.is_dir()]:
        raise InputError(str(broken[0]), "a file", "a folder")
