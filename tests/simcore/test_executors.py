"""Both executors give the same tables, each to the last digit in any process."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from features import ADAPTIVE, ROBUST, any_world, steady_world
from golden import worlds
from hypothesis import event, given, settings
from hypothesis import strategies as st

from headway.simcore import TABLES, FloatArray, Policy, Result, Scenario, simulate
from headway.simcore.arrays import BoolArray

TOLERANCE = 1e-9
CLOCK = 1e-14
"""Rounding error of a time, relative to the end of the run."""

PARTS = ("latency_s", "compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s")
POLICIES = {**ROBUST, **ADAPTIVE}
NAMES = (*POLICIES, "shuffled", "shuffled", "round-robin")  # move blocks, or spread them, in any world
KINDS = ("steady world", "any world")


def differences(one: Result, other: Result) -> list[str]:
    """Each column in which two results of one run differ by more than rounding."""
    end_s = max(float(result.runs["end_s"].max()) for result in (one, other))
    return [
        f"{table}.{text}"
        for table in TABLES
        if table != "timings"
        for text in _differences(getattr(one, table), getattr(other, table), end_s)
    ]


def _differences(one: pd.DataFrame, other: pd.DataFrame, end_s: float) -> Iterator[str]:
    if len(one) != len(other):
        yield f"{len(one)} and {len(other)} rows"
        return
    for name in one.columns.drop("executor", errors="ignore"):
        left, right = one[name].to_numpy(), other[name].to_numpy()
        if left.dtype.kind == "f":
            same = _close(left, right, _tolerance(name, one, left, end_s))
        elif name == "detail":
            same = np.array([_without_numbers(left[0]) == _without_numbers(right[0])])
        else:
            same = left == right
        if not same.all():
            row = int(np.argmin(same))
            yield f"{name}: {left[row]!r} and {right[row]!r} in row {row}"


def _tolerance(name: str, table: pd.DataFrame, values: FloatArray, end_s: float) -> FloatArray | float:
    """The difference of a column that is allowed, shape (rows,) or one number for all.

    Moments and durations: relative to the end of the run; parts of a latency: to the latency; all else: to itself.
    """
    if name in PARTS and "latency_s" in table:
        return TOLERANCE * table["latency_s"].to_numpy() + CLOCK * end_s
    if name.endswith("_s") and not name.startswith("predicted_"):
        return TOLERANCE * end_s
    return np.where(np.isfinite(values), TOLERANCE * np.abs(values), 0.0)


def _close(left: FloatArray, right: FloatArray, tolerance: FloatArray | float) -> BoolArray:
    equal = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        close: BoolArray = np.abs(left - right) <= tolerance
    return equal | close


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", text)


def compared(scenario: Scenario, policy: Policy, again: Policy) -> str:
    """Compare both executors, and return the one that made the run which asked for `compiled`."""
    events = simulate(replace(scenario, executor="events"), policy)
    compiled = simulate(replace(scenario, executor="compiled"), again)
    assert differences(events, compiled) == []
    assert events.runs["executor"].tolist() == ["events"]
    return str(compiled.runs["executor"][0])


def compare_many(scenarios: st.SearchStrategy[Scenario], examples: int) -> Counter[str]:
    """Compare both executors in random worlds; how many runs that asked for `compiled` each executor made."""
    taken: Counter[str] = Counter()

    @settings(max_examples=examples)
    @given(scenarios, st.sampled_from(NAMES))
    def compare(scenario: Scenario, name: str) -> None:
        executor = compared(scenario, POLICIES[name](), POLICIES[name]())
        taken[executor] += 1
        event(f"executor {executor}, policy {name}")

    compare()
    return taken


@pytest.mark.parametrize(("scenarios", "examples"), [(steady_world(), 150), (any_world(), 80)], ids=KINDS)
def test_both_executors_give_the_same_tables(scenarios: st.SearchStrategy[Scenario], examples: int) -> None:
    compare_many(scenarios, examples)


@pytest.mark.slow
@pytest.mark.parametrize(("scenarios", "examples"), [(steady_world(), 3000), (any_world(), 3000)], ids=KINDS)
def test_both_executors_give_the_same_tables_in_thousands_of_worlds(
    scenarios: st.SearchStrategy[Scenario], examples: int
) -> None:
    compare_many(scenarios, examples)


@pytest.mark.xfail(reason="there is no compiled executor yet", strict=True)
def test_each_executor_makes_some_of_the_runs() -> None:
    """The law would say little if every run fell back to events."""
    assert compare_many(steady_world(), 30)["compiled"] >= 15
    assert compare_many(any_world(), 30)["events"] >= 1


def test_both_executors_give_the_same_tables_in_recorded_worlds() -> None:
    for number in range(0, worlds.COUNT, 4):
        world = worlds.world(number)
        compared(world.scenario, world.policy(), world.policy())


@pytest.mark.slow
def test_both_executors_give_the_same_tables_in_hundreds_of_dense_worlds() -> None:
    """Worlds of the kind of the recorded ones: memory is tight and every feature is frequent."""
    for number in range(worlds.COUNT, worlds.COUNT + 1000):
        world = worlds.world.__wrapped__(number)
        compared(world.scenario, world.policy(), world.policy())


WORLD = """
model: {preset: gpt2}
devices:
  a: {memory: 1 GB, compute: 20 GFLOP/s, memory_bandwidth: 5 GB/s}
  b:
    memory: 200 MB
    compute: 5 GFLOP/s
    memory_bandwidth: 2 GB/s
    availability: {walk_mean: 0.4, sigma: 0.2, step: 1 s, duration: 30 s}
links:
  ab: {connect: [[a, b]], latency: 1 ms, bandwidth: {walk_mean: 50 Mbit/s, sigma: 0.5, step: 0.5 s, duration: 20 s}}
workload: [{prompt: 8, output: 12}, {prompt: 4, output: 5, arrival: 1 s}]
controller: {interval: 3}
executor: compiled
"""

RUN = """
import sys
from headway import policies
from headway.simcore import combine, load_scenario, simulate
scenario = load_scenario(sys.argv[1])
combine([simulate(scenario, policies.create(name)) for name in ("round-robin", "resource-aware")]).save(sys.argv[2])
"""


def test_a_compiled_run_has_the_same_bytes_without_the_compiler(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    results = []
    for disabled in ("0", "1"):
        out = tmp_path / disabled
        arguments = [sys.executable, "-c", RUN, str(tmp_path / "world.yaml"), str(out)]
        subprocess.run(arguments, env=os.environ | {"NUMBA_DISABLE_JIT": disabled}, check=True)
        results.append(
            {table: (out / f"{table}.parquet").read_bytes() for table in TABLES if table != "timings"}
        )
    assert results[0] == results[1]


def result(**columns: float) -> Result:
    """The result of a small run; `columns` of its tokens are multiplied."""
    made = simulate(worlds.world(1).scenario, worlds.world(1).policy())
    factors = pd.Series({name: columns.get(name, 1.0) for name in made.tokens.columns})
    numbers = made.tokens.select_dtypes("float").columns
    return replace(made, tokens=made.tokens.assign(**(made.tokens[numbers] * factors[numbers])))


def test_the_comparison_finds_differences_above_the_tolerance() -> None:
    assert differences(result(), result()) == []
    assert differences(result(), result(latency_s=1.0 + 1e-10, start_s=1.0 - 1e-10)) == []
    assert differences(result(), result(latency_s=1.0 + 1e-8))[0].startswith("tokens.latency_s")
    assert differences(result(), result(start_s=1.0 + 1e-8))[0].startswith("tokens.start_s")
    short = replace(result(), tokens=result().tokens[1:])
    assert differences(result(), short)[0].startswith("tokens.")
