"""Read text and JSON files of unknown origin: limited in size and depth, without repeated keys."""

import functools
import json
from pathlib import Path

from headway.traces.errors import InputError, quoted
from headway.traces.files import read_input


def read_text(path: Path, most_bytes: int, expected: str) -> str:
    """The text of a file.

    Args:
        path: of the file.
        most_bytes: maximum size, a multiple of a million.
        expected: description of an accepted file, for the message.

    Raises:
        InputError: the file cannot be read, is too large, or is not UTF-8.
    """
    where = str(path)
    try:
        raw = read_input(path, most_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise InputError(where, f"no readable file ({error})", expected) from error
    if len(raw) > most_bytes:
        limit = f"{most_bytes // 1_000_000} MB"
        raise InputError(where, f"a file above {limit}", f"{expected} of at most {limit}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            where, f"bytes that are not UTF-8 ({error.reason})", f"{expected} in UTF-8"
        ) from error


def parse_json(text: str, where: str, expected: str) -> dict[str, object]:
    """The top-level object of a JSON text.

    Raises:
        InputError: the text is not a JSON object, repeats a key, is nested too deeply, or has an integer with more
            digits than Python converts.
    """
    try:
        values = json.loads(text, object_pairs_hook=functools.partial(_unique, where))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}, line {error.lineno}", f"invalid JSON ({error.msg})", "a JSON object"
        ) from error
    except RecursionError as error:
        raise InputError(where, "JSON nested too deeply", expected) from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(where, f"an unusable number ({error})", expected) from error
    if not isinstance(values, dict):
        raise InputError(where, quoted(values), "a JSON object")
    return values


def _unique(where: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise InputError(where, f"the key {quoted(key)} more than once", "each key once")
        values[key] = value
    return values
