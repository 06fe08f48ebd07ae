"""A campaign on a Dask cluster of one scheduler and two workers on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
from campaigns import RUNS, assert_same, make, planned, small

from headway import analysis
from headway.analysis.experiments import Store, dask_workers, run
from headway.traces import InputError

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'headway[dask]'")


Process: TypeAlias = "subprocess.Popen[bytes]"


def start(log: Path, *arguments: object) -> Process:
    root = Path(next(iter(analysis.__path__))).parents[1]
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + str(arguments[0]), *map(str, arguments[1:])],
            env=os.environ | {"PYTHONPATH": str(root)},
            stderr=file,
        )


def said(log: Path, words: str) -> str:
    """The line of its log in which a process says something, however busy the machine is."""
    for _ in range(12_000):
        for line in log.read_text().splitlines():
            if words in line:
                return line
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Process]]]:
    """The address of a scheduler, and its workers."""
    folder = tmp_path_factory.mktemp("dask")
    with ExitStack() as ended:

        def begin(name: str, *arguments: object) -> Process:
            process = start(folder / name, *arguments)
            ended.callback(process.wait)
            ended.callback(process.kill)
            return process

        begin("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard")
        address = said(folder / "scheduler", "Scheduler at:").split()[-1]
        options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", folder)
        workers = [begin(name, "dask_worker", address, *options) for name in ("one", "two")]
        for name in ("one", "two"):
            said(folder / name, "Registered to:")
        yield address, workers


def test_dask_gives_the_same_also_when_a_worker_is_killed(
    tmp_path: Path, cluster: tuple[str, list[Process]]
) -> None:
    address, processes = cluster
    campaign, whole = small(tmp_path), Store(tmp_path / "whole")
    make(campaign, tmp_path, whole)
    plan = planned(campaign, tmp_path)
    with dask_workers(address) as workers:
        assert workers.count() == 2
        store = Store(tmp_path / "store")
        tally = run(plan, store, workers)
        assert (tally.done, tally.failed) == (RUNS, 0)
        assert_same(store, whole)

        def kill_one(_: object) -> None:
            if processes[0].poll() is None:
                os.kill(processes[0].pid, signal.SIGKILL)
                processes[0].wait()

        again = Store(tmp_path / "again")
        tally = run(plan, again, workers, progress=kill_one)
        assert processes[0].returncode == -signal.SIGKILL
        assert (tally.done, tally.failed) == (RUNS, 0)
        assert_same(again, whole)


def test_a_scheduler_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="no answer"), dask_workers("tcp://127.0.0.1:9", patience_s=0.2):
        pass
    with pytest.raises(InputError, match="no answer"), dask_workers("nonsense", patience_s=0.2):
        pass
