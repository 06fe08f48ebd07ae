"""What a store has of a campaign."""

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


class State(IntEnum):
    """What has become of a case."""

    MISSING = 0
    PRESENT = 1
    FAILED = 2
    REPEATED = 3
    """It means the same as an earlier one, and is no run of its own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CampaignStatus:
    """How a campaign and what a store holds compare. Two cases that mean the same world are one run.

    Attributes:
        total: runs of the campaign.
        present: those of which every wanted table is in the store.
        failed: those that failed and are not to be tried again.
        missing: the others, by label of their policy.
        stored: runs in the store, whosever they are.
        states: one `State` per case, by its number.
        lacking: bits of the tables that are missing of each case.
        tables: the tables that are wanted.
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
        """The tables that are missing of a case."""
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
    """An error that runs of a campaign ended with.

    Attributes:
        error: in words.
        count: how many runs.
        run: the first of them.
    """

    error: str
    count: int
    run: str


def campaign_status(plan: Plan, view: View, *, retry_failed: bool = False) -> CampaignStatus:
    """Compare a campaign with what a store holds."""
    tables = plan.campaign.tables
    wanted = bits(tables)
    kept = view.contents()
    failures = Index.of(_failures(view, retry_failed=retry_failed), bool, first)
    places = Index.of(((runs, numbers) for numbers, runs in plan.batches()), np.uint32, first)
    states = np.full(plan.runs, State.MISSING, np.uint8)
    lacking = np.full(plan.runs, wanted, np.uint16)
    for numbers, runs in plan.batches():
        there = kept.find(runs, 0)
        lacks = wanted & ~there
        lacking[numbers] = lacks
        repeated = places.find(runs, 0) != numbers
        # Who succeeded after a failure, and shall keep more now, has not failed.
        failed = failures.find(runs, False) & (there & bits(("runs",)) == 0)
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
    """How many runs of a store another `MODEL_VERSION` made, by that version; empty: from before there were versions.

    Their figures may be others than those of today, so they count for no campaign.
    """
    batches = view.batches("runs", ("run",))
    counts = Counter(model_of(run) for batch in batches for run in batch["run"].to_pylist())
    del counts[str(MODEL_VERSION)]
    return dict(sorted(counts.items()))


_NUMBER = re.compile(r"\d+(\.\d+)?(e[-+]?\d+)?")


def failures_of(plan: Plan, view: View, status: CampaignStatus) -> list[Failure]:
    """The last errors of the runs that failed; those that differ in numbers only, such as times, together."""
    kinds: dict[str, int] = {}
    texts: list[str] = []

    def kind_of(error: str) -> int:
        kind = kinds.setdefault(_NUMBER.sub("", error), len(kinds))
        texts.extend([error] * (kind == len(texts)))
        return kind

    batches = (
        (batch["run"].to_pylist(), [kind_of(error) for error in batch["error"].to_pylist()])
        for batch in view.batches("failures", ("run", "error"))
    )
    errors = Index.of(batches, np.uint32, last)
    found: dict[int, tuple[int, str]] = {}
    for _, run in status.in_state(plan, State.FAILED):
        kind = int(errors.find([run], 0)[0])
        count, example = found.get(kind, (0, run))
        found[kind] = (count + 1, example)
    return [Failure(texts[kind], count, run) for kind, (count, run) in found.items()]


def _failures(view: View, *, retry_failed: bool) -> Iterator[tuple[list[str], list[bool]]]:
    for batch in () if retry_failed else view.batches("failures", ("run",)):
        yield batch["run"].to_pylist(), [True] * batch.num_rows
