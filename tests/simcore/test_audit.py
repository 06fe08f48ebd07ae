"""Laws of the auditor: it finds nothing in sound runs, changes nothing, and tells how much it has checked."""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from worlds import Scripted, Shuffled, eventful, small_world, varied, with_devices

from headway.analysis.cli import app
from headway.analysis.compare import choose, create_all
from headway.policies.contract.question import Question
from headway.policies.contract.strategies import runs
from headway.simcore import (
    TABLES,
    Audit,
    AuditError,
    Cluster,
    DecodeCost,
    Device,
    Link,
    Request,
    Result,
    RunOptions,
    Scenario,
    load_scenario,
    shipped_scenario,
    shipped_scenarios,
    simulate,
)
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.simcore.instrument import Message, Span, Spans
from headway.simcore.world.options import Caches
from headway.traces import Trace, on_off

FEW = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=80, deadline=None)


def assert_same(one: Result, other: Result) -> None:
    for table in TABLES.keys() - {"timings"}:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True)


def beginning(name: str, requests: int, tokens: int) -> Scenario:
    """A shipped scenario with its first requests cut short."""
    scenario = load_scenario(shipped_scenario(name))
    shorter = (replace(one, output=min(one.output, tokens)) for one in scenario.requests[:requests])
    return replace(scenario, requests=tuple(shorter))


@given(runs(), st.integers(0, 100))
@FEW
def test_sound_runs_pass_where_memory_may_not_be_exceeded(question: Question, seed: int) -> None:
    """With the strategies that authors of policies have; a migration of either kind."""
    for migration in ("blocking", "live"):
        simulate(
            varied(question.scenario, migration=migration), Shuffled(seed), options=RunOptions(audit=True)
        )


@given(eventful() | eventful(faults=True), st.integers(0, 100), st.sampled_from(get_args(Caches)))
@settings(max_examples=30, deadline=None)
def test_a_sound_run_passes_and_neither_an_audit_nor_a_probe_changes_it(
    scenario: Scenario, seed: int, caches: Caches
) -> None:
    scenario = varied(scenario, caches=caches)
    plain: list[Span] = []
    audited: list[Span] = []
    alone, probed = (
        simulate(scenario, Shuffled(seed), instrument=one) for one in (None, Spans(plain.append))
    )
    both = simulate(
        scenario, Shuffled(seed), instrument=Spans(audited.append), options=RunOptions(audit=True)
    )
    assert_same(alone, probed)
    assert_same(probed, both)
    assert [repr(span) for span in plain] == [repr(span) for span in audited]


def test_a_token_and_a_block_may_arrive_at_the_same_moment() -> None:
    """The hidden state of 8 bytes and the cache of one position, 8 bytes too, start together on the only link."""
    scenario = small_world(
        device={"disk_bandwidth": 1e9}, interval=1, migration="live", weights_on_disk=True,
        requests=(Request(prompt=1, output=2),),
    )  # fmt: skip
    policy = Scripted(np.array([0, 1, 0, 0]), np.array([1, 1, 0, 0]))
    simulate(scenario, policy, options=RunOptions(audit=True))


@pytest.mark.slow
@given(eventful(faults=True), st.integers(0, 100))
@MANY
def test_many_sound_runs_pass(scenario: Scenario, seed: int) -> None:
    simulate(scenario, Shuffled(seed), options=RunOptions(audit=True))


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_pass(name: str) -> None:
    scenario = beginning(name, requests=2, tokens=3)
    for policy in create_all(choose(scenario, [])).values():
        simulate(scenario, policy, options=RunOptions(audit=True))


def test_a_paced_run_can_be_audited() -> None:
    scenario = beginning("home-cluster", requests=1, tokens=2)
    audits: list[Audit] = []
    results = [
        simulate(
            scenario, Shuffled(1), options=RunOptions(realtime=realtime, audit=True), on_audit=audits.append
        )
        for realtime in (None, 1e-6)
    ]
    assert_same(*results)
    assert audits[0] == audits[1]
    assert audits[0].checks > audits[0].events > 0


def test_a_run_that_ends_early_is_audited_too() -> None:
    scenario = beginning("home-cluster", requests=1, tokens=2)
    scenario = varied(with_devices(scenario, memory_bytes=1e3), overflow="fail")
    audits: list[Audit] = []
    result = simulate(scenario, Shuffled(1), options=RunOptions(audit=True), on_audit=audits.append)
    assert result.runs.status[0] == "out-of-memory"
    assert len(audits) == 1


def test_without_an_audit_none_is_told() -> None:
    audits: list[Audit] = []
    simulate(beginning("home-cluster", requests=1, tokens=1), Shuffled(1), on_audit=audits.append)
    assert audits == []


def test_the_command_says_how_much_was_checked(tmp_path: Path) -> None:
    """And saves what it saves without an audit."""
    small = "model: {shape: {layers: 2, width: 64, heads: 4}}"
    device = "{memory: 100 MB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}"
    (tmp_path / "lab.yaml").write_text(
        f"name: lab\n{small}\ndevices: {{a: {device}, b: {device}}}\n"
        "links: {wire: {connect: all, bandwidth: 8 Mbit/s}}\nworkload: [{prompt: 3, output: 4}]\n"
    )
    plain, audited = (
        CliRunner().invoke(app, ["run", str(tmp_path / "lab.yaml"), "--out", str(tmp_path / out), *more])
        for out, more in (("plain", []), ("audited", ["--audit"]))
    )
    assert plain.exit_code == audited.exit_code == 0
    assert "Audited" not in plain.stdout
    assert re.search(
        r"^Audited: no law broken in [\d,]+ checks after [\d,]+ events$", audited.stdout, re.MULTILINE
    )
    for name in TABLES.keys() - {"timings"}:
        file = f"{name}.parquet"
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "audited" / file).read_bytes()


def test_a_broken_law_is_one_line_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLedger, "unload", lambda self, devices, blocks=None: None)
    with pytest.raises(AuditError) as caught:
        simulate(beginning("home-cluster", requests=1, tokens=1), Shuffled(1), options=RunOptions(audit=True))
    error = caught.value
    assert error.law == "memory"
    assert error.time_s > 0.0
    assert str(error).startswith(
        f"a law of memory is broken at {error.time_s:.9g} s: bytes held when all is done: "
    )
    assert "\n" not in str(error)


def test_a_block_that_arrives_when_another_device_goes_down_has_arrived() -> None:
    """At the same moment: the message was delivered, although the migration is cancelled."""
    devices = tuple(Device(name=name, memory_bytes=1e9, flops=1e9, disk_bandwidth=1e9) for name in "abc")
    links = tuple(Link(name=f"to-{name}", ends=("a", name), bandwidth=Trace.constant(1e6)) for name in "bc")
    scenario = beginning("home-cluster", requests=1, tokens=3)
    model = replace(scenario.model, name="small", layers=1, width=64, heads=4, kv_heads=4, vocabulary=100)
    scenario = varied(
        scenario, cluster=Cluster(devices, links, "a"), placement=None, model=model, cost=DecodeCost(model),
        interval=1,
    )  # fmt: skip
    first = np.zeros(len(scenario.block_table), dtype=np.int64)
    first[-1] = 2
    second = first.copy()
    second[0] = 1
    spans: list[Span] = []
    simulate(scenario, Scripted(first, second), instrument=Spans(spans.append))
    arrived_s = next(one.arrived_s for one in spans if isinstance(one, Message) and one.block is not None)
    down = replace(devices[2], up=on_off([(arrived_s, 1e6)]))
    failing = replace(scenario, cluster=Cluster((*devices[:2], down), links, "a"))
    result = simulate(failing, Scripted(first, second), options=RunOptions(audit=True))
    assert result.faults.time_s.tolist() == [arrived_s]
