"""A cache of trace files: the scenarios of one campaign share most of them."""

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from headway.traces import Trace, read

_MOST = 32
"""Maximum number of traces in the cache."""


def read_trace(path: str | Path, *arguments: Any, **options: Any) -> Trace:
    """`traces.read` with a cache; an unchanged file is not read again.

    A hash of the content, not the time of the file, detects changes, so the trace always matches the file.

    Raises:
        InputError: see `traces.read`.
    """
    before = _hash(path)
    if before is None:
        return read(path, *arguments, **options)
    misses = _cached_trace.cache_info().misses
    trace = _cached_trace(os.fspath(path), before, *arguments, **options)
    if _cached_trace.cache_info().misses > misses and _hash(path) != before:
        # The file changed during reading, so the trace may be in the cache under the wrong hash.
        _cached_trace.cache_clear()
    return trace


@functools.lru_cache(maxsize=_MOST)
def _cached_trace(path: str, _: bytes, *arguments: Any, **options: Any) -> Trace:
    return read(path, *arguments, **options)


def _hash(path: str | Path) -> bytes | None:
    """The hash of the content of a file; None if it cannot be read, so that `traces.read` reports the error."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
