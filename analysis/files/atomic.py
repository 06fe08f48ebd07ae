"""Folders that are written as a whole: all of it or nothing.

Files go to a hidden folder beside the target, which takes the target's place when everything is written. Until that
moment older results stay where they are; a failure or an interruption leaves them, and nothing else. Older and new
results change places in one step where the system can do that. Elsewhere older results are in the hidden folder for a
moment. If the process is killed then, or before, the next one to write the same target brings them back, or removes
what was left.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from headway.analysis.files.locked_folder import exchange, make_folder, remove_folder, remove_left
from headway.traces.errors import InputError

_OLD = "old"


@contextmanager
def replaced_folder(target: Path, files: Collection[str], mark: str) -> Iterator[Path]:
    """A new empty folder that becomes `target` when the block ends without an exception.

    Only an empty folder or one that holds nothing but Headway's results is replaced. What is known to stand in the way
    is told before the block begins, so that nobody waits for a run that cannot be saved.

    Args:
        target: the folder.
        files: names that may be in a folder of results.
        mark: the one of them that is in each.

    Raises:
        InputError: the target is something else, or cannot be written.
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
    """A folder for what is needed for a while only; those that killed processes left are removed.

    Raises:
        InputError: the system has no place for one.
    """
    with _temporary(Path(tempfile.gettempdir()), prefix, "", "the folder for temporary files") as folder:
        yield folder


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Tell a user why the system refuses to write a path of theirs.

    Raises:
        InputError: in place of an `OSError`, such as a full disk or a read-only file system.
    """
    try:
        yield
    except OSError as error:
        # The number says it in the system's words, where a library has wrapped them in its own.
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
    """Make the folders above `place`; remove those that were made if they are not needed in the end."""
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
    """A hidden temporary folder beside `place`, gone when the block ends."""

    def bring_back(left: Path) -> None:
        if (left / _OLD).exists() and not os.path.lexists(place):
            (left / _OLD).rename(place)

    with _temporary(place.parent, f".{place.name}.", ".partial", target, bring_back) as holder:
        yield holder


@contextmanager
def _temporary(
    parent: Path, prefix: str, suffix: str, target: Path | str, rescue: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """A new folder that is gone when the block ends; `target` is what messages say cannot be written."""
    with writing(target):
        remove_left(parent, prefix, suffix, rescue)
        folder, lock = make_folder(parent, prefix, suffix)
    try:
        yield folder
    finally:
        with writing(target):
            remove_folder(folder, lock)


def _replace(place: Path, new: Path, old: Path) -> None:
    """Put `new` at `place`; what was there goes away with `new` or to `old`, and comes back if that fails half-way."""
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
