"""A policy that never answers fails its run in time, and the limit has no other effect on anything."""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from campaigns import CAMPAIGN, register, rows, small
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.analysis.experiments import Store, given_workers, prepare, run
from headway.policies.contract import check_policy, subject
from headway.simcore import (
    Decision,
    Observation,
    Placement,
    PolicyError,
    Request,
    RunOptions,
    Scenario,
    load_scenario,
    shipped_scenario,
    simulate,
)
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError
from headway.traces import InputError
from headway.traces.units import parse

LIMIT_S = 0.05
AMPLE = "1 s"  # Where others must not come to it: a thousand times what they take.
PATIENCE_S = 600.0
"""A busy machine may need long to notice that the limit has passed; this bound only ends a test that hangs."""


def loops() -> None:
    while True:
        pass


def loops_and_catches_exceptions() -> None:
    while True:
        with suppress(Exception):
            loops()


def waits_for_a_lock() -> None:
    """In C code, where Python can interrupt nothing."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def catches_everything() -> None:
    try:
        loops()
    except BaseException:
        waits_for_a_lock()


def simulates() -> None:
    """What a call does that has a limit of its own."""
    Deadline(2 * PATIENCE_S).call(waits_for_a_lock)


ENDLESS = [loops, loops_and_catches_exceptions, waits_for_a_lock, catches_everything, simulates]


def here(function: Callable[[], None]) -> None:
    function()


def elsewhere(function: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(function).result(2 * PATIENCE_S)


@pytest.mark.parametrize("thread", [here, elsewhere])
@pytest.mark.parametrize("call", ENDLESS)
def test_a_call_without_end_is_given_up_in_time(
    call: Callable[[], None], thread: Callable[[Callable[[], None]], None]
) -> None:
    def gives_up() -> None:
        begun = time.monotonic()
        with pytest.raises(OverdueError, match=f"no answer within {LIMIT_S:g} s"):
            Deadline(LIMIT_S).call(call)
        assert LIMIT_S <= time.monotonic() - begun < PATIENCE_S

    thread(gives_up)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "headway-policy"}


@pytest.mark.parametrize("call", [loops, loops_and_catches_exceptions])
def test_a_loop_of_python_code_ends_when_it_is_given_up(call: Callable[[], None]) -> None:
    before = threads()
    with pytest.raises(OverdueError):
        Deadline(LIMIT_S).call(call)
    for thread in threads() - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_debugger_goes_on_after_a_call_that_stays_in_c_code() -> None:
    """An exception that is never raised in its thread made Python 3.11 wait for ever at the next traced function."""
    program = f"""
import sys, threading
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError

lock = threading.Lock()
lock.acquire()
sys.settrace(lambda *_: None)
try:
    Deadline({LIMIT_S}).call(lambda: lock.acquire())
except OverdueError:
    print("given up")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "given up\n"


def test_giving_up_a_call_ends_no_other_thread() -> None:
    """The thread of a call may end by itself at that moment, and a new one get its identity."""
    calls, reached = 200, []

    def works() -> None:
        for _ in range(200):
            pass

    def bystands() -> None:
        works()
        reached.append("bystander")

    def gives_up() -> None:
        for _ in range(calls):
            with suppress(OverdueError):
                Deadline(1e-9).call(works)
            bystanders = [threading.Thread(target=bystands, daemon=True) for _ in range(3)]
            for bystander in bystanders:
                bystander.start()
            for bystander in bystanders:
                bystander.join(PATIENCE_S)
        reached.append("end")

    callers = [threading.Thread(target=gives_up, daemon=True) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE_S)
    assert (reached.count("bystander"), reached.count("end")) == (3 * calls * len(callers), len(callers))


def test_calls_after_one_that_was_given_up_are_made() -> None:
    deadline = Deadline(LIMIT_S)
    for _ in range(3):
        with pytest.raises(OverdueError):
            deadline.call(waits_for_a_lock)
    assert Deadline(PATIENCE_S).call(lambda: 42) == 42


@pytest.mark.parametrize("limit_s", [60.0, 1e300, None])
def test_what_is_in_time_is_returned_and_raised(limit_s: float | None) -> None:
    deadline = Deadline(limit_s)
    assert deadline.call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        deadline.call(lambda: 1 // 0)
    with pytest.raises(SystemExit):
        deadline.call(lambda: sys.exit(0))
    assert deadline.call(lambda: 42) == 42


def test_all_calls_are_made_in_one_thread_that_ends_with_them() -> None:
    """A policy may keep what only the thread that made it can use, such as a connection to a database."""
    deadline = Deadline(PATIENCE_S)
    (thread,) = {deadline.call(threading.current_thread) for _ in range(3)}
    deadline.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_without_a_limit_calls_are_made_in_the_thread_of_the_caller() -> None:
    """There profilers and debuggers see them."""
    assert Deadline(None).call(threading.current_thread) is threading.current_thread()


def test_a_call_that_always_ends_is_made_in_the_thread_of_the_caller_after_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    deadline = Deadline(100.0, ends=True)

    def is_here(seconds: float) -> bool:
        def call() -> bool:
            now[0] += seconds
            return threading.current_thread() is caller

        return deadline.call(call)

    caller = threading.current_thread()
    here = [is_here(seconds) for seconds in (0.5, 0.5, 1.0, 1.0, 0.5, 0.5)]
    assert here == [False, True, True, False, False, True]
    with pytest.raises(OverdueError, match="no answer within 100 s"):
        is_here(101.0)


def test_the_first_call_that_should_always_end_is_given_up_in_time() -> None:
    with pytest.raises(OverdueError):
        Deadline(LIMIT_S, ends=True).call(loops)


def test_no_call_can_catch_ctrl_c() -> None:
    """Also not in the moment before the caller waits for the call."""

    def presses() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            loops()
        except BaseException:
            waits_for_a_lock()

    with pytest.raises(KeyboardInterrupt):
        Deadline(PATIENCE_S).call(presses)


@pytest.mark.parametrize("limit_s", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_that_is_none_is_refused(limit_s: float) -> None:
    with pytest.raises(InputError, match="above 0, or None"):
        simulate(scenario(), policies.create("greedy"), options=RunOptions(decision_limit_s=limit_s))


# In runs


@dataclass
class Brooding:
    """Decides once, then never again; knows what it was asked last."""

    name: ClassVar[str] = "brooding"

    def decide(self, observation: Observation) -> Decision:
        self.asked = observation
        if observation.placement is not None:
            loops()
        return Placement(np.full(len(observation.blocks), observation.available_bytes.argmax()))


def scenario() -> Scenario:
    return load_scenario(shipped_scenario("home-cluster"))


def test_the_run_fails_with_policy_limit_token_and_time() -> None:
    policy = Brooding()
    with pytest.raises(PolicyError) as told:
        simulate(scenario(), policy, options=RunOptions(decision_limit_s=LIMIT_S))
    error = told.value
    assert (error.policy, error.request, error.token) == ("brooding", 0, policy.asked.generated)
    assert f"no answer within {LIMIT_S:g} s, stopped at {__file__}:" in error.got
    assert f"{error.time_s:.6g} s" in error.where
    assert error.time_s == policy.asked.time_s > 0.0


class Deliberate:
    """Promises that it always decides."""

    name: ClassVar[str] = "deliberate"
    prompt: ClassVar[bool] = True

    def decide(self, observation: Observation) -> Decision:
        self.thread = threading.current_thread()
        return Placement(np.full(len(observation.blocks), observation.available_bytes.argmax()))


def test_a_policy_that_promises_to_decide_is_called_in_the_thread_of_the_run() -> None:
    """There it shares the caches of the processor, and profilers and debuggers see it."""
    world = replace(scenario(), requests=(Request(prompt=64, output=21),))
    policy = Deliberate()
    simulate(world, policy, RunOptions(decision_limit_s=1000.0 * PATIENCE_S))
    assert policy.thread is threading.current_thread()


class Slowing(Deliberate):
    """Lets a clock go on by more than the limit at its second decision."""

    def __init__(self, now: list[float]) -> None:
        self._now = now

    def decide(self, observation: Observation) -> Decision:
        if observation.placement is not None:
            self._now[0] += 2.0 * PATIENCE_S
        return super().decide(observation)


def test_a_broken_promise_is_noticed_when_the_decision_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    policy = Slowing(now)
    with pytest.raises(PolicyError) as told:
        simulate(scenario(), policy, options=RunOptions(decision_limit_s=PATIENCE_S))
    assert told.value.got == f"no answer within {PATIENCE_S:g} s"
    assert policy.thread is threading.current_thread()


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    without, within = (
        simulate(scenario(), policies.create("single"), RunOptions(decision_limit_s=limit_s))
        for limit_s in (None, 60.0)
    )
    assert without.tokens.equals(within.tokens)
    assert without.decisions.equals(within.decisions)


MODULE = """\
class Brooding:
    name = "brooding"

    def decide(self, observation):
        while True:
            pass
"""


def headway(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, prog_name="headway")
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_the_command_says_it_in_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("brooding_policy.py").write_text(MODULE)
    arguments = ("--policy", "single", "--policy", "brooding_policy:Brooding", "--decision-limit", AMPLE)
    code, printed = headway("run", *arguments)
    assert code == 2
    assert printed.count("\n") == 1
    assert "'brooding'" in printed
    assert f"no answer within {AMPLE}" in printed
    assert "brooding_policy.py:5" in printed or "brooding_policy.py:6" in printed
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"brooding_policy.py"}


COMMANDS = {
    "run": ["run", "home-cluster"],
    "whatif": ["whatif", "home-cluster", "--set", "seed=1", "--workers", "1", "--replications", "1"],
    "paper": ["paper", "small", "--quick", "--workers", "1"],
    "sweep run": ["sweep", "run", "weaker-wifi"],
}


@pytest.mark.parametrize("command", ["run", "whatif", "paper"])
def test_commands_keep_the_limit(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = headway(*COMMANDS[command], "--decision-limit", "0.001 us")
    assert (code, printed.count("\n")) == (2, 1)
    assert "no answer within 1e-09 s" in printed


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("limit", ["0 s", "30", "-1 s", "30 MB", "soon"])
def test_a_limit_without_sense_is_told(
    command: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = headway(*COMMANDS[command], f"--decision-limit={limit}")
    assert code == 2
    assert "--decision-limit" in printed


def test_none_lifts_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert headway("run", "--policy", "single", "--decision-limit", "none")[0] == 0


def test_a_campaign_records_the_run_as_failed_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the threads of an executor, as on a Dask worker."""
    register(monkeypatch, "brooding", Brooding)
    text = CAMPAIGN.replace("[greedy, ", "[greedy, brooding, ").replace("replications: 3", "replications: 1")
    text = (
        text.replace("factors: [0.5, 1, 2]", "factors: [1]").replace("[4, 8]", "[4]").replace("[5, 6]", "[5]")
    )
    plan = prepare(small(tmp_path, text), tmp_path / "cases.parquet")
    store = Store(tmp_path / "store")
    with ThreadPoolExecutor(2) as executor:
        options = RunOptions(decision_limit_s=parse(AMPLE, "time", "limit"))
        tally = run(plan, store, given_workers(executor, 2), options=options)
    assert (tally.total, tally.done, tally.failed) == (3, 2, 1)
    (error,) = rows(store, "failures")["error"]
    assert error.startswith("PolicyError: policy 'brooding', asked at token ")
    assert f"no answer within {AMPLE}" in error


def test_a_policy_under_examination_is_not_waited_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its world of two devices it never answers: that takes one limit of time, not one for each question and law."""
    monkeypatch.setattr(subject.Subject.__init__, "__defaults__", (0.5,))

    @dataclass(frozen=True)
    class Stuck:
        name: ClassVar[str] = "stuck"

        def decide(self, observation: Observation) -> Decision:
            if observation.devices == 2:
                loops()
            return policies.create("single").decide(observation)

    broken = {finding.law: finding for finding in check_policy(Stuck).broken}
    assert set(broken) == {"answers", "time"}
    # Five times as long where the loop had less than a fifth of a processor.
    words = rf"gives no answer within (0\.5|2\.5) s, stopped at {re.escape(__file__)}:"
    assert re.match(words, broken["answers"].complaint)
    world = broken["answers"].question
    assert world is not None
    assert len(world.scenario.cluster.devices) == 2
    blocks = len(world.scenario.block_table)
    assert broken["time"].complaint == f"a decision about {blocks} blocks and 2 devices takes 60 s"
