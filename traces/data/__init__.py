"""The traces that come with Headway. All are synthetic, made by `traces.data.make`."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from headway.traces.errors import InputError, one_of, quoted

_SUFFIXES = (".csv", ".mahimahi")


def shipped_names() -> list[str]:
    """The names of all traces that come with Headway, sorted."""
    return sorted(entry.name for entry in files(__name__).iterdir() if entry.name.endswith(_SUFFIXES))


@cache
def shipped(name: str) -> Path:
    """The file of a trace that comes with Headway.

    Raises:
        InputError: no trace has this name.
    """
    if name not in shipped_names():
        raise InputError("shipped trace", quoted(name), one_of(name, shipped_names()))
    return Path(str(files(__name__) / name))
