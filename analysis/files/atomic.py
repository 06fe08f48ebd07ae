"""Folders that are written completely or not at all.

Files are written into a hidden folder beside the target, which replaces the target when all files are complete. Until
then, older results stay in place, also after an error or an interruption. On Linux, older and new results change places
in one step. On other systems, older results are in the hidden folder for a moment; if the process is killed at that
moment, the next process that writes the same target restores them.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from headway.analysis.files.locked_folder import exchange, make_folder, remove_folder
from headway.traces.errors import InputError

_OLD = "old"


@contextmanager
def replaced_folder(target: Path, files: Collection[str], mark: str) -> Iterator[Path]:
    """A new empty folder that becomes `target` when the block ends without an exception.

    Only an empty folder, or a folder that contains only results of Headway, is replaced. This is checked before the
    block begins, so that nobody waits for a run that cannot be saved.

    Args:
        target: the folder.
        files: names of files that a folder of results may contain.
        mark: the file that each folder of results contains.

    Raises:
        InputError: the target is another kind of file or folder, or cannot be written.
    """
    place = Path(os.path.realpath(target))
    _check_replaceable(place, target, files, mark)
    with _parents(place, target), _holder(place, target) as holder:
        new = holder / "new"
        with writing(target):
            new.mkdir()
        yield new
        _check_replaceable(place, target, files, mark)
        with writing(target):
            _replace(place, new, holder / _OLD)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder. Folders with the same prefix that killed processes left are removed.

    Raises:
        InputError: the folder for temporary files cannot be written.
    """
    with _temporary(Path(tempfile.gettempdir()), prefix, "", "the folder for temporary files") as folder:
        yield folder


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Report why the system refuses to write a path.

    Raises:
        InputError: replaces an `OSError`, such as a full disk or a read-only file system.
    """
    try:
        yield
    except OSError as error:
        # The error number gives the message of the system, without words that a library has added.
        reason = os.strerror(error.errno) if error.errno else str(error)
        reason = {errno.EISDIR: "a folder", errno.ENOENT: "a folder that does not exist"}.get(
            error.errno or 0, reason
        )
        raise InputError(str(target), reason, "a writable place with free space") from error


def _check_replaceable(place: Path, target: Path, files: Collection[str], mark: str) -> None:
    above = next((folder for folder in place.parents if os.path.lexists(folder)), place)
    if not above.is_dir():
        raise InputError(str(target), f"{above}, which is not a folder", "a path below a folder")
    if not os.path.lexists(place):
        return
    expected = "a new folder, an empty one, or a folder that holds only results of headway"
    if not place.is_dir():
        raise InputError(str(target), "a file, not a folder", expected)
    if os.path.ismount(place) or Path.cwd().is_relative_to(place):
        raise InputError(
            str(target), "a mount point or the current folder, which cannot be replaced", expected
        )
    with writing(target):
        names = set(os.listdir(place))
    foreign = sorted(names - set(files))
    if foreign or (names and mark not in names):
        got = f"a folder with {', '.join(foreign[:3] or sorted(names)[:3])}, which headway did not write"
        raise InputError(str(target), got, expected)


@contextmanager
def _parents(place: Path, target: Path) -> Iterator[None]:
    """Make the missing folders above `place`; after an error remove them again."""
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
    """A hidden temporary folder beside `place`, which is removed when the block ends."""

    def bring_back(left: Path) -> None:
        if (left / _OLD).exists() and not os.path.lexists(place):
            (left / _OLD).rename(place)

    with _temporary(place.parent, f".{place.name}.", ".partial", target, bring_back) as holder:
        yield holder


@contextmanager
def _temporary(
    parent: Path, prefix: str, suffix: str, target: Path | str, rescue: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """A new folder that is removed when the block ends; error messages name `target`."""
    with writing(target):
        folder, lock = make_folder(parent, prefix, suffix, rescue)
    try:
        yield folder
    finally:
        with writing(target):
            remove_folder(folder, lock)


def _replace(place: Path, new: Path, old: Path) -> None:
    """Move `new` to `place`. An older folder goes to `new` or `old`, and back to `place` after an error."""
    if not place.exists():
        new.rename(place)
        return
    if exchange(new, place):
        return
    try:
        place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
