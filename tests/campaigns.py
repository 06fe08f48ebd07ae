"""A small campaign for the tests, and ways to make it and to look at what came out."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.analysis.experiments import (
    Campaign,
    Plan,
    Store,
    Tally,
    given_workers,
    prepare,
    read_campaign,
    run,
)
from headway.analysis.store.tables import STORED, Tables
from headway.policies import registry
from headway.simcore import Decision, Observation, Policy

LAB = """\
name: lab
seed: 3
model: {shape: {layers: 2, width: 64, heads: 4}}
source: desk
devices:
  desk: {memory: 100 MB, compute: 10 GFLOP/s, memory_bandwidth: unlimited}
  shelf: {memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited, availability: {file: load.csv, end: loop}}
links:
  cable: {connect: all, bandwidth: {walk_mean: 100 Mbit/s, sigma: 0.5, step: 1 s, duration: 20 s}}
workload:
  - {prompt: 4, output: 5}
"""

CAMPAIGN = """\
name: small
scenario: lab.yaml
axes:
  product:
    cable: {path: links.cable.bandwidth, factors: [0.5, 1, 2]}
  zip:
    prompt: {path: workload.0.prompt, values: [4, 8]}
    output: {path: workload.0.output, values: [5, 6]}
policies: [greedy, {name: round-robin, label: in-turn}]
replications: 3
"""

RUNS = 3 * 2 * 2 * 3

ONE_SEED = CAMPAIGN.replace("replications: 3", "replications: 1")


def write(folder: Path, campaign: str = CAMPAIGN, lab: str = LAB) -> Path:
    """The campaign file, beside its scenario and a trace of 200 breakpoints."""
    (folder / "lab.yaml").write_text(lab)
    rows = [f"{i},{0.5 + (i % 7) / 20}" for i in range(200)]
    (folder / "load.csv").write_text("\n".join(["time [s],share", *rows]) + "\n")
    path = folder / "small.yaml"
    path.write_text(campaign)
    return path


def small(folder: Path, campaign: str = CAMPAIGN, lab: str = LAB) -> Campaign:
    return read_campaign(write(folder, campaign, lab))


def planned(campaign: Campaign, folder: Path) -> Plan:
    return prepare(campaign, folder / "cases.parquet")


def names(plan: Plan) -> list[str]:
    return [name for _, name in plan.cases()]


def make(campaign: Campaign, folder: Path, store: Store, *, threads: int = 2, **options: Any) -> Tally:
    """Make a campaign in threads of this process."""
    with ThreadPoolExecutor(threads) as executor:
        return run(planned(campaign, folder), store, given_workers(executor, threads), **options)


def made(folder: Path, campaign: str = CAMPAIGN) -> Store:
    """A store with a campaign, which was made in one go."""
    store = Store(folder / "store")
    tally = make(small(folder, campaign), folder, store, threads=1)
    assert (tally.before, tally.failed, tally.left) == (0, 0, 0)
    assert tally.done == tally.total
    return store


def rows(store: Store, table: str) -> pd.DataFrame:
    """A table of a store in an order that does not depend on how it came about."""
    frame = store.view().read(table).to_pandas()
    keys = [column for column in ("run", "request", "token", "table") if column in frame]
    result: pd.DataFrame = frame.sort_values(keys, kind="stable").reset_index(drop=True)
    return result


def known(store: Store, *tables: str) -> set[str]:
    """Names of the runs of which all these tables are kept."""
    kept = rows(store, "kept")
    whole = kept[kept["table"].isin(tables or ["runs"])].groupby("run")["table"].nunique() == len(
        tables or "1"
    )
    return set(whole[whole].index)


def assert_same(one: Store, other: Store) -> None:
    """The tables that do not depend on the clock hold the same rows, bit for bit."""
    for table in ("runs", "metrics", "tokens", "kept"):
        pd.testing.assert_frame_equal(rows(one, table), rows(other, table), check_exact=True)


def apart(target: Callable[..., None], *arguments: object) -> "multiprocessing.process.BaseProcess":
    """A process of its own that begins quickly, with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["headway.analysis.experiments"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def fake(run: str, tokens: int = 1) -> Tables:
    """What a finished run leaves, as far as a store cares."""
    return {
        "kept": pa.table({"run": [run] * 2, "table": ["runs", "tokens"]}, STORED["kept"]),
        "runs": pa.Table.from_pylist([{"run": run}], STORED["runs"]),
        "tokens": pa.Table.from_pylist([{"run": run, "token": i} for i in range(tokens)], STORED["tokens"]),
    }


def register(patch: pytest.MonkeyPatch, name: str, policy: Callable[..., Policy]) -> None:
    """Let scenarios name a policy of the tests.

    Entry points, by which packages do so, are read once per process: other tests would then meet the policy too.
    """
    patch.setitem(registry._POLICIES, name, policy)


@dataclass(frozen=True)
class Sore:
    """Raises an exception of its own, while there is one."""

    name = "sore"
    error: ClassVar[Exception | None] = None

    def decide(self, observation: Observation) -> Decision:
        if Sore.error is not None:
            raise Sore.error
        return policies.create("greedy").decide(observation)


def headway(*arguments: object) -> tuple[int, str]:
    """The exit code of `headway sweep`, and what it printed."""
    done = CliRunner().invoke(
        app, ["sweep", *map(str, arguments)], prog_name="headway", catch_exceptions=False
    )
    return done.exit_code, done.output
