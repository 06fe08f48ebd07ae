"""Logs of requests to language models: for each request its arrival, and the tokens of its prompt and its output.

A format is one line in `FORMATS`: a function that recognises the first line, and a function that reads the rows.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from headway.traces.errors import InputError, one_of, quoted
from headway.traces.readers.lines import lines
from headway.traces.requests import columns as forms
from headway.traces.requests import mapped, mooncake
from headway.traces.requests.row import Row

__all__ = ["FORMATS", "RequestLog", "read_requests"]

LONGEST_LINE = 1 << 20
"""Longest line of a log in bytes; a line may list the cached blocks of its prompt."""

MOST_REQUESTS = 10_000_000

Rows: TypeAlias = Iterator[tuple[int, str]]


class Format(NamedTuple):
    """The functions of one format."""

    recognises: Callable[[str], bool]
    rows: Callable[[str, Rows], Iterator[Row]]


FORMATS: Mapping[str, Format] = {
    "mooncake": Format(mooncake.recognises, mooncake.rows),
    **{name: Format(form.recognises, form.rows) for name, form in forms.FORMS.items()},
}
"""Every format by name, in the order in which they are tried."""


@dataclass(frozen=True, eq=False)
class RequestLog:
    """Requests in order of arrival.

    Attributes:
        format: a name in `FORMATS`.
        arrival_s: seconds since the first request, shape (n,), n >= 1, in order from 0.
        prompt: tokens of each prompt, shape (n,).
        output: generated tokens, shape (n,).
        failed: number of rows without prompt or output, which are left out.
        out_of_order: number of rows that arrived before the row above them.
    """

    format: str
    arrival_s: npt.NDArray[np.float64]
    prompt: npt.NDArray[np.int64]
    output: npt.NDArray[np.int64]
    failed: int
    out_of_order: int


def read_requests(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 (the word a user looks for; the builtin is not needed here)
    start_s: float = 0.0,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
) -> RequestLog:
    """Read a log of requests.

    Args:
        path: the file.
        format: a name in `FORMATS`; recognised from the first line if None.
        start_s: requests that arrived less than this after the first row are left out.
        limit: maximum number of requests, at least 1; the rest of the file is not read.
        columns: for a log in columns or JSON lines with other names: the column of each of "arrival", "prompt" and
            "output"; `format` is then "csv" or None.
        time_unit: unit of the arrivals in such a log; by default that in the header, and without one they are dates.

    Raises:
        InputError: the file or an option cannot be used.
    """
    numbered_lines = ((number, line) for number, line in lines(path, LONGEST_LINE) if line)
    first = next(numbered_lines, None)
    if first is None:
        raise InputError(str(path), "no row of data", f"a log as one of {', '.join(FORMATS)}")
    if columns is not None:
        mapped.check(columns, str(path))
        if format not in (None, "csv"):
            raise InputError(f"{path} (option format)", f"{quoted(format)} beside columns", "one of them")
        rows = mapped.rows(str(path), chain([first], numbered_lines), columns, time_unit)
        return _log(str(path), "csv", rows, start_s, limit)
    if time_unit is not None:
        raise InputError(f"{path} (option time_unit)", "a unit without columns", "the option columns as well")
    name = _format_of(path, *first) if format is None else format
    if name not in FORMATS:
        raise InputError(f"{path} (option format)", quoted(name), one_of(name, FORMATS))
    rows = FORMATS[name].rows(str(path), chain([first], numbered_lines))
    return _log(str(path), name, rows, start_s, limit)


def _format_of(path: str | Path, number: int, line: str) -> str:
    for name, form in FORMATS.items():
        if form.recognises(line):
            return name
    expected = (
        f"the first line of a log as one of {', '.join(FORMATS)}; or the option columns, for other names"
    )
    raise InputError(f"{path}:{number}", quoted(line), expected)


def _log(path: str, name: str, rows: Iterator[Row], start_s: float, limit: int | None) -> RequestLog:
    arrivals, prompts, outputs = array("d"), array("q"), array("q")
    failed = out_of_order = 0
    zero = before = -np.inf
    for row in rows:
        zero = row.arrival_s if zero == -np.inf else zero
        out_of_order += row.arrival_s < before
        before = row.arrival_s
        if start_s > 0.0 and row.arrival_s - zero < start_s:
            continue
        if row.prompt == 0 or row.output == 0:
            failed += 1
            continue
        arrivals.append(row.arrival_s)
        prompts.append(row.prompt)
        outputs.append(row.output)
        if len(arrivals) == limit:
            break
        if len(arrivals) > MOST_REQUESTS:
            raise InputError(path, f"more than {MOST_REQUESTS} requests", "a limit, or a shorter log")
    if not arrivals:
        after = f" from {start_s:g} s on" if start_s > 0.0 else ""
        raise InputError(path, f"no request with a prompt and an output{after}", "at least one")
    times = np.asarray(arrivals)
    order = np.argsort(times, kind="stable")
    return RequestLog(
        format=name,
        arrival_s=times[order] - times[order[0]],
        prompt=np.asarray(prompts)[order],
        output=np.asarray(outputs)[order],
        failed=failed,
        out_of_order=out_of_order,
    )
