"""Tables for a terminal."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def grid(title: str | None, left: list[str], right: list[str]) -> Table:
    """A table without rows: columns of text first, then columns of numbers."""
    table = Table(
        title=None if title is None else Text(title), box=SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False
    )
    table.title_justify = table.caption_justify = "left"
    for head in left:
        table.add_column(Text(head), overflow="fold")
    for head in right:
        table.add_column(Text(head), justify="right", overflow="fold")
    return table


def grouped(title: str, heads: list[str], cells: Iterable[tuple[str, str, str]]) -> Table | None:
    """A table of names, parts and reasons: parts of equal names and reasons are in one row; None without rows."""
    parts: dict[tuple[str, str], list[str]] = {}
    for name, part, reason in cells:
        parts.setdefault((name, reason), []).append(part)
    table = grid(title, heads, [])
    for (name, reason), of_name in parts.items():
        table.add_row(Text(name), Text(", ".join(of_name)), Text(reason))
    return table if parts else None
