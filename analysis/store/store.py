"""A store: a folder to which runs are only added.

    store.json                 version of this layout
    parts/NUMBER/TABLE.parquet rows of many runs; for any Parquet reader
    parts/NUMBER/manifest.json rows, size and digest of each table
    journal/                   parts of the last runs; folded into one part from time to time and at the end
    .unfinished/               files that are not complete yet
    campaigns/NAME.parquet     the runs of a campaign; NAME.yaml is its file, NAME.scenario its scenario file
    log.txt                    events, with times
    lock                       the present or last writer
    damaged/                   damaged files that `headway sweep verify --repair` has moved

A run is in the store as soon as the part or journal entry with its rows is visible; all its tables become visible at
once.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc

from headway.analysis.files.atomic import writing
from headway.analysis.store import parts
from headway.analysis.store.lock import LOCK, locked
from headway.analysis.store.parts import CAMPAIGNS, FOLDERS, JOURNAL, PARTS, UNFINISHED
from headway.analysis.store.tables import Tables, merged
from headway.analysis.store.view import View, read_view
from headway.traces.errors import InputError

SCENARIO, ORIGIN = ".scenario", ".origin.json"
"""Suffixes of a campaign's copy of its scenario file, and of the file with the original path of that."""

_FORMAT = 2
_MARK, _MARK_TEXT = "store.json", json.dumps({"headway store": _FORMAT})

_FOLD_BYTES = 64_000_000


def is_store(folder: Path) -> bool:
    """Whether a folder contains a store of any version."""
    return (folder / _MARK).exists()


class Store:
    """A store for reading; `writer` adds to it.

    Args:
        folder: of the store, which need not exist yet.
        commit_s: interval after which a writer makes finished runs visible [s]. A crash loses at most these.
        fold_runs: number of runs after which a writer folds the journal into a part.

    Raises:
        InputError: the folder contains something else.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, commit_s: float = 0.5, fold_runs: int = 500
    ) -> None:
        self.folder = Path(folder)
        self.commit_s = commit_s
        self.fold_runs = fold_runs
        mark = self.folder / _MARK
        _check_inside(self.folder)
        if mark.exists():
            if _version(mark) != _FORMAT:
                got = "a store of another version of headway, or a damaged file"
                expected = f"{_MARK_TEXT} in a store of this version (repeat other runs in a new store)"
                raise InputError(str(mark), got, expected)
        elif self.folder.exists() and not _is_begun(self.folder):
            raise InputError(str(folder), "a folder that is not a store", "a store, or a new or empty folder")

    @property
    def exists(self) -> bool:
        """Whether the store was ever written."""
        return is_store(self.folder)

    def view(self) -> View:
        """Take a snapshot of the store.

        Raises:
            InputError: the store is incomplete, damaged or cannot be read.
        """
        if not self.exists:
            return View(self.folder)
        if missing := [name for name in (JOURNAL, PARTS) if not (self.folder / name).is_dir()]:
            raise InputError(str(self.folder), f"a store without its folder {missing[0]}", "a complete store")
        return read_view(self.folder)

    def cases(self, campaign: str) -> Path:
        """The path of a campaign's table of cases."""
        return self.folder / CAMPAIGNS / f"{campaign}.parquet"

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """Lock the store and open it for writing.

        Raises:
            InputError: another process has locked the store, or the folder cannot be written.
        """
        with writing(self.folder):
            for name in FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with writing(self.folder):
                check_lock = stack.enter_context(locked(self.folder))
                if not self.exists:
                    self.save(self.folder / _MARK, _MARK_TEXT.encode())
                writer = Writer(self, check_lock)
            yield writer

    def save(self, path: Path, content: bytes | Path) -> None:
        """Write a file of the store, or copy one; the old content stays until the new file is complete.

        Raises:
            OSError: the file cannot be written.
        """
        new = self.folder / UNFINISHED / uuid.uuid4().hex
        try:
            if isinstance(content, Path):
                shutil.copyfile(content, new)
            else:
                new.write_bytes(content)
            parts.sync(new)
            new.replace(path)
            parts.sync(path.parent)
        finally:
            new.unlink(missing_ok=True)


class Writer:
    """The one process that adds to a store.

    Finished runs are committed to the journal every `Store.commit_s` seconds, so a crash loses little. The journal is
    folded into a part when it contains `Store.fold_runs` runs or 64 MB, so there are few files.
    """

    def __init__(self, store: Store, check_lock: Callable[[], None]) -> None:
        self._store = store
        self._check_lock = check_lock
        self._waiting: list[Tables] = []
        self._committed = time.monotonic()
        self._runs = self._bytes = 0
        self._journal, self._parts = store.folder / JOURNAL, store.folder / PARTS
        self._unfinished = store.folder / UNFINISHED
        self._recover()

    def add(self, tables: Tables) -> None:
        """Add the rows of finished runs; the next commit makes them visible."""
        self._waiting.append(tables)

    def turn(self) -> None:
        """Commit and fold if it is time; call this about every second.

        Raises:
            InputError: the disk is full, or the store has been moved or removed.
        """
        if time.monotonic() - self._committed >= self._store.commit_s:
            self.commit()
        if self._runs >= self._store.fold_runs or self._bytes >= _FOLD_BYTES:
            self.fold()

    def commit(self) -> None:
        """Make the added rows visible, as a journal entry."""
        if self._waiting:
            tables = merged(self._waiting)
            self._waiting.clear()
            with self._writing():
                entry = parts.write_part(self._journal, tables, self._unfinished)
                self._bytes += parts.size_bytes(entry)
            names = [tables[name]["run"] for name in ("kept", "failures") if name in tables]
            self._runs += sum(pc.count_distinct(each).as_py() for each in names)
        self._committed = time.monotonic()

    def fold(self) -> None:
        """Fold the journal into a part."""
        with self._writing():
            entries = parts.parts_in(self._journal)
            if entries:
                parts.fold(entries, self._parts, self._unfinished)
            self._recover()

    def describe(self, campaign: str, cases: Path, text: str, scenario: Path) -> None:
        """Save a campaign: its table of cases, its file, and its scenario file."""
        with self._writing():
            target = self._store.cases(campaign)
            origin = json.dumps({"scenario": os.path.abspath(scenario)})
            self._store.save(target, cases)
            self._store.save(target.with_suffix(".yaml"), text.encode())
            self._store.save(target.with_suffix(SCENARIO), scenario)
            self._store.save(target.with_suffix(ORIGIN), origin.encode())

    def log(self, text: str) -> None:
        """Append a line to the log, with the time.

        Raises:
            InputError: the file cannot be written.
        """
        path = self._store.folder / "log.txt"
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with writing(self._store.folder):
            self._check_lock()
            yield

    def _recover(self) -> None:
        """Remove journal entries that a part has replaced, and unfinished files of a killed writer."""
        entries = parts.parts_in(self._journal)
        folded = parts.folded(entries, map(parts.manifest_of, parts.parts_in(self._parts)))
        for entry in entries:
            if entry.name in folded:
                parts.remove(entry)
        parts.clear(self._unfinished)
        left = parts.parts_in(self._journal)
        self._runs, self._bytes = len(left), sum(map(parts.size_bytes, left))


def _version(mark: Path) -> object:
    try:
        return json.loads(mark.read_text(encoding="utf-8")).get("headway store")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _is_begun(folder: Path) -> bool:
    """Whether a folder is empty, or was left by a writer that was killed before it wrote the mark."""
    if not folder.is_dir():
        return False
    known = {*FOLDERS, LOCK}
    if any(path.name not in known for path in folder.iterdir()):
        return False
    return not any(any((folder / name).glob("*")) for name in (JOURNAL, PARTS, CAMPAIGNS))


def _check_inside(folder: Path) -> None:
    """Refuse a store with symbolic links, so that a writer changes no file outside its folder.

    Raises:
        InputError: names the first link, or a file in place of a folder.
    """
    inner = [folder, *(folder / name for name in FOLDERS)]
    paths = [path for place in inner if place.is_dir() for path in place.iterdir()]
    if links := sorted(path for path in paths if path.is_symlink()):
        raise InputError(str(links[0]), "a symbolic link in a store", "a regular file or folder")
    if broken := [path for path in inner[1:] if path.exists() and not path.is_dir()]:
        raise InputError(str(broken[0]), "a file", "a folder")
