"""The lines of a text file that may be anything: huge, binary, or missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from traces.errors import InputError

LONGEST_LINE = 4096
"""Longest line that is read, in bytes. A trace has short lines; a longer one is another kind of file."""

_BLOCK = 1 << 20
_TEXT = "a text file in UTF-8"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines(path: str | Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """Yield (line number, line without surrounding blanks), reading no more than one block ahead.

    Args:
        path: the file.
        longest: longest line that is read, in bytes.

    Raises:
        InputError: the file cannot be read, is empty, is not UTF-8, or holds a longer line.
    """
    with _opened(path) as file:
        block = _next_block(file, path)
        if not block:
            raise InputError(str(path), "an empty file", "at least one line")
        number, rest = 1, block.removeprefix(_BYTE_ORDER_MARK)
        while block:
            *complete, rest = rest.split(b"\n")
            yield from _decoded(complete, number, path, longest)
            number += len(complete)
            _check_length([rest], number, path, longest)
            block = _next_block(file, path)
            rest += block
    if rest:
        yield from _decoded([rest], number, path, longest)


def _opened(path: str | Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _next_block(file: BinaryIO, path: str | Path) -> bytes:
    try:
        return file.read(_BLOCK)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else None
    return InputError(str(path), f"a file that cannot be read ({reason or error})", "a readable text file")


def _decoded(raw: list[bytes], first: int, path: str | Path, longest: int) -> Iterator[tuple[int, str]]:
    if not raw:
        return iter(())
    _check_length(raw, first, path, longest)
    whole = b"\n".join(raw)
    try:
        text = whole.decode()
    except UnicodeDecodeError as error:
        at = first + whole.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{at}", f"the byte 0x{whole[error.start]:02x}, not UTF-8", _TEXT) from error
    if "\0" in text:
        at = first + text.count("\n", 0, text.index("\0"))
        raise InputError(f"{path}:{at}", "a zero byte, as in a binary file", _TEXT)
    return enumerate((line.strip() for line in text.split("\n")), first)


def _check_length(raw: list[bytes], first: int, path: str | Path, longest: int) -> None:
    if max(map(len, raw)) <= longest:
        return
    at = next(i for i, line in enumerate(raw) if len(line) > longest)
    raise InputError(f"{path}:{first + at}", "a very long line", f"lines of at most {longest} bytes")
