"""Files of traces, read once for as long as they stay what they are: worlds of one campaign share most of theirs."""

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from headway.traces import Trace, read

_MOST = 32
"""Traces that are remembered."""


def read_trace(path: str | Path, *arguments: Any, **options: Any) -> Trace:
    """As `traces.read`, which has the arguments; a file that says what it said before is not read anew.

    What a file says is told by a hash of all of it and not by its time, so nobody gets a trace that is not in the file.

    Raises:
        InputError: as `traces.read`.
    """
    before = _hash(path)
    if before is None:
        return read(path, *arguments, **options)
    misses = _remembered.cache_info().misses
    trace = _remembered(os.fspath(path), before, *arguments, **options)
    if _remembered.cache_info().misses > misses and _hash(path) != before:
        # It changed while it was read; what that gave may be remembered under the wrong hash.
        _remembered.cache_clear()
    return trace


@functools.lru_cache(maxsize=_MOST)
def _remembered(path: str, _: bytes, *arguments: Any, **options: Any) -> Trace:
    return read(path, *arguments, **options)


def _hash(path: str | Path) -> bytes | None:
    """Of what is in a file; None where there is no such file, about which `traces.read` has its own words."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
