"""Progress bars, where somebody is watching."""

# ruff: noqa: PLC0415

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headway.analysis.console.terminal import console


@contextmanager
def counted(name: str, total: int, unit: str) -> Iterator[Callable[[], None]]:
    """A progress bar over `total` units of work, if somebody is watching; call what it gives after each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from headway.traces.errors import visible

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(visible(name), total=total)
        yield lambda: bar.advance(task)
