"""What happens in a worker: a few runs, each on its own, and their tables."""

import functools
import os
import pickle
import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa

import policies
from analysis.campaign.identity import engine_code
from analysis.campaign.tables import METRICS, STORED, Tables, merged
from analysis.campaign.world import Misfit, unpacked
from analysis.metrics import metrics
from simcore import simulate
from simcore.results import SCHEMA_VERSION, TABLES
from simcore.scenario import PolicyChoice
from traces import Trace


@dataclass(frozen=True)
class Task:
    """One run.

    Attributes:
        run: its name.
        choice: the policy.
        tables: what is missing of it in the store.
    """

    run: str
    choice: PolicyChoice
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Bundle:
    """Some runs in one world.

    Attributes:
        world: as `packed` leaves it.
        tasks: the runs.
    """

    world: bytes
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Batch:
    """What comes back from a call.

    Attributes:
        tables: rows for the store.
        done: runs that succeeded.
        failed: errors of the others, by name of the run.
        wall_s: what all of them took.
    """

    tables: Tables
    done: int
    failed: Mapping[str, str]
    wall_s: float


class WrongCodeError(Exception):
    """A worker has other code than the runner: what it computes would go by a wrong name."""


def probe() -> str:
    """What a worker would compute with."""
    return engine_code()


def work(bundles: tuple[Bundle, ...], traces: Mapping[str, Trace | Path], engine: str) -> Batch:
    """Make some runs.

    Args:
        bundles: the runs.
        traces: what was packed apart from worlds, or the files it is in.
        engine: digest of the code that shall make them.

    Raises:
        WrongCodeError: this worker has other code.
    """
    begun = time.perf_counter()
    if engine != engine_code():
        raise WrongCodeError("this worker has another version of headway than the runner")
    done: list[Tables] = []
    for bundle in bundles:
        world = unpacked(bundle.world, lambda name: _trace(traces[name]))
        done += [_attempt(world, task) for task in bundle.tasks]
    failed = {run: error for tables in done for run, error in _errors(tables)}
    return Batch(merged(done), len(done) - len(failed), failed, time.perf_counter() - begun)


def failure(run: str, error: str, details: str = "") -> Tables:
    """The row of a run that failed."""
    columns = {"run": [run], "error": [error], "traceback": [details], "finished_utc": [_now()]}
    return {"failures": pa.table(columns, STORED["failures"])}


def _errors(tables: Tables) -> list[tuple[str, str]]:
    rows = tables["failures"].to_pylist() if "failures" in tables else []
    return [(row["run"], row["error"]) for row in rows]


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace for workers on this machine to read."""
    path.write_bytes(pickle.dumps(trace, protocol=5))


def _trace(where: Trace | Path) -> Trace:
    return where if isinstance(where, Trace) else _read_trace(where)


@functools.lru_cache(maxsize=256)
def _read_trace(path: Path) -> Trace:
    trace = pickle.loads(path.read_bytes())
    assert isinstance(trace, Trace)
    return trace


def _attempt(world: Any, task: Task) -> Tables:
    """One run; whatever goes wrong in it is a row too, and not the end of the others."""
    begun = time.perf_counter()
    try:
        tables = _misfit(world, task) if isinstance(world, Misfit) else _simulated(world, task)
    except Exception as error:
        return failure(task.run, f"{type(error).__name__}: {error}", traceback.format_exc())
    names = task.tables
    if "runs" in names:
        tables["effort"] = _effort(task.run, time.perf_counter() - begun)
    return {name: table for name, table in tables.items() if name in names or name not in TABLES} | {
        "kept": pa.table({"run": [task.run] * len(names), "table": list(names)}, STORED["kept"])
    }


def _simulated(world: Any, task: Task) -> Tables:
    result = simulate(world, policies.chosen(task.choice), run=task.run)
    tables = {name: _table(name, getattr(result, name)) for name in task.tables}
    if "runs" in task.tables:
        tables["metrics"] = _table("metrics", metrics(result))
    return tables


def _misfit(world: Misfit, task: Task) -> Tables:
    """Rows of a run that cannot begin, because its model fits nowhere."""
    policy = policies.chosen(task.choice)
    run = {
        "run": task.run,
        "scenario": world.scenario,
        "policy": policy.name,
        "seed": world.seed,
        "changes": "; ".join(world.changes),
        "status": "infeasible",
        "detail": world.detail,
        "tokens": 0,
        "end_s": 0.0,
        "headway_version": metadata.version("headway"),
        "schema_version": SCHEMA_VERSION,
    }
    counts = dict.fromkeys(("tokens", "decisions", "infeasible_decisions", "migrations"), 0)
    numbers = {"run": task.run, "status": "infeasible", **counts, "migrated_bytes": 0.0}
    tables = {name: STORED[name].empty_table() for name in task.tables}
    if "runs" in task.tables:
        tables["runs"] = pa.Table.from_pylist([run], STORED["runs"])
        tables["metrics"] = pa.Table.from_pylist([numbers], METRICS)
    return tables


def _effort(run: str, wall_s: float) -> pa.Table:
    worker = f"{socket.gethostname()}:{os.getpid()}"
    columns = {"run": [run], "wall_s": [wall_s], "worker": [worker], "finished_utc": [_now()]}
    return pa.table(columns, STORED["effort"])


def _table(name: str, frame: Any) -> pa.Table:
    return pa.Table.from_pandas(frame, schema=STORED[name], preserve_index=False).replace_schema_metadata(
        STORED[name].metadata
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
