"""The tables of one campaign, out of a store that may hold many."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.campaign.plan import Plan
from analysis.campaign.store import Store
from analysis.output import results_folder, writing


def export(plan: Plan, store: Store, target: Path) -> int:
    """Write the tables of a campaign, as far as it is made, into a folder of its own.

    Runs stand in the order of the campaign, and are called as in the store; the table `cases` says what each is. What
    `runs` says of scenario and changes is what this campaign calls them. One table is in memory at a time.

    Args:
        plan: of the campaign.
        store: with its runs.
        target: a folder, replaced as a whole if it holds results of an earlier export.

    Returns:
        How many runs were written.

    Raises:
        InputError: the target cannot be written.
    """
    known = store.known(plan.campaign.tables)
    places: dict[str, int] = {}
    for number, run in plan.cases():
        if run in known:
            places.setdefault(run, number)
    with results_folder(target) as folder, writing(target):
        shutil.copyfile(plan.path, folder / "cases.parquet")
        (folder / "campaign.yaml").write_text(plan.campaign.text, encoding="utf-8", newline="")
        for name in (*plan.campaign.tables, "metrics"):
            table = _in_order(store.read(name, places), places)
            if name == "runs":
                table = _named(table, plan.path, places)
            pq.write_table(table, folder / f"{name}.parquet")
    return len(places)


def _in_order(table: pa.Table, places: Mapping[str, int]) -> pa.Table:
    at = np.array([places[run] for run in table["run"].to_pylist()], dtype=np.int64)
    return table.take(pa.array(np.argsort(at, kind="stable")))


def _named(runs: pa.Table, cases: Path, places: Mapping[str, int]) -> pa.Table:
    """The table of runs with the names that this campaign has for them."""
    table = pq.read_table(cases, columns=["scenario", "changes"])
    rows = pa.array([places[run] for run in runs["run"].to_pylist()], pa.int64())
    for column in table.column_names:
        place = runs.schema.get_field_index(column)
        runs = runs.set_column(place, runs.schema.field(place), table[column].take(rows))
    return runs
