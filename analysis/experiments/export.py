"""Export of the tables of one campaign from a store.

A store has runs in the order in which they ended, an export has them in the order of the campaign, and neither fits
into memory. Therefore the rows of a table are first distributed to temporary files, each for a range of cases. Then one
file after another is sorted and written.
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
    places = Index.of(_finished(plan, view), np.int64, first)
    with results_folder(target) as folder, writing(target):
        shutil.copyfile(plan.path, folder / "cases.parquet")
        (folder / "campaign.yaml").write_text(plan.campaign.text, encoding="utf-8", newline="")
        for name in (*plan.campaign.tables, "metrics"):
            with (
                table_file(folder / f"{name}.parquet", STORED[name]) as file,
                TemporaryDirectory(dir=folder) as piles,
            ):
                count = min(_MOST_PILES, 1 + view.rows(name) // pile_rows)
                paths = [Path(piles) / str(i) for i in range(count)]
                _distribute(plan, view, name, places, paths)
                for path in paths:
                    rows = _sorted(path)
                    table = rows.drop_columns(_PLACE)
                    if name == "runs":
                        table = _described(table, plan, rows[_PLACE].to_numpy())
                    file.write_table(table)
        write_manifest(folder)
    return len(places)


def _finished(plan: Plan, view: View) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    """Names and case numbers of the runs that are complete in the store."""
    states = campaign_status(plan, view, retry_failed=True).states
    for numbers, runs in plan.batches():
        present = states[numbers] == State.PRESENT
        yield [runs[i] for i in np.flatnonzero(present)], numbers[present]


def _distribute(plan: Plan, view: View, name: str, places: Index, paths: list[Path]) -> None:
    """Write the rows of a table to files for equal ranges of cases, with the number of the case as a column."""
    schema = STORED[name].append(pa.field(_PLACE, pa.int64()))
    with ExitStack() as stack:
        files = [stack.enter_context(pa.ipc.new_stream(str(path), schema)) for path in paths]
        for batch in view.batches(name):
            at: NDArray[np.int64] = places.find(batch["run"].to_pylist(), -1)
            pile = np.where(at < 0, -1, at * len(paths) // plan.runs)
            table = pa.Table.from_batches([batch]).append_column(_PLACE, pa.array(at))
            for i in np.unique(pile[pile >= 0]).tolist():
                files[i].write_table(table.filter(pa.array(pile == i)))


def _sorted(path: Path) -> pa.Table:
    """The rows of a temporary file, in the order of their cases."""
    with pa.OSFile(str(path)) as source:
        rows = pa.ipc.open_stream(source).read_all()
    return rows.take(pa.array(np.argsort(rows[_PLACE].to_numpy(), kind="stable")))


def _described(runs: pa.Table, plan: Plan, places: NDArray[np.int64]) -> pa.Table:
    """Rows of the table `runs` with the scenario name and the changes of this campaign."""
    begin, end = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
    names = plan.table(begin, end, ["scenario", "changes"])
    rows = pa.array(places - begin)
    for column in names.column_names:
        place = runs.schema.get_field_index(column)
        runs = runs.set_column(place, runs.schema.field(place), names[column].take(rows))
    return runs
