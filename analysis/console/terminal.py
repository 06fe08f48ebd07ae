"""How commands meet a terminal: mistakes in one line, tables that are not cut, progress where somebody is watching.

Only what `headway --help` needs is imported here; the rest is imported when it is called.
"""

# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from headway.analysis.console import interrupts

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table
MOST_PROCESSES = 1024
DecisionLimit = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Wall time that a policy may take for one decision, 300 s by default, or none. A run that comes to it "
        "fails; it has no part in results.",
    ),
]
SmallestDifference = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Smallest difference that matters, 1% by default."),
]
_output: ContextVar["TextIO | None"] = ContextVar("output", default=None)
"""Standard output as it was when the command began, whatever policies put in its place."""


@contextmanager
def reported() -> Iterator[None]:
    """Turn a user's mistake and an interruption into one line on standard error and an exit code."""
    from headway.traces.errors import InputError, visible

    output, errors = sys.stdout, sys.stderr
    before = _output.set(output)
    try:
        with interrupts.raised():
            yield
    except InputError as error:
        typer.echo(f"headway: {visible(str(error))}", errors)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("headway: interrupted", errors)
        raise typer.Exit(interrupts.INTERRUPTED) from None
    finally:
        _output.reset(before)
        sys.stdout, sys.stderr = output, errors


def look_here(names: Iterable[str]) -> None:
    """Let `module:Class` on the command line mean a module in the working directory, too, as `python` does.

    Only if there is such a name: a folder is somebody else's more often than not, and must not bring modules, or
    packages that register policies, to a command that asks for none.
    """
    if any(":" in name for name in names) and "" not in sys.path:
        sys.path.insert(0, "")


def scenario_file(name: str, where: str = "SCENARIO", beside: str = "") -> "Path":
    """The file of a shipped scenario, or the one at a path.

    Args:
        name: of a shipped scenario, or the path.
        where: the argument of the command that it is, for a message.
        beside: what else that could be, likewise.

    Raises:
        InputError: there is neither.
    """
    from headway import simcore
    from headway.simcore.files.load import scenario_path
    from headway.traces.errors import InputError, shown

    path = scenario_path(name)
    if not name or not os.path.exists(path):
        names = ", ".join(simcore.shipped_scenarios())
        raise InputError(where, shown(name), f"{beside}the path of a YAML file, or one of {names}")
    return path


def decision_limit(text: str | None) -> float | None:
    """The wall time that a policy may take for one decision [s], as `--decision-limit` says; None for any.

    Raises:
        InputError: it is neither a time above 0 nor `none`.
    """
    from headway.simcore.engine.placement.policy_timeout import DEFAULT_LIMIT_S
    from headway.traces.errors import InputError, shown
    from headway.traces.units import parse

    if text is None:
        return DEFAULT_LIMIT_S
    if text == "none":
        return None
    limit_s = parse(text, "time", "--decision-limit")
    if limit_s == 0.0:
        raise InputError("--decision-limit", shown(text), 'a time above 0, such as "30 s", or none')
    return limit_s


def console() -> "Console":
    """Standard output; wide enough for every table where it is not a terminal, so that nothing is cut in a file."""
    from rich.console import Console

    file = _output.get() or sys.stdout
    return Console(file=file, width=None if file.isatty() else 10_000)


def show(*what: "Table | str") -> None:
    """Write tables and lines to standard output, control characters in them as escapes.

    Raises:
        InputError: it leads to a file that cannot be written.
        SystemExit: with code 1, its reader has gone away, as in `headway run | head -1`.
    """
    from headway.analysis.console.table_layout import fitted
    from headway.traces.errors import InputError, visible

    output = console()
    try:
        for part in what:
            pieces = [visible(part)] if isinstance(part, str) else fitted(_visible(part), output.width)
            for number, piece in enumerate(pieces):
                if number:
                    output.print()
                output.print(piece, markup=False, highlight=False, soft_wrap=isinstance(piece, str))
    except OSError as error:
        # What is still buffered can never be written, and Python would try once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.file.fileno())
        raise InputError(
            "standard output", error.strerror or str(error), "an output that can be written"
        ) from error


def _visible(table: "Table") -> "Table":
    """The same table with escapes for the control characters in its title, caption, headings and cells."""
    from rich.text import Text

    from headway.traces.errors import visible

    def shown(cell: object) -> Text:
        return Text(visible(str(cell)))

    made = copy(table)
    made.title, made.caption = (
        None if part is None else shown(part) for part in (table.title, table.caption)
    )
    made.columns = [
        replace(column, header=shown(column.header), _cells=[shown(cell) for cell in column.cells])
        for column in table.columns
    ]
    return made
