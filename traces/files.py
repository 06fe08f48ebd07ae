"""Reading of input files: regular files, and pipes if the file is read only once.

All code that reads a user's files opens them here, so that no command waits for a pipe without a writer. Texts have a
largest size, and all mistakes in them are reported in the same words.
"""

import functools
import json
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, TypeGuard

from headway.traces.errors import InputError, quoted, reason

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


def read_text(
    path: str | Path, most_bytes: int, expected: str, read: Callable[[str | Path, int], bytes] = read_input
) -> str:
    """The text of a file, without a byte order mark.

    Args:
        path: of the file.
        most_bytes: maximum size.
        expected: description of an accepted file, for the message if it cannot be read.
        read: returns the first bytes of a file.

    Raises:
        InputError: the file cannot be read, is too large, or is not UTF-8.
    """
    try:
        content = read(path, most_bytes + 1)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise InputError(str(path), reason(error), expected) from error
    if len(content) > most_bytes:
        raise InputError(str(path), f"more than {most_bytes:,} bytes", "a smaller file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}", "bytes that are not UTF-8", "text in UTF-8") from error


def parse_json(text: str, where: str, expected: str, *, unique: bool = True) -> object:
    """The value of a JSON text.

    Args:
        text: of unknown origin.
        where: path of the file, for messages.
        expected: description of an accepted file, for messages.
        unique: whether to refuse an object with two values of one key; otherwise the last one counts.

    Raises:
        InputError: the text is not JSON, repeats a key, is nested too deeply, or has an integer with more digits than
            Python converts.
    """
    try:
        return json.loads(text, object_pairs_hook=functools.partial(_unique, where) if unique else None)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError(f"{where}:{error.lineno}", f"invalid JSON ({error.msg})", expected) from error
    except RecursionError as error:
        raise InputError(where, "JSON nested too deeply", expected) from error
    except ValueError as error:
        raise InputError(where, f"an unusable number ({error})", expected) from error


def json_object(text: str, where: str, expected: str, *, unique: bool = True) -> dict[str, object]:
    """The object of a JSON text; arguments and exceptions as those of `parse_json`."""
    value = parse_json(text, where, expected, unique=unique)
    if not isinstance(value, dict):
        raise InputError(where, quoted(value), expected)
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value of a JSON or YAML text is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unique(where: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise InputError(where, f"the key {quoted(key)} more than once", "each key once")
        values[key] = value
    return values


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
