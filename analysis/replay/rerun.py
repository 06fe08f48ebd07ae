"""Repeat a run with an instrument.

Headway stores only the tables of a run. A run is a function of scenario, policy and seed, so `rerun` can repeat it to
record the time and place of every task, message, move and decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from headway import policies, simcore
from headway.analysis.compare import choose
from headway.analysis.files.results_folder import ORIGIN, SCENARIO
from headway.simcore.instrument import Span, Spans
from headway.simcore.observe import Policy
from headway.simcore.results import Result, load_result
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.files import json_object, read_text

_MOST_BYTES = 100_000

Row: TypeAlias = dict[Any, Any]
"""A row of the table `runs`: values by column."""


@dataclass(frozen=True, eq=False)
class Replay:
    """A run with its spans.

    Attributes:
        scenario: the world and the requests.
        result: the tables of the run.
        spans: the spans of the run, in order.
        title: which of several runs it is; empty if there is only one.
    """

    scenario: Scenario
    result: Result
    spans: Sequence[Span]
    title: str = ""


def rerun(scenario: Scenario, policy: Policy, label: str) -> Replay:
    """Run a scenario under a policy and record all spans."""
    spans: list[Span] = []
    return Replay(
        scenario, simcore.simulate(scenario, policy, run=label, instrument=Spans(spans.append)), spans
    )


def rerun_scenario(scenario: Scenario, name: str | None) -> Replay:
    """Run a scenario under the policy with a label or name; None: under its first policy."""
    choices = choose(scenario, [])
    if name is None:
        choice = choices[0]
    else:
        by_label = {choice.label: choice for choice in choices}
        choice = by_label.get(name) or PolicyChoice(name=name, label=name, where="--policy")
    return rerun(scenario, policies.from_choice(choice), choice.label)


def is_results(path: Path) -> bool:
    """Whether a path is a results folder."""
    return (path / "runs.parquet").is_file()


def rerun_results(folder: Path, name: str | None) -> Replay:
    """Repeat a run of `headway run`, and check that the result is the same.

    Args:
        folder: results folder.
        name: name of the run in its tables; None: the first run.

    Raises:
        InputError: the folder has no such run, or the repeated run differs.
    """
    stored = load_result(folder)
    runs = list(stored.runs["run"])
    if not runs:
        raise InputError(str(folder), "tables without a run", "results of `headway run`")
    label = str(runs[0]) if name is None else name
    if label not in runs:
        raise InputError(f"{folder}: --policy", quoted(label), one_of(label, runs))
    row = stored.runs.set_index("run", drop=False).loc[label].to_dict()
    scenario = scenario_of(row, folder / SCENARIO, folder / ORIGIN)
    return rerun_and_compare(
        folder, row, scenario, stored.tokens, origin_of(folder / ORIGIN) or folder / SCENARIO
    )


def rerun_and_compare(
    folder: Path, row: Row, scenario: Scenario, tokens: pd.DataFrame | None, origin: str | Path
) -> Replay:
    """Repeat a run, and check that the result is the same.

    Args:
        folder: folder with the run.
        row: row of the run in the table `runs`.
        scenario: scenario of the run.
        tokens: table with the tokens of this run; None if it is not stored.
        origin: path of the scenario file.

    Raises:
        InputError: the repeated run differs, or the run cannot be repeated.
    """
    if scenario.controller.decision_time == "measured":
        expected = "decision_time: free, or a fixed time"
        raise InputError(str(folder), "decision_time: measured, which cannot be repeated", expected)
    replay = rerun(scenario, policy_of(folder, row), row["run"])
    if tokens is not None:
        stored = tokens[tokens["run"] == row["run"]].reset_index(drop=True)
        if not _same(stored, replay.result.tokens):
            raise different(folder, row, origin)
    return replay


def _same(stored: pd.DataFrame, again: pd.DataFrame) -> bool:
    """Whether two tables of tokens are of one run.

    An instrument needs the executor `events`. The stored run may be of `compiled`, whose times agree to 1e-9.
    """
    times = again.select_dtypes("float").columns
    end_s = (again["start_s"] + again["latency_s"]).max()
    same = stored.drop(columns=times).equals(again.drop(columns=times))
    return same and np.allclose(stored[times], again[times], rtol=0.0, atol=1e-9 * end_s)


def different(folder: Path, row: Row, origin: str | Path) -> InputError:
    """The error for a repeated run that differs."""
    got = f"a different result when the run {quoted(row['run'])} is repeated"
    old_version = str(row["headway_version"])
    version = "" if old_version == metadata.version("headway") else f", and Headway {old_version}"
    expected = f"the original input files of {_relative(origin)}{version} (or give the scenario as RUN)"
    return InputError(str(folder), got, expected)


def scenario_of(row: Row, copy: Path, origin: Path) -> Scenario:
    """The scenario of a run, from a copy of its file. Paths in it are relative to the original file.

    Args:
        row: row of the run in the table `runs`.
        copy: copy of the scenario file.
        origin: file with the path of the original; if it does not exist, paths are relative to the copy.
    """
    changes = [text for text in row["changes"].split("; ") if text]
    scenario = simcore.load_scenario(
        copy, seed=int(row["seed"]), changes=changes, origin=origin_of(origin) or copy
    )
    return replace(scenario, name=row["scenario"])


def origin_of(path: Path) -> str | None:
    """The original path of a scenario file, from an origin file; None if this does not exist."""
    if not path.exists():
        return None
    expected = "the file as `headway run` wrote it"
    origin = json_object(read_text(path, _MOST_BYTES, expected), str(path), expected).get("scenario")
    if not isinstance(origin, str) or not origin.isprintable():
        raise InputError(str(path), quoted(origin), "the path of a scenario")
    return origin


def policy_of(folder: Path, row: Row) -> Policy:
    """The policy of a run."""
    where = f"{folder}: policy"
    parameters = json_object(str(row["parameters"]), where, "parameters as `headway run` wrote them")
    return policies.from_choice(
        PolicyChoice(name=row["policy"], label=row["run"], parameters=parameters, where=where)
    )


def _relative(path: str | Path) -> str:
    """A path relative to the current folder if it is below it."""
    cwd = Path.cwd()
    return str(Path(path).relative_to(cwd)) if Path(path).is_relative_to(cwd) else str(path)
