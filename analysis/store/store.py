"""Where runs are kept: one folder to which is only added.

    store.json                 the version of this layout
    parts/NUMBER/TABLE.parquet the tables, one row group of many runs after another; for anybody to read
    parts/NUMBER/manifest.json rows, size and digest of each of them
    journal/                   what was finished last; put together into a part now and then, and at the end
    .unfinished/               what is being written
    campaigns/NAME.parquet     which runs a campaign consists of; NAME.yaml is its file, NAME.scenario its scenario's
    log.txt                    what happened
    lock                       who is at work, or was last
    damaged/                   what `headway sweep verify --repair` has set aside

A run is in the store as soon as a part or journal entry that tells so is visible, with all its tables at once.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.compute as pc

from headway.analysis.files.atomic import writing
from headway.analysis.store import parts
from headway.analysis.store.lock import LOCK, Lock, locked
from headway.analysis.store.tables import Tables, merged
from headway.analysis.store.view import View, look_at
from headway.traces.errors import InputError

SCENARIO, ORIGIN = ".scenario", ".origin.json"
"""Ends of the names of a campaign's copy of its scenario, and of the file that says where that was."""

_FORMAT = 2
_MARK, _MARK_TEXT = "store.json", json.dumps({"headway store": _FORMAT})
JOURNAL, PARTS, CAMPAIGNS, UNFINISHED = FOLDERS = ("journal", "parts", "campaigns", ".unfinished")
"""Names of the folders in a store."""

_COMMIT_S = 0.5
_FOLD_RUNS = 500
_FOLD_BYTES = 64_000_000


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
                got = "a store of another version of headway, or a damaged file"
                expected = f"{_MARK_TEXT} in a store of this version (repeat other runs in a new store)"
                raise InputError(str(mark), got, expected)
        elif self.folder.exists() and not _is_begun(self.folder):
            raise InputError(str(folder), "a folder that is not a store", "a store, or a new or empty folder")

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return is_store(self.folder)

    def view(self) -> View:
        """What is in it at this moment.

        Raises:
            InputError: it is not whole, damaged, or cannot be read.
        """
        if not self.exists:
            return View(self.folder)
        if missing := [name for name in (JOURNAL, PARTS) if not (self.folder / name).is_dir()]:
            raise InputError(str(self.folder), f"a store without its folder {missing[0]}", "a complete store")
        return look_at(self.folder, self.folder / JOURNAL, self.folder / PARTS)

    def cases(self, campaign: str) -> Path:
        """Where the table of cases of a campaign is."""
        return self.folder / CAMPAIGNS / f"{campaign}.parquet"

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """Hold the store's lock, and what is needed to add to it.

        Raises:
            InputError: somebody else holds it, or the folder cannot be written.
        """
        with writing(self.folder):
            for name in FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with writing(self.folder):
                lock = held.enter_context(locked(self.folder))
                if not self.exists:
                    self.save(self.folder / _MARK, _MARK_TEXT.encode())
                writer = Writer(self, lock)
            yield writer

    def save(self, path: Path, content: bytes | Path) -> None:
        """Write a file of the store, or copy one, so that its old content is there until the new one is.

        Raises:
            OSError: it cannot be written.
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
        self._journal, self._parts = store.folder / JOURNAL, store.folder / PARTS
        self._unfinished = store.folder / UNFINISHED
        self._recover()

    def add(self, tables: Tables) -> None:
        """Take in finished runs."""
        self._waiting.append(tables)

    def turn(self) -> None:
        """Commit and fold if it is time; to be called every second or so.

        Raises:
            InputError: the disk takes no more, or the store has been moved or removed.
        """
        if time.monotonic() - self._committed >= _COMMIT_S:
            self.commit()
        if self._runs >= _FOLD_RUNS or self._bytes >= _FOLD_BYTES:
            self.fold()

    def commit(self) -> None:
        """Make visible what came in."""
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
        """Put the journal together into a part."""
        with self._writing():
            entries = parts.parts_in(self._journal)
            if entries:
                parts.fold(entries, self._parts, self._unfinished)
            self._recover()

    def describe(self, campaign: str, cases: Path, text: str, scenario: Path) -> None:
        """Save what a campaign consists of: the table of its cases, its file, and its scenario's."""
        with self._writing():
            target = self._store.cases(campaign)
            origin = json.dumps({"scenario": os.path.abspath(scenario)})
            self._store.save(target, cases)
            self._store.save(target.with_suffix(".yaml"), text.encode())
            self._store.save(target.with_suffix(SCENARIO), scenario)
            self._store.save(target.with_suffix(ORIGIN), origin.encode())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with writing(self._store.folder):
            self._lock.check()
            yield

    def _recover(self) -> None:
        """Remove what a part has taken in, and what was being written when a runner died."""
        entries = parts.parts_in(self._journal)
        gone = parts.folded(entries, map(parts.manifest_of, parts.parts_in(self._parts)))
        for entry in entries:
            if entry.name in gone:
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
    """Whether a folder is empty, or is what a runner leaves that dies before it can write the mark."""
    if not folder.is_dir():
        return False
    known = {*FOLDERS, LOCK}
    if any(path.name not in known for path in folder.iterdir()):
        return False
    return not any(any((folder / name).glob("*")) for name in (JOURNAL, PARTS, CAMPAIGNS))


def _check_inside(folder: Path) -> None:
    """Refuse a store with a link in it: what is written and removed in a store of somebody's stays in its folder.

    Raises:
        InputError: names the link.
    """
    inner = [folder, *(folder / name for name in FOLDERS)]
    paths = [path for place in inner if place.is_dir() for path in place.iterdir()]
    if links := sorted(path for path in paths if path.is_symlink()):
        raise InputError(str(links[0]), "a symbolic link in a store", "a regular file or folder")
    if broken := [path for path in inner[1:] if path.exists() and not path.is_dir()]:
        raise InputError(str(broken[0]), "a file", "a folder")
