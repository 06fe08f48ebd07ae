"""Input and output of commands: messages, tables, and the arguments that several commands share.

This module imports only the modules that `headway --help` needs; functions import the others when they are called.
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
        help="Wall time that a policy may take for one decision, 300 s by default, or none. A run that exceeds it "
        "fails; it is not in the results.",
    ),
]
SmallestDifference = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Smallest difference that matters, 1% by default."),
]
_output: ContextVar["TextIO | None"] = ContextVar("output", default=None)
"""Standard output as it was when the command began; policies may replace `sys.stdout`."""


@contextmanager
def reported() -> Iterator[None]:
    """Report a user's mistake or an interruption in one line on standard error, and end with an exit code."""
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
    """Look for `module:Class` on the command line in the working directory too, as `python` does.

    Only if there is such a name: a working directory may hold files of others, and a command that names no module must
    not import modules, or register policies, from it.
    """
    if any(":" in name for name in names) and "" not in sys.path:
        sys.path.insert(0, "")


def scenario_file(name: str, where: str = "SCENARIO", beside: str = "") -> "Path":
    """The file of a shipped scenario, or a file at a path.

    Args:
        name: of the shipped scenario, or the path.
        where: the name of the command's argument, for a message.
        beside: other values that the argument may have, for a message.

    Raises:
        InputError: there is neither a shipped scenario nor a file of this name.
    """
    from headway import simcore
    from headway.simcore.files.load import scenario_path
    from headway.traces.errors import InputError, quoted

    path = scenario_path(name)
    if not name or not os.path.exists(path):
        names = ", ".join(simcore.shipped_scenarios())
        raise InputError(where, quoted(name), f"{beside}the path of a YAML file, or one of {names}")
    return path


def decision_limit(text: str | None) -> float | None:
    """The value of `--decision-limit`: wall time that a policy may take for one decision [s]; None without a limit.

    Raises:
        InputError: the text is neither a time above 0 nor `none`.
    """
    from headway.simcore.engine.placement.policy_timeout import DEFAULT_LIMIT_S
    from headway.traces.errors import InputError, quoted
    from headway.traces.units import parse

    if text is None:
        return DEFAULT_LIMIT_S
    if text == "none":
        return None
    limit_s = parse(text, "time", "--decision-limit")
    if limit_s == 0.0:
        raise InputError("--decision-limit", quoted(text), 'a time above 0, such as "30 s", or none')
    return limit_s


def console() -> "Console":
    """Standard output. Outside a terminal it is wide enough for every table, so no table in a file is wrapped."""
    from rich.console import Console

    file = _output.get() or sys.stdout
    return Console(file=file, width=None if file.isatty() else 10_000)


def show(*parts: "Table | str") -> None:
    """Write tables and lines to standard output; control characters are shown as escapes.

    Raises:
        InputError: standard output is a file that cannot be written.
        SystemExit: with code 1, the reader of standard output has ended, as in `headway run | head -1`.
    """
    from headway.analysis.console.table_layout import fitted
    from headway.traces.errors import InputError, visible

    output = console()
    try:
        for part in parts:
            pieces = [visible(part)] if isinstance(part, str) else fitted(_visible(part), output.width)
            for number, piece in enumerate(pieces):
                if number:
                    output.print()
                output.print(piece, markup=False, highlight=False, soft_wrap=isinstance(piece, str))
    except OSError as error:
        # Python would try at exit to write the buffered rest again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.file.fileno())
        raise InputError(
            "standard output", error.strerror or str(error), "an output that can be written"
        ) from error


def _visible(table: "Table") -> "Table":
    """The same table with escapes for control characters in its title, caption, headings and cells."""
    from rich.text import Text

    from headway.traces.errors import visible

    def escaped(cell: object) -> Text:
        return Text(visible(str(cell)))

    same = copy(table)
    same.title, same.caption = (
        None if part is None else escaped(part) for part in (table.title, table.caption)
    )
    same.columns = [
        replace(column, header=escaped(column.header), _cells=[escaped(cell) for cell in column.cells])
        for column in table.columns
    ]
    return same
