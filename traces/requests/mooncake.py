"""The traces of Mooncake (Qin et al., FAST 2025): one JSON object a line.

    {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}

Times are milliseconds. They are rounded to about three seconds in the published files, so that several requests arrive
at the same time, and are not changed. `hash_ids` lists cached parts of the prompt and is not used.
"""

import json
from collections.abc import Iterator, Sequence

from headway.traces.errors import InputError, quoted
from headway.traces.readers.table import LARGEST
from headway.traces.requests.row import Row, tokens

_KEYS = ("timestamp", "input_length", "output_length")


def recognises(first_line: str) -> bool:
    """Whether the first line of a file is an object with these keys."""
    return first_line.startswith("{") and all(f'"{key}"' in first_line for key in _KEYS)


def rows(path: str, numbered_lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    """The requests in the lines of a file."""
    start: float | None = None
    for where, record in objects(path, numbered_lines, _KEYS):
        time = record["timestamp"]
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not 0 <= time < LARGEST:
            expected = f"a number of milliseconds below {LARGEST:g}"
            raise InputError(where, f"the timestamp {quoted(time)}", expected)
        start = time if start is None else start
        yield Row(
            (time - start) / 1000.0,
            tokens(record["input_length"], f"{where}, input_length"),
            tokens(record["output_length"], f"{where}, output_length"),
        )


def objects(
    path: str, numbered_lines: Iterator[tuple[int, str]], keys: Sequence[str]
) -> Iterator[tuple[str, dict[str, object]]]:
    """The JSON objects in the lines of a file, each with its place, and with all of these keys."""
    for number, line in numbered_lines:
        where = f"{path}:{number}"
        expected = f"an object such as {{{', '.join(f'{json.dumps(key)}: 10' for key in keys)}}}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(where, quoted(line), expected) from error
        if not isinstance(record, dict) or not all(key in record for key in keys):
            raise InputError(where, quoted(line), expected)
        yield where, record
