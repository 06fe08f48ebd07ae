"""Progress bars on terminals."""

# ruff: noqa: PLC0415

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headway.analysis.console.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def progress_bar(*columns: "ProgressColumn") -> "Progress":
    """A progress bar with these columns. It is removed at the end, and is drawn on terminals only."""
    from rich.progress import Progress

    return Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty())


@contextmanager
def counted(name: str, total: int, unit: str) -> Iterator[Callable[[], None]]:
    """A progress bar over `total` units of work. Gives a function to call after each unit."""
    done = itertools.count(1)
    with measured(total, unit) as step:
        step(name, 0)
        yield lambda: step(name, next(done))


@contextmanager
def measured(total: int, unit: str) -> Iterator[Callable[[str, int], None]]:
    """A progress bar over `total` units of work. Gives a function to call with a text and the units done so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from headway.traces.errors import visible

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=total)
        yield lambda text, done: bar.update(task, description=visible(text), completed=done)


@contextmanager
def spinner(name: str) -> Iterator[None]:
    """A sign of life, with the elapsed time, during work of unknown length."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    with progress_bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        bar.add_task(name, total=None)
        yield
