"""Runs paced by a (fake) wall clock: the same results, each event at its time, and how late it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simpy
from typer.testing import CliRunner, Result
from worlds import varied

from headway import policies
from headway.analysis.cli import app
from headway.analysis.compare import compare
from headway.simcore import (
    TABLES,
    Decision,
    Infeasible,
    Lateness,
    Observation,
    Policy,
    Request,
    RunOptions,
    Scenario,
    load_scenario,
    simulate,
)
from headway.simcore.engine.realtime import PacedEnvironment
from headway.traces import InputError

DETERMINISTIC = [name for name in TABLES if name != "timings"]

WORLD = """
model: {shape: {layers: 2, width: 8, heads: 2}}
devices:
  a: {memory: 1 MB, compute: 10 kFLOP/s, memory_bandwidth: 1 TB/s, availability: {steps: [["0 s", 1], ["0.1 s", 0.5]]}}
  b: {memory: 1 MB, compute: 30 kFLOP/s, memory_bandwidth: unlimited}
links: {ab: {connect: all, latency: 2 ms, bandwidth: 1 Mbit/s}}
workload: [{prompt: 3, output: 4}, {prompt: 2, output: 3, arrival: 60 s}]
"""


class Clock:
    """A wall clock that moves only when somebody sleeps or works, and oversleeps by a given time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.oversleep_s = 0.0
        self.slept_s = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now += seconds + self.oversleep_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("simpy.rt", "headway.simcore.engine.realtime"):
        monkeypatch.setattr(f"{module}.monotonic", clock.monotonic)
        monkeypatch.setattr(f"{module}.sleep", clock.sleep)
    return clock


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    path = tmp_path / "world.yaml"
    path.write_text(WORLD)
    return load_scenario(path)


class Slow:
    """Decides as another policy does, and takes wall time over it."""

    name = "slow"

    def __init__(self, clock: Clock, wall_s: float) -> None:
        self._clock = clock
        self._wall_s = wall_s
        self._policy = policies.create("greedy")

    def decide(self, observation: Observation) -> Decision:
        self._clock.now += self._wall_s
        return self._policy.decide(observation)


def paced(scenario: Scenario, policy: Policy, factor: float) -> Lateness:
    told: list[Lateness] = []
    simulate(scenario, policy, options=RunOptions(realtime=factor), on_lateness=told.append)
    assert len(told) == 1
    return told[0]


@pytest.mark.parametrize("factor", [1.0, 0.1, 3])
def test_a_simulated_second_takes_as_many_seconds_as_the_factor_says(
    scenario: Scenario, clock: Clock, factor: float
) -> None:
    begun = clock.now
    result = simulate(scenario, policies.create("greedy"), options=RunOptions(realtime=factor))
    assert result.runs.end_s[0] > 60.0
    assert clock.now - begun == pytest.approx(result.runs.end_s[0] * factor)


def test_every_event_waits_for_its_own_time(clock: Clock) -> None:
    env = PacedEnvironment(2.0)
    clock.now += 5.0
    begun = clock.now
    observation: list[tuple[float, float]] = []

    def tick() -> simpy.events.ProcessGenerator:
        for gap in (0.25, 0.0, 4000.0):
            yield env.timeout(gap)
            observation.append((env.now, clock.now - begun))

    env.run(env.process(tick()))
    assert observation == [(0.25, 0.5), (0.25, 0.5), (4000.25, 8000.5)]
    assert env.lateness.worst_s == 0.0


def test_pacing_changes_no_byte_of_the_results(scenario: Scenario, clock: Clock, tmp_path: Path) -> None:
    """Not even when the wall clock is far ahead of every event."""
    by_label = {name: policies.create(name) for name in ("greedy", "resource-aware")}
    compare(scenario, by_label).save(tmp_path / "free")
    compare(scenario, by_label, options=RunOptions(realtime=0.5)).save(tmp_path / "paced")
    clock.oversleep_s = 7.0
    compare(scenario, by_label, options=RunOptions(realtime=0.5)).save(tmp_path / "late")
    for name in DETERMINISTIC:
        free = (tmp_path / "free" / f"{name}.parquet").read_bytes()
        assert (tmp_path / "paced" / f"{name}.parquet").read_bytes() == free
        assert (tmp_path / "late" / f"{name}.parquet").read_bytes() == free


def test_several_policies_are_paced_one_after_another_each_from_its_own_start(
    scenario: Scenario, clock: Clock
) -> None:
    late: dict[str, Lateness] = {}
    by_label: dict[str, Policy] = {"one": policies.create("greedy"), "two": policies.create("single")}
    begun = clock.now
    result = compare(scenario, by_label, options=RunOptions(realtime=1.0), on_lateness=late.__setitem__)
    assert clock.now - begun == pytest.approx(result.runs.end_s.sum())
    assert list(late) == ["one", "two"]
    assert all(one.worst_s < 1e-6 for one in late.values())


def test_lateness_is_how_far_behind_the_wall_clock_events_begin(clock: Clock) -> None:
    """Ten events a second apart; the fourth keeps everybody busy for 3.5 s of wall time."""
    env = PacedEnvironment(1.0)

    def tick() -> simpy.events.ProcessGenerator:
        for number in range(10):
            if number == 4:
                clock.now += 3.5
            yield env.timeout(1.0)

    env.run(env.process(tick()))
    # One event starts the process and one ends it; of the ticks, three come 2.5, 1.5 and 0.5 s late.
    expected = np.zeros(12)
    expected[:3] = 2.5, 1.5, 0.5
    late = env.lateness
    assert late.events == 12
    assert late.worst_s == pytest.approx(2.5)
    assert late.p99_s == pytest.approx(np.quantile(expected, 0.99))
    assert late.median_s == 0.0


def test_oversleeping_is_lateness(clock: Clock) -> None:
    clock.oversleep_s = 0.002
    env = PacedEnvironment(1.0)
    env.timeout(1.0)
    env.run()
    late = env.lateness
    assert [late.events, late.median_s, late.p99_s, late.worst_s] == pytest.approx([1, 0.002, 0.002, 0.002])


def test_a_slow_policy_makes_events_late_unless_its_time_is_charged(
    scenario: Scenario, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time a measured decision takes as long on both clocks."""
    monkeypatch.setattr("headway.simcore.engine.placement.decisions.time.perf_counter", clock.monotonic)
    free = paced(scenario, Slow(clock, 0.5), 1.0)
    assert free.worst_s >= 0.5
    measured = varied(scenario, decision_time="measured")
    assert paced(measured, Slow(clock, 0.5), 1.0).worst_s < 1e-6
    # At ten times the speed, half a second of thinking is charged as half a second, which is over in 50 ms.
    one_token = replace(measured, requests=(Request(prompt=2, output=1),))
    assert paced(one_token, Slow(clock, 0.5), 0.1).worst_s == pytest.approx(0.45)


def test_a_run_that_ends_early_tells_its_lateness_too(scenario: Scenario, clock: Clock) -> None:
    class Lost:
        name = "lost"

        def decide(self, observation: Observation) -> Decision:
            clock.now += 9.0
            return Infeasible("nowhere")

    told: list[Lateness] = []
    result = simulate(scenario, Lost(), options=RunOptions(realtime=1.0), on_lateness=told.append)
    assert result.runs.status[0] == "infeasible"
    assert [late.worst_s for late in told] == [9.0]


def test_without_pacing_there_is_no_lateness(scenario: Scenario) -> None:
    told: list[Lateness] = []
    simulate(scenario, policies.create("greedy"), on_lateness=told.append)
    assert told == []


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_factor_is_told(scenario: Scenario, factor: float) -> None:
    with pytest.raises(InputError, match=r"realtime.*above 0"):
        simulate(scenario, policies.create("greedy"), options=RunOptions(realtime=factor))


def headway(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(
        app, ["run", "world.yaml", "--policy", "greedy", "--policy", "single", *arguments]
    )


@pytest.mark.usefixtures("scenario")
def test_the_command_paces_and_tells_lateness_after_the_run(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.oversleep_s = 0.004
    free = headway(tmp_path, monkeypatch, "--out", "free")
    assert clock.slept_s == 0.0
    assert "wall clock" not in free.stdout
    done = headway(tmp_path, monkeypatch, "--realtime", "0.5", "--out", "paced")
    assert clock.slept_s > 60.0
    lines = [line for line in done.stdout.splitlines() if line.startswith("Behind the wall clock")]
    assert [line.split(":")[0] for line in lines] == [
        "Behind the wall clock under greedy",
        "Behind the wall clock under single",
    ]
    assert all("at most 4.00 ms" in line for line in lines)
    for name in DETERMINISTIC:
        same = [(tmp_path / folder / f"{name}.parquet").read_bytes() for folder in ("free", "paced")]
        assert same[0] == same[1], name


@pytest.mark.usefixtures("scenario")
def test_the_command_refuses_an_impossible_factor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = headway(tmp_path, monkeypatch, "--realtime", "0", "--out", "out")
    assert done.exit_code == 2
    assert "realtime" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("scenario")
def test_ctrl_c_while_waiting_for_the_clock_ends_the_run_cleanly(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headway.simcore.engine.realtime.sleep", pressed)
    done = headway(tmp_path, monkeypatch, "--realtime", "1", "--out", "out")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "headway: interrupted\n")
    assert {path.name for path in tmp_path.iterdir()} == {"world.yaml"}
