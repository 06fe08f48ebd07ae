"""Options for reading a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from headway.traces.errors import InputError, quoted
from headway.traces.trace import EndRule

Merge = Literal["mean", "sum", "first"]
"""How rows of one time are merged: to their mean, their sum, or the first of them."""


@dataclass(frozen=True)
class Options:
    """The options of all formats; None is the default of the format.

    Attributes:
        unit: of the values.
        time_unit: of the times.
        end: what follows the last row.
        column: name or number (from 1) of the column with the values.
        time_column: name or number (from 1) of the column with the times.
        load: the values are the share of a device that others use; True gives the share that they leave, False the
            load itself.
        repair: put rows in order instead of refusing the file.
        max_gap_s: longer steps are shortened to this.
        select: the recording, in a file with several.
        where: only rows that have these values in these columns, by name or number (from 1).
        merge: how a repair merges rows of one time; their mean if None.
        step_s: time from one row to the next, of rows without a time.
    """

    unit: str | None = None
    time_unit: str | None = None
    end: EndRule | None = None
    column: str | None = None
    time_column: str | None = None
    load: bool | None = None
    repair: bool | None = None
    max_gap_s: float | None = None
    select: str | None = None
    where: Mapping[str, str | float] | None = None
    merge: Merge | None = None
    step_s: float | None = None

    def allow(self, path: str, *names: str) -> None:
        """Refuse options that the format does not have.

        Raises:
            InputError: an option other than `names` is set.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name not in names:
                expected = f"of options only {', '.join(names)}" if names else "no options"
                got = f"{field.name}={quoted(value)}, which this format does not have"
                raise InputError(f"{path} (option {field.name})", got, expected)
