"""The plan of a campaign: the names of all its runs. All worlds are read first, so errors are reported at the start."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headway import policies, simcore
from headway.analysis.compare import choose
from headway.analysis.experiments.design import CASE, Campaign, Point, check_size
from headway.analysis.experiments.identity import policy_digest, run_id
from headway.analysis.experiments.worker import Task
from headway.analysis.experiments.world import InfeasibleWorld, World, packed
from headway.analysis.files.atomic import writing
from headway.simcore.errors import DoesNotFitError
from headway.simcore.files.load import open_scenario
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.table_files import table_file
from headway.traces.errors import InputError, error_text, quoted

_ROWS = 1_000
"""Number of cases in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A campaign with the names of its runs.

    Attributes:
        campaign: that is planned.
        scenario: its name.
        policies: by label.
        digests: of the policies, by label.
        path: of the table of cases, which has one row per case, and the columns `CASE` and the axes.
        runs: number of cases.
        fixed: digests of the large traces that do not depend on the seed.
    """

    campaign: Campaign
    scenario: str
    policies: Mapping[str, PolicyChoice]
    digests: Mapping[str, str]
    path: Path
    runs: int
    fixed: frozenset[str]

    def cases(self) -> Iterator[tuple[int, str]]:
        """Number and run of every case, in order."""
        for numbers, runs in self.batches():
            yield from zip(numbers.tolist(), runs, strict=True)

    def batches(self) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
        """Numbers and runs of all cases, up to 1,000 at a time."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_ROWS, columns=["number", "run"], use_threads=False):
                yield batch["number"].to_numpy(), batch["run"].to_pylist()

    def table(self, begin: int, end: int, columns: list[str]) -> pa.Table:
        """Columns of the table of cases for the cases from `begin` to before `end`."""
        with pq.ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            starts = [0, *itertools.accumulate(sizes)]
            wanted = [i for i, size in enumerate(sizes) if starts[i] < end and starts[i] + size > begin]
            rows = file.read_row_groups(wanted, columns=columns)
            return rows.slice(begin - starts[wanted[0]] if wanted else 0, end - begin)

    def choice(self, number: int) -> PolicyChoice:
        """The policy of a case."""
        labels = tuple(self.policies)
        return self.policies[labels[number % len(labels)]]

    def task(self, number: int, run: str, tables: tuple[str, ...]) -> Task:
        """The task that makes the missing tables of a case."""
        choice = self.choice(number)
        return Task(run, choice, self.digests[choice.label], tables)

    def worlds(self, cases: Iterable[tuple[int, str]]) -> Iterator[tuple[World, list[tuple[int, str]]]]:
        """The worlds of some cases, in order, each with its cases; one world is in memory at a time.

        Raises:
            InputError: an input file has changed since the plan was made.
        """
        count = len(self.policies)
        places = enumerate(_places(self.campaign))
        for world_number, group in itertools.groupby(cases, lambda case: case[0] // count):
            _, load = next(place for index, place in places if index == world_number)
            world, members = load(), list(group)
            number, name = members[0]
            if run_id(world.digest, self.digests[self.choice(number).label]) != name:
                got = "a scenario or trace that has changed since the campaign began"
                raise InputError(
                    str(self.campaign.scenario), got, "input files that do not change during a campaign"
                )
            yield world, members


def prepare(campaign: Campaign, path: Path, step: Callable[[int], None] | None = None) -> Plan:
    """Read every world of a campaign and name its runs.

    A world whose model no placement can hold is not an error: its runs have the status `infeasible`.

    Args:
        campaign: to plan.
        path: of the table of cases, which is written.
        step: called after every world with the number of its runs.

    Raises:
        InputError: the campaign or one of its scenarios is invalid, or the table cannot be written.
    """
    base = simcore.load_scenario(campaign.scenario, seed=campaign.seeds[0], changes=campaign.changes)
    choices = {choice.label: choice for choice in campaign.policies or choose(base, ())}
    runs = campaign.points * len(campaign.seeds) * len(choices)
    check_size(runs)
    names = {label: _digest_of(choice) for label, choice in choices.items()}
    fixed: set[str] = set()
    with writing(path), table_file(path, _schema(campaign)) as table:
        rows: list[dict[str, Any]] = []
        for number, (point, world) in enumerate(_read(campaign, fixed)):
            about = {"scenario": base.name, "changes": "; ".join(c.text for c in point.changes)}
            for i, (label, policy) in enumerate(names.items()):
                case = {"number": number * len(names) + i, "run": run_id(world.digest, policy)}
                rows.append(case | about | {"policy": label, "seed": world.seed, **point.labels})
            if len(rows) >= _ROWS:
                table.write_table(pa.Table.from_pylist(rows, _schema(campaign)))
                rows.clear()
            if step is not None:
                step(len(names))
        table.write_table(pa.Table.from_pylist(rows, _schema(campaign)))
    return Plan(
        campaign=campaign,
        scenario=base.name,
        policies=choices,
        digests=names,
        path=path,
        runs=runs,
        fixed=frozenset(fixed),
    )


def _digest_of(choice: PolicyChoice) -> str:
    """The digest of a policy.

    Raises:
        InputError: the policy has parameters without a digest.
    """
    policy = policies.from_choice(choice)
    try:
        return policy_digest(policy)
    except TypeError as error:
        got = f"{quoted(choice.name)}, whose parameters cannot be read ({error_text(error)})"
        expected = "a policy that is a dataclass with its parameters as fields (numbers, texts, lists)"
        raise InputError(choice.where, got, expected) from error


def _places(campaign: Campaign) -> Iterator[tuple[Point, Callable[[], World]]]:
    """Every point with every seed, and a function that loads its world; the file is read once per point."""
    for point in campaign.at():
        opened = cache(partial(open_scenario, campaign.scenario, changes=point.changes))
        for seed in campaign.seeds:
            yield point, partial(load_world, campaign, point, seed, opened)


def load_world(
    campaign: Campaign, point: Point, seed: int, opened: Callable[[], Callable[[int], Scenario]]
) -> World:
    """The world at a point, or the reason why its model fits nowhere.

    Raises:
        InputError: as `load_scenario`.
    """
    try:
        return World.of(opened()(seed))
    except DoesNotFitError as error:
        changes = tuple(change.text for change in point.changes)
        detail = f"got {error.got}; expected {error.expected}"
        return World.of(InfeasibleWorld(campaign.scenario.stem, seed, detail, changes))


def _read(campaign: Campaign, fixed: set[str]) -> Iterator[tuple[Point, World]]:
    """Every world. The large traces that the first two seeds of a point have in common are added to `fixed`."""
    first: set[str] = set()
    for number, (point, load) in enumerate(_places(campaign)):
        world, place = load(), number % len(campaign.seeds)
        if place < 2:
            large = set(packed(world.content)[1])
            if len(campaign.seeds) == 1:
                fixed |= large
            elif place == 1:
                fixed |= large & first
            first = large
        yield point, world


def _schema(campaign: Campaign) -> pa.Schema:
    kinds = dict.fromkeys(CASE, pa.string()) | {"number": pa.int64(), "seed": pa.int64()}
    for name, axis in {**campaign.product, **campaign.zipped}.items():
        numeric = all(isinstance(label, float) for label in axis.levels)
        kinds[name] = pa.float64() if numeric else pa.string()
    return pa.schema(list(kinds.items()))
