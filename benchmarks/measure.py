"""Sizes, clocks and fresh processes, for all benchmarks."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import simpy

_T = TypeVar("_T")

Figures: TypeAlias = dict[str, Any]
"""The JSON object of a benchmark."""


@dataclass(frozen=True)
class Effort:
    """The size of the benchmarks and the number of repetitions.

    Attributes:
        name: `tiny` is for tests: its figures say nothing about speed.
        repeats: measurements in this process; the median counts.
        process_repeats: measurements that start new processes.
    """

    name: Literal["full", "quick", "tiny"]
    repeats: int
    process_repeats: int

    def choose(self, full: _T, quick: _T, tiny: _T) -> _T:
        """The value for this size."""
        return {"full": full, "quick": quick, "tiny": tiny}[self.name]


FULL, QUICK, TINY = Effort("full", 5, 5), Effort("quick", 3, 1), Effort("tiny", 1, 1)


def clock(call: Callable[[], _T]) -> tuple[float, _T]:
    """Wall time of a call [s], and its result."""
    start_s = time.perf_counter()
    result = call()
    return time.perf_counter() - start_s, result


def seconds_of(call: Callable[[], object]) -> float:
    """Wall time of a call [s]."""
    return clock(call)[0]


def median_of(repeats: int, call: Callable[[], float]) -> float:
    """The median of a figure over repeated measurements."""
    return statistics.median(call() for _ in range(repeats))


def bare_simpy_events_per_s(events: int) -> float:
    """Events per second of one SimPy process that only waits."""
    env = simpy.Environment()

    def wait() -> Generator[simpy.Event, None, None]:
        for _ in range(events):
            yield env.timeout(1)

    env.process(wait())
    seconds, _ = clock(env.run)
    return events / seconds


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The machine in words."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores()} cores ({platform.machine()}), {platform.system()}, {python}"


# Runs the command line, then reports the peak memory of this process. The peak that the system reports to the parent
# would include the memory of the parent at the start.
_PROBE = """\
import sys
from headway.analysis.cli import app
try:
    app(prog_name="headway")
finally:
    with open("/proc/self/status") as status:
        print("\\npeak", status.read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def fresh_process(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run Python in a new process; returns its standard error.

    Raises:
        RuntimeError: the exit code is not 0.
    """
    paths = [str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(environment or {})},
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return done.stderr


def peak_bytes_of_headway(*arguments: str, folder: Path) -> int:
    """Peak memory of `headway ARGUMENTS` in a new process, without its workers [bytes]. Needs Linux."""
    errors = fresh_process("-c", _PROBE, *arguments, folder=folder)
    return int(errors.rpartition("peak ")[2]) * 1024
