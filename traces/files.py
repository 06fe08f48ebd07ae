"""Opening of input files: regular files, and pipes if the file is read only once.

All code that reads a user's files opens them here, so that no command waits for a pipe without a writer.
"""

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_A_FILE_FIRST = "copy its content to a file first"


def open_input(path: str | Path) -> BufferedReader:
    """Open a regular file to read bytes.

    Raises:
        OSError: it cannot be opened, or is not regular, such as a pipe, which can be read only once.
        ValueError: the path has a null character.
    """
    return _open(path, pipe=False)


def read_input(path: str | Path, most_bytes: int) -> bytes:
    """The first bytes of a regular file or of a pipe, such as `/dev/stdin` or `<(command)` in a shell.

    A pipe is read until its last writer closes it.

    Args:
        path: of the file.
        most_bytes: maximum number of bytes to read.

    Raises:
        OSError: it cannot be read, is neither a regular file nor a pipe, or is a pipe without data.
        ValueError: the path has a null character.
    """
    with _open(path, pipe=True) as file:
        content = file.read(most_bytes)
        if not content and _is_pipe(file):
            raise OSError(f"a pipe that nobody writes to, or that was read before; {_A_FILE_FIRST}")
        return content


def _open(path: str | Path, *, pipe: bool) -> BufferedReader:
    # Without O_NONBLOCK the system would wait for a writer of the pipe.
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
