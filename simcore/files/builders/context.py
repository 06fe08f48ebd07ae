"""What every part of a scenario is built from: the file, and the seed of the world that it becomes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from headway.simcore.files.nearby import hint
from headway.simcore.files.schema import ScenarioFile
from headway.simcore.files.yaml_document import Document, KeyPath
from headway.traces import InputError


@dataclass(frozen=True)
class Context:
    """A checked scenario file that becomes a world.

    Attributes:
        document: the file as it is written, which knows the line of each key.
        file: what the schema made of it, in SI units.
        seed: of everything random in the world.
    """

    document: Document
    file: ScenarioFile
    seed: int

    @property
    def folder(self) -> Path:
        """Where files are that the scenario file names."""
        return Path(self.document.path).parent

    def path(self, key: KeyPath, name: str) -> Path:
        """A file that the scenario file names under a key.

        Raises:
            InputError: there is none; the message has the nearest name in its folder.
        """
        path = self.folder / name
        if "\0" not in name and not os.path.lexists(path):
            raise InputError(f"{self.where(key)}: {path}", "no such file", f"the path of a file{hint(path)}")
        return path

    def where(self, key: KeyPath) -> str:
        """File, line and key path, for a message."""
        return self.document.where(key)

    def fail(self, key: KeyPath, got: str, expected: str) -> NoReturn:
        """Refuse what the file says under a key.

        Raises:
            InputError: always.
        """
        raise InputError(self.where(key), got, expected)

    @contextmanager
    def located(self, key: KeyPath, expected: str = "") -> Iterator[None]:
        """Report a mistake that is found while something is built as one in the scenario file.

        Args:
            key: of what is built.
            expected: for errors that do not say it themselves.

        Raises:
            InputError: for each `ValueError`.
        """
        try:
            yield
        except InputError as error:
            raise InputError(self.where(key), error.got, error.expected) from error
        except ValueError as error:
            raise InputError(self.where(key), str(error), expected) from error

    @contextmanager
    def naming(self, key: KeyPath) -> Iterator[None]:
        """Say of a mistake in another file which key names that file.

        Raises:
            InputError: the same one, with the place of the key before its own.
        """
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.where(key)}: {error.where}", error.got, error.expected) from error
