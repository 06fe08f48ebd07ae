"""Laws of a campaign to which something happens: one clear message, a store that stays valid, and the way on."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from campaigns import (
    ONE_SEED,
    assert_same,
    fake,
    headway,
    known,
    made,
    make,
    planned,
    register,
    rows,
    small,
    write,
)

from headway import policies
from headway.analysis import experiments
from headway.analysis.experiments import (
    Campaign,
    Store,
    Workers,
    dask_workers,
    given_workers,
    prepare,
    processes,
    run,
)
from headway.analysis.experiments.status import campaign_status
from headway.analysis.experiments.worker import failure
from headway.analysis.store import parts
from headway.simcore import Decision, Observation, PolicyChoice, RunOptions
from headway.simcore.engine.placement.memory import MemoryLedger
from headway.traces import InputError, Trace


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made(tmp_path_factory.mktemp("whole"), ONE_SEED)


# Policies


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


SORE = ONE_SEED.replace("[greedy, ", "[sore, ")


@pytest.mark.parametrize(
    "error",
    [ValueError("half of \ud800"), ValueError("long " * 100_000), SpeechlessError()],
    ids=lambda e: str(type(e)),
)
def test_whatever_a_policy_says_is_recorded_at_once_and_is_not_long(
    tmp_path: Path, sore: Callable[[Exception | None], None], error: Exception
) -> None:
    sore(error)
    store = Store(tmp_path / "store")
    tally = make(small(tmp_path, SORE), tmp_path, store)
    assert (tally.done, tally.failed) == (6, 6)
    failures = rows(store, "failures")
    assert len(failures) == 6
    assert failures["error"].str.startswith("PolicyError: policy 'sore'").all()
    assert "in decide" in failures["traceback"][0]
    assert failures["traceback"].str.len().max() < 30_000


def test_who_fails_then_succeeds_and_shall_keep_more_has_not_failed(
    tmp_path: Path, sore: Callable[[Exception | None], None]
) -> None:
    campaign, store = small(tmp_path, SORE + "keep: [runs]\n"), Store(tmp_path / "store")
    sore(ValueError("in no mood"))
    assert make(campaign, tmp_path, store).failed == 6
    assert make(campaign, tmp_path, store).skipped == 6
    sore(None)
    assert make(campaign, tmp_path, store, retry_failed=True).done == 6
    more = small(tmp_path, SORE + "keep: [tokens]\n")
    tally = make(more, tmp_path, store)
    assert (tally.done, tally.skipped, tally.left) == (12, 0, 0)


def test_a_failure_on_the_second_try_is_one_more_row_and_is_skipped_again(
    tmp_path: Path, sore: Callable[[Exception | None], None]
) -> None:
    campaign, store = small(tmp_path, SORE), Store(tmp_path / "store")
    sore(ValueError("in no mood"))
    make(campaign, tmp_path, store)
    assert make(campaign, tmp_path, store, retry_failed=True).failed == 6
    assert len(rows(store, "failures")) == 12
    state = campaign_status(planned(campaign, tmp_path), store.view())
    assert (state.total, state.present, state.failed, state.missing.total()) == (12, 6, 6, 0)


def test_an_audited_campaign_is_the_same_and_a_broken_law_is_a_failed_run(
    tmp_path: Path, whole: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, store = small(tmp_path, ONE_SEED), Store(tmp_path / "store")
    tally = make(campaign, tmp_path, store, options=RunOptions(audit=True))
    assert (tally.done, tally.failed) == (12, 0)
    assert_same(store, whole)
    broken = Store(tmp_path / "broken")
    load = MemoryLedger.load

    def twice(self: MemoryLedger, *what: Any) -> None:
        load(self, *what)
        load(self, *what)

    monkeypatch.setattr(MemoryLedger, "load", twice)
    assert make(campaign, tmp_path, broken).failed == 0
    tally = make(campaign, tmp_path, Store(tmp_path / "audited"), options=RunOptions(audit=True))
    assert (tally.done, tally.failed) == (0, 12)
    errors = rows(Store(tmp_path / "audited"), "failures")["error"]
    assert errors.str.startswith("AuditError: ").all()


def test_a_policy_of_which_nobody_knows_the_parameters_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plain:
        name = "plain"

        def decide(self, observation: Observation) -> Decision:
            return policies.create("greedy").decide(observation)

    register(monkeypatch, "plain", Plain)
    path = write(tmp_path, ONE_SEED.replace("[greedy, ", "[plain, "))
    code, told = headway("run", path, "--store", tmp_path / "store")
    assert (code, told.count("\n")) == (2, 1)
    assert "'plain'" in told
    assert "a dataclass" in told
    assert not (tmp_path / "store").exists()


# Workers


class Weak(Executor):
    """Breaks for some calls, as a pool does of which a process is killed, and is then fresh."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors

    def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.errors:
            future.set_exception(self.errors.pop(0))
        else:
            future.set_result(fn(*arguments))
        return future

    def again(self) -> "Weak":
        return self


@pytest.mark.parametrize("error", [BrokenExecutor("a worker died"), CancelledError()])
def test_workers_that_end_before_the_first_run_are_begun_anew(
    tmp_path: Path, whole: Store, error: Exception
) -> None:
    plan, store = planned(small(tmp_path, ONE_SEED), tmp_path), Store(tmp_path / "store")
    workers = Workers(executor := Weak([error, error]), lambda: 1, restart=executor.again)
    assert run(plan, store, workers).left == 0
    assert_same(store, whole)


def test_workers_that_cannot_be_begun_are_told(tmp_path: Path) -> None:
    plan, store = planned(small(tmp_path, ONE_SEED), tmp_path), Store(tmp_path / "store")
    workers = Workers(executor := Weak([BrokenExecutor("dead")] * 99), lambda: 1, restart=executor.again)
    with pytest.raises(InputError, match=r"only workers that end at once \(BrokenExecutor: dead"):
        run(plan, store, workers)
    assert rows(store, "failures").empty


def test_workers_that_are_gone_for_good_are_told_and_no_run_is_blamed(tmp_path: Path, whole: Store) -> None:
    """As when the scheduler of a cluster ends: calls are cancelled, and nobody can say how many workers there are."""
    plan, store = planned(small(tmp_path, ONE_SEED), tmp_path), Store(tmp_path / "store")
    executor = Weak([])

    def count() -> int:
        if executor.errors:
            raise InputError("--dask", "no answer", "a scheduler that stays")
        return 1

    def end(_: object) -> None:
        executor.errors = [CancelledError()] * 99

    workers = Workers(executor, count, restart=executor.again)
    with pytest.raises(InputError, match="no answer"):
        run(plan, store, workers, progress=end)
    assert rows(store, "failures").empty
    assert make(small(tmp_path, ONE_SEED), tmp_path, store).left == 0
    assert_same(store, whole)


class Cluster(Weak):
    """What a campaign uses of a client of Dask."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__([])
        self.is_gone = self.is_empty = False

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_executor(self, **_: object) -> "Cluster":
        return self

    def run(self, probe: Callable[[], str], **_: object) -> dict[str, str]:
        return {"tcp://worker": probe()}

    def nthreads(self) -> dict[str, int]:
        if self.is_gone:
            raise OSError("Stream is closed")
        return {} if self.is_empty else {"tcp://worker": 1}

    def wait_for_workers(self, *_: object, **__: object) -> None:
        if self.is_empty:
            raise TimeoutError("Only 0/1 workers arrived")

    def scatter(self, trace: Trace, **_: object) -> Trace:
        return trace


@pytest.mark.parametrize(
    ("what", "words"), [("is_gone", "no answer from 'tcp://x:1' any more"), ("is_empty", "no workers at")]
)
def test_a_cluster_that_goes_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Store, what: str, words: str
) -> None:
    """Calls are cancelled when it does."""
    cluster = Cluster()
    monkeypatch.setitem(
        sys.modules,
        "distributed",
        SimpleNamespace(Client=lambda *_, **__: cluster, KilledWorker=KeyError),
    )

    def end(_: object) -> None:
        setattr(cluster, what, True)
        cluster.errors = [CancelledError()] * 9

    plan, store = planned(small(tmp_path, ONE_SEED), tmp_path), Store(tmp_path / "store")
    with dask_workers("tcp://x:1") as workers, pytest.raises(InputError, match=words):
        run(plan, store, workers, progress=end)
    assert rows(store, "failures").empty
    assert make(small(tmp_path, ONE_SEED), tmp_path, store).left == 0
    assert_same(store, whole)


def test_a_worker_with_another_policy_of_the_name_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it computes would go by a wrong name."""
    monkeypatch.setattr("headway.analysis.experiments.worker.policy_digest", lambda _: "other code")
    store = Store(tmp_path / "store")
    with pytest.raises(InputError, match=r"another '.*' at a worker"):
        make(small(tmp_path, ONE_SEED), tmp_path, store)
    assert rows(store, "runs").empty


def fork() -> int:
    """As a policy might: the number of a process that would go on for ever."""
    child = os.fork()
    while not child:
        time.sleep(1.0)
    return child


def test_what_a_worker_forks_off_ends_with_the_campaign() -> None:
    with processes(1) as workers:
        child = workers.executor.submit(fork).result()
    while is_running(child):
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """Not gone, and no body that nobody has buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# The disk


def test_a_full_disk_for_temporary_files_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    with pytest.raises(InputError, match="No space left on device"):
        prepare(small(tmp_path, ONE_SEED), Path("/dev/full"))


def test_a_missing_folder_for_temporary_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, ONE_SEED)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    code, told = headway("plan", path, "--store", tmp_path / "store")
    assert code == 2
    assert told.startswith("headway: the folder for temporary files: got ")


def test_a_store_that_is_moved_while_it_is_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, write_part = Store(tmp_path / "store"), parts.write_part

    def moved(*arguments: Any) -> Path:
        part = write_part(*arguments)
        store.folder.rename(tmp_path / "elsewhere")
        return part

    monkeypatch.setattr(parts, "write_part", moved)
    with store.writer() as writer:
        writer.add(fake("run"))
        with pytest.raises(InputError, match=f"{store.folder}.*a folder that does not exist"):
            writer.commit()
    assert known(Store(tmp_path / "elsewhere")) == {"run"}


def test_a_broken_entry_is_told_by_who_puts_it_into_a_part(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.writer() as writer:
        writer.add(fake("run"))
        writer.commit()
        (broken,) = (store.folder / "journal").glob("*/runs.parquet")
        broken.write_bytes(b"PAR1")
        with pytest.raises(InputError, match=f"{broken}.*headway sweep verify {store.folder} --repair"):
            writer.fold()
    assert list((store.folder / "parts").iterdir()) == []


def test_runs_that_fail_are_put_into_parts_too(tmp_path: Path) -> None:
    """A campaign of which every run fails leaves few files, as any."""
    store = Store(tmp_path / "store", commit_s=0.0, fold_runs=10)
    with store.writer() as writer:
        for i in range(35):
            writer.add(failure(f"run-{i}", "no"))
            writer.turn()
    assert len(list((store.folder / "parts").iterdir())) == 3
    assert len(rows(store, "failures")) == 35


# Whoever asks to stop


ASKING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def heard() -> Iterator[None]:
    """Let signals do what they do in a terminal, whatever whoever began these tests lets be ignored."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", ASKING, ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["plan", "run", "status", "export"])
def test_who_is_asked_to_stop_while_worlds_are_read_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Store, command: str, number: signal.Signals
) -> None:
    path = write(tmp_path, ONE_SEED)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(
        "headway.analysis.experiments.plan.load_world", lambda *_: signal.raise_signal(number)
    )
    options = ("--out", tmp_path / "out") if command == "export" else ()
    code, told = headway(command, path, "--store", whole.folder, *options)
    assert (code, told) == (130, "headway: interrupted\n")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "out").exists()


class Asking(ThreadPoolExecutor):
    """Lets somebody ask to stop when runs are under way."""

    def __init__(self, signals: list[signal.Signals]) -> None:
        super().__init__(1)
        self.signals = signals
        self.calls = 0

    def submit(self, fn: Any, /, *arguments: Any, **named: Any) -> "Future[Any]":
        future = super().submit(fn, *arguments, **named)
        self.calls += 1
        if self.calls > 1 and self.signals:
            signal.raise_signal(self.signals.pop(0))
        return future


def asking(patch: pytest.MonkeyPatch, *signals: signal.Signals) -> None:
    @contextmanager
    def processes(_: object) -> Iterator[Workers]:
        with Asking(list(signals)) as executor:
            yield given_workers(executor, 1)

    patch.setattr(experiments, "processes", processes)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", ASKING, ids=lambda number: number.name)
@pytest.mark.parametrize("terminal", ["there", "gone"])
def test_who_is_asked_once_ends_in_order_and_twice_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Store, number: signal.Signals, terminal: str
) -> None:
    path, store = write(tmp_path, ONE_SEED), tmp_path / "store"
    before = {asked: signal.getsignal(asked) for asked in ASKING}
    if terminal == "gone":

        def refuse(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(typer, "echo", refuse)
    asking(monkeypatch, number)
    code, told = headway("run", path, "--store", store)
    assert code == 130
    if terminal == "there":
        assert "finishing the runs in progress" in told
        assert f"to go on: headway sweep resume {path} --store {store}" in told
        asking(monkeypatch, number, number)
        code, told = headway("run", path, "--store", store)
        assert (code, told.splitlines()[-1]) == (130, "headway: interrupted")
    assert {asked: signal.getsignal(asked) for asked in ASKING} == before
    asking(monkeypatch)
    assert headway("resume", path, "--store", store)[0] == 0
    assert_same(Store(store), whole)


def test_what_the_caller_lets_be_ignored_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Store
) -> None:
    """As under `nohup`."""
    path, store = write(tmp_path, ONE_SEED), tmp_path / "store"
    asking(monkeypatch, signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code, told = headway("run", path, "--store", store)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (code, told.splitlines()[0]) == (0, "12 runs: 0 were in the store, 12 made now, 0 failed")


def test_a_command_without_a_standard_output_does_its_work(tmp_path: Path, whole: Store) -> None:
    path = write(tmp_path, ONE_SEED)
    arguments = ["sweep", "export", path, "--store", whole.folder, "--out", tmp_path / "o"]
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "headway", *map(str, arguments)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "o" / "runs.parquet").exists()


# What no campaign is


def test_a_campaign_from_python_is_checked_as_one_from_a_file_is(tmp_path: Path) -> None:
    scenario = write(tmp_path).with_name("lab.yaml")
    for name in ("../elsewhere", "", "a/b", ".hidden"):
        with pytest.raises(InputError, match="name"):
            Campaign(name=name, scenario=scenario, seeds=(1,))
    twice = (PolicyChoice(name="greedy", label="one"), PolicyChoice(name="static", label="one"))
    with pytest.raises(InputError, match="distinct labels"):
        Campaign(name="twice", scenario=scenario, seeds=(1,), policies=twice)
