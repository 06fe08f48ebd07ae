"""The recorded runs, each by its name.

The scripts in `docs/examples` are not among them: `tests/test_examples.py` compares what they print.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from headway import policies
from headway.analysis.paper.experiments import Experiment, cases, scale
from headway.analysis.paper.page import TABLES as PAGE
from headway.analysis.paper.runs import run_all
from headway.simcore import (
    TABLES,
    ControllerOptions,
    Policy,
    Result,
    Scenario,
    load_scenario,
    shipped_scenario,
    shipped_scenarios,
    simulate,
)

from . import worlds

Tables: TypeAlias = Mapping[str, pd.DataFrame]

TWO_BOARDS = Path(__file__).parents[2] / "docs" / "examples" / "fill-fastest" / "two-boards.yaml"

PAPER = "paper"

_WALL_TIMES = "timings"
_OF_THE_PROGRAM = ["executor", "headway_version", "schema_version"]
_TIME_PER_DECISION = "time per decision"


def tables_of(name: str) -> Tables:
    """The tables of a run, without wall-clock times and without what tells the version of the program."""
    return _makers()[name]()


def names() -> tuple[str, ...]:
    """Of all runs, in the order in which they are recorded."""
    return tuple(_makers())


def result_of(number: int) -> Result:
    """All that comes out of a random world."""
    world = worlds.world(number)
    return simulate(world.scenario, world.policy())


def world_name(number: int) -> str:
    """What the run in a random world is called."""
    return f"world/{number:02}"


@cache
def _makers() -> Mapping[str, Callable[[], Tables]]:
    makers: dict[str, Callable[[], Tables]] = {}
    for name in shipped_scenarios():
        scenario = load_scenario(shipped_scenario(name))
        for choice in scenario.policies:
            makers[f"shipped/{name}/{choice.label}"] = partial(
                _run, scenario, partial(policies.from_choice, choice), choice.label
            )
    two_boards = load_scenario(TWO_BOARDS)
    for policy in ("resource-aware", "static"):
        makers[f"two-boards/{policy}"] = partial(_run, two_boards, partial(policies.create, policy), policy)
    for number in range(worlds.COUNT):
        makers[world_name(number)] = partial(_world, number)
    for number in range(0, worlds.COUNT, 5):
        makers[f"horizon/{number:02}"] = partial(_world_with_horizon, number)
    makers[PAPER] = _paper
    return makers


def _run(scenario: Scenario, make: Callable[[], Policy], label: str) -> Tables:
    return _kept(simulate(scenario, make(), run=label))


def _world(number: int) -> Tables:
    return _kept(result_of(number))


def _world_with_horizon(number: int) -> Tables:
    """A world with the default horizon, triggers and moves; the others have those of the paper."""
    world, default = worlds.world(number), ControllerOptions()
    controller = replace(
        world.scenario.controller, horizon=default.horizon, triggers=default.triggers, moves=default.moves
    )
    return _kept(simulate(replace(world.scenario, controller=controller), world.policy()))


def _kept(result: Result) -> Tables:
    tables = {name: getattr(result, name) for name in TABLES if name != _WALL_TIMES}
    return tables | {"runs": result.runs.drop(columns=_OF_THE_PROGRAM)}


def _paper() -> Tables:
    """Tables of three experiments of `headway paper --quick`: those of the runs, and those of the page."""
    tables: dict[str, pd.DataFrame] = {}
    experiments: tuple[Experiment, ...] = ("small", "medium", "sensitivity")
    for experiment in experiments:
        results = run_all(cases(experiment, scale(quick=True)))
        for part in ("runs", "decisions", "tokens"):
            frame = getattr(results, part)
            if len(frame):
                tables[f"paper {experiment} {part}"] = frame
        for name, shown in PAGE[experiment](results).items():
            tables[f"page {name}"] = shown.drop(columns=_TIME_PER_DECISION, errors="ignore")
    return tables
