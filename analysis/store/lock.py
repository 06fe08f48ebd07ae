"""The lock of a store: one writer at a time.

A writer holds a lock of the kernel (`flock`) on the file `lock`. The kernel releases it when the process ends, even
after SIGKILL, and does not depend on host names or process numbers, which two containers may share. The content of the
file only names the holder in messages. `flock` works between hosts on NFS as Linux mounts it by default; on a file
system where it does not, writers on different hosts are not detected.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from headway.traces.errors import InputError, reason, shortened

LOCK = "lock"

_ATTEMPTS, _PAUSE_S = 20, 0.02
"""`holder_of` takes a shared lock for a moment, so a writer tries several times."""

_MOST_BYTES = 1000
_LONGEST = 100


@contextmanager
def locked(folder: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock of a store during the block.

    Yields:
        A function that raises `InputError` if the lock file is no longer in place: the store was moved or removed.

    Raises:
        InputError: another process holds the lock.
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

        def check() -> None:
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    return
            expected = "a store that stays in place while runs are made"
            raise InputError(str(path), "a lock that another process has replaced", expected)

        yield check


def holder_of(folder: Path) -> str | None:
    """The process that writes to a store, for messages; None if there is none.

    Raises:
        InputError: the lock file cannot be read.
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
    """Try to take the lock, which the kernel releases when the file is closed; False if another process holds it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[bytes]) -> str:
    file.seek(0)
    text = file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    return shortened(text, _LONGEST) if text.isprintable() and text else "another process"
