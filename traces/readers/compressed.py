"""Decompression of input files: gzip, xz, Zstandard, and zip files with one member."""

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from headway.traces.errors import InputError, quoted

MOST_DECOMPRESSED = 1 << 30
"""Maximum number of bytes after decompression: a small file may decompress to any size."""

_GZIP, _XZ, _ZSTD, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257
_DAMAGED = (
    *(EOFError, ValueError, RuntimeError, struct.error),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException),
)
"""Exceptions of the libraries for data that are damaged, cut off, or of an unknown kind."""


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class _Decompressed(io.RawIOBase):
    """The content of a compressed file, at most `MOST_DECOMPRESSED` bytes; all errors are `OSError`."""

    def __init__(self, source: _Source, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        self._left = MOST_DECOMPRESSED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as `BufferedReader` calls it
        try:
            block = self._source.read(min(len(buffer), self._left + 1))
        except _DAMAGED as error:
            raise OSError("its compressed data are damaged or cut off") from error
        self._left -= len(block)
        if self._left < 0:
            size = f"more than {MOST_DECOMPRESSED:,} bytes"
            raise OSError(f"it is {size} when decompressed: decompress it first")
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._source.close()
        self._file.close()
        super().close()


def decompressed(path: str, file: io.BufferedReader) -> BinaryIO:
    """A file from its beginning, decompressed if it is compressed.

    Raises:
        InputError: it is an archive that does not have exactly one file.
        OSError: it cannot be decompressed.
    """
    magic = file.peek(8)
    source: _Source | None = None
    if magic.startswith(_GZIP):
        source = gzip.GzipFile(fileobj=file)
    elif magic.startswith(_XZ):
        source = lzma.LZMAFile(file)  # noqa: SIM115 (closed with the reader)
    elif magic.startswith(_ZSTD):
        if not pa.Codec.is_available("zstd"):
            got = "a Zstandard file, which pyarrow here cannot read"
            raise InputError(path, got, "it decompressed (zstd -d)")
        source = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    elif magic.startswith(_ZIP):
        source = _only_member(path, file)
    reader: io.BufferedReader[Any] = file
    if source is not None:
        reader = io.BufferedReader(_Decompressed(source, file))
    if reader.peek(512)[_TAR_AT:].startswith(_TAR):
        raise InputError(path, "a tar archive", "one file out of it (tar -xf)")
    return reader


def _only_member(path: str, file: BinaryIO) -> _Source:
    try:
        archive = zipfile.ZipFile(file)
        members = [one for one in archive.infolist() if not one.is_dir() and not _is_of_macos(one.filename)]
        if len(members) != 1:
            got = f"a zip file with {len(members)} files in it"
            raise InputError(path, got, "a zip file with one, or one file out of it (unzip)")
        if members[0].flag_bits & 1:
            raise InputError(path, f"the encrypted file {quoted(members[0].filename)}", "it unpacked (unzip)")
        return archive.open(members[0])
    except InputError:
        raise
    except _DAMAGED as error:
        raise OSError("its compressed data are damaged or cut off") from error


def _is_of_macos(name: str) -> bool:
    """Whether macOS added a member to the files that the user packed."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")
