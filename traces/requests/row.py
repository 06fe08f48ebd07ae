"""One row of a log of requests."""

import re
from typing import NamedTuple

from headway.traces.errors import InputError, quoted

MOST_TOKENS = 2**31
_WHOLE = re.compile(r"[0-9]{1,100}")  # Python refuses to parse thousands of digits


class Row(NamedTuple):
    """A request as logged: arrival [s] after the first row of the log, and numbers of tokens."""

    arrival_s: float
    prompt: int
    output: int


def tokens(value: object, where: str) -> int:
    """A number of tokens, 0 included, from text or JSON."""
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if type(number) is not int or not 0 <= number < MOST_TOKENS:
        raise InputError(where, quoted(value), f"a whole number of tokens from 0 to {MOST_TOKENS - 1}")
    return number
