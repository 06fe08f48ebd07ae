"""The tables of a store: those of a run, and what a campaign knows beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headway.simcore.results import TABLES
from headway.traces.errors import InputError, reason

_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()

METRICS = pa.schema(
    [
        ("run", _TEXT),
        ("status", _TEXT),
        ("tokens", _INT),
        ("ttft_s", _REAL),
        ("tpot_p50_s", _REAL),
        ("tpot_p95_s", _REAL),
        ("tpot_p99_s", _REAL),
        ("tpot_max_s", _REAL),
        ("tokens_per_s", _REAL),
        ("decisions", _INT),
        ("infeasible_decisions", _INT),
        ("migrations", _INT),
        ("migrated_bytes", _REAL),
        ("peak_bytes", _REAL),
    ]
)
"""What `analysis.statistics.metrics` says of a run."""

EFFORT = pa.schema([("run", _TEXT), ("wall_s", _REAL), ("worker", _TEXT), ("finished_utc", _TEXT)])
"""What a run cost whom; differs each time."""

FAILURES = pa.schema([("run", _TEXT), ("error", _TEXT), ("traceback", _TEXT), ("finished_utc", _TEXT)])
"""Runs that raised an exception or took their worker with them; a later success does not erase the row."""

KEPT = pa.schema([("run", _TEXT), ("table", _TEXT)])
"""Which tables are kept of which run, also where they have no rows."""

STORED: dict[str, pa.Schema] = {
    **TABLES,
    "metrics": METRICS,
    "effort": EFFORT,
    "failures": FAILURES,
    "kept": KEPT,
}
"""Every table that a store may hold."""

Tables = dict[str, pa.Table]


def merged(parts: list[Tables]) -> Tables:
    """The rows of several parts, table by table."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: pa.concat_tables([part[name] for part in parts if name in part]) for name in names}


@contextmanager
def table_file(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A Parquet file to which tables of a schema can be added.

    It is closed in any case: left to itself, a writer that meets a full disk keeps the file open, and with it the room
    that it takes, although the file may have been removed.

    Raises:
        OSError: it cannot be written.
    """
    with (
        pa.OSFile(str(path), "wb") as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Tell what is wrong with a file that somebody else may have written.

    Raises:
        InputError: in place of what the library says.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(str(path), reason(error), "a table written by headway") from error
