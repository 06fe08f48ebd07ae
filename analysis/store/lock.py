"""One runner per store.

A runner holds a lock of the kernel (`flock`) on the file `lock` for as long as it writes. The kernel releases it when
the process ends, in whatever manner, and knows nothing of host names and process numbers, which containers may share.
What the file says is for people only. `flock` reaches other hosts on NFS, as Linux mounts it by default; on a file
system where it does not, nothing keeps runners on different hosts apart.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from headway.traces.errors import InputError, reason, shortened

LOCK = "lock"

_ATTEMPTS, _PAUSE_S = 20, 0.02
"""`holder_of` takes the lock for an instant, so a runner tries more than once."""

_MOST_BYTES = 1000
_LONGEST = 100


class Lock:
    """A lock that this process holds."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    def check(self) -> None:
        """Make sure that the lock is still that of the store: the folder may have been moved or removed.

        Raises:
            InputError: it is not.
        """
        try:
            is_same = os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise InputError(
                str(self._path),
                "a lock that another process has replaced",
                "a store that stays in place while runs are made",
            )


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Hold the lock of a store while the block lasts.

    Raises:
        InputError: another process holds it.
        OSError: the file cannot be written, or the file system has no locks.
    """
    path = folder / LOCK
    with path.open("a+b") as file:
        if not any(_attempts(file)):
            raise InputError(
                str(path), f"the lock of {_holder(file)}, which is still running", "one runner at a time"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode("utf-8", "replace"))
        file.flush()
        yield Lock(path, file)


def holder_of(folder: Path) -> str | None:
    """The process that is at work in a store, in words; None if there is none.

    Raises:
        InputError: the lock cannot be read.
    """
    try:
        with (folder / LOCK).open("rb") as file:
            return None if _take(file, fcntl.LOCK_SH) else _holder(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(str(folder / LOCK), reason(error), "a readable lock file") from error


def _attempts(file: IO[bytes]) -> Iterator[bool]:
    for number in range(_ATTEMPTS):
        if number:
            time.sleep(_PAUSE_S)
        yield _take(file, fcntl.LOCK_EX)


def _take(file: IO[bytes], kind: int) -> bool:
    """Try to take the lock, which the kernel releases when the file is closed; whether that succeeded."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[bytes]) -> str:
    file.seek(0)
    words = file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    return shortened(words, _LONGEST) if words.isprintable() and words else "another process"
