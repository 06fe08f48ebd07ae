"""What happened in a store, line by line, with times: a file, always."""

from datetime import UTC, datetime
from pathlib import Path

from headway.analysis.files.atomic import writing


class Log:
    """The log of a store, to be added to; no line stays in memory if the disk takes no more.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.txt"

    def say(self, text: str) -> None:
        """Add a line.

        Raises:
            InputError: it cannot be written.
        """
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")
