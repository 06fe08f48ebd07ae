"""Opening of input files: regular ones, and pipes where one reading is enough.

Whatever reads files of a user opens them here, so that nothing waits for a pipe that nobody writes to.
"""

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_A_FILE_FIRST = "copy what it gives to a file first"


def open_input(path: str | Path) -> BufferedReader:
    """A regular file, for reading bytes.

    Raises:
        OSError: it cannot be opened, or is something else, such as a pipe, which could be read only once.
        ValueError: the path has a null character.
    """
    return _open(path, pipe=False)


def read_input(path: str | Path, most_bytes: int) -> bytes:
    """The first bytes of a regular file or of a pipe, such as `/dev/stdin` or what a shell makes of `<(command)`.

    A pipe is read for as long as somebody has it open for writing.

    Args:
        path: of the file.
        most_bytes: the most to read.

    Raises:
        OSError: it cannot be read, is neither, or is a pipe that gives nothing.
        ValueError: the path has a null character.
    """
    with _open(path, pipe=True) as file:
        content = file.read(most_bytes)
        if not content and _is_pipe(file):
            raise OSError(f"a pipe that nobody writes to, or that was read before; {_A_FILE_FIRST}")
        return content


def _open(path: str | Path, *, pipe: bool) -> BufferedReader:
    # Without O_NONBLOCK the system would wait for somebody to open a pipe for writing.
    no_waiting = getattr(os, "O_NONBLOCK", 0)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_waiting))  # noqa: SIM115
    if pipe and _is_pipe(file):
        os.set_blocking(file.fileno(), True)
    elif not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        with file:
            raise OSError(f"{'a pipe' if _is_pipe(file) else 'a device'}; {_A_FILE_FIRST}")
    return file


def _is_pipe(file: BinaryIO) -> bool:
    return stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
