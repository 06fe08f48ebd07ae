"""The suffixes of files that commands write."""

from collections.abc import Collection
from pathlib import Path

from headway.traces.errors import InputError, quoted


def check_suffix(path: Path, expected: Collection[str]) -> None:
    """Refuse to write a file with another suffix.

    Raises:
        InputError: the suffix is not one of those expected.
    """
    if path.suffix not in expected:
        raise InputError(str(path), f"the suffix {quoted(path.suffix)}", f"one of {', '.join(expected)}")
