"""Export of the tables of one campaign from a store.

A store has runs in the order in which they ended, an export has them in the order of the campaign, and neither fits
into memory. Therefore the rows of a table are first distributed to piles, which are temporary files for a range of
cases each. Then one pile after another is sorted and written.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headway.analysis.experiments.plan import Plan
from headway.analysis.experiments.status import State, campaign_status
from headway.analysis.files.atomic import writing
from headway.analysis.files.results_folder import results_folder
from headway.analysis.store.index import Index, first
from headway.analysis.store.store import Store
from headway.analysis.store.tables import STORED, table_file
from headway.analysis.store.view import View
from headway.simcore.manifest import write_manifest

_MOST_PILES = 500
_PLACE = "place"


def export(plan: Plan, store: Store, target: Path, pile_rows: int = 1 << 15) -> int:
    """Write the tables of the finished runs of a campaign into a folder.

    Runs are in the order of the campaign and keep their names; the table `cases` describes them. The columns `scenario`
    and `changes` of `runs` are those of this campaign.

    Args:
        plan: of the campaign.
        store: with its runs.
        target: a folder; an earlier export in it is replaced as a whole.
        pile_rows: approximate number of rows that are sorted in memory at a time.

    Returns:
        The number of runs in the export.

    Raises:
        InputError: the target cannot be written, or the store is damaged.
    """
    view = store.view()
    places = _places(plan, view)
    with results_folder(target) as folder, writing(target):
        shutil.copyfile(plan.path, folder / "cases.parquet")
        (folder / "campaign.yaml").write_text(plan.campaign.text, encoding="utf-8", newline="")
        for name in (*plan.campaign.tables, "metrics"):
            with table_file(folder / f"{name}.parquet", STORED[name]) as file:
                count = min(_MOST_PILES, 1 + view.rows(name) // pile_rows)
                for rows in _in_order(plan, view, name, places, folder, count):
                    table = rows.drop_columns(_PLACE)
                    if name == "runs":
                        table = _named(table, plan, rows[_PLACE].to_numpy())
                    file.write_table(table)
        write_manifest(folder)
    return len(places)


def _places(plan: Plan, view: View) -> Index:
    """The number of the first case of every run that is complete in the store."""
    return Index.of(_present(plan, view), np.int64, first)


def _present(plan: Plan, view: View) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    states = campaign_status(plan, view, retry_failed=True).states
    for numbers, runs in plan.batches():
        present = states[numbers] == State.PRESENT
        yield [runs[i] for i in np.flatnonzero(present)], numbers[present]


def _in_order(
    plan: Plan, view: View, name: str, places: Index, folder: Path, count: int
) -> Iterator[pa.Table]:
    """The rows of a table in the order of their cases, with the number of the case as a column; pile by pile."""
    with TemporaryDirectory(dir=folder) as piles:
        for path in _distributed(plan, view, name, places, [Path(piles) / str(i) for i in range(count)]):
            with pa.OSFile(str(path)) as source:
                rows = pa.ipc.open_stream(source).read_all()
            yield rows.take(pa.array(np.argsort(rows[_PLACE].to_numpy(), kind="stable")))


def _distributed(plan: Plan, view: View, name: str, places: Index, paths: list[Path]) -> list[Path]:
    """Write the rows of a table to temporary files, each for an equal range of cases."""
    schema = STORED[name].append(pa.field(_PLACE, pa.int64()))
    with ExitStack() as stack:
        files = [stack.enter_context(pa.ipc.new_stream(str(path), schema)) for path in paths]
        for batch in view.batches(name):
            at: NDArray[np.int64] = places.find(batch["run"].to_pylist(), -1)
            pile = np.where(at < 0, -1, at * len(paths) // plan.runs)
            table = pa.Table.from_batches([batch]).append_column(_PLACE, pa.array(at))
            for i in np.unique(pile[pile >= 0]).tolist():
                files[i].write_table(table.filter(pa.array(pile == i)))
    return paths


def _named(runs: pa.Table, plan: Plan, places: NDArray[np.int64]) -> pa.Table:
    """Rows of the table `runs` with the scenario name and the changes of this campaign."""
    begin, end = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
    names = plan.table(begin, end, ["scenario", "changes"])
    rows = pa.array(places - begin)
    for column in names.column_names:
        place = runs.schema.get_field_index(column)
        runs = runs.set_column(place, runs.schema.field(place), names[column].take(rows))
    return runs
