"""Folders of results that appear whole or not at all.

Files go to a hidden folder beside the target, which is renamed to the target when everything is written. Until then
older results stay where they are; a failure or an interruption leaves them, and nothing else. Older and new results are
exchanged in one step where the system can do that. Elsewhere the older results are in the hidden folder for a moment;
if the process is killed then, the next process that writes the same target brings them back. It also removes hidden
folders of killed processes.
"""

import errno
import itertools
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headway.analysis.files.locked_folder import exchange, make_folder, remove_folder, remove_left
from headway.traces.errors import InputError

_OLD = "old"
_UNUSED = "a new or an empty folder"


@dataclass
class NewFolder:
    """A folder that is being written.

    Attributes:
        path: the hidden folder that takes the files.
        target: its path when everything is written.
        replaced: whether it took the place of older results; known when everything is written.
    """

    path: Path
    target: Path
    replaced: bool = False

    @property
    def scratch(self) -> Path:
        """Path of a folder for temporary files, which is removed when the block ends."""
        return self.path.with_name("scratch")

    def __str__(self) -> str:
        return f"{self.target} (replaced)" if self.replaced else str(self.target)


@contextmanager
def new_folder(
    target: Path, files: Collection[str], mark: str, *, replace: bool = False, numbered: bool = False
) -> Iterator[NewFolder]:
    """A new empty folder that becomes `target` when the block ends without an exception.

    A target that cannot be used is refused before the block begins, so that nobody waits for a run that cannot be
    saved.

    Args:
        target: a new or an empty folder.
        files: names that may be in a folder of results.
        mark: the one of them that is in every folder of results.
        replace: whether the target may also hold results, which are replaced. Other files are never replaced.
        numbered: where the target is in use, write to the first of `target`-2, `target`-3, ... that is not in use
            (without `replace`).

    Raises:
        InputError: the target is in use, or cannot be written.
    """

    def choose() -> tuple[Path, Path]:
        with writing(target):
            chosen = first_unused(target, _in_use) if numbered and not replace else target
        place = Path(os.path.realpath(chosen))
        _check_target(place, chosen, files, mark, replace)
        return chosen, place

    chosen, place = choose()
    with _parents(place, target), _holder(place, target) as holder:
        new = NewFolder(holder / "new", chosen)
        with writing(target):
            new.path.mkdir()
        yield new
        # Another process may have written the same folder meanwhile.
        new.target, place = choose()
        with writing(new.target):
            new.replaced = _in_use(place)
            if new.replaced:
                _replace(place, new.path, holder / _OLD)
            else:
                new.path.rename(place)


def first_unused(target: Path, in_use: Callable[[Path], bool]) -> Path:
    """The first of the folders `target`, `target`-2, `target`-3, ... that is not in use."""
    numbered = (target.with_name(f"{target.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([target], numbered) if not in_use(path))


def check_unused(target: Path, in_use: bool) -> None:
    """Refuse to replace results.

    Raises:
        InputError: the folder is in use.
    """
    if in_use:
        raise InputError(
            str(target), "a folder with results", f"{_UNUSED}, or the option --force, which replaces results"
        )


def _in_use(path: Path) -> bool:
    """Whether a path is anything other than an empty folder."""
    return os.path.lexists(path) and not (path.is_dir() and not os.listdir(path))


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder, removed when the block ends; those of killed processes are removed too.

    Raises:
        InputError: the system has no place for it.
    """
    with _temporary(Path(tempfile.gettempdir()), prefix, "", "the folder for temporary files") as folder:
        yield folder


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Report to the user why the system refuses to write a path.

    Raises:
        InputError: instead of an `OSError`, such as a full disk or a read-only file system.
    """
    try:
        yield
    except OSError as error:
        # Libraries put their own words around the system's reason; the number gives the reason alone.
        reason = os.strerror(error.errno) if error.errno else str(error)
        reason = {errno.EISDIR: "a folder", errno.ENOENT: "a folder that does not exist"}.get(
            error.errno or 0, reason
        )
        raise InputError(str(target), reason, "a writable place with free space") from error


def _check_target(place: Path, target: Path, files: Collection[str], mark: str, replace: bool) -> None:
    above = next((folder for folder in place.parents if os.path.lexists(folder)), place)
    if not above.is_dir():
        raise InputError(str(target), f"{above}, which is not a folder", "a path below a folder")
    if not os.path.lexists(place):
        return
    if not place.is_dir():
        raise InputError(str(target), "a file, not a folder", _UNUSED)
    if os.path.ismount(place) or Path.cwd().is_relative_to(place):
        raise InputError(
            str(target), "a mount point or the current folder, which cannot be replaced", _UNUSED
        )
    with writing(target):
        names = set(os.listdir(place))
        below = {
            f"{one}/{name}": name
            for one in names
            if (place / one).is_dir()
            for name in os.listdir(place / one)
        }
    foreign = sorted(names - set(files)) or sorted(path for path, name in below.items() if name not in files)
    if foreign or (names and mark not in names):
        got = f"a folder with {', '.join(foreign[:3] or sorted(names)[:3])}, which headway did not write"
        raise InputError(str(target), got, _UNUSED)
    check_unused(target, bool(names) and not replace)


@contextmanager
def _parents(place: Path, target: Path) -> Iterator[None]:
    """Make the folders above `place`; after a failure remove those that were made."""
    missing = [folder for folder in place.parents if not os.path.lexists(folder)]
    try:
        with writing(target):
            place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _holder(place: Path, target: Path) -> Iterator[Path]:
    """A hidden temporary folder beside `place`, removed when the block ends."""

    def bring_back(left: Path) -> None:
        if (left / _OLD).exists() and not os.path.lexists(place):
            (left / _OLD).rename(place)

    with _temporary(place.parent, f".{place.name}.", ".partial", target, bring_back) as holder:
        yield holder


@contextmanager
def _temporary(
    parent: Path, prefix: str, suffix: str, target: Path | str, rescue: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """A new folder, removed when the block ends; `target` is the path in error messages."""
    with writing(target):
        remove_left(parent, prefix, suffix, rescue)
        folder, lock = make_folder(parent, prefix, suffix)
    try:
        yield folder
    finally:
        with writing(target):
            remove_folder(folder, lock)


def _replace(place: Path, new: Path, old: Path) -> None:
    """Put `new` at `place`; older results there go to `old` or `new`, and come back if that fails half-way."""
    if exchange(new, place):
        return
    try:
        place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
