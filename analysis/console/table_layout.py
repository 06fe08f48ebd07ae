"""Tables that are wider than the terminal: text is wrapped, numbers are not."""

from collections.abc import Iterator
from copy import copy

from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

_LEAST_TEXT = 12
"""Minimum width of a wrapped column of text, as long as columns of numbers can be moved to a continuation."""

_MOST_REPEATED = 0.4
"""Share of the width for the columns of text before the numbers, in a table with continuations."""

_MOST_WHOLE = 24
"""Columns of numbers up to this width are not wrapped; wider ones have a long heading, such as a variant's name."""


def fitted(table: Table, width: int) -> Iterator[Table]:
    """The table; if its columns of numbers do not fit side by side, several tables with the same rows.

    Each table after the first has the next columns, and repeats the columns of text before the first number.

    Args:
        table: right-justified columns are columns of numbers.
        width: of a line [characters].
    """
    widths = [_width(column) for column in table.columns]
    if _line(widths) <= width:
        yield table
        return
    numbers = [column.justify == "right" for column in table.columns]
    least = [w if number else min(w, _LEAST_TEXT) for w, number in zip(widths, numbers, strict=True)]
    if _line(least) <= width or not any(numbers):
        yield _part(table, list(range(len(widths))))
        return
    first = numbers.index(True)
    left = min(_line(widths[:first]), max(_line(least[:first]), int(_MOST_REPEATED * width)))
    parts: list[list[int]] = [[]]
    for index in range(first, len(widths)):
        if parts[-1] and left + 1 + _line([least[i] for i in (*parts[-1], index)]) > width:
            parts.append([])
        parts[-1].append(index)
    for number, indices in enumerate(parts):
        part = _part(table, [*range(first), *indices])
        part.title = table.title if number == 0 else Text("")
        part.caption = table.caption if number == len(parts) - 1 else None
        yield part


def _part(table: Table, indices: list[int]) -> Table:
    """A table of some of the columns, with numbers that are not wrapped."""
    part = copy(table)
    part.columns = [copy(table.columns[index]) for index in indices]
    for column in part.columns:
        column.no_wrap = column.justify == "right" and _width(column) <= _MOST_WHOLE
    return part


def _line(widths: list[int]) -> int:
    """The width of a line of columns: a blank before each column, and one between neighbours."""
    return sum(widths) + 2 * len(widths) - 1


def _width(column: Column) -> int:
    """The longest line of a column's heading and cells [characters]."""
    texts = [str(cell) for cell in (column.header, *column.cells)]
    return max(cell_len(line) for text in texts for line in text.split("\n"))
