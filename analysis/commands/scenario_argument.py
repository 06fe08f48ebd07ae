"""The argument of commands that names a scenario."""

# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import scenario_file

if TYPE_CHECKING:
    from headway.simcore.scenario import Scenario

ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="Name of a shipped scenario (see `headway run --list`), or path of a YAML file; ./NAME is always a path.",
    ),
]


def load_scenario(scenario: str, seed: int | None) -> "Scenario":
    """Read a shipped scenario or a scenario file."""
    from headway import simcore

    return simcore.load_scenario(scenario_file(scenario), seed=seed)
