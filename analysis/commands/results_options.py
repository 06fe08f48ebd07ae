"""Options of the commands that write results."""

import os
from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.console.terminal import MOST_PROCESSES

Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for the results. By default it is named after the scenario or experiment, below `results`; if "
        "that is in use, a number follows the name.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the results in the folder, if it has any.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_PROCESSES,
        help="Processes; one per processor by default. Results are the same for any number.",
    ),
]


def process_count(workers: int | None) -> int:
    """The number of processes that the option `Workers` stands for."""
    return workers or os.cpu_count() or 1
