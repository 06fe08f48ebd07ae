"""Traces from files: one module per format, and one front door that recognises them.

A format is a module with two functions, `recognises` and `read`, and one line in `FORMATS`. Formats are
tried in that order, the more particular ones first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, get_args

from traces.errors import InputError, one_of, shown
from traces.readers import columns, mahimahi
from traces.readers.lines import lines
from traces.trace import EndRule, Trace
from traces.units import Quantity

__all__ = ["FORMATS", "Format", "read"]


class Format(Protocol):
    """What a module for one format offers."""

    def recognises(self, first_line: str, /) -> bool:
        """Whether a file whose first line of data this is looks like the format."""
        ...

    def read(
        self, path: str, quantity: Quantity, unit: str | None, time_unit: str | None, end: EndRule | None, /
    ) -> Trace:
        """The trace in the file, in SI units; every problem of the file is an `InputError`."""
        ...


FORMATS: Mapping[str, Format] = {"mahimahi": mahimahi, "csv": columns}
"""Every format by name, in the order in which they are tried."""


def read(
    path: str | Path,
    quantity: Quantity,
    *,
    format: str | None = None,  # noqa: A002 (the word a user looks for; the builtin is not needed here)
    unit: str | None = None,
    time_unit: str | None = None,
    end: EndRule | None = None,
) -> Trace:
    """Read a trace from a file.

    Args:
        path: the file.
        quantity: what the values measure: "rate" (bytes/s in the result), "size" (bytes) or "fraction".
        format: a name in `FORMATS`; recognised from the content if None.
        unit: unit of the values, where the file does not say it or says it wrongly.
        time_unit: unit of the times, likewise.
        end: what follows the last row; each format has its own default.

    Raises:
        InputError: the file or an option cannot be used; says where, and what would be accepted.
    """
    if end is not None and end not in get_args(EndRule):
        raise InputError(f"{path} (option end)", shown(end), '"hold", "loop" or "zero"')
    name = _recognised(path) if format is None else format
    if name not in FORMATS:
        raise InputError(f"{path} (option format)", shown(name), one_of(name, FORMATS))
    return FORMATS[name].read(str(path), quantity, unit, time_unit, end)


def _recognised(path: str | Path) -> str:
    for number, line in lines(path):
        if line and not line.startswith("#"):
            for name, candidate in FORMATS.items():
                if candidate.recognises(line):
                    return name
            raise InputError(f"{path}:{number}", shown(line), f"a trace as one of {', '.join(FORMATS)}")
    raise InputError(str(path), "no line of data", f"a trace as one of {', '.join(FORMATS)}")
