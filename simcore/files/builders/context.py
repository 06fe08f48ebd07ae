"""The common context of all builders: the scenario file and the seed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from headway.simcore.files.library_keys import library_of
from headway.simcore.files.nearby import hint
from headway.simcore.files.schema import ScenarioFile
from headway.simcore.files.yaml_document import Document, KeyPath
from headway.simcore.world.library import Library
from headway.traces import InputError


@dataclass(frozen=True)
class Context:
    """A validated scenario file and a seed.

    Attributes:
        document: the YAML file, with the line of each key.
        file: its values according to the schema, in SI units.
        seed: of all random values.
    """

    document: Document
    file: ScenarioFile
    seed: int

    @cached_property
    def library(self) -> Library:
        """Devices, links and engine profiles, with the changes of the file that the key `library` names."""
        return library_of(self.document)

    @property
    def folder(self) -> Path:
        """The folder to which paths in the scenario file are relative."""
        return Path(self.document.path).parent

    def path(self, key: KeyPath, name: str) -> Path:
        """The path of a file that the scenario file names under a key.

        Raises:
            InputError: the file does not exist; the message suggests the most similar name in its folder.
        """
        path = self.folder / name
        if "\0" not in name and not os.path.lexists(path):
            raise InputError(f"{self.where(key)}: {path}", "no such file", f"the path of a file{hint(path)}")
        return path

    def where(self, key: KeyPath) -> str:
        """File, line and key path, for messages."""
        return self.document.where(key)

    def fail(self, key: KeyPath, got: str, expected: str) -> NoReturn:
        """Refuse the value of a key.

        Raises:
            InputError: always.
        """
        raise InputError(self.where(key), got, expected)

    @contextmanager
    def located(self, key: KeyPath, expected: str = "") -> Iterator[None]:
        """Convert errors of the code inside to errors at a key; `expected` is for those without accepted values.

        Raises:
            InputError: the code inside raised a `ValueError`.
        """
        try:
            yield
        except InputError as error:
            raise InputError(self.where(key), error.got, error.expected) from error
        except ValueError as error:
            raise InputError(self.where(key), str(error), expected) from error
