"""The tables of a store: those of a run, and what a campaign knows beside them."""

import pyarrow as pa

from simcore.results import TABLES

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
"""What `analysis.metrics` says of a run."""

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
