"""Files that appear whole or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from headway.analysis.files.atomic import writing
from headway.traces.errors import InputError


def check_new(path: Path, *, replace: bool) -> None:
    """Refuse to replace a file.

    Raises:
        InputError: the path is in use.
    """
    if os.path.lexists(path) and not (replace and path.is_file()):
        got = "a folder" if path.is_dir() else "a file that exists"
        raise InputError(str(path), got, "a new file, or the option --force, which replaces a file")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it: after a failure or an interruption, the old file is there.

    Args:
        path: of the file.
        write: writes the content to a path with the same suffix.

    Raises:
        InputError: the system refuses to write there.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with writing(path):
            write(partial)
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()
