"""Suggestions for the names of misspelt files."""

import os
from pathlib import Path

from headway.traces.errors import did_you_mean

_MOST_FILES = 1000
"""Names in a folder that are compared."""


def hint(path: str | os.PathLike[str]) -> str:
    """The end of an error message with the most similar file name in the folder of a path; empty if there is none."""
    try:
        with os.scandir(Path(path).parent) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(_MOST_FILES), strict=False))
    except (OSError, ValueError):  # no such folder, or a path with a null character
        return ""
    # Most names have the same suffix, so the cutoff is higher than for keys and units.
    return did_you_mean(Path(path).name, names, 0.75)
