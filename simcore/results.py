"""The results of a run: tidy tables with a versioned schema.

All tables except `timings` depend only on scenario, policy and seed and have the same bytes on every machine.
Wall-clock times are therefore in a separate table.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from headway.simcore.manifest import check_folder, write_manifest
from headway.simcore.table_files import VERSION_KEY, read_table, row_groups, table_file
from headway.traces import InputError

if TYPE_CHECKING:  # a table becomes a data frame when it is first used; campaigns and streamed runs need none
    import pandas as pd

SCHEMA_VERSION = 4
"""Version of the tables. Raise it when a column is added, removed, or changes its meaning."""

MODEL_VERSION = 7
"""Version of the figures. Raise it by 1 when the same scenario, policy and seed give other figures than before: other
physics, other decisions of a shipped policy, other random values, other numbers in `analysis.statistics.metrics`.

Names of stored runs end with it, so runs of an older version are never mistaken for new ones (docs/decisions, 23). A
change that leaves all figures as they are (speed, names, comments) does not raise it. `tests/golden` records the
version with its runs, and fails when one changes without the other.
"""

_MOST_LISTED = 10

_TEXT, _INT, _REAL, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()

TABLES: dict[str, pa.Schema] = {
    name: pa.schema([("run", _TEXT), *columns], {VERSION_KEY: str(SCHEMA_VERSION)})
    for name, columns in {
        "runs": [
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
            ("request", _INT),
            ("token", _INT),
            ("time_s", _REAL),
            ("device", _TEXT),
            ("lost_blocks", _INT),
            ("lost_cache", _BOOL),
        ],
        "devices": [
            ("request", _INT),
            ("token", _INT),
            ("device", _TEXT),
            ("held_bytes", _REAL),
            ("available_bytes", _REAL),
            ("swapped_bytes", _REAL),
            ("busy_s", _REAL),
        ],
        "links": [
            ("link", _TEXT),
            ("from_device", _TEXT),
            ("to_device", _TEXT),
            ("messages", _INT),
            ("size_bytes", _REAL),
            ("busy_s", _REAL),
        ],
        "placements": [
            ("request", _INT),
            ("token", _INT),
            ("block", _TEXT),
            ("device", _TEXT),
        ],
        "timings": [
            ("request", _INT),
            ("token", _INT),
            ("decision_wall_s", _REAL),
        ],
    }.items()
}
"""Name and schema of every table, in the order of writing; the first column of each is `run`."""


Part: TypeAlias = pa.Table | Callable[[Sequence[str]], pa.Table] | Path
"""Rows of a table: in memory, a function that makes the columns with some names, or a Parquet file.

Text may be dictionary-encoded.
"""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The tables of one run, or of several under distinct `run` names; `docs/results.md` describes every column.

    A table becomes a data frame when its attribute is first read. `table` and `batches` read single columns as Arrow
    tables, which is faster and needs less memory.

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

    runs: "pd.DataFrame"
    requests: "pd.DataFrame"
    tokens: "pd.DataFrame"
    decisions: "pd.DataFrame"
    migrations: "pd.DataFrame"
    faults: "pd.DataFrame"
    devices: "pd.DataFrame"
    links: "pd.DataFrame"
    placements: "pd.DataFrame"
    timings: "pd.DataFrame"
    _parts: dict[str, list[Part]] = field(default_factory=dict, init=False)

    if not TYPE_CHECKING:  # a type checker then reports unknown attributes

        def __getattr__(self, name: str) -> "pd.DataFrame":
            """Build the data frame of a table."""
            if name not in vars(self).get("_parts", {}):
                raise AttributeError(f"a Result has no attribute {name!r}")
            frame = self.table(name).to_pandas()
            vars(self)[name] = frame
            del self._parts[name]  # the frame replaces them; its owner may change it
            return frame

    def __repr__(self) -> str:
        """One line, for notebooks; access the tables by their names."""
        runs = self.table("runs", ("run", "status", "tokens"))
        rows = zip(*(column.to_pylist() for column in runs.slice(0, _MOST_LISTED).columns), strict=True)
        listed = [f"{run} ({status}, {tokens:,} tokens)" for run, status, tokens in rows]
        more = [f"{len(runs):,} runs in all"] if len(runs) > len(listed) else []
        return f"<Result: {', '.join([*listed, *more]) or 'no runs'}>"

    def batches(self, name: str, columns: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Read some columns of a table, or all columns, a limited number of rows at a time.

        Rows that are in memory come at once. There is at least one batch, which may be empty.

        Raises:
            InputError: a file of the result is damaged, or was removed.
        """
        schema = TABLES[name]
        if columns:
            schema = pa.schema([schema.field(column) for column in columns])
        if name in vars(self):
            table = pa.Table.from_pandas(vars(self)[name], schema, preserve_index=False)
            yield table.replace_schema_metadata(schema.metadata)
            return
        empty = pa.Table.from_batches([], schema)  # `empty_table` imports pandas
        memory = [empty]
        for part in self._parts[name]:
            if isinstance(part, Path):
                yield pa.concat_tables(memory)
                memory = [empty]
                yield from row_groups(part, schema.names)
            else:
                rows = part(schema.names) if callable(part) else part.select(schema.names)
                memory.append(_decoded(rows, schema))
        yield pa.concat_tables(memory)

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_parts": {name: [self.table(name)] for name in self._parts}}

    def table(self, name: str, columns: Sequence[str] = ()) -> pa.Table:
        """Some columns of a table, or all columns, as an Arrow table.

        Raises:
            InputError: a file of the result is damaged, or was removed.
        """
        return pa.concat_tables(self.batches(name, columns))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write one Parquet file per table, and their manifest, into a new or existing folder."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for name, schema in TABLES.items():
            with table_file(place / f"{name}.parquet", schema, "snappy") as writer:
                for batch in self.batches(name):
                    writer.write_table(batch)
        write_manifest(place)


def result_of(parts: Mapping[str, Sequence[Part]]) -> Result:
    """The result whose tables have these parts, each with the columns of its table."""
    result = object.__new__(Result)
    vars(result)["_parts"] = {name: list(parts[name]) for name in TABLES}
    return result


def load_result(folder: str | os.PathLike[str]) -> Result:
    """Read the tables that `Result.save` wrote, and compare them with their manifest if there is one.

    Raises:
        InputError: the folder does not hold the tables of this schema version, or one is damaged.
    """
    check_folder(Path(folder), "the table as headway wrote it (repeat the run)")
    result = result_of(
        {
            name: [read_table(Path(folder) / f"{name}.parquet", schema, versioned=True)]
            for name, schema in TABLES.items()
        }
    )
    if _twice(result):
        where = str(Path(folder) / "runs.parquet")
        raise InputError(where, "two runs with one name", "distinct names of runs")
    return result


def result_in(folder: Path) -> Result:
    """The tables in a folder that `Result.save` wrote, without a check; each is read when it is used."""
    return result_of({name: [folder / f"{name}.parquet"] for name in TABLES})


def combine(results: Sequence[Result]) -> Result:
    """Combine the tables of several runs.

    Raises:
        ValueError: there are no runs, or two have the same `run` name.
    """
    if not results:
        raise ValueError("there is no result to combine")
    if len(results) == 1:
        return results[0]
    combined = result_of(
        {name: [part for result in results for part in _parts(result, name)] for name in TABLES}
    )
    if twice := _twice(combined):
        raise ValueError(f"run names must be distinct, not {twice} twice")
    return combined


def _parts(result: Result, name: str) -> Sequence[Part]:
    return [result.table(name)] if name in vars(result) else result._parts[name]


def _decoded(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with plain text in place of dictionary-encoded text."""
    columns = [
        column.cast(kind) if pa.types.is_dictionary(column.type) else column
        for column, kind in zip(table.columns, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _twice(result: Result) -> list[str]:
    """The names that several runs have."""
    names = result.table("runs", ["run"])["run"].to_pylist()
    return [name for name, count in Counter(names).items() if count > 1]
