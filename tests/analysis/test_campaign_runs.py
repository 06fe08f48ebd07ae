"""Laws of making a campaign: nothing lost, nothing twice, the same from any workers, whatever happens to them."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from campaigns import (
    CAMPAIGN,
    LAB,
    ONE_SEED,
    RUNS,
    apart,
    assert_same,
    headway,
    known,
    made,
    make,
    names,
    planned,
    rows,
    small,
    write,
)

from headway import analysis, policies
from headway.analysis.experiments import (
    Store,
    Tally,
    Workers,
    export,
    given_workers,
    processes,
    read_campaign,
    run,
)
from headway.analysis.experiments.status import campaign_status, failures_of
from headway.simcore import TABLES, load_scenario, simulate
from headway.traces import InputError, Trace


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made(tmp_path_factory.mktemp("whole"))


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    campaign, store = small(tmp_path, ONE_SEED), Store(tmp_path / "store")
    make(campaign, tmp_path, store)
    before = {path: path.stat().st_mtime_ns for path in (store.folder / "parts").rglob("*")}

    class Unwanted(Executor):
        """Is asked for nothing."""

    with ThreadPoolExecutor(1):
        tally = run(planned(campaign, tmp_path), store, given_workers(Unwanted(), 1))
    assert (tally.done, tally.before) == (0, tally.total)
    assert {path: path.stat().st_mtime_ns for path in (store.folder / "parts").rglob("*")} == before


def test_a_changed_axis_reuses_what_still_applies(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    make(small(tmp_path, ONE_SEED), tmp_path, store)
    wider = small(tmp_path, ONE_SEED.replace("[0.5, 1, 2]", "[1, 2, 4]"))
    tally = make(wider, tmp_path, store)
    assert (tally.total, tally.before, tally.done) == (12, 8, 4)
    renamed = small(tmp_path, ONE_SEED, "# the same\n" + LAB.replace("name: lab", "name: elsewhere"))
    assert make(renamed, tmp_path, store).done == 0


def test_keeping_more_adds_the_missing_tables_and_no_run_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    make(small(tmp_path, ONE_SEED + "keep: [runs]\n"), tmp_path, store)
    assert rows(store, "tokens").empty
    before = rows(store, "runs")
    tally = make(small(tmp_path, ONE_SEED + "keep: [tokens, devices]\n"), tmp_path, store)
    assert (tally.before, tally.done) == (0, 12)
    assert rows(store, "runs").equals(before)
    assert len(rows(store, "metrics")) == len(rows(store, "effort")) == 12
    assert set(rows(store, "devices")["run"]) == set(rows(store, "tokens")["run"]) == set(before["run"])
    assert make(small(tmp_path, ONE_SEED), tmp_path, store).done == 0


def test_cases_that_mean_the_same_are_run_once(tmp_path: Path) -> None:
    twice = ONE_SEED.replace("factors: [0.5, 1, 2]", "factors: [1]").replace(
        "policies: [greedy, ", "policies: [greedy, {name: greedy, label: again}, "
    )
    store = Store(tmp_path / "store")
    campaign = small(tmp_path, twice)
    tally = make(campaign, tmp_path, store)
    assert (planned(campaign, tmp_path).runs, tally.total, tally.done) == (6, 4, 4)
    assert len(rows(store, "runs")) == 4


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_tables(tmp_path: Path, whole: Store, threads: int) -> None:
    store = Store(tmp_path / "store")
    make(small(tmp_path), tmp_path, store, threads=threads)
    assert_same(store, whole)


def test_an_export_is_what_simulate_gives(tmp_path: Path) -> None:
    everything = ONE_SEED + f"keep: [{', '.join(TABLES)}]\n"
    campaign, store = small(tmp_path, everything), Store(tmp_path / "store")
    make(campaign, tmp_path, store)
    plan = planned(campaign, tmp_path)
    assert export(plan, store, tmp_path / "out") == 12
    out = {name: pd.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("cases", *TABLES)}
    assert list(out["runs"]["run"]) == list(out["cases"]["run"]) == names(plan)
    for number, point in enumerate(campaign.at()):
        scenario = load_scenario(campaign.scenario, seed=3, changes=point.changes)
        for i, choice in enumerate(campaign.policies):
            name = out["cases"]["run"][2 * number + i]
            direct = simulate(scenario, policies.from_choice(choice), run=name)
            for table in set(TABLES) - {"timings"}:
                found = out[table][out[table]["run"] == name].reset_index(drop=True)
                pd.testing.assert_frame_equal(found, getattr(direct, table), check_exact=True)
    export(plan, store, tmp_path / "out", replace=True)


def test_an_export_in_many_piles_is_the_same(tmp_path: Path, whole: Store) -> None:
    plan = planned(small(tmp_path), tmp_path)
    assert export(plan, whole, tmp_path / "one") == RUNS
    assert export(plan, whole, tmp_path / "many", pile_rows=7) == RUNS
    for path in sorted((tmp_path / "one").glob("*.parquet")):
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(tmp_path / "many" / path.name))
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == sorted(
        p.name for p in (tmp_path / "many").iterdir()
    )


def test_an_export_calls_scenarios_as_its_campaign_does(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    make(small(tmp_path, ONE_SEED), tmp_path, store)
    renamed = small(tmp_path, ONE_SEED, LAB.replace("name: lab", "name: elsewhere"))
    export(planned(renamed, tmp_path), store, tmp_path / "out")
    assert set(pd.read_parquet(tmp_path / "out" / "runs.parquet")["scenario"]) == {"elsewhere"}
    assert set(rows(store, "runs")["scenario"]) == {"lab"}


def test_a_model_that_fits_nowhere_is_a_finding(tmp_path: Path) -> None:
    axis = ONE_SEED.replace("path: links.cable.bandwidth", "path: devices.desk.memory")
    memory = LAB.replace("shelf: {memory: 100 MB", "shelf: {memory: 1 B").replace("100 MB", "250 kB")
    campaign, store = small(tmp_path, axis, memory), Store(tmp_path / "store")
    assert make(campaign, tmp_path, store).failed == 0
    runs = rows(store, "runs")
    never = runs["detail"].str.contains("GB that all devices have")
    assert list(runs["status"][never]) == ["infeasible"] * 4
    assert list(runs["tokens"][never]) == [0] * 4
    assert set(runs["status"][~never]) == {"complete"}
    assert make(campaign, tmp_path, store).done == 0


def test_a_file_that_changes_under_a_campaign_is_noticed(tmp_path: Path) -> None:
    """What would be stored under the name of the old content is refused."""
    plan = planned(small(tmp_path, ONE_SEED), tmp_path)
    trace = tmp_path / "load.csv"
    trace.write_text(trace.read_text().replace("\n50,", "\n50.5,"))
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(InputError, match="has changed since the campaign began"),
    ):
        run(plan, Store(tmp_path / "store"), given_workers(executor, 1))


# What goes wrong in runs and with workers


def test_failed_runs_are_recorded_and_tried_again_on_request(
    tmp_path: Path, sore: Callable[[Exception | None], None]
) -> None:
    sore(ZeroDivisionError("in no mood"))
    campaign = small(tmp_path, ONE_SEED.replace("[greedy, ", "[greedy, sore, "))
    store = Store(tmp_path / "store")
    tally = make(campaign, tmp_path, store)
    assert (tally.total, tally.done, tally.failed) == (18, 12, 6)
    failures = rows(store, "failures")
    assert failures["error"].str.startswith("PolicyError: policy 'sore', asked at token 0 of request 0").all()
    assert failures["error"].str.contains(r"ZeroDivisionError: in no mood, raised at .*\.py:\d+").all()
    assert failures["traceback"].str.contains("in decide").all()
    assert "ZeroDivisionError" in (store.folder / "log.txt").read_text()
    sore(None)
    tally = make(campaign, tmp_path, store)
    assert (tally.done, tally.failed, tally.skipped) == (0, 0, 6)
    tally = make(campaign, tmp_path, store, retry_failed=True)
    assert (tally.done, tally.failed, tally.skipped) == (6, 0, 0)
    assert len(rows(store, "runs")) == 18
    plan = planned(campaign, tmp_path)
    assert failures_of(plan, store.view(), campaign_status(plan, store.view())) == []


class Fragile(Executor):
    """Makes calls at once, and breaks as a pool of processes does when a run kills its worker."""

    def __init__(self, deadly: set[str]) -> None:
        self.deadly = deadly
        self.broken = False
        self.deaths: list[str] = []

    def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        tasks = [task for bundle in arguments[0] for task in bundle.tasks] if arguments else []
        dead = [task.run for task in tasks if task.run in self.deadly]
        if self.broken or dead:
            self.broken = True
            self.deaths += dead
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(fn(*arguments))
        return future

    def again(self) -> "Fragile":
        """A new one, which knows how often runs have killed before."""
        new = Fragile(self.deadly)
        new.deaths = self.deaths
        return new


def test_a_run_that_kills_its_worker_three_times_is_recorded_and_costs_no_other(
    tmp_path: Path, whole: Store
) -> None:
    plan, store = planned(small(tmp_path), tmp_path), Store(tmp_path / "store")
    deadly = set(names(plan)[5:30:12])
    executor = Fragile(deadly)
    tally = run(plan, store, Workers(executor, lambda: 2, restart=executor.again))
    assert (tally.done, tally.failed, tally.left) == (RUNS - 3, 3, 3)
    assert set(rows(store, "failures")["run"]) == deadly
    assert all(executor.deaths.count(run) in (3, 4) for run in deadly)  # once more when it was not alone
    done = rows(whole, "tokens")
    expected = done[~done["run"].isin(deadly)].reset_index(drop=True)
    assert rows(store, "tokens").equals(expected)
    executor.deadly.clear()
    assert run(plan, store, given_workers(executor.again(), 2), retry_failed=True).left == 0
    assert_same(store, whole)


def test_a_broken_executor_that_cannot_be_replaced_ends_the_campaign_but_not_the_store(
    tmp_path: Path,
) -> None:
    plan, store = planned(small(tmp_path, ONE_SEED), tmp_path), Store(tmp_path / "store")
    executor = Fragile({names(plan)[4]})
    with pytest.raises(BrokenExecutor):
        run(plan, store, given_workers(executor, 1))
    executor.deadly.clear()
    assert run(plan, store, given_workers(executor.again(), 1)).left == 0


class Counting(ThreadPoolExecutor):
    """Counts the calls that are under way at a time: until they are made, which is before anybody can know it."""

    most = calls = made = 0

    def submit(self, fn: Any, /, *arguments: Any, **named: Any) -> "Future[Any]":
        def make() -> Any:
            try:
                return fn(*arguments, **named)
            finally:
                self.made += 1

        self.calls += 1
        self.most = max(self.most, self.calls - self.made)
        return super().submit(make)


def test_few_calls_are_in_progress_and_small_runs_share_one(tmp_path: Path) -> None:
    """Calls of 1e6 s, so that every run is small on any machine."""
    plan = planned(small(tmp_path), tmp_path)
    with Counting(1) as executor:
        run(plan, Store(tmp_path / "store"), given_workers(executor, 1), call_s=1e6)
    assert executor.most <= 2
    assert executor.calls < RUNS


def test_a_trace_travels_once_for_all_worlds(tmp_path: Path) -> None:
    plan = planned(small(tmp_path), tmp_path)
    shared: list[Trace] = []

    def share(_: str, trace: Trace) -> Trace:
        shared.append(trace)
        return trace

    with ThreadPoolExecutor(2) as executor:
        run(plan, Store(tmp_path / "store"), Workers(executor, lambda: 2, share))
    assert [len(trace.times) for trace in shared] == [200]


def test_stopping_leaves_what_is_done_and_resuming_makes_the_rest(tmp_path: Path, whole: Store) -> None:
    campaign, store = small(tmp_path), Store(tmp_path / "store")
    told: list[Tally] = []
    tally = make(campaign, tmp_path, store, progress=told.append, stop=lambda: any(one.done for one in told))
    assert tally.stopped
    assert 0 < tally.done < RUNS
    assert len(rows(store, "runs")) == tally.done
    assert make(campaign, tmp_path, store).before == tally.done
    assert_same(store, whole)


def test_processes_give_the_same_and_one_that_is_killed_costs_nothing(tmp_path: Path, whole: Store) -> None:
    plan, store = planned(small(tmp_path), tmp_path), Store(tmp_path / "store")
    victims: list[int] = []
    with processes(2) as workers:

        def kill_one(_: object) -> None:
            if not victims:
                victims.append(workers.executor.submit(os.getpid).result())
                os.kill(victims[0], signal.SIGKILL)

        tally = run(plan, store, workers, progress=kill_one)
    assert victims
    assert (tally.done, tally.failed, tally.left) == (RUNS, 0, 0)
    assert_same(store, whole)


# The runner killed


def make_slowly(folder: Path) -> None:
    """In a process of its own, in small steps, so that there are many moments to be killed at."""
    store = Store(folder / "store", commit_s=0.0, fold_runs=7)
    make(read_campaign(folder / "small.yaml"), folder, store)


def kill_and_resume(folder: Path, whole: Store, chance: random.Random) -> int:
    """Kill runner after runner until one comes to the end; how many were killed with something done."""
    write(folder)
    store, killed = Store(folder / "store"), 0
    while True:
        process = apart(make_slowly, folder)
        log = store.folder / "log.txt"
        begun = log.stat().st_size if log.exists() else 0
        while process.is_alive() and (not log.exists() or log.stat().st_size == begun):
            time.sleep(0.005)
        process.join(chance.uniform(0.0, 0.6))
        if process.exitcode is not None:
            assert process.exitcode == 0
            assert_same(store, whole)
            return killed
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kept = rows(store, "kept")
        assert not kept.duplicated().any()
        assert set(kept["run"]) == set(rows(store, "runs")["run"]) == set(rows(store, "tokens")["run"])
        killed += bool(len(kept))


@pytest.mark.slow
def test_a_campaign_killed_at_twenty_moments_resumes_with_nothing_lost_and_nothing_twice(
    tmp_path: Path, whole: Store
) -> None:
    chance, killed, number = random.Random(os.urandom(4)), 0, 0
    while killed < 20:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        killed += kill_and_resume(folder, whole, chance)


# A real disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 128 KiB, where this machine lets us have one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        # Lazily: threads of Arrow may close what they have read a moment after they have given the rows.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def open_for_writing(folder: Path) -> list[str]:
    """What this process has open for writing there, removed or not."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            path, kind = (
                os.readlink(f"/proc/self/fd/{number}"),
                Path(f"/proc/self/fdinfo/{number}").read_text(),
            )
        except FileNotFoundError:
            continue
        if path.startswith(str(folder)) and int(kind.split("flags:")[1].split()[0], 8) & os.O_ACCMODE:
            found.append(path)
    return found


def test_a_real_disk_that_is_full_or_read_only_is_told_and_the_store_stays_valid(tmp_path: Path) -> None:
    campaign = small(tmp_path)
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk / "store")
        filler = disk / "filler"
        filler.write_bytes(bytes(60_000))
        with pytest.raises(InputError, match="No space left on device") as told:
            make(campaign, tmp_path, store)
        assert told.traceback
        assert open_for_writing(disk) == []
        # How many runs come before the end depends on how many are committed at a time: all, if only the fold fails.
        assert len(rows(store, "runs")) == len(known(store)) <= RUNS
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(InputError, match="Read-only file system"):
            make(campaign, tmp_path, store)
        subprocess.run(["mount", "-o", "remount,rw,size=8m", str(disk)], check=True)
        assert make(campaign, tmp_path, store).left == 0
        assert len(rows(store, "runs")) == RUNS


@pytest.mark.parametrize("taken", [43_000, 58_000, 76_000, 88_000, 121_000, 126_000])
def test_a_disk_that_is_full_at_any_moment_is_told_and_nothing_stays_open(tmp_path: Path, taken: int) -> None:
    campaign = small(tmp_path, ONE_SEED)
    with small_disk(tmp_path / "disk") as disk:
        (disk / "filler").write_bytes(bytes(taken))
        with pytest.raises(InputError, match="No space left on device") as told:
            make(campaign, tmp_path, Store(disk / "store"))
        assert told.traceback
        assert open_for_writing(disk) == []


# The command


def allow_samples(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Give a plan's samples so much wall time."""
    for limit in ("SAMPLING_LIMIT_S", "LEAST_SAMPLE_S"):
        monkeypatch.setattr(f"headway.analysis.experiments.estimate.{limit}", seconds)


@pytest.mark.slow
def test_a_plan_of_long_runs_is_an_estimate_from_their_first_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million tokens take minutes; a thousand of them a second, or a minute on a busy machine."""
    monkeypatch.chdir(tmp_path)
    allow_samples(monkeypatch, 1000.0)
    long = ONE_SEED.replace("values: [5, 6]", "values: [999999, 1000000]").replace("[0.5, 1, 2]", "[1]")
    write(tmp_path, long)
    code, told = headway("plan", "small.yaml")
    assert code == 0
    assert re.search(r"time: +about .*, by the first 1,000 tokens of \d+ runs made as samples", told)
    size, unit = re.search(r"disk: +about ([\d.,]+) (\w+)", told).groups()  # type: ignore[union-attr]
    assert (float(size.replace(",", "")), unit) > (1.0, "MB") or unit == "GB"


def test_a_plan_of_runs_that_do_not_end_in_time_says_more_than(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    allow_samples(monkeypatch, 1e-6)
    write(tmp_path, ONE_SEED)
    code, told = headway("plan", "small.yaml")
    assert code == 0
    assert re.search(r"time: +more than .* made as samples, of which some did not end", told)
    assert re.search(r"disk: +unknown", told)


def test_the_command_plans_runs_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ONE_SEED)
    code, told = headway("plan", "small.yaml")
    assert code == 0
    assert "runs:      12: 0 in the store, 0 failed, 12 to make" in told
    assert "runs made as samples" in told
    assert not (tmp_path / "results").exists()
    for again in ("status", "resume"):
        code, told = headway(again, "small.yaml")
        assert (code, "not a campaign store" in told) == (2, True)
    code, told = headway("run", "small.yaml", "--workers", 1)
    assert (code, told.splitlines()[0]) == (0, "12 runs: 0 were in the store, 12 made now, 0 failed")
    wider = small(tmp_path, CAMPAIGN)
    code, told = headway("plan", "small.yaml")
    assert f"runs:      {RUNS}: 12 in the store, 0 failed, 24 to make" in told
    assert "by 12 runs in the store" in told
    code, told = headway("status", "small.yaml")
    assert [line.split() for line in told.splitlines()[1:5]] == [
        ["runs:", "36"],
        ["done:", "12"],
        ["failed:", "0"],
        ["missing:", "24"],
    ]
    code, told = headway("export", "small.yaml", "--out", "out")
    assert (code, told) == (0, "12 runs: out\n")
    assert len(pd.read_parquet("out/cases.parquet")) == wider.points * 6
    for arguments in (["plan", "nowhere.yaml"], ["run", "small.yaml", "--workers", 2, "--dask", "tcp://x:1"]):
        code, told = headway(*arguments)
        assert (code, told.startswith("headway: ")) == (2, True)


def interrupted(folder: Path) -> tuple[int, str]:
    """Exit code and complaint of a campaign that is interrupted, as from a terminal, once it is under way."""
    write(folder)
    options = ("small.yaml", "--workers", "1", "--store", "store")
    with subprocess.Popen(
        [sys.executable, "-m", "headway", "sweep", "run", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(next(iter(analysis.__path__))).parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        log = folder / "store" / "log.txt"
        while process.poll() is None and (not log.exists() or not log.stat().st_size):
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate()
    return process.returncode, told


def test_ctrl_c_ends_in_order_and_says_how_to_go_on(tmp_path: Path, whole: Store) -> None:
    code, number = 0, 0
    while code == 0:  # It came to its end before anybody could press a key.
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        code, told = interrupted(folder)
    assert code == 130, told
    assert "to go on: headway sweep resume small.yaml --store store" in told
    assert "Traceback" not in told
    store = Store(folder / "store")
    assert list((store.folder / "journal").iterdir()) == []
    assert make(read_campaign(folder / "small.yaml"), folder, store).left == 0
    assert_same(store, whole)
