"""Temporary folders that are removed even after SIGKILL, and folders that change places in one step.

A process holds a lock of the kernel (`flock`) on each of its temporary folders. The kernel releases it when the process
ends. So a temporary folder without a lock was left by a killed process, and the next process that makes a folder of
this name removes it. On a file system without locks, such folders stay.
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
    """Exchange two existing paths of one file system in one step (Linux); False if the system does not support it.

    Raises:
        OSError: the system refuses it.
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
    """Make a new empty folder and lock it; returns its path and the descriptor of the lock.

    Args:
        parent: the folder in which it is made.
        prefix: the name begins with it; eight random characters follow.
        suffix: the name ends with it.

    Raises:
        OSError: the system refuses it.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
        # Before the folder is locked, another process may consider it left, and remove it.
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def remove_folder(path: Path, lock: int) -> None:
    """Remove a folder that `make_folder` made.

    Raises:
        OSError: the system refuses it.
    """
    try:
        shutil.rmtree(path)
    finally:
        os.close(lock)


def remove_left(
    parent: Path, prefix: str, suffix: str = "", rescue: Callable[[Path], None] | None = None
) -> None:
    """Remove the folders that `make_folder` made for this user in processes that were killed.

    A folder that cannot be removed stays.

    Args:
        parent: as in `make_folder`.
        prefix: as in `make_folder`.
        suffix: as in `make_folder`.
        rescue: called with each folder before that is removed.

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
