"""The tables of a store: those of a run, and the tables that a campaign adds."""

import pyarrow as pa

from headway.simcore.results import TABLES

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
"""The columns that `analysis.statistics.metrics` computes for each run."""

EFFORT = pa.schema([("run", _TEXT), ("wall_s", _REAL), ("worker", _TEXT), ("finished_utc", _TEXT)])
"""Wall time and worker of each run. These values differ every time."""

FAILURES = pa.schema([("run", _TEXT), ("error", _TEXT), ("traceback", _TEXT), ("finished_utc", _TEXT)])
"""Runs that raised an exception or ended their worker. The row stays when the run succeeds later."""

KEPT = pa.schema([("run", _TEXT), ("table", _TEXT)])
"""The tables that are kept of each run, including tables in which the run has no rows."""

STORED: dict[str, pa.Schema] = {
    **TABLES,
    "metrics": METRICS,
    "effort": EFFORT,
    "failures": FAILURES,
    "kept": KEPT,
}
"""All tables of a store, by name."""

Tables = dict[str, pa.Table]


def merged(parts: list[Tables]) -> Tables:
    """Concatenate tables of the same name. Each column is one chunk: to send many small chunks takes long."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: pa.concat_tables([part[name] for part in parts if name in part]).combine_chunks()
        for name in names
    }
