"""Logs of requests in columns with a header, in any order; further columns are ignored.

| name | columns | time |
|---|---|---|
| `azure` | `TIMESTAMP,ContextTokens,GeneratedTokens` | date and time, up to seven digits of a second |
| `burstgpt` | `Timestamp,...,Request tokens,Response tokens,...` | seconds |
| `vidur` | `arrived_at,num_prefill_tokens,num_decode_tokens` | seconds |
| `csv` | `arrival [unit],prompt,output` | in the unit of the header |

Azure: the LLM inference traces of 2023 and 2024 (Patel et al., Splitwise, ISCA 2024). BurstGPT: Wang et al., 2024; a
response of no tokens is a failed request. Vidur: Agrawal et al., MLSys 2024, for converted traces.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from headway.traces.errors import InputError, quoted
from headway.traces.readers.headings import find_column
from headway.traces.requests.row import Row, tokens
from headway.traces.units import convert, factor

_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_NAME_AND_UNIT = re.compile(r"\s*(.*?)\s*(?:\[([^\[\]]*)\])?\s*")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

Time: TypeAlias = Callable[[str, str], float]
"""From a field and its place in the file to seconds since the first field."""


@dataclass(frozen=True)
class Form:
    """The columns of a format.

    Attributes:
        arrival: column with the time of arrival.
        prompt: column with the tokens of the prompt.
        output: column with the generated tokens.
        dated: whether times are dates and times of day.
        unit: unit of the times; None if the header has it.
        mapped: whether the user names the columns, by heading or number (from 1); times without a unit are then dates.
    """

    arrival: str
    prompt: str
    output: str
    dated: bool = False
    unit: str | None = None
    mapped: bool = False

    @property
    def example(self) -> str:
        """A header of this form."""
        time = self.arrival if self.dated or self.unit else f"{self.arrival} [s]"
        return f'"{time},{self.prompt},{self.output}"'

    def recognises(self, first_line: str) -> bool:
        """Whether this is a header with all columns."""
        names = [name for name, _ in _header(first_line)]
        return {self.arrival, self.prompt, self.output} <= set(names)

    def rows(self, path: str, numbered_lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
        """The requests in the lines of a file, the first of which is the header."""
        number, line = next(numbered_lines)
        if not self.mapped and not self.recognises(line):
            raise InputError(f"{path}:{number}", quoted(line), f"a header with the columns of {self.example}")
        header = _header(line)
        time, prompt, output = (
            find_column(_fields(line), wanted, "columns", path)
            if self.mapped
            else next(i for i, (name, _) in enumerate(header) if name == wanted)
            for wanted in (self.arrival, self.prompt, self.output)
        )
        seconds = self._times(header[time][1], f"{path}:{number}")
        for number, line in numbered_lines:
            where = f"{path}:{number}"
            fields = _fields(line)
            if len(fields) != len(header):
                got = f"{len(fields)} columns in {quoted(line)}"
                raise InputError(where, got, f"{len(header)} columns, as in the header")
            yield Row(
                seconds(fields[time], where), tokens(fields[prompt], where), tokens(fields[output], where)
            )

    def _times(self, unit: str | None, where: str) -> Time:
        if self.dated or (self.mapped and not self.unit and not unit):
            return clock()
        if self.unit is None and not unit:
            expected = f"a header with the unit, such as {self.example}"
            raise InputError(where, f"no unit for the column {self.arrival}", expected)
        return number_of(factor(self.unit or unit or "", "time", where))


FORMS = {
    "azure": Form("TIMESTAMP", "ContextTokens", "GeneratedTokens", dated=True),
    "burstgpt": Form("Timestamp", "Request tokens", "Response tokens", unit="s"),
    "vidur": Form("arrived_at", "num_prefill_tokens", "num_decode_tokens", unit="s"),
    "csv": Form("arrival", "prompt", "output"),
}
"""Every form by the name of its format."""


def _fields(line: str) -> list[str]:
    """The fields of a line; none if its quotes are malformed."""
    try:
        return [field.strip() for field in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _header(line: str) -> list[tuple[str, str | None]]:
    """Names and units of the columns."""
    parts = [_NAME_AND_UNIT.fullmatch(field) for field in _fields(line)]
    return [(part[1], part[2]) for part in parts if part]


def number_of(unit_s: float) -> Time:
    """Reader of times that are numbers in a unit."""
    start: Decimal | None = None

    def seconds(text: str, where: str) -> float:
        nonlocal start
        if not _NUMBER.fullmatch(text):
            raise InputError(where, f"the time {quoted(text)}", "a number that is not negative")
        number = Decimal(text)
        start = number if start is None else start
        return convert(float(number - start), unit_s)

    return seconds


def clock() -> Time:
    """Reader of dates and times of day, in UTC if they have no zone."""
    start: int | None = None

    def seconds(text: str, where: str) -> float:
        nonlocal start
        match = _CLOCK.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            whole = datetime.fromisoformat(match[1] + (match[3] or "+00:00"))
        except ValueError as error:
            expected = "a date and time such as 2023-11-16 18:17:03.9799600, or a number whose unit is given"
            raise InputError(where, quoted(text), expected) from error
        nanoseconds = (whole - _EPOCH) // _SECOND * 10**9 + int((match[2] or ".0")[1:].ljust(9, "0"))
        start = nanoseconds if start is None else start
        return (nanoseconds - start) / 1e9

    return seconds
