"""Files that were nearly named: a hint for who has misspelt one."""

import difflib
import os
from pathlib import Path

_MOST_FILES = 1000
"""Names of a folder that are compared."""


def hint(path: str | os.PathLike[str]) -> str:
    """The name of a file beside a path that is nearly that of the path, as the end of a message; empty if none is."""
    try:
        with os.scandir(Path(path).parent) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(_MOST_FILES), strict=False))
    except (OSError, ValueError):  # no such folder, or a path with a null character
        return ""
    # Most names share their ending, so that they must have more in common than keys and units.
    near = difflib.get_close_matches(Path(path).name, names, 1, cutoff=0.75)
    return f" (did you mean {near[0]!r}?)" if near else ""
