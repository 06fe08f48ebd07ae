"""The manifest of a folder of tables: rows, size and digest of each file, to detect damage.

`manifest.json` lists the Parquet files in its folder. It also has a digest of its own content, to distinguish damage to
the manifest from damage to a table.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from headway.traces import InputError
from headway.traces.errors import reason

MANIFEST = "manifest.json"

_MOST_BYTES = 50_000_000
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_CHANGED = "changed content (the checksum differs)"


class FileRecord(BaseModel):
    """The entry of a file in a manifest.

    Attributes:
        rows: of its table.
        size_bytes: of the file.
        sha256: hexadecimal digest of the file.
    """

    model_config = _STRICT

    rows: int
    size_bytes: int
    sha256: str

    def damage(self, path: Path, *, size_only: bool = False) -> str:
        """Compare the file at a path, or only its size, with this entry; empty if there is no damage."""
        try:
            size_bytes = path.stat().st_size
            if size_bytes != self.size_bytes:
                return f"{size_bytes:,} bytes instead of {self.size_bytes:,}"
            return "" if size_only or _file_digest(path) == self.sha256 else _CHANGED
        except OSError as error:
            return reason(error)


class Manifest(BaseModel):
    """The files of a folder.

    Attributes:
        files: by name.
        replaces: names of other folders whose rows are in these files.
        sha256: hexadecimal digest of the rest of the manifest.
    """

    model_config = _STRICT

    files: dict[str, FileRecord]
    replaces: list[str]
    sha256: str

    @property
    def is_sound(self) -> bool:
        """Whether the manifest itself is unchanged."""
        return self.sha256 == _digest(self.model_dump(exclude={"sha256"}))


def write_manifest(folder: Path, replaces: Sequence[str] = ()) -> None:
    """Write the manifest of all Parquet files in a folder.

    Raises:
        OSError: a file cannot be read, or the manifest cannot be written.
    """
    files = {path.name: _record(path) for path in sorted(folder.glob("*.parquet"))}
    content = {"files": files, "replaces": list(replaces)}
    text = json.dumps(content | {"sha256": _digest(content)}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged, or cannot be read.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            manifest = Manifest.model_validate_json(file.read(_MOST_BYTES))
    except FileNotFoundError:
        raise
    except ValidationError as error:
        raise InputError(str(path), _CHANGED, "a manifest written by headway") from error
    except OSError as error:
        raise InputError(str(path), reason(error), "a manifest written by headway") from error
    if not manifest.is_sound:
        raise InputError(str(path), _CHANGED, "a manifest written by headway")
    return manifest


def check_folder(folder: Path, expected: str) -> None:
    """Refuse a folder with a damaged file. A folder without a manifest is not checked.

    Raises:
        InputError: a file is damaged; names the first one and its damage, and what is `expected`.
    """
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        return
    for name, record in manifest.files.items():
        if got := record.damage(folder / name):
            raise InputError(str(folder / name), got, expected)


def _record(path: Path) -> dict[str, int | str]:
    return {
        "rows": pq.read_metadata(path).num_rows,
        "size_bytes": path.stat().st_size,
        "sha256": _file_digest(path),
    }


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
