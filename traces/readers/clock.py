"""Wall-clock times in logs."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from pyarrow import csv

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261


@dataclass(frozen=True)
class Clock:
    """A format of dates and times of day.

    Attributes:
        form: a regular expression whose groups are year, month, day, hour, minute, second, and digits of a fraction.
        doubtful: texts that pyarrow might read wrongly, as it takes 31 February for 3 March.
        parser: the format for pyarrow.
        example: for messages.
    """

    form: re.Pattern[str]
    doubtful: re.Pattern[bytes]
    parser: object
    example: str

    def nanoseconds(self, text: str) -> int | None:
        """Since 1970, by a calendar without time zones or leap seconds; None if the text has another form."""
        match = self.form.fullmatch(text) if text.isascii() else None
        if match is None or not _FIRST_YEAR <= int(match[1]) <= _LAST_YEAR:
            return None
        *whole, fraction = match.groups()
        try:
            moment = datetime(*(int(part or 0) for part in whole), tzinfo=UTC)  # type: ignore[arg-type, misc]
        except ValueError:
            return None
        since = moment - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


ISO = Clock(
    re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?)?"),
    re.compile(rb"(?!)"),
    csv.ISO8601,
    "2023-11-16 18:17:03.9799600",
)
DOTTED = Clock(
    re.compile(r"(\d{4})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)()"),
    re.compile(rb"\.(?:02\.(?:29|3\d)|(?:04|06|09|11)\.31)_|_\d\d\.\d\d\.6\d"),
    "%Y.%m.%d_%H.%M.%S",
    "2019.12.16_11.49.59",
)

NANOSECONDS = pa.timestamp("ns")
