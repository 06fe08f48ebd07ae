"""Repeat a run of a folder with many runs: of `headway whatif`, or the export of a campaign."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from headway.analysis.experiments.design import CASE
from headway.analysis.experiments.export import read_cases
from headway.analysis.files.results_folder import CASES, ORIGIN, SCENARIO, export_in
from headway.analysis.replay.rerun import Replay, Row, origin_of, rerun_and_compare, scenario_of
from headway.analysis.store.tables import STORED
from headway.simcore.manifest import check_folder
from headway.simcore.table_files import read_table
from headway.traces.errors import InputError, one_of, quoted


def rerun_exported(folder: Path, wanted: Mapping[str, str | int | None]) -> Replay:
    """Repeat the first run that has the wanted values, and check that its tokens are the same.

    Args:
        folder: of `headway whatif` or `headway sweep export`.
        wanted: values by column of the table of cases; None is any value. The beginning of a `run` is enough.

    Raises:
        InputError: there is no such run, or it cannot be repeated as it was.
    """
    export = export_in(folder)
    assert export is not None
    check_folder(export, "the table as headway wrote it")
    cases = read_cases(export / CASES)
    case = _case(folder, cases, wanted)
    row = _row(folder, export, case)
    scenario = scenario_of(row, folder / SCENARIO, folder / ORIGIN)
    origin = origin_of(folder / ORIGIN) or folder / SCENARIO
    tokens = _rows_of(export, "tokens", case["run"])
    if tokens is None:  # nothing to compare the repeated run with
        raise InputError(str(folder), "results without the table `tokens`", "results that keep it")
    replay = rerun_and_compare(folder, row, scenario, tokens.to_pandas(), origin)
    names = ("policy", *(name for name in cases.column_names if name not in CASE), "seed")
    return replace(replay, title=", ".join(f"{name} {case[name]}" for name in names))


def _case(folder: Path, cases: pa.Table, wanted: Mapping[str, str | int | None]) -> Row:
    rows = cases
    for name, value in wanted.items():
        if value is None:
            continue
        where = f"{folder}: --{name}"
        if name not in rows.column_names:
            raise InputError(
                where, f"this option with runs without a {name}", "another option, such as --run"
            )
        column = pc.cast(rows[name], pa.string())
        same = pc.starts_with(column, value) if name == "run" else pc.equal(column, str(value))
        if not pc.any(same).as_py():
            raise InputError(where, quoted(value), one_of(str(value), column.unique().to_pylist()))
        rows = rows.filter(same)
    if not rows.num_rows:
        raise InputError(str(folder), "results without a run", "at least one run")
    case: Row = rows.slice(0, 1).to_pylist()[0]
    return case


def _row(folder: Path, export: Path, case: Row) -> Row:
    """The row of a case in the table `runs`, with the names that its campaign gives to scenario and changes."""
    rows = _rows_of(export, "runs", case["run"])
    if rows is None or not rows.num_rows:
        raise InputError(
            str(folder), f"the run {quoted(case['run'])}, which is not finished", "a finished run"
        )
    row: Row = rows.to_pylist()[0] | {name: case[name] for name in ("scenario", "changes", "seed")}
    return row


def _rows_of(export: Path, table: str, run: str) -> pa.Table | None:
    """The rows of a run in a table; None if the table is not kept."""
    path = export / f"{table}.parquet"
    if not path.exists():
        return None
    rows = read_table(path, STORED[table])
    return rows.filter(pc.equal(rows["run"], run))
