"""Lines of a text file, with checks for files that are huge, binary, or missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from headway.traces.errors import InputError
from headway.traces.files import open_input
from headway.traces.readers.compressed import decompressed

LONGEST_LINE = 4096
"""Longest line in bytes. A trace has short lines; a file with longer lines is of another kind."""

_BLOCK = 1 << 20
_HEAD = 1 << 16
_EMPTY, _NOT_EMPTY = "an empty file", "at least one line"
_TEXT = "a text file in UTF-8"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines(path: str | Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """Yield (line number, line without surrounding blanks), with at most one block in memory.

    Raises:
        InputError: the file cannot be read, is empty, is not UTF-8, or holds a line beyond `longest`.
    """
    for first, block in blocks(path, longest):
        yield from lines_of(first, block)


def lines_of(first: int, block: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a block, as `lines` yields them."""
    return enumerate((line.strip() for line in block.decode().split("\n")), first)


def blocks(path: str | Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes]]:
    r"""Yield (number of the first line, whole lines without the last "\n"), about a megabyte at a time.

    Raises:
        InputError: as for `lines`.
    """
    with opened(path) as file:
        block = read_block(file, path)
        if not block:
            raise InputError(str(path), _EMPTY, _NOT_EMPTY)
        number, rest = 1, block.removeprefix(_BYTE_ORDER_MARK)
        while block:
            complete, newline, rest = rest.rpartition(b"\n")
            if newline:
                yield number, _checked(complete, number, path, longest)
                number += complete.count(b"\n") + 1
            _check_lengths(rest, number, path, longest)
            block = read_block(file, path)
            rest += block
    if rest:
        yield number, _checked(rest, number, path, longest)


def head(path: str | Path) -> list[str]:
    """The first lines, at most a few thousand, that are neither empty nor comments; of any length.

    Raises:
        InputError: the file cannot be read, is empty, or does not begin with text.
    """
    with opened(path) as file:
        block = read_block(file, path, _HEAD)
    if not block:
        raise InputError(str(path), _EMPTY, _NOT_EMPTY)
    if len(block) == _HEAD:
        whole, newline, rest = block.rpartition(b"\n")
        # The block may end within a character.
        block = whole if newline else rest.decode(errors="ignore").encode()
    text = _checked(block.removeprefix(_BYTE_ORDER_MARK), 1, path, _HEAD)
    return [line for _, line in lines_of(1, text) if line and not line.startswith("#")]


def opened(path: str | Path) -> BinaryIO:
    """The content of a file as bytes, decompressed if the file is compressed.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        file = open_input(path)
        try:
            return decompressed(str(path), file)
        except BaseException:
            file.close()
            raise
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: OSError | ValueError) -> InputError:
    """The error for a file that the system cannot open or read."""
    reason = error.strerror if isinstance(error, OSError) else None
    return InputError(str(path), f"a file that cannot be read ({reason or error})", "a readable file")


def read_block(file: BinaryIO, path: str | Path, size: int = _BLOCK) -> bytes:
    """The next bytes of a file, at most `size`.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return file.read(size)
    except OSError as error:
        raise unreadable(path, error) from error


def _checked(block: bytes, first: int, path: str | Path, longest: int) -> bytes:
    _check_lengths(block, first, path, longest)
    try:
        block.decode()
    except UnicodeDecodeError as error:
        at = first + block.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{at}", f"the byte 0x{block[error.start]:02x}, not UTF-8", _TEXT) from error
    zero = block.find(b"\0")
    if zero >= 0:
        at = first + block.count(b"\n", 0, zero)
        raise InputError(f"{path}:{at}", "a zero byte, as in a binary file", _TEXT)
    return block


def _check_lengths(block: bytes, first: int, path: str | Path, longest: int) -> None:
    if len(block) <= longest:
        return
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))
    lengths = np.diff(ends, prepend=-1, append=len(block)) - 1
    if lengths.max() > longest:
        at = first + int(np.argmax(lengths > longest))
        raise InputError(f"{path}:{at}", "a very long line", f"lines of at most {longest} bytes")
