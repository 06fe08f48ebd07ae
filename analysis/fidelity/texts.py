"""Numbers in free text: ranges, words for numbers, and parts between separators."""

import math
import re
from collections.abc import Sequence

NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
"""Regular expression of a plain number; its length is limited, so that every number is finite."""

WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8}
"""Numbers that texts spell out."""

COUNT = rf"(?:\d{{1,9}}|{'|'.join(WORDS)})"
"""Regular expression of a whole number, in digits or spelled out."""


def count(text: str) -> int:
    """The number in a text of the form `COUNT`."""
    return WORDS[text.lower()] if text.lower() in WORDS else int(text)


def middle(values: Sequence[float]) -> float:
    """One number for a range: the geometric mean of its ends; of more than two numbers, the median."""
    ordered = sorted(values)
    if len(ordered) == 2 and ordered[0] > 0.0:
        return math.sqrt(ordered[0] * ordered[1])
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """The parts between separators (a regular expression) that are not inside round brackets, without blanks."""
    parts = re.split(rf"(?:{separator})(?![^()]*\))", text)
    return [part.strip() for part in parts if part.strip()]
