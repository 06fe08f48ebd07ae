"""All cases of a study in all its worlds, on several processes, as rows of tables."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import pandas as pd

from headway import policies
from headway.analysis.compare import choose
from headway.analysis.experiments.dispatch import mapped
from headway.analysis.statistics.metrics import later_tokens, metrics
from headway.analysis.whatif.differences import differences, levels
from headway.analysis.whatif.study import BASE, Study
from headway.simcore import PolicyChoice, Scenario, load_scenario, simulate
from headway.simcore.errors import DoesNotFitError
from headway.simcore.files.bounds import MOST_SEEDS
from headway.simcore.files.overrides.changes import Change
from headway.simcore.simulate import RunOptions
from headway.traces.errors import InputError

_TOKENS = ["variant", "policy", "seed", "request", "token", "latency_s"]
_NOTHING_RUN = {
    "tokens": 0,
    "decisions": 0,
    "infeasible_decisions": 0,
    "migrations": 0,
    "migrated_bytes": 0.0,
}


@dataclass(frozen=True, eq=False)
class Findings:
    """What a study came to.

    Attributes:
        study: what was asked, with the number of worlds that were run.
        name: of the scenario.
        text: of its file.
        random: whether anything in it depends on the seed. If not, one world is all worlds.
        runs: one row per case, policy and seed: `variant`, `changes`, `policy`, `seed`, `status`, `detail`, and the
            metrics of `analysis.statistics.metrics`.
        tokens: one row per token that followed another: `variant`, `policy`, `seed`, `request`, `token`, `latency_s`.
    """

    study: Study
    name: str
    text: str
    random: bool
    runs: pd.DataFrame
    tokens: pd.DataFrame

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Paired differences from the base, or from the first policy; none in a sweep. See `differences`."""
        if self.study.kind == "sweep":
            return pd.DataFrame()
        by: Literal["variant", "policy"] = "variant" if self.study.kind == "variants" else "policy"
        return differences(self.runs, by, smallest=self.study.smallest, exact=not self.random)

    @cached_property
    def levels(self) -> pd.DataFrame:
        """The level of each metric in each case under each policy. See `levels`."""
        return levels(self.runs)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, but those that a study of this kind does not have."""
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


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A study of which every case has been loaded once, so that no mistake is left to be told later.

    Attributes:
        study: with its seed, and as many replications as there are different worlds.
        base: the scenario under the changes that hold everywhere.
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
        InputError: the study, the scenario, or a change cannot be used. A variant whose model fits nowhere is no
            mistake but a finding: its runs are `infeasible`.
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
    runs, tokens = (_stacked([part[i] for part in parts]) for i in range(2))
    base = prepared.base
    return Findings(prepared.study, base.name, base.text, prepared.random, runs, tokens)


def _labels(choices: tuple[PolicyChoice, ...]) -> tuple[str, ...]:
    for choice in choices:
        policies.chosen(choice)  # before anything is run: is there such a policy, with such parameters?
    return tuple(choice.label for choice in choices)


def _check_cases(study: Study, base: Scenario, labels: tuple[str, ...]) -> bool:
    """Load every case once, so that errors come before any run; whether any depends on the seed."""
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
    """Whether another seed makes another world, or the clock on the wall has a say."""
    other = world.seed + 1 if world.seed + 1 < MOST_SEEDS else world.seed - 1
    changed = load_scenario(scenario, seed=other, changes=changes)
    return world.controller.decision_time == "measured" or _content(changed) != _content(world)


def _content(world: Scenario) -> bytes:
    return pickle.dumps(replace(world, seed=0))


def _described(task: Task) -> str:
    return f"{task.variant} in the world of seed {task.seed}, under {', '.join(task.labels)}"


def _run(task: Task, options: RunOptions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of one case in one world."""
    about: dict[str, object] = {"variant": task.variant, "changes": "; ".join(c.text for c in task.changes)}
    try:
        world = load_scenario(task.scenario, seed=task.seed, changes=task.changes)
    except DoesNotFitError as error:
        return _unfitting(task, about, str(error)), pd.DataFrame(columns=_TOKENS)
    runs, tokens = [], []
    for choice in choose(world, task.policies):
        result = simulate(world, policies.chosen(choice), options, run=choice.label)
        here = about | {"policy": choice.label, "seed": task.seed}
        measured = metrics(result).drop(columns=["run"]).assign(detail=result.runs["detail"])
        runs.append(_after(here, measured))
        tokens.append(_after(here, later_tokens(result))[_TOKENS])
    return _stacked(runs), _stacked(tokens)


def _unfitting(task: Task, about: Mapping[str, object], detail: str) -> pd.DataFrame:
    """Rows of runs that could not begin."""
    return pd.DataFrame(
        [
            {
                **about,
                "policy": label,
                "seed": task.seed,
                "status": "infeasible",
                "detail": detail,
                **_NOTHING_RUN,
            }
            for label in task.labels
        ]
    )


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows; those frames that have none would blur the types of the columns."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _after(about: Mapping[str, object], rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that begin with what they are about."""
    return pd.DataFrame(dict(about), index=rows.index).join(rows)
