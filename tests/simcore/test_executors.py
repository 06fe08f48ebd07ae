"""Both executors give the same tables, each to the last digit in any process."""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simpy
from features import ADAPTIVE, ROBUST, any_world, steady_world
from golden import worlds
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from simulated import at
from worlds import Scripted, clusters, reals, small_world, varied, with_links

from headway.simcore import TABLES, Cluster, FloatArray, Policy, Request, Result, Scenario, simulate
from headway.simcore.arrays import BoolArray
from headway.simcore.engine.compiled.world import CompiledWorld
from headway.simcore.engine.network.network import Network, network, shared_cluster
from headway.simcore.registry import Named
from headway.simcore.world.options import Swap
from headway.traces import on_off, steps

TOLERANCE = 1e-9
CLOCK = 1e-14
"""Rounding error of a time, relative to the end of the run."""

PARTS = ("latency_s", "compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s")
POLICIES = {**ROBUST, **ADAPTIVE}
NAMES = ("shuffled", "shuffled", "round-robin", *POLICIES)  # most of them move blocks, or spread them
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
    if "to_device" in one and "block" in one:  # moves that end at one moment may be recorded in any order
        one, other = (table.sort_values(["request", "token", "block", "to_device"]) for table in (one, other))
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
    with np.errstate(invalid="ignore"):
        close: BoolArray = (np.abs(left - right) <= tolerance) | (left == right)
    return close | (np.isnan(left) & np.isnan(right))


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
@pytest.mark.parametrize("scenarios", [steady_world(), any_world()], ids=KINDS)
def test_both_executors_give_the_same_tables_in_many_more_worlds(
    scenarios: st.SearchStrategy[Scenario],
) -> None:
    """Hundreds; `HEADWAY_EXAMPLES=3000` draws thousands of each kind, in about ten minutes."""
    compare_many(scenarios, int(os.environ.get("HEADWAY_EXAMPLES", "250")))


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


@pytest.mark.parametrize("swap", ["pinned", "lru"])
@given(
    levels=st.lists(reals(0.0, 1.1), min_size=1, max_size=6),
    every_s=reals(0.5, 20.0),
    disk=st.sampled_from([1e-3, 40.0, 1e3]),
    placement=st.lists(st.integers(0, 1), min_size=4, max_size=4),
)
@settings(max_examples=60)
def test_both_executors_read_the_same_bytes_from_disk(
    swap: Swap, levels: list[float], every_s: float, disk: float, placement: list[int]
) -> None:
    """Other programs take memory in the middle of the steps between two decisions, and give it back."""
    others = steps(1500.0 * np.array(levels), step_s=every_s, end="loop")
    device = {"memory_bytes": 1500.0, "used_bytes": others, "disk_bandwidth": disk}
    request = Request(prompt=2, output=60)
    world = small_world("ab", overflow="swap", swap=swap, interval=30, device=device, requests=(request,))
    assert compared(world, Scripted(np.array(placement)), Scripted(np.array(placement))) == "compiled"


def test_tokens_count_where_a_run_ends_between_two_decisions() -> None:
    """A link that dies between two decisions ends the run after some tokens."""
    world = small_world("ab", interval=8)
    calm = simulate(world, Scripted(np.array([0, 1, 0, 1]))).tokens
    dying = with_links(world, up=on_off([(float(calm["start_s"][4]), math.inf)]))
    events, compiled = (
        simulate(varied(dying, executor=executor), Scripted(np.array([0, 1, 0, 1])))
        for executor in ("events", "compiled")
    )
    assert differences(events, compiled) == []
    assert compiled.runs["tokens"].tolist() == [4]
    assert compiled.runs["status"].tolist() == ["stalled"]


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_both_executors_move_the_same_blocks_until_a_device_goes_down(sharing: str, part: float) -> None:
    """Some blocks have arrived then, one is on its way, and others wait for it."""
    world = small_world("abc", interval=2, sharing=sharing, moves="serial")
    placements = [np.array(one) for one in ([0, 1, 0, 1], [2, 2, 1, 0], [0, 1, 0, 1])]
    second = simulate(world, Scripted(*placements)).migrations.iloc[1]
    fails_s = second["start_s"] + part * second["duration_s"]
    devices = [
        replace(one, up=on_off([(fails_s, fails_s + 1.0)])) if one.name == second["to_device"] else one
        for one in world.cluster.devices
    ]
    failing = replace(world, cluster=replace(world.cluster, devices=tuple(devices)))
    events, compiled = (
        simulate(varied(failing, executor=executor), Scripted(*placements))
        for executor in ("events", "compiled")
    )
    assert differences(events, compiled) == []
    assert {"moved", "abandoned"} <= set(compiled.migrations["outcome"])


@dataclass(frozen=True)
class Sent:
    """A message: when it is sent, between which devices, and when it is cancelled."""

    start_s: float
    ends: tuple[int, int]
    size_bytes: float
    cancel_s: float


@st.composite
def messages(draw: st.DrawFn, devices: int) -> list[Sent]:
    """Messages that begin and end at few different times and have few sizes, so that many of them meet."""
    pairs = [(i, j) for i in range(devices) for j in range(devices) if i != j]
    times = st.sampled_from([0.0, 0.001, 0.01, 0.0137, 0.1])
    each = st.builds(
        Sent, times, st.sampled_from(pairs), st.sampled_from([0.0, 1.0, 1e3, 4e4]), st.just(math.inf) | times
    )
    return draw(st.lists(each, min_size=1, max_size=20))


def carried(
    net: Network, env: simpy.Environment, sent: Sequence[Sent]
) -> tuple[list[float], list[tuple[Any, ...]]]:
    """When each message arrives, inf if it never can, nan if it is cancelled before; and the traffic of the links."""
    ends = [math.nan] * len(sent)

    def send(i: int) -> None:
        of = sent[i]
        transfer = net.send(*of.ends, of.size_bytes, lambda _: end(i, env.now), lambda _: end(i, math.inf))
        if of.start_s < of.cancel_s < math.inf:
            at(env, of.cancel_s, lambda: net.cancel(transfer))

    def end(i: int, time_s: float) -> None:
        assert math.isnan(ends[i])
        ends[i] = time_s

    for i, one in enumerate(sent):
        at(env, one.start_s, partial(send, i))
    env.run()
    return ends, [(*link, *astuple(traffic)) for link, traffic in sorted(net.carried.items())]


def compare_networks(cluster: Cluster, sharing: Named | str, sent: Sequence[Sent]) -> None:
    events, kernels = simpy.Environment(), simpy.Environment()
    expected, traffic = carried(network(events, cluster, sharing), events, sent)
    compiled = CompiledWorld(kernels, shared_cluster(cluster, sharing), dedicated=sharing == "dedicated")
    ends, compiled_traffic = carried(compiled, kernels, sent)
    np.testing.assert_allclose(ends, expected, rtol=1e-9)
    np.testing.assert_allclose(compiled_traffic, traffic, rtol=1e-9, atol=1e-12)


@given(steady_world(), st.data())
def test_compiled_networks_carry_messages_as_networks_of_events(
    scenario: Scenario, data: st.DataObject
) -> None:
    sent = data.draw(messages(len(scenario.cluster.devices)))
    compare_networks(scenario.cluster, scenario.network.sharing, sent)


@given(clusters(most=3, mesh=True, steady=False), st.data())
def test_kernels_carry_any_number_of_messages_over_a_link_of_one_route(
    cluster: Cluster, data: st.DataObject
) -> None:
    """A message alone needs no rate; when others come and go, it has a share, and then the link for itself again."""
    assume(len(cluster.devices) > 1)
    compare_networks(cluster, "fair", data.draw(messages(len(cluster.devices))))


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


@pytest.mark.slow
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
