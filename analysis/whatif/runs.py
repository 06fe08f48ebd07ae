"""Run all cases of a study in all its worlds, on several processes."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import pandas as pd

from headway import policies
from headway.analysis.compare import choose
from headway.analysis.experiments.dispatch import mapped
from headway.analysis.experiments.identity import digest
from headway.analysis.experiments.worker import infeasible_run, result_tables
from headway.analysis.experiments.world import InfeasibleWorld
from headway.analysis.notes import late_changes, scenario_notes
from headway.analysis.statistics.metrics import request_times
from headway.analysis.store.tables import Tables, merged
from headway.analysis.whatif.differences import differences, levels
from headway.analysis.whatif.study import BASE, Study
from headway.simcore import PolicyChoice, Scenario, combine, load_scenario, simulate
from headway.simcore.errors import DoesNotFitError
from headway.simcore.files.bounds import MOST_SEEDS
from headway.simcore.files.overrides.changes import Change
from headway.simcore.simulate import RunOptions
from headway.traces.errors import InputError

_CASE = ["variant", "changes", "policy", "seed"]
_TOKENS = ["variant", "policy", "seed", "request", "token", "latency_s"]
_KEPT = ("runs", "requests", "tokens")
"""The tables of every run that are kept."""


@dataclass(frozen=True, eq=False)
class Findings:
    """The runs of a study, and their comparison.

    Attributes:
        study: the question, with the number of worlds that were run.
        name: of the scenario.
        text: of its file.
        random: whether anything in it depends on the seed. If not, one world is all worlds.
        cases: one row per run, with the columns of the cases of a campaign (`number`, `run`, `scenario`, `changes`,
            `policy`, `seed`) and `variant`.
        stored: the tables `runs`, `requests`, `tokens` and `metrics` of these runs, as a store has them.
    """

    study: Study
    name: str
    text: str
    random: bool
    cases: pd.DataFrame
    stored: Tables

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: `variant`, `changes`, `policy`, `seed`, `status`, metrics, `detail`.

        The metrics are those of `analysis.statistics.metrics`.
        """
        details = self.stored["runs"].select(["run", "detail"]).to_pandas()
        numbers: pd.DataFrame = self.stored["metrics"].to_pandas()
        over_requests = request_times(self.stored["requests"].to_pandas()).drop(columns="ttft_s")
        rows = self.cases[["run", *_CASE]].merge(numbers, on="run").join(over_requests, on="run")
        return rows.merge(details, on="run").drop(columns="run")

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """One row per token that followed another: `variant`, `policy`, `seed`, `request`, `token`, `latency_s`."""
        rows = self.stored["tokens"].select(["run", "request", "token", "latency_s"]).to_pandas()
        later: pd.DataFrame = rows[rows["token"] > 0]
        return later.merge(self.cases[["run", *_CASE]], on="run")[_TOKENS]

    @property
    def notes(self) -> list[str]:
        """Notes on the base, and on changes that begin after the runs have ended."""
        study, notes, base = self.study, [], None
        ends = self.cases.merge(self.stored["runs"].select(["run", "end_s"]).to_pandas(), on="run")
        for variant, changes in study.cases.items():
            try:
                world = load_scenario(study.scenario, seed=study.seed, changes=changes)
            except DoesNotFitError:
                continue
            end_s = float(ends.loc[ends["variant"] == variant, "end_s"].max())
            notes += [f"Note: {variant}: {sentence}" for sentence in late_changes(world, end_s, base)]
            if base is None:
                base, notes = world, [*(f"Note: {sentence}" for sentence in scenario_notes(world)), *notes]
        return notes

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Paired differences from the base, or from the first policy; empty in a sweep. See `differences`."""
        if self.study.kind == "sweep":
            return pd.DataFrame()
        by: Literal["variant", "policy"] = "variant" if self.study.kind == "variants" else "policy"
        return differences(self.runs, by, smallest=self.study.smallest, exact=not self.random)

    @cached_property
    def levels(self) -> pd.DataFrame:
        """The mean of each metric in each case under each policy. See `levels`."""
        return levels(self.runs)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables of a study of this kind, by name."""
        compared = {} if self.study.kind == "sweep" else {"differences": self.differences}
        return {"runs": self.runs, "tokens": self.tokens, "levels": self.levels, **compared}


@dataclass(frozen=True)
class Task:
    """One case in one world, under every policy."""

    scenario: Path
    variant: str
    changes: tuple[Change, ...]
    seed: int
    policies: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def runs(self) -> dict[str, str]:
        """The name of the run under each policy, by label."""
        return {label: digest((self.variant, label, self.seed)) for label in self.labels}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A study that has been checked: every case has been loaded once.

    Attributes:
        study: with its seed, and as many replications as there are different worlds.
        base: the scenario with the changes that apply to all cases.
        random: as in `Findings`.
        tasks: one per case and world.
    """

    study: Study
    base: Scenario
    random: bool
    tasks: tuple[Task, ...]


def prepare(study: Study) -> Prepared:
    """Load every case of a study.

    Raises:
        InputError: the study, the scenario, or a change cannot be used. A variant whose model fits nowhere is not a
            mistake but a result: its runs are `infeasible`.
    """
    base = load_scenario(study.scenario, seed=study.seed, changes=study.changes)
    labels = _labels(choose(base, study.policies))
    if study.kind == "policies" and len(labels) < 2:
        expected = "a change, a variant, a sweep, or two policies to compare with each other"
        raise InputError("whatif", "nothing to compare", expected)
    random = _check_cases(study, base, labels)
    study = replace(study, seed=base.seed, replications=study.replications if random else 1)
    if base.seed + study.replications > MOST_SEEDS:
        raise InputError("seed", str(base.seed), f"at most {MOST_SEEDS - study.replications}")
    tasks = tuple(
        Task(study.scenario, variant, changes, seed, study.policies, labels)
        for variant, changes in study.cases.items()
        for seed in range(base.seed, base.seed + study.replications)
    )
    return Prepared(study=study, base=base, random=random, tasks=tasks)


def run(
    prepared: Prepared,
    *,
    workers: int = 1,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[], None] | None = None,
) -> Findings:
    """Run every case of a study in every world.

    Args:
        prepared: the study.
        workers: processes; the findings are the same for any number.
        options: how runs are made; the findings are the same for any.
        progress: called after every task.

    Raises:
        InputError: a policy raises an exception, takes too long, or ends the process in which it decides.
    """
    parts = []
    for part in mapped(partial(_run, options=options), prepared.tasks, workers, _described):
        parts.append(part)
        if progress is not None:
            progress()
    base = prepared.base
    cases = _cases(prepared.tasks, base.name)
    return Findings(prepared.study, base.name, base.text, prepared.random, cases, merged(parts))


def _cases(tasks: Sequence[Task], scenario: str) -> pd.DataFrame:
    rows = [
        {
            "run": run,
            "scenario": scenario,
            "changes": "; ".join(change.text for change in task.changes),
            "policy": label,
            "seed": task.seed,
            "variant": task.variant,
        }
        for task in tasks
        for label, run in task.runs.items()
    ]
    return pd.DataFrame(rows).rename_axis("number").reset_index()


def _labels(choices: tuple[PolicyChoice, ...]) -> tuple[str, ...]:
    for choice in choices:
        policies.from_choice(choice)  # raises an error if the policy or a parameter is unknown
    return tuple(choice.label for choice in choices)


def _check_cases(study: Study, base: Scenario, labels: tuple[str, ...]) -> bool:
    """Load every case once, to find mistakes before the first run; return whether any case depends on the seed."""
    random = _is_random(study.scenario, study.changes, base)
    for variant, changes in study.cases.items():
        try:
            world = load_scenario(study.scenario, seed=base.seed, changes=changes)
        except DoesNotFitError:
            continue
        if _labels(choose(world, study.policies)) != labels:
            got = f"policies that differ from those of the {BASE}"
            raise InputError(f"variant {variant}", got, f"the policies {', '.join(labels)}")
        random = random or _is_random(study.scenario, changes, world)
    return random


def _is_random(scenario: Path, changes: tuple[Change, ...], world: Scenario) -> bool:
    """Whether another seed gives another world, or results depend on measured decision times."""
    other = world.seed + 1 if world.seed + 1 < MOST_SEEDS else world.seed - 1
    changed = load_scenario(scenario, seed=other, changes=changes)
    return world.controller.decision_time == "measured" or _content(changed) != _content(world)


def _content(world: Scenario) -> bytes:
    return pickle.dumps(replace(world, seed=0))


def _described(task: Task) -> str:
    return f"{task.variant} in the world of seed {task.seed}, under {', '.join(task.labels)}"


def _run(task: Task, options: RunOptions) -> Tables:
    """The tables of one case in one world."""
    try:
        world = load_scenario(task.scenario, seed=task.seed, changes=task.changes)
    except DoesNotFitError as error:
        changes = tuple(change.text for change in task.changes)
        misfit = InfeasibleWorld(task.scenario.stem, task.seed, str(error), changes)
        return merged([infeasible_run(misfit, run, label, _KEPT) for label, run in task.runs.items()])
    results = [
        simulate(world, policies.from_choice(choice), options, run=task.runs[choice.label])
        for choice in choose(world, task.policies)
    ]
    return result_tables(combine(results), _KEPT)
