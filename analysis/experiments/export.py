"""Export of the tables of one campaign from a store.

A store has runs in the order in which they ended, an export has them in the order of the campaign, and neither fits
into memory. Therefore the rows of a table are first distributed to piles, which are temporary files for a range of
cases each. Then one pile after another is sorted and written.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headway.analysis.experiments.design import CASE
from headway.analysis.experiments.plan import Plan
from headway.analysis.experiments.status import State, campaign_status
from headway.analysis.files.atomic import writing
from headway.analysis.files.results_folder import CASES, ORIGIN, SCENARIO, results_folder
from headway.analysis.store.index import Index, first
from headway.analysis.store.store import ORIGIN as STORED_ORIGIN
from headway.analysis.store.store import SCENARIO as STORED_SCENARIO
from headway.analysis.store.store import Store
from headway.analysis.store.tables import STORED
from headway.analysis.store.view import View
from headway.simcore.manifest import write_manifest
from headway.simcore.table_files import read_table, table_file
from headway.traces.errors import InputError, quoted

_MOST_PILES = 500
_PLACE = "place"


def export(plan: Plan, store: Store, target: Path, *, replace: bool = False, pile_rows: int = 1 << 15) -> int:
    """Write the tables of the finished runs of a campaign into a folder.

    Runs are in the order of the campaign and keep their names; the table `cases` describes them. The columns `scenario`
    and `changes` of `runs` are those of this campaign.

    Args:
        plan: of the campaign.
        store: with its runs.
        target: a new or an empty folder.
        replace: whether results in that folder are replaced.
        pile_rows: approximate number of rows that are sorted in memory at a time.

    Returns:
        The number of runs in the export.

    Raises:
        InputError: the target is in use or cannot be written, or the store is damaged.
    """
    view = store.view()
    places = _places(plan, view)
    with results_folder(target, replace=replace) as new, writing(target):
        folder = new.path
        shutil.copyfile(plan.path, folder / CASES)
        copy = store.cases(plan.campaign.name)
        for suffix, name in ((STORED_SCENARIO, SCENARIO), (STORED_ORIGIN, ORIGIN)):
            if copy.with_suffix(suffix).exists():
                shutil.copyfile(copy.with_suffix(suffix), folder / name)
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


def read_cases(path: Path) -> pa.Table:
    """Read the table of cases: the columns `CASE`, then one for each axis.

    Raises:
        InputError: it is not such a table.
    """
    table = read_table(path)
    if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
        raise InputError(str(path), f"two columns named {quoted(twice[0])}", "distinct column names")
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    texts = {name for name, kind in kinds.items() if kind in (pa.string(), pa.large_string())}
    numbers = {name for name, kind in kinds.items() if kind == pa.float64()}
    whole = {name for name, kind in kinds.items() if kind == pa.int64()}
    if (
        not set(CASE) <= texts | whole
        or whole != {"number", "seed"}
        or kinds.keys() - texts - numbers - whole
    ):
        raise InputError(str(path), "a table with another schema", "a table of cases written by headway")
    return table


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
