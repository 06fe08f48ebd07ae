"""The results of a run: tidy tables with a versioned schema.

All tables except `timings` depend only on scenario, policy and seed and have the same bytes on every machine.
Wall-clock times are therefore in a separate table.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headway.simcore.arrays import FloatArray
from headway.simcore.manifest import check_folder, write_manifest
from headway.traces import InputError
from headway.traces.errors import quoted, reason
from headway.traces.files import open_input

SCHEMA_VERSION = 4
"""Version of the tables. Raise it when a column is added, removed, or changes its meaning."""

MODEL_VERSION = 6
"""Version of the figures. Raise it by 1 when the same scenario, policy and seed give other figures than before: other
physics, other decisions of a shipped policy, other random values, other numbers in `analysis.statistics.metrics`.

Names of stored runs end with it, so runs of an older version are never mistaken for new ones (docs/decisions, 23). A
change that leaves all figures as they are (speed, names, comments) does not raise it. `tests/golden` records the
version with its runs, and fails when one changes without the other.
"""

MOST_ROWS = 200_000_000
"""Maximum rows of a table that is read at once: a file of a few kilobytes may claim any number."""

_MOST_LISTED = 10

_LARGEST = 1e60
"""Numbers in a scenario are at most 1e18; sums and quotients of them stay far below this."""

_MAYBE_INFINITE = "predicted_"
_MAYBE_MISSING = ("parameters", "executor")  # for a run that could not start

_VERSION_KEY = "headway.schema"

_TEXT, _INT, _REAL, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()

TABLES: dict[str, pa.Schema] = {
    name: pa.schema([pa.field(column, kind) for column, kind in columns], {_VERSION_KEY: str(SCHEMA_VERSION)})
    for name, columns in {
        "runs": [
            ("run", _TEXT),
            ("scenario", _TEXT),
            ("policy", _TEXT),
            ("parameters", _TEXT),
            ("seed", _INT),
            ("changes", _TEXT),
            ("status", _TEXT),
            ("detail", _TEXT),
            ("tokens", _INT),
            ("end_s", _REAL),
            ("executor", _TEXT),
            ("headway_version", _TEXT),
            ("schema_version", _INT),
        ],
        "requests": [
            ("run", _TEXT),
            ("request", _INT),
            ("arrival_s", _REAL),
            ("start_s", _REAL),
            ("first_token_s", _REAL),
            ("finish_s", _REAL),
            ("prompt", _INT),
            ("output", _INT),
            ("generated", _INT),
        ],
        "tokens": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("start_s", _REAL),
            ("latency_s", _REAL),
            ("compute_s", _REAL),
            ("disk_s", _REAL),
            ("transfer_s", _REAL),
            ("wait_s", _REAL),
            ("migration_s", _REAL),
            ("decision_s", _REAL),
            ("fault_s", _REAL),
        ],
        "decisions": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("time_s", _REAL),
            ("trigger", _TEXT),
            ("outcome", _TEXT),
            ("reason", _TEXT),
            ("moved_blocks", _INT),
            ("predicted_delay_s", _REAL),
            ("predicted_migration_s", _REAL),
            ("recomputes_caches", _BOOL),
        ],
        "migrations": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("block", _TEXT),
            ("from_device", _TEXT),
            ("to_device", _TEXT),
            ("outcome", _TEXT),
            ("size_bytes", _REAL),
            ("caught_up_bytes", _REAL),
            ("load_s", _REAL),
            ("start_s", _REAL),
            ("duration_s", _REAL),
        ],
        "faults": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("time_s", _REAL),
            ("device", _TEXT),
            ("lost_blocks", _INT),
            ("lost_cache", _BOOL),
        ],
        "devices": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("device", _TEXT),
            ("held_bytes", _REAL),
            ("available_bytes", _REAL),
            ("swapped_bytes", _REAL),
            ("busy_s", _REAL),
        ],
        "links": [
            ("run", _TEXT),
            ("link", _TEXT),
            ("from_device", _TEXT),
            ("to_device", _TEXT),
            ("messages", _INT),
            ("size_bytes", _REAL),
            ("busy_s", _REAL),
        ],
        "placements": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("block", _TEXT),
            ("device", _TEXT),
        ],
        "timings": [
            ("run", _TEXT),
            ("request", _INT),
            ("token", _INT),
            ("decision_wall_s", _REAL),
        ],
    }.items()
}
"""Name and schema of every table, in the order of writing."""


@dataclass(frozen=True, eq=False)
class Result:
    """The tables of one run, or of several under distinct `run` names; `docs/results.md` describes every column.

    Attributes:
        runs: one row per run: scenario, policy, seed, versions, and how the run ended.
        requests: one row per request that was started; times of events that did not happen are missing.
        tokens: one row per generated token; the parts of a latency sum to it.
        decisions: one row per decision of the policy.
        migrations: one row per moved block.
        faults: one row per device that went down while it was in use.
        devices: one row per token and device.
        links: one row per link and direction that carried something.
        placements: one row per block whenever the placement changed.
        timings: wall-clock time of each decision; the only table that differs from run to run.
    """

    runs: pd.DataFrame
    requests: pd.DataFrame
    tokens: pd.DataFrame
    decisions: pd.DataFrame
    migrations: pd.DataFrame
    faults: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    placements: pd.DataFrame
    timings: pd.DataFrame

    def __repr__(self) -> str:
        """One line, for notebooks; access the tables by their names."""
        rows = self.runs[["run", "status", "tokens"]].head(_MOST_LISTED).itertuples(index=False)
        listed = [f"{run} ({status}, {tokens:,} tokens)" for run, status, tokens in rows]
        more = [f"{len(self.runs):,} runs in all"] if len(self.runs) > len(listed) else []
        return f"<Result: {', '.join([*listed, *more]) or 'no runs'}>"

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write one Parquet file per table, and their manifest, into a new or existing folder."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            table = _table(name, getattr(self, name))
            pq.write_table(table, place / f"{name}.parquet", write_page_checksum=True)
        write_manifest(place)


def load_result(folder: str | os.PathLike[str]) -> Result:
    """Read the tables that `Result.save` wrote, and compare them with their manifest if there is one.

    Raises:
        InputError: the folder does not hold the tables of this schema version, or one is damaged.
    """
    check_folder(Path(folder), "the table as headway wrote it (repeat the run)")
    result = Result(
        **{
            name: _frame(read_table(Path(folder) / f"{name}.parquet", schema, versioned=True))
            for name, schema in TABLES.items()
        }
    )
    runs = list(result.runs["run"])
    if len(set(runs)) < len(runs):
        where = str(Path(folder) / "runs.parquet")
        raise InputError(where, "two runs with one name", "distinct names of runs")
    return result


def read_table(path: Path, schema: pa.Schema | None = None, *, versioned: bool = False) -> pa.Table:
    """Read a table from a Parquet file of unknown origin; check its size and columns before reading its rows.

    Checksums of its pages are compared, if it has any.

    Args:
        path: of the file.
        schema: the columns that it must have, names and types; any if None.
        versioned: whether the file must also state this schema version.

    Raises:
        InputError: the file cannot be read, has other columns or too many rows, or lacks a value that is never missing.
    """
    try:
        with open_input(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            _check_columns(path, file.schema_arrow, schema, versioned)
            if file.metadata.num_rows > MOST_ROWS:
                raise InputError(str(path), f"{file.metadata.num_rows:,} rows", f"at most {MOST_ROWS:,}")
            table = file.read()
            table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        got = "a missing file" if isinstance(error, FileNotFoundError) else reason(error)
        raise InputError(str(path), got, "a table written by headway") from error
    check_table(table, str(path))
    return table


def _check_columns(path: Path, actual: pa.Schema, schema: pa.Schema | None, versioned: bool) -> None:
    if schema is not None and (
        (versioned and actual.metadata != schema.metadata) or not actual.equals(schema)
    ):
        raise schema_mistake(path, actual, "repeat the run")


def schema_mistake(path: Path, actual: pa.Schema, remedy: str) -> InputError:
    """The error for a table with other columns; `remedy` says what to do with a table of another version."""
    version = (actual.metadata or {}).get(_VERSION_KEY.encode(), b"").decode(errors="replace")
    if version in ("", str(SCHEMA_VERSION)):
        return InputError(str(path), "a table with another schema", "a table written by headway")
    got = f"a table of schema version {quoted(version)}"
    return InputError(str(path), got, f"schema version {SCHEMA_VERSION} ({remedy})")


def check_table(table: pa.Table, where: str) -> None:
    """Refuse a table with missing or impossible values.

    Text, integers and booleans are never missing; floats may be missing, and predictions may be infinite.

    Raises:
        InputError: names the column.
    """
    for field, column in zip(table.schema, table.columns, strict=True):
        if not pa.types.is_floating(field.type):
            if column.null_count and field.name not in _MAYBE_MISSING:
                raise InputError(where, f"a row without {quoted(field.name)}", "a table written by headway")
            continue
        odd = _odd(column.to_numpy(), field.name.startswith(_MAYBE_INFINITE))
        if odd is not None:
            got = f"the number {odd:g} in {quoted(field.name)}"
            raise InputError(where, got, "numbers that a run can produce")


def _odd(column: FloatArray, maybe_infinite: bool) -> float | None:
    """The first number that no run can produce; missing values are NaN."""
    size = np.abs(column)
    good = (size < _LARGEST) & ((size > 1.0 / _LARGEST) | (size == 0.0)) | np.isnan(size)
    if maybe_infinite:
        good |= np.isinf(size)
    return None if good.all() else float(column[np.argmin(good)])


def combine(results: Sequence[Result]) -> Result:
    """Combine the tables of several runs.

    Raises:
        ValueError: there are no runs, or two have the same `run` name.
    """
    if not results:
        raise ValueError("there is no result to combine")
    runs = [name for result in results for name in result.runs["run"]]
    if len(set(runs)) < len(runs):
        raise ValueError(f"run names must be distinct, not {runs}")
    if len(results) == 1:
        return results[0]
    frames = {}
    for name in TABLES:
        rows = [frame for result in results if len(frame := getattr(result, name))]
        frames[name] = pd.concat(rows, ignore_index=True) if rows else getattr(results[0], name)
    return Result(**frames)


class Recorder:
    """Collects rows during a run; nothing reads them before the run has ended."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._columns: dict[str, list[list[Any]]] = {
            name: [[] for _ in schema][1:] for name, schema in TABLES.items()
        }

    def add(self, table: str, *row: object) -> None:
        """Append one row, without its `run`."""
        for column, value in zip(self._columns[table], row, strict=True):
            column.append(value)

    def add_many(self, table: str, count: int, *columns: object) -> None:
        """Append `count` rows given as columns; a column that is not a list has the same value in every row."""
        for column, values in zip(self._columns[table], columns, strict=True):
            column.extend(values if isinstance(values, list) else [values] * count)

    def result(self) -> Result:
        """All rows as tables."""
        frames = {}
        for name, schema in TABLES.items():
            columns = self._columns[name]
            run = [self._run] * len(columns[0])
            table = pa.Table.from_pydict(dict(zip(schema.names, [run, *columns], strict=True)), schema)
            frames[name] = _frame(table)
        return Result(**frames)


def _table(name: str, frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame, schema=TABLES[name], preserve_index=False)
    return table.replace_schema_metadata(TABLES[name].metadata)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
