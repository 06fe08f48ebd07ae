"""Repeat a run of a campaign from its store."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from headway.analysis.experiments.identity import policy_digest, run_id
from headway.analysis.experiments.world import World
from headway.analysis.replay.rerun import (
    Replay,
    Row,
    different,
    origin_of,
    policy_of,
    rerun_and_compare,
    scenario_of,
)
from headway.analysis.store.store import ORIGIN, SCENARIO, Store
from headway.analysis.store.view import View
from headway.simcore.table_files import read_table
from headway.traces.errors import InputError, quoted


def rerun_stored(folder: Path, name: str | None) -> Replay:
    """Repeat a run of a campaign, and check that it is the same.

    The check compares the tokens with those in the store. If the store has no tokens, it compares the name of the run,
    which is a hash of all inputs.

    Args:
        folder: folder of the store.
        name: name of the run, or an unambiguous prefix.

    Raises:
        InputError: the store has no such run, or the repeated run differs.
    """
    store = Store(folder)
    view = store.view()
    row = _row(view, name)
    copy, case = _case(store, row["run"])
    row |= case
    origin = copy.with_suffix(ORIGIN)
    scenario = scenario_of(row, copy, origin)
    where = origin_of(origin) or copy
    tokens = view.read("tokens", [row["run"]]).to_pandas()
    if (
        tokens.empty
        and run_id(World.of(scenario).digest, policy_digest(policy_of(folder, row))) != row["run"]
    ):
        raise different(folder, row, where)
    return rerun_and_compare(folder, row, scenario, None if tokens.empty else tokens, where)


def _row(view: View, name: str | None) -> Row:
    """The row of a run in the table `runs`, by name or prefix."""
    where = f"{view.folder}: --run"
    if name is None:
        raise InputError(where, "no run name", f"the name of one run{_example(view)}")
    runs = sorted(_names(view, name))
    if len(runs) != 1:
        got = f"{quoted(name)}, a prefix of {len(runs) or 'no'} run names"
        raise InputError(where, got, f"the name of one run{_example(view)}")
    row: Row = view.read("runs", runs).to_pylist()[0]
    return row


def _names(view: View, prefix: str) -> Iterator[str]:
    """Names of the runs that start with a prefix."""
    for batch in view.batches("runs", ("run",)):
        yield from batch.filter(pc.starts_with(batch["run"], prefix))["run"].to_pylist()


def _example(view: View) -> str:
    """An example for messages: the run with the slowest token."""
    slowest, example = -np.inf, ""
    for batch in view.batches("metrics", ("run", "tpot_max_s")):
        longest = pc.max(batch["tpot_max_s"]).as_py()
        if longest is not None and longest > slowest:
            slowest = longest
            example = batch["run"][pc.index(batch["tpot_max_s"], longest).as_py()].as_py()
    return f", such as {example}, which has the slowest token" if example else ""


def _case(store: Store, run: str) -> tuple[Path, Row]:
    """The scenario copy of a campaign that contains a run, and the row of the run in the campaign's case table."""
    columns = ["scenario", "changes", "seed"]
    for cases in sorted((store.folder / "campaigns").glob("*.parquet")):
        copy = cases.with_suffix(SCENARIO)
        if copy.exists():
            table = read_table(cases)
            if {"run", *columns} <= set(table.column_names):
                rows = table.filter(pc.equal(table["run"], run)).select(columns).to_pylist()
                if rows:
                    return copy, rows[0]
    got = f"the run {quoted(run)}, whose campaign or scenario is not in this store"
    raise InputError(str(store.folder), got, "a campaign with its scenario (run `headway sweep run` again)")
