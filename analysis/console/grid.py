"""Tables for a terminal."""

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
