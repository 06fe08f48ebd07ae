"""Reading a folder of results.

There are four kinds: the folder of `headway run`, where policies ran once in one world; the store of a campaign; its
export; and the folder of `headway whatif`, which has an export. In the last three, runs have axes and seeds, and their
tokens may not fit into memory: only the columns that a report shows are read.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from headway.analysis.experiments.design import CASE
from headway.analysis.experiments.export import read_cases
from headway.analysis.files.results_folder import CASES, EXPORT, SCENARIO, STUDY
from headway.analysis.report.data import DETAILS, ReportData, alone, described, detailed, of_result
from headway.analysis.statistics.metrics import request_times
from headway.analysis.store.store import Store, is_store
from headway.analysis.store.tables import STORED
from headway.simcore import load_result
from headway.simcore.manifest import check_folder
from headway.simcore.table_files import check_table, read_table
from headway.traces.errors import InputError, one_of
from headway.traces.files import read_text

_MOST_BYTES = 1_000_000

_ENDED = ("run", "detail", "end_s", "headway_version")
_FAILED = ("run", "error")
_NOTHING = dict.fromkeys(("tokens", "decisions", "infeasible_decisions", "migrations"), 0)
"""What is counted of a run that raised an exception, and so has no part in the other tables."""

_OF_MANY = {
    "requests": ("run", "request", "arrival_s", "first_token_s", "finish_s"),
    "tokens": ("run", "request", "token", "start_s", "latency_s", "fault_s"),
}
"""What is shown of each table, and which tables are, where policies ran more than once."""

_Batches: TypeAlias = Callable[[str, Sequence[str]], Iterable[pa.RecordBatch]]
"""Some columns of a table, by its name."""


def read_results(folder: Path, campaign: str | None = None) -> ReportData:
    """What a folder of results holds.

    Args:
        folder: of `headway run`, `headway whatif` or `headway sweep`.
        campaign: which one, where a store has several.

    Raises:
        InputError: it holds nothing that a report could be made of.
    """
    if is_store(folder):
        return _of_store(Store(folder), campaign)
    if (folder / EXPORT / CASES).exists():
        study = {name: _text(folder / name) for name in (STUDY, SCENARIO)}
        description = str(described(study[SCENARIO]).get("description") or "").strip()
        return replace(
            read_results(folder / EXPORT),
            name=folder.resolve().name,
            description=description,
            documents=study,
            command=f"headway whatif {STUDY}",
        )
    if (folder / CASES).exists():
        check_folder(folder, "the table as headway wrote it (export it again)")
        cases = read_cases(folder / CASES).to_pandas()
        return _of_campaign(folder, folder.name, cases, _exported(folder), _text(folder / "campaign.yaml"))
    if not (folder / "runs.parquet").exists():
        expected = "a folder that `headway run`, `whatif`, `sweep run` or `sweep export` wrote"
        raise InputError(
            str(folder),
            "a folder without results" if folder.is_dir() else "a folder that does not exist",
            expected,
        )
    return of_result(load_result(folder), _text(folder / "scenario.yaml"))


def _of_store(store: Store, campaign: str | None) -> ReportData:
    names = sorted(path.stem for path in (store.folder / "campaigns").glob("*.parquet"))
    name = names[0] if campaign is None and len(names) == 1 else campaign
    if name not in names:
        got = "a store of several campaigns" if campaign is None and names else repr(campaign)
        raise InputError(
            "--campaign", got if names else "a store without a campaign", one_of(str(name), names)
        )
    path = store.cases(str(name))
    return _of_campaign(
        store.folder,
        str(name),
        read_cases(path).to_pandas(),
        store.view().batches,
        _text(path.with_suffix(".yaml")),
    )


def _exported(folder: Path) -> _Batches:
    def batches(table: str, columns: Sequence[str]) -> Iterable[pa.RecordBatch]:
        path = folder / f"{table}.parquet"
        return read_table(path, STORED[table]).select(columns).to_batches() if path.exists() else []

    return batches


def _of_campaign(folder: Path, name: str, cases: pd.DataFrame, batches: _Batches, text: str) -> ReportData:
    cases = _distinct(cases)
    names = pd.Index(cases["run"].unique())

    def read(table: str, columns: Sequence[str]) -> pd.DataFrame:
        return _of_runs(batches(table, columns), names, table, columns, f"{folder}: {table}")

    def once(table: str, columns: Sequence[str]) -> pd.DataFrame:
        return read(table, columns).drop_duplicates("run", keep="last").astype({"run": object})

    ended, numbers = once("runs", _ENDED), once("metrics", STORED["metrics"].names)
    if ended.empty or numbers.empty:
        raise InputError(name, "a campaign without a finished run", "at least one finished run")
    failed = once("failures", _FAILED).rename(columns={"error": "detail"})
    failed = failed[~failed["run"].isin(numbers["run"])].assign(status="failed", **_NOTHING)
    about = numbers.merge(ended[["run", "detail", "end_s"]], on="run")
    runs = cases.merge(pd.concat([about, failed]) if len(failed) else about, on="run")
    wanted = {table: STORED[table].names for table in DETAILS} if alone(runs) else _OF_MANY
    tables = {table: rows for table, columns in wanted.items() if len(rows := read(table, columns))}
    known = detailed(tables, runs)
    if "requests" in known:
        # Percentiles over requests are not among the stored metrics.
        times = request_times(known["requests"]).drop(columns="ttft_s").reindex(runs.index)
        runs = runs.assign(**times)
    document = described(text)
    return ReportData(
        name=str(document.get("name") or name),
        description=str(document.get("description") or "").strip(),
        runs=runs,
        axes=tuple(column for column in cases.columns if column not in CASE),
        tables=known,
        documents={"campaign.yaml": text} if text else {},
        command="headway sweep run campaign.yaml",
        versions=tuple(ended["headway_version"].unique()),
        missing=len(cases) - len(runs),
        is_campaign=True,
    )


def _distinct(cases: pd.DataFrame) -> pd.DataFrame:
    """The same, with another name for axes that are called like something else that is known of a run."""
    ours = {*_ENDED, *STORED["metrics"].names}
    names = {}
    for axis in (ours & set(cases.columns)) - set(CASE):
        names[axis] = f"{axis} (axis)"
        while names[axis] in cases.columns:
            names[axis] += "'"
    return cases.rename(columns=names)


def _of_runs(
    batches: Iterable[pa.RecordBatch], names: pd.Index, table: str, columns: Sequence[str], where: str
) -> pd.DataFrame:
    """The rows of some runs, whose names stand there once and not in every row.

    Raises:
        InputError: values are missing or too large.
    """
    known = pa.array(names, pa.string())
    schema = pa.schema([STORED[table].field(name) for name in columns]).set(0, pa.field("run", pa.int32()))
    parts = [schema.empty_table()]
    for batch in batches:
        number = pc.index_in(batch["run"], known)
        part = pa.Table.from_batches([batch]).set_column(0, "run", number).filter(number.is_valid())
        check_table(part, where)
        parts.append(part.cast(schema))
    rows = pa.concat_tables(parts)
    parts.clear()
    numbers = rows["run"].to_numpy()
    # What is copied is let go of, column by column.
    frame: pd.DataFrame = rows.to_pandas(split_blocks=True, self_destruct=True)
    return frame.assign(run=pd.Categorical.from_codes(numbers, names))


def _text(path: Path) -> str:
    """The text of a file beside the tables; empty if there is none."""
    return read_text(path, _MOST_BYTES, "a text written by headway") if path.exists() else ""
