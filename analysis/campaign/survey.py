"""What a store has of a campaign."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from analysis.campaign.plan import Plan
from analysis.campaign.store import Store


@dataclass(frozen=True, kw_only=True)
class Survey:
    """How a campaign and a store compare. Two cases that mean the same world are one run.

    Attributes:
        total: runs of the campaign.
        present: those of which every wanted table is in the store.
        failed: those that failed and are not to be tried again.
        missing: the others, by label of their policy.
        settled: names of all runs in the store that need no more.
        lacking: the tables that are missing of runs of which the store has others.
        tables: the tables that are wanted.
    """

    total: int
    present: int
    failed: int
    missing: Counter[str]
    settled: Collection[str]
    lacking: Mapping[str, tuple[str, ...]]
    tables: tuple[str, ...]

    def lacks(self, run: str) -> tuple[str, ...]:
        """The tables that are missing of a run."""
        return self.lacking.get(run, self.tables)

    def todo(self, plan: Plan) -> Iterator[tuple[int, str]]:
        """Number and name of every missing run, each run once."""
        met: set[str] = set()
        for number, run in plan.cases():
            if run not in self.settled and run not in met:
                met.add(run)
                yield number, run


def look(plan: Plan, store: Store, *, retry_failed: bool = False) -> Survey:
    """Compare a campaign with a store."""
    tables = plan.campaign.tables
    whole = store.known(tables)
    lacking = _lacking(store, whole, tables)
    failed = set() if retry_failed else set(store.failed(whole))
    counts: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    met: set[str] = set()
    for number, run in plan.cases():
        if run not in met:
            met.add(run)
            found = "present" if run in whole else "failed" if run in failed else "missing"
            counts[found] += 1
            if found == "missing":
                missing[plan.choice(number).label] += 1
    return Survey(
        total=len(met),
        present=counts["present"],
        failed=counts["failed"],
        missing=missing,
        settled=whole | failed,
        lacking=lacking,
        tables=tables,
    )


def _lacking(store: Store, whole: set[str], tables: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    partial = store.known() - whole
    if not partial:
        return {}
    kept = {table: store.known((table,)) for table in tables}
    return {run: tuple(table for table in tables if run not in kept[table]) for run in partial}
