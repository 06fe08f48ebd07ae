"""Comparison of a campaign with the content of a store."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from headway.analysis.experiments.identity import model_of
from headway.analysis.experiments.plan import Plan
from headway.analysis.store.index import Index, first, last
from headway.analysis.store.view import View, bits, tables_in
from headway.simcore.results import MODEL_VERSION

_NUMBER = re.compile(r"\d+(\.\d+)?(e[-+]?\d+)?")


class State(IntEnum):
    """The state of a case."""

    MISSING = 0
    PRESENT = 1
    FAILED = 2
    REPEATED = 3
    """The case has the same world and policy as an earlier one, and therefore the same run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CampaignStatus:
    """The runs of a campaign that a store contains and lacks. Cases with the same world and policy are one run.

    Attributes:
        total: runs of the campaign.
        present: runs with all wanted tables in the store.
        failed: runs that failed and are not to be tried again.
        missing: the other runs, by label of their policy.
        stored: runs in the store, of any campaign.
        states: the `State` of each case, by its number.
        lacking: the missing tables of each case, encoded by `view.bits`.
        tables: the wanted tables.
    """

    total: int
    present: int
    failed: int
    missing: Counter[str]
    stored: int
    states: NDArray[np.uint8]
    lacking: NDArray[np.uint16]
    tables: tuple[str, ...]

    def lacks(self, number: int) -> tuple[str, ...]:
        """The missing tables of a case."""
        return tables_in(int(self.lacking[number]))

    def todo(self, plan: Plan) -> Iterator[tuple[int, str]]:
        """Number and name of every missing run, each run once."""
        return self.in_state(plan, State.MISSING)

    def in_state(self, plan: Plan, state: State) -> Iterator[tuple[int, str]]:
        """Number and name of every case in a state."""
        for number, run in plan.cases():
            if self.states[number] == state:
                yield number, run


@dataclass(frozen=True)
class Failure:
    """An error of one or more runs of a campaign.

    Attributes:
        error: its message.
        count: number of runs.
        run: name of the first run.
    """

    error: str
    count: int
    run: str


def campaign_status(plan: Plan, view: View, *, retry_failed: bool = False) -> CampaignStatus:
    """Compare a campaign with the content of a store."""
    tables = plan.campaign.tables
    wanted = bits(tables)
    kept = view.contents()
    failures = Index.of(_failures(view, retry_failed=retry_failed), bool, first)
    places = Index.of(((runs, numbers) for numbers, runs in plan.batches()), np.uint32, first)
    states = np.full(plan.runs, State.MISSING, np.uint8)
    lacking = np.full(plan.runs, wanted, np.uint16)
    for numbers, runs in plan.batches():
        stored = kept.find(runs, 0)
        lacks = wanted & ~stored
        lacking[numbers] = lacks
        repeated = places.find(runs, 0) != numbers
        # A run that failed and later succeeded has not failed, even if more tables are wanted now.
        failed = failures.find(runs, False) & (stored & bits(("runs",)) == 0)
        states[numbers] = np.select(
            [repeated, lacks == 0, failed], [State.REPEATED, State.PRESENT, State.FAILED], State.MISSING
        )
    counts = np.bincount(states, minlength=len(State))
    by_policy = np.bincount(np.flatnonzero(states == State.MISSING) % len(plan.policies))
    return CampaignStatus(
        total=len(places),
        present=int(counts[State.PRESENT]),
        failed=int(counts[State.FAILED]),
        missing=Counter({plan.choice(i).label: int(count) for i, count in enumerate(by_policy) if count}),
        stored=int(np.count_nonzero(kept.numbers & bits(("runs",)))),
        states=states,
        lacking=lacking,
        tables=tables,
    )


def other_models(view: View) -> dict[str, int]:
    """The number of runs that another `MODEL_VERSION` made, by version (empty for runs older than versions).

    Their figures may differ from today's, so no campaign uses them.
    """
    batches = view.batches("runs", ("run",))
    counts = Counter(model_of(run) for batch in batches for run in batch["run"].to_pylist())
    del counts[str(MODEL_VERSION)]
    return dict(sorted(counts.items()))


def failures_of(plan: Plan, view: View, status: CampaignStatus) -> list[Failure]:
    """The last error of each failed run, grouped; errors that differ only in numbers, such as times, are one group."""
    groups: dict[str, int] = {}
    texts: list[str] = []

    def group_of(error: str) -> int:
        group = groups.setdefault(_NUMBER.sub("", error), len(groups))
        if group == len(texts):
            texts.append(error)
        return group

    batches = (
        (batch["run"].to_pylist(), [group_of(error) for error in batch["error"].to_pylist()])
        for batch in view.batches("failures", ("run", "error"))
    )
    errors = Index.of(batches, np.uint32, last)
    runs: dict[int, list[str]] = {}
    for _, run in status.in_state(plan, State.FAILED):
        runs.setdefault(int(errors.find([run], 0)[0]), []).append(run)
    return [Failure(texts[group], len(each), each[0]) for group, each in runs.items()]


def _failures(view: View, *, retry_failed: bool) -> Iterator[tuple[list[str], list[bool]]]:
    for batch in () if retry_failed else view.batches("failures", ("run",)):
        yield batch["run"].to_pylist(), [True] * batch.num_rows
