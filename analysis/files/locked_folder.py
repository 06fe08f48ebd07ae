"""Temporary folders with a lock, and the exchange of two folders in one step.

A process holds a lock of the kernel (`flock`) on each of its temporary folders. The lock ends with the process, also
when it is killed. So a temporary folder without a lock belongs to no process, and the next process that makes one of
the same name removes it. On file systems without such locks nothing is removed.
"""

import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two existing paths of one file system in one step; False if the system cannot (Linux can).

    Raises:
        OSError: the system refuses to.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), os.fspath(other))


def make_folder(parent: Path, prefix: str, suffix: str = "") -> tuple[Path, int]:
    """Make an empty folder; return its path and the descriptor that holds its lock.

    Args:
        parent: the folder in which it is made.
        prefix: start of its name; eight letters follow.
        suffix: end of its name.

    Raises:
        OSError: the system refuses to.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
        # Until it is locked, another process may remove it as a folder of a killed process.
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def remove_folder(path: Path, lock: int) -> None:
    """Remove a folder of `make_folder`, and release its lock.

    Raises:
        OSError: the system refuses to.
    """
    try:
        shutil.rmtree(path)
    finally:
        os.close(lock)


def remove_left(
    parent: Path, prefix: str, suffix: str = "", rescue: Callable[[Path], None] | None = None
) -> None:
    """Remove the folders that processes of this user made with `make_folder` before they were killed.

    Folders that cannot be removed stay.

    Args:
        parent: as in `make_folder`.
        prefix: as in `make_folder`.
        suffix: as in `make_folder`.
        rescue: called with each folder before it is removed.

    Raises:
        OSError: `parent` cannot be read.
    """
    name = re.compile(re.escape(prefix) + "[a-z0-9_]{8}" + re.escape(suffix))
    for path in [path for path in parent.iterdir() if name.fullmatch(path.name)]:
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if rescue is not None:
                        rescue(path)
                    shutil.rmtree(path)
            finally:
                os.close(lock)
