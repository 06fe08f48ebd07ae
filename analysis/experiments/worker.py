"""Runs in a worker, and their tables."""

import functools
import os
import pickle
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pyarrow as pa

from headway import policies
from headway.analysis.experiments.identity import engine_code, policy_digest
from headway.analysis.experiments.world import InfeasibleWorld, unpacked
from headway.analysis.statistics.metrics import metric_columns
from headway.analysis.store.tables import METRICS, STORED, Tables, merged
from headway.simcore import simulate
from headway.simcore.results import SCHEMA_VERSION, Result
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.simulate import RunOptions
from headway.traces import Trace
from headway.traces.errors import quoted

_LONGEST = 20_000
"""Maximum number of stored characters of an error or a traceback."""


@dataclass(frozen=True)
class Task:
    """One run.

    Attributes:
        run: its name.
        choice: the policy.
        policy: digest of that policy at the runner.
        tables: that the store lacks.
    """

    run: str
    choice: PolicyChoice
    policy: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Bundle:
    """Runs in one world.

    Attributes:
        world: serialised by `packed`.
        tasks: the runs.
    """

    world: bytes
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Batch:
    """The results of a call.

    Attributes:
        tables: rows for the store.
        done: number of runs that succeeded.
        failed: errors of the other runs, by name.
        wall_s: wall time of the call [s].
    """

    tables: Tables
    done: int
    failed: Mapping[str, str]
    wall_s: float


class WrongCodeError(Exception):
    """A worker has other code than the runner, so its results would be stored under a wrong name."""


def probe() -> str:
    """The digest of this worker's code."""
    return engine_code()


def work(
    bundles: tuple[Bundle, ...],
    traces: Mapping[str, Trace | Path],
    engine: str,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> Batch:
    """Make some runs.

    Args:
        bundles: the runs.
        traces: the traces that worlds refer to, or files with them, by digest.
        engine: digest of the runner's code.
        options: for each run. A run fails if its policy exceeds the time limit, or if an audit finds a violation.

    Raises:
        WrongCodeError: this worker has other code of the simulator or of a policy.
    """
    begun = time.perf_counter()
    if engine != engine_code():
        raise WrongCodeError("another version of headway at a worker than at the runner")
    attempts: list[_Attempt] = []
    for bundle in bundles:
        world = unpacked(bundle.world, lambda name: _trace(traces[name]))
        attempts += [_attempt(world, task, options) for task in bundle.tasks]
    wall_s = time.perf_counter() - begun
    done = [one for one in attempts if not one.error]
    # The time to read the worlds is divided equally.
    shared_s = (wall_s - sum(one.wall_s for one in attempts)) / len(attempts)
    efforts = {one.task.run: one.wall_s + shared_s for one in done if "runs" in one.task.tables}
    failed = {one.task.run: one.error for one in attempts if one.error}
    tables = merged([*(one.tables for one in attempts), _effort(efforts)])
    return Batch(tables, len(done), failed, wall_s)


def failure(run: str, error: str, details: str = "") -> Tables:
    """The row of a run that failed."""
    row = {"run": [run], "error": [_storable(error)], "traceback": [_storable(details)]}
    return {"failures": pa.table(row | {"finished_utc": [_now()]}, STORED["failures"])}


def _storable(text: str) -> str:
    """A text that a table can store: shortened in the middle, with lone surrogates escaped."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")


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


@dataclass(frozen=True, eq=False)
class _Attempt:
    """The outcome of a run.

    Attributes:
        task: the run.
        wall_s: its wall time [s].
        tables: its rows; after an exception, one in `failures`.
        error: empty if the run succeeded.
    """

    task: Task
    wall_s: float
    tables: Tables
    error: str = ""


def _attempt(world: Scenario | InfeasibleWorld, task: Task, options: RunOptions) -> _Attempt:
    """Make one run. An exception becomes a row of the table `failures`, and other runs go on."""
    begun = time.perf_counter()
    error = ""
    try:
        policy = policies.from_choice(task.choice)
        if policy_digest(policy) != task.policy:
            raise WrongCodeError(f"another {quoted(task.choice.name)} at a worker than at the runner")
        if isinstance(world, InfeasibleWorld):
            tables = infeasible_run(world, task.run, policy.name, task.tables)
        else:
            tables = result_tables(simulate(world, policy, options, run=task.run), task.tables)
        tables |= _kept(task)
    except WrongCodeError:
        raise
    except Exception as raised:
        tables = failure(task.run, _message(raised), traceback.format_exc())
        error = tables["failures"]["error"][0].as_py()
    return _Attempt(task, time.perf_counter() - begun, tables, error)


def _message(error: Exception) -> str:
    """The class and the message of an exception; the class alone if its `__str__` fails."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _kept(task: Task) -> Tables:
    columns = {"run": [task.run] * len(task.tables), "table": list(task.tables)}
    return {"kept": pa.table(columns, STORED["kept"])}


def result_tables(result: Result, kept: Sequence[str]) -> Tables:
    """Some tables of a result as a store keeps them; `runs` brings `metrics` with it."""
    tables = {name: result.table(name) for name in kept}
    if "runs" in kept:
        columns = metric_columns(result)
        arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in METRICS]
        tables["metrics"] = pa.Table.from_arrays(arrays, schema=METRICS)
    return tables


def infeasible_run(world: InfeasibleWorld, name: str, policy: str, kept: Sequence[str]) -> Tables:
    """The tables of a run that cannot begin, because its model fits nowhere.

    Args:
        world: why it cannot.
        name: of the run.
        policy: its name.
        kept: names of the tables; `runs` brings `metrics` with it.
    """
    run = {
        "run": name,
        "scenario": world.scenario,
        "policy": policy,
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
    numbers = {"run": name, "status": "infeasible", **counts, "migrated_bytes": 0.0}
    tables = {table: STORED[table].empty_table() for table in kept}
    if "runs" in kept:
        tables["runs"] = pa.Table.from_pylist([run], STORED["runs"])
        tables["metrics"] = pa.Table.from_pylist([numbers], METRICS)
    return tables


def _effort(wall_s: Mapping[str, float]) -> Tables:
    """The rows of `effort` for runs with these wall times."""
    count, worker = len(wall_s), f"{socket.gethostname()}:{os.getpid()}"
    columns = [list(wall_s), list(wall_s.values()), [worker] * count, [_now()] * count]
    return {"effort": pa.table(columns, STORED["effort"])}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
