"""Folders that exist while a process fills them, and are exchanged for older ones in one step.

A process holds a lock of the kernel on each of its folders (`flock`), which ends with it, however it ends. So a folder
of this kind without a lock is what a killed process left, and is removed by whoever makes the next one of its name.
Where a file system has no such locks nothing is removed.
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
    """Let two existing paths of one file system change places in one step; False where the system cannot (Linux can).

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
    """A new empty folder, and the descriptor that holds its lock.

    Args:
        parent: the folder in which it is made.
        prefix: begins its name; eight letters follow.
        suffix: ends its name.

    Raises:
        OSError: the system refuses it.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
        # Until it is locked, another process may take it for one that was left, and remove it.
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def remove_folder(path: Path, lock: int) -> None:
    """Remove what `make_folder` made.

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
    """Remove the folders that `make_folder` made for this user in processes that are gone.

    Args:
        parent: as there.
        prefix: as there.
        suffix: as there.
        rescue: is called with each of them before it is removed.

    Raises:
        OSError: `parent` cannot be read. What cannot be removed is in nobody's way, and stays.
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
