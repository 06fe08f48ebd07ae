"""Logs of requests whose columns or keys the user names: text in columns, or JSON lines."""

from collections.abc import Iterator, Mapping
from itertools import chain

from headway.traces.errors import InputError, quoted
from headway.traces.requests.columns import Form, Time, clock, number_of
from headway.traces.requests.mooncake import objects
from headway.traces.requests.row import Row, tokens
from headway.traces.units import factor

PARTS = ("arrival", "prompt", "output")
"""The parts of a request that the user maps to columns."""


def check(columns: Mapping[str, str], where: str) -> None:
    """Refuse a mapping that has other keys than the parts of a request.

    Raises:
        InputError: the keys are not exactly the parts of a request.
    """
    if set(columns) != set(PARTS):
        expected = f"a column for each of {', '.join(PARTS)}"
        raise InputError(f"{where} (option columns)", f"the keys {quoted(list(columns))}", expected)


def rows(
    path: str, numbered_lines: Iterator[tuple[int, str]], columns: Mapping[str, str], time_unit: str | None
) -> Iterator[Row]:
    """The requests in the lines of a file; the first line shows whether they are JSON.

    Args:
        path: of the file.
        numbered_lines: its lines and their numbers, at least one.
        columns: the name of the column, or key, of each of `PARTS`.
        time_unit: unit of the times; by default that in the header, and without one they are dates.
    """
    number, line = next(numbered_lines)
    lines = chain([(number, line)], numbered_lines)
    if not line.startswith("{"):
        arrival, prompt, output = (columns[part] for part in PARTS)
        return Form(arrival, prompt, output, unit=time_unit, mapped=True).rows(path, lines)
    seconds = clock()
    if time_unit is not None:
        seconds = number_of(factor(time_unit, "time", f"{path} (option time_unit)"))
    return _objects(path, lines, columns, seconds)


def _objects(
    path: str, lines: Iterator[tuple[int, str]], columns: Mapping[str, str], seconds: Time
) -> Iterator[Row]:
    arrival, prompt, output = (columns[part] for part in PARTS)
    for where, record in objects(path, lines, (arrival, prompt, output)):
        time = record[arrival]
        yield Row(
            seconds(str(time) if isinstance(time, (int, float, str)) else quoted(time), where),
            tokens(record[prompt], f"{where}, {prompt}"),
            tokens(record[output], f"{where}, {output}"),
        )
