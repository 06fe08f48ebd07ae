"""Files that were nearly named: a hint for who has misspelt one."""

import os
from pathlib import Path

from headway.traces.errors import nearest

_MOST_FILES = 1000
"""Names of a folder that are compared."""


def hint(path: str | os.PathLike[str]) -> str:
    """The name of a file beside a path that is nearly that of the path, as the end of a message; empty if none is."""
    try:
        with os.scandir(Path(path).parent) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(_MOST_FILES), strict=False))
    except (OSError, ValueError):  # no such folder, or a path with a null character
        return ""
    near = nearest(Path(path).name, names)
    return f" (did you mean {near!r}?)" if near else ""
