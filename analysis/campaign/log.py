"""What happened in a store, line by line, with times: a file, always."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from analysis.output import writing


class Log:
    """An open log."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path

    def say(self, text: str) -> None:
        """Add a line.

        Raises:
            InputError: the disk takes no more.
        """
        with writing(self._path):
            self._file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")
            self._file.flush()


@contextmanager
def logged(folder: Path) -> Iterator[Log]:
    """The log of a store, to be added to.

    Raises:
        InputError: it cannot be written.
    """
    path = folder / "log.txt"
    with writing(path):
        file = path.open("a", encoding="utf-8")
    with file:
        yield Log(file, path)
