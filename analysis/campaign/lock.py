"""One runner per store.

The lock is a file that says who holds it: host, boot of that host, process, and when that process started. It is stale
if that process is gone: its host has booted since, there is no such process, or one that started at another time has
its number. Of another host nothing can be asked; but a living holder touches the file every few seconds, so a lock
that nobody has touched for `_SILENCE_S` is stale too.
"""

import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from traces.errors import InputError

LOCK_FILES, LOCK_BEGUN = ("lock", ".judging"), ".lock-"
"""Names of files of a lock, and how those begin of which there may be many."""

_SILENCE_S = 120.0
_TOUCH_S = 5.0
_MOST_BYTES = 10_000
_MOST_PID = 2**31


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: its name.
        boot: which boot of the host; empty where the system does not say.
        pid: of the process.
        started: when the process started, in the system's own words; empty where it does not say.
        token: unlike that of any other holder.
    """

    host: str
    boot: str
    pid: int
    started: str
    token: str

    @classmethod
    def this(cls) -> "Holder":
        """This process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), _started(os.getpid()), uuid.uuid4().hex)

    def is_gone(self, silent_s: float) -> bool:
        """Whether it cannot be at work any more, having been silent for so many seconds."""
        if self.host != socket.gethostname():
            return silent_s > _SILENCE_S
        return self.boot != _boot() or not _is_alive(self.pid) or self.started != _started(self.pid)


class Lock:
    """A lock that this process holds."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self._path = path
        self._holder = holder
        self._touched = time.monotonic()

    def check(self) -> None:
        """Show that this process lives, and see that nobody has taken it for dead.

        Raises:
            InputError: somebody has, perhaps while the machine slept.
        """
        if time.monotonic() - self._touched < _TOUCH_S:
            return
        other = _read(self._path)
        if other is None:
            raise InputError(str(self._path), "no lock any more", "a store that nobody removes or moves")
        if other != self._holder:
            raise InputError(str(self._path), "another runner's lock", "one runner at a time")
        os.utime(self._path)
        self._touched = time.monotonic()

    def release(self) -> None:
        """Let others in."""
        if _read(self._path) == self._holder:
            self._path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Hold the lock of a store while the block lasts.

    Raises:
        InputError: somebody else holds it.
    """
    path, holder = folder / "lock", Holder.this()
    mine = folder / f"{LOCK_BEGUN}{holder.token}"
    with _alone(folder):
        for left in folder.glob(f"{LOCK_BEGUN}*"):
            left.unlink()
        try:
            mine.write_text(json.dumps(asdict(holder)), encoding="utf-8")
            other = _read(path)
            # The clock of the disk, not ours: the two may belong to different machines.
            if other is not None and not other.is_gone(_silent_s(path, mine)):
                found = f"the lock of process {other.pid} on {other.host}, which is at work"
                raise InputError(str(path), found, "one runner at a time")
            mine.rename(path)
        finally:
            mine.unlink(missing_ok=True)
    lock = Lock(path, holder)
    try:
        yield lock
    finally:
        lock.release()


def holder_of(folder: Path) -> Holder | None:
    """Who is at work in a store, if anybody is."""
    path = folder / "lock"
    try:
        other, silent_s = _read(path), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    return None if other is None or other.is_gone(silent_s) else other


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Judge and replace a lock without another process of this host doing the same; ends with the process."""
    with (folder / ".judging").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _silent_s(path: Path, fresh: Path) -> float:
    return fresh.stat().st_mtime - path.stat().st_mtime


def _read(path: Path) -> Holder | None:
    try:
        with path.open("rb") as file:
            holder = Holder(**json.loads(file.read(_MOST_BYTES)))
        kinds = [type(value) for value in asdict(holder).values()]
        if kinds != [str, str, int, str, str] or not 0 < holder.pid < _MOST_PID:
            raise ValueError
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, RecursionError, IsADirectoryError) as error:
        raise InputError(str(path), "a file that is not a lock of headway", "no such file") from error
    return holder


def _boot() -> str:
    return _said("/proc/sys/kernel/random/boot_id")


def _started(pid: int) -> str:
    """Field 22 of /proc/PID/stat: ticks from boot to the start of the process (proc(5))."""
    _, _, after_name = _said(f"/proc/{pid}/stat").rpartition(")")
    fields = after_name.split()
    return fields[19] if len(fields) > 19 else ""


def _said(path: str) -> str:
    """What the system says there; nothing where it has no such file."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
