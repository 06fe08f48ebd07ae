"""A policy that never answers fails its run in time, and the limit has no other effect on anything."""

import ctypes
import io
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from campaigns import CAMPAIGN, rows, small
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import policies
from analysis.campaign import Store, given_workers, prepare, run
from analysis.cli import app
from policies import registry
from policies.contract import check_policy, subject
from simcore import (
    Decision,
    Observation,
    Placement,
    PolicyError,
    RunOptions,
    Scenario,
    load_scenario,
    shipped_scenario,
    simulate,
)
from simcore.engine.placement.policy_timeout import Deadline, OverdueError
from traces import InputError
from traces.units import parse

LIMIT_S = 0.05
AMPLE = "1 s"  # Where others must not come to it: a thousand times what they take.
PATIENCE_S = 30.0  # The limit is 0.05 s; the rest is for machines with much else to do.


def loops() -> None:
    while True:
        pass


def sleeps() -> None:
    time.sleep(3600.0)


def catches_exceptions() -> None:
    while True:
        try:
            loops()
        except Exception:
            continue


def catches_everything() -> None:
    while True:
        try:
            sum(1 for _ in range(10))
        except:  # noqa: E722
            continue


def turns_it_into_another() -> None:
    try:
        loops()
    except BaseException as error:
        raise ValueError("something else") from error


def returns_late() -> None:
    with suppress(BaseException):
        loops()


def waits_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def naps_in_c() -> None:
    """What cannot be interrupted in a thread: found out when it returns."""
    time.sleep(4 * LIMIT_S)


EVERYWHERE = [loops, catches_exceptions, catches_everything, turns_it_into_another, returns_late, naps_in_c]


def overdue(call: Callable[[], None]) -> float:
    """Seconds after which a call is found to be overdue, in this thread."""
    deadline = Deadline(LIMIT_S)
    begun = time.monotonic()
    with pytest.raises(OverdueError):
        deadline.call(call)
    deadline.close()
    return time.monotonic() - begun


def elsewhere(function: Callable[[], float]) -> float:
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result(60.0)


@pytest.mark.parametrize("call", [*EVERYWHERE, sleeps, waits_for_a_lock])
def test_the_main_thread_is_interrupted(call: Callable[[], None]) -> None:
    assert LIMIT_S <= overdue(call) < PATIENCE_S
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("call", EVERYWHERE)
def test_other_threads_are_interrupted(call: Callable[[], None]) -> None:
    assert LIMIT_S <= elsewhere(lambda: overdue(call)) < PATIENCE_S


def test_what_is_in_time_is_returned_and_raised() -> None:
    def answers() -> int:
        deadline = Deadline(60.0)
        with pytest.raises(ZeroDivisionError):
            deadline.call(lambda: 1 // 0)
        answer = deadline.call(lambda: 42)
        deadline.close()
        return answer

    assert answers() == elsewhere(answers) == 42


@given(st.lists(st.floats(0.0, 2e-3), min_size=1, max_size=20))
@settings(max_examples=15)
def test_nothing_is_raised_after_a_call_is_over(naps_s: list[float]) -> None:
    """Also of a call that takes just as long as it may: what it missed is not held against what comes next."""

    def calls() -> float:
        deadline = Deadline(1e-3)
        late = 0
        for nap_s in naps_s:
            until = time.monotonic() + nap_s
            try:
                deadline.call(lambda until=until: spins(until))  # type: ignore[misc]
            except OverdueError:
                late += 1
            spins(time.monotonic() + 2e-4)
        deadline.close()
        return late

    assert calls() <= len(naps_s)
    assert elsewhere(calls) <= len(naps_s)


def spins(until: float) -> None:
    while time.monotonic() < until:
        pass


def test_a_long_sleep_in_a_thread_hears_nothing_afterwards() -> None:
    """The watchdog barks many times while the call is in C code, and is heard once."""

    def calls() -> float:
        deadline = Deadline(1e-3)
        for _ in range(20):
            with pytest.raises(OverdueError):
                deadline.call(lambda: time.sleep(0.01))
            spins(time.monotonic() + 1e-3)
        deadline.close()
        return 0.0

    elsewhere(calls)


def test_a_signal_that_reaches_another_thread_is_heard() -> None:
    """As when the process was stopped meanwhile. CPython does not look for it if that thread is none of its own."""
    pq.read_table(io.BytesIO(written()))
    assert pa.io_thread_count() > 0, "Arrow has threads now"
    libc = ctypes.PyDLL(None)  # Whose functions are called without letting anybody else run.
    alarm = ctypes.create_string_buffer(1024)
    libc.sigemptyset(alarm)
    libc.sigaddset(alarm, signal.SIGALRM)

    def works() -> None:
        libc.pthread_sigmask(signal.SIG_BLOCK, alarm, None)
        spins(time.monotonic() + 2 * LIMIT_S)
        libc.pthread_sigmask(signal.SIG_UNBLOCK, alarm, None)
        spins(time.monotonic() + PATIENCE_S)

    assert LIMIT_S <= overdue(works) < PATIENCE_S


def written() -> bytes:
    """A small Parquet file."""
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0]}), file)
    return file.getvalue()


def test_python_traces_as_before_after_an_interruption() -> None:
    """CPython 3.11 hangs at the first call that is traced if it has been told of an exception that never came."""

    def calls() -> float:
        deadline = Deadline(1e-3)
        for call in (loops, lambda: time.sleep(0.01), returns_late):
            with pytest.raises(OverdueError):
                deadline.call(call)
        deadline.close()
        return 0.0

    elsewhere(calls)
    traced: list[str] = []
    before = sys.gettrace()
    sys.settrace(lambda frame, *_: traced.append(frame.f_code.co_name))
    try:
        Deadline(PATIENCE_S).call(lambda: None)
    finally:
        sys.settrace(before)
    assert "<lambda>" in traced


def test_an_outer_limit_passes_through_an_inner_one() -> None:
    """As when a policy simulates what would become of its decisions."""

    def nested() -> float:
        inner, outer = Deadline(60.0), Deadline(LIMIT_S)
        begun = time.monotonic()
        with pytest.raises(OverdueError):
            outer.call(lambda: inner.call(loops))
        assert inner.call(lambda: 7) == 7
        for one in (inner, outer):
            one.close()
        return time.monotonic() - begun

    assert nested() < PATIENCE_S
    assert elsewhere(nested) < PATIENCE_S


def test_an_inner_limit_leaves_the_outer_call_alone() -> None:
    def nested() -> float:
        inner, outer = Deadline(LIMIT_S), Deadline(60.0)

        def tries() -> float:
            with pytest.raises(OverdueError):
                inner.call(loops)
            return 1.0

        answer = outer.call(tries)
        for one in (inner, outer):
            one.close()
        return answer

    assert nested() == elsewhere(nested) == 1.0


@contextmanager
def alarmed(handler: Callable[[int, object], None], seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_the_timer_of_somebody_else_goes_on() -> None:
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)

    with alarmed(hear, 2 * LIMIT_S):
        overdue(loops)
        until = time.monotonic() + PATIENCE_S
        while not heard and time.monotonic() < until:
            time.sleep(0.01)
        assert signal.getsignal(signal.SIGALRM) is hear
    assert heard == [signal.SIGALRM]


def test_the_handler_of_somebody_else_is_back_afterwards() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        overdue(loops)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, before)


def watchdogs() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "headway-watchdog"}


def test_watchdogs_end_with_their_calls() -> None:
    before = watchdogs()  # Of other tests: closed, and about to end.
    seen: set[threading.Thread] = set()

    def calls() -> float:
        deadline = Deadline(60.0)
        for _ in range(3):
            seen.update(deadline.call(watchdogs) - before)
        deadline.close()
        return len(seen)

    assert elsewhere(calls) == 1
    (watchdog,) = seen
    watchdog.join(PATIENCE_S)
    assert not watchdog.is_alive()


@pytest.mark.parametrize("limit_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit_s: float) -> None:
    with pytest.raises(InputError, match="above 0, or None"):
        simulate(scenario(), policies.create("greedy"), options=RunOptions(decision_limit_s=limit_s))


@pytest.mark.parametrize("limit_s", [1e300, None])
def test_a_limit_may_be_as_long_as_one_likes(limit_s: float | None) -> None:
    def answer() -> float:
        deadline = Deadline(limit_s)
        found = deadline.call(lambda: 1.0)
        deadline.close()
        return found

    assert answer() == elsewhere(answer) == 1.0


# In runs


@dataclass
class Brooding:
    """Decides once, then never again; knows what it was asked last."""

    name: ClassVar[str] = "brooding"

    def decide(self, seen: Observation) -> Decision:
        self.asked = seen
        if seen.placement is not None:
            loops()
        return Placement(np.full(len(seen.blocks), seen.available_bytes.argmax()))


def scenario() -> Scenario:
    return load_scenario(shipped_scenario("home-cluster"))


def test_the_run_fails_with_policy_limit_token_and_time() -> None:
    def fails() -> float:
        policy = Brooding()
        with pytest.raises(PolicyError) as told:
            simulate(scenario(), policy, options=RunOptions(decision_limit_s=LIMIT_S))
        error = told.value
        assert (error.policy, error.request, error.token) == ("brooding", 0, policy.asked.generated)
        assert "no answer within 0.05 s, stopped at " in error.found
        assert f"{__file__}:" in error.found
        assert f"{error.time_s:.6g} s" in error.where
        assert error.time_s == policy.asked.time_s
        return error.time_s

    assert fails() == elsewhere(fails) > 0.0


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

    def decide(self, seen):
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


@pytest.mark.parametrize("command", ["run", "sweep run"])
@pytest.mark.parametrize("limit", ["0 s", "30", "-1 s", "30 MB", "soon"])
def test_a_limit_without_sense_is_told(
    command: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    what = ["home-cluster"] if command == "run" else ["weaker-wifi"]
    code, printed = headway(*command.split(), *what, f"--decision-limit={limit}")
    assert code == 2
    assert "--decision-limit" in printed


def test_none_lifts_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert headway("run", "--policy", "single", "--decision-limit", "none")[0] == 0


def test_a_campaign_records_the_run_as_failed_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the threads of an executor, as on a Dask worker."""
    monkeypatch.setitem(registry._POLICIES, "brooding", Brooding)
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

        def decide(self, seen: Observation) -> Decision:
            if seen.devices == 2:
                loops()
            return policies.create("single").decide(seen)

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
