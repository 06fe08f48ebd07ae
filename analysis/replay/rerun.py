"""Repeat a run under an instrument.

Only the tables of a run are stored. A run is a function of scenario, policy and seed, so `rerun` repeats it under an
instrument to find when and where everything happened.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from headway import policies, simcore
from headway.analysis.compare import choose
from headway.analysis.files.results_folder import ORIGIN, SCENARIO
from headway.simcore.instrument import Span, Spans
from headway.simcore.observe import Policy
from headway.simcore.results import Result, load_result
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.traces.errors import InputError, one_of, reason, shown
from headway.traces.files import open_input

_MOST_BYTES = 100_000

Row: TypeAlias = dict[Any, Any]
"""A row of the table `runs`, by column."""


@dataclass(frozen=True, eq=False)
class Replay:
    """A run with all its activities.

    Attributes:
        scenario: the world and the requests.
        result: the tables of the one run.
        spans: the spans that its instrument received, in order.
        title: which of several runs it is; empty where there is no choice.
    """

    scenario: Scenario
    result: Result
    spans: Sequence[Span]
    title: str = ""


def rerun(scenario: Scenario, policy: Policy, label: str) -> Replay:
    """Run a scenario under a policy and keep everything."""
    spans: list[Span] = []
    return Replay(
        scenario, simcore.simulate(scenario, policy, run=label, instrument=Spans(spans.append)), spans
    )


def rerun_scenario(scenario: Scenario, name: str | None) -> Replay:
    """Run a scenario under its policy of that label or name; under its first policy by default."""
    choices = choose(scenario, [])
    if name is None:
        choice = choices[0]
    else:
        by_label = {one.label: one for one in choices}
        choice = by_label.get(name) or PolicyChoice(name=name, label=name, where="--policy")
    return rerun(scenario, policies.chosen(choice), choice.label)


def is_results(path: Path) -> bool:
    """Whether there is a folder of results at a path."""
    return (path / "runs.parquet").is_file()


def rerun_results(folder: Path, name: str | None) -> Replay:
    """Repeat a run of `headway run`, and check that it is the same.

    Args:
        folder: its results.
        name: of the run in its tables; None for the first run.

    Raises:
        InputError: the folder has no such run, or the run cannot be repeated as it was.
    """
    stored = load_result(folder)
    runs = list(stored.runs["run"])
    if not runs:
        raise InputError(str(folder), "tables without a run", "results of `headway run`")
    label = str(runs[0]) if name is None else name
    if label not in runs:
        raise InputError(f"{folder}: --policy", shown(label), one_of(label, runs))
    row = stored.runs.set_index("run", drop=False).loc[label].to_dict()
    scenario = scenario_of(row, folder / SCENARIO, folder / ORIGIN)
    return rerun_and_compare(
        folder, row, scenario, stored.tokens, origin_of(folder / ORIGIN) or folder / SCENARIO
    )


def rerun_and_compare(
    folder: Path, row: Row, scenario: Scenario, tokens: pd.DataFrame | None, origin: str | Path
) -> Replay:
    """Repeat a run, and check that it is the same.

    Args:
        folder: its results.
        row: of the run in the table `runs`.
        scenario: of the run.
        tokens: a table with the rows of this run; None if its tokens are not stored.
        origin: path of the scenario file.

    Raises:
        InputError: the result is different, or the run cannot be repeated.
    """
    if scenario.controller.decision_time == "measured":
        expected = "decision_time: free, or a fixed time"
        raise InputError(str(folder), "decision_time: measured, which no run can repeat", expected)
    again = rerun(scenario, policy_of(folder, row), row["run"])
    if tokens is not None:
        before = tokens[tokens["run"] == row["run"]].reset_index(drop=True)
        if not before.equals(again.result.tokens):
            raise different(folder, row, origin)
    return again


def different(folder: Path, row: Row, origin: str | Path) -> InputError:
    """The error for a run that has another result when it is repeated."""
    got = f"another result when the run {shown(row['run'])} is repeated"
    then = str(row["headway_version"])
    version = "" if then == metadata.version("headway") else f", and Headway {then}"
    expected = f"the files that {_nearby(origin)} read then{version} (or give that scenario as RUN)"
    return InputError(str(folder), got, expected)


def scenario_of(row: Row, copy: Path, origin: Path) -> Scenario:
    """The scenario of a run, from a copy of its file. Files that it names are looked for beside the original.

    Args:
        row: of the run in the table `runs`.
        copy: of the scenario file.
        origin: file with the path of the original; it may be missing.
    """
    changes = [text for text in row["changes"].split("; ") if text]
    scenario = simcore.load_scenario(
        copy, seed=int(row["seed"]), changes=changes, origin=origin_of(origin) or copy
    )
    return replace(scenario, name=row["scenario"])


def origin_of(path: Path) -> str | None:
    """The path of the original scenario file, from the file that keeps it; None if there is no such file."""
    if not path.exists():
        return None
    try:
        with open_input(path) as file:
            origin = json.loads(file.read(_MOST_BYTES))["scenario"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(str(path), reason(error), "the file as `headway run` wrote it") from error
    if not isinstance(origin, str) or not origin.isprintable():
        raise InputError(str(path), shown(origin), "the path of a scenario")
    return origin


def policy_of(folder: Path, row: Row) -> Policy:
    """The policy of a run."""
    where = f"{folder}: policy"
    try:
        parameters = json.loads(row["parameters"])
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(where, reason(error), "parameters as `headway run` wrote them") from error
    if not isinstance(parameters, dict):
        raise InputError(where, shown(parameters), "parameters as `headway run` wrote them")
    return policies.chosen(
        PolicyChoice(name=row["policy"], label=row["run"], parameters=parameters, where=where)
    )


def _nearby(path: str | Path) -> str:
    """A path relative to the current folder, if it is below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else str(path)
