"""Tasks on several processes: each comes back once and in order, whatever happens to the processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headway import policies
from headway.analysis.experiments.dispatch import mapped
from headway.analysis.experiments.executors import Workers
from headway.traces import InputError


def described(task: int) -> str:
    return f"task {task}"


def squared(task: int, folder: Path) -> int:
    """Ends the process that makes the task 1 first."""
    if task == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(0)
    return task * task


@pytest.mark.slow
def test_tasks_whose_process_died_are_made_again(tmp_path: Path) -> None:
    assert list(mapped(partial(squared, folder=tmp_path), range(4), 2, described)) == [0, 1, 4, 9]


class Breaks(Executor):
    """As a pool of processes, all of which die whenever one of them makes the task 2."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **_: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            if 2 in arguments:
                raise BrokenExecutor("a process died")
            future.set_result(fn(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def _breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def processes(count: int) -> Iterator[Workers]:
        yield Workers(Breaks(), lambda: count, restart=Breaks)

    monkeypatch.setattr("headway.analysis.experiments.dispatch.processes", processes)


@pytest.mark.usefixtures("_breaks")
def test_a_task_that_ends_every_process_is_told() -> None:
    with pytest.raises(InputError, match=r"^task 2: .*no worker survived it.*a process died"):
        list(mapped(abs, range(5), 2, described))


@pytest.mark.usefixtures("_breaks")
def test_what_a_task_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(mapped(lambda task: 1 // task, range(2), 2, described))


def test_worker_processes_import_nothing_that_draws_or_compiles() -> None:
    """Every worker imports these modules when it starts; matplotlib, seaborn and numba would double the time."""
    code = (
        "import sys, headway.__main__\n"
        "from headway.analysis.experiments import executors, worker\n"
        "from headway.analysis.paper import runs\n"
        "from headway.analysis.whatif import runs\n"
        "print({'matplotlib', 'numba', 'seaborn', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


POOL = """\
from headway import policies, simcore
from headway.analysis.process_pool import process_pool
if __name__ == "__main__":
    world = simcore.load_scenario(simcore.shipped_scenario("wifi-home"))
    with process_pool(1) as pool:
        answers = [pool.submit(*call).result() for call in {calls}]
    print(answers[-1])
"""

IS_LOADED = """(eval, "'{name}' in __import__('sys').modules")"""


def answer(folder: Path, *calls: str, **environment: str) -> tuple[str, str]:
    """Output and complaint of a new program that makes calls in a process of a pool, and prints the last result."""
    (folder / "pool.py").write_text(POOL.format(calls=f"({', '.join(calls)},)"))
    root = Path(next(iter(policies.__path__))).parents[1]
    done = subprocess.run(
        [sys.executable, str(folder / "pool.py")],
        env=os.environ | {"PYTHONPATH": str(root)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each starts a new interpreter")
def test_processes_have_imported_the_policies_when_they_start(tmp_path: Path) -> None:
    assert answer(tmp_path, IS_LOADED.format(name="headway.policies.look_ahead")) == ("True\n", "")


def test_processes_start_where_the_path_of_temporary_files_is_too_long_for_a_socket(tmp_path: Path) -> None:
    """A path of a socket has at most 107 characters."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    assert answer(tmp_path, "(abs, -3)", TMPDIR=str(folder)) == ("3\n", "")


def test_processes_of_headway_run_do_not_import_pandas(tmp_path: Path) -> None:
    """Neither a run nor the sending of its result does; it would take each process a quarter of a second."""
    calls = (
        '(exec, "import headway.analysis.parallel")',
        '(simcore.simulate, world, policies.create("static"))',
    )
    assert answer(tmp_path, *calls, IS_LOADED.format(name="pandas")) == ("False\n", "")
