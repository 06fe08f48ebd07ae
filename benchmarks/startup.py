"""(i) Start-up: whole commands, each in a new process."""

import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import FULL, Effort, Figures, fresh_process, seconds_of

SMALL_WORLD = """\
model: {shape: {layers: 1, width: 8, heads: 1}}
source: desk
devices:
  desk: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 GB/s}
  shelf: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 GB/s}
links:
  cable: {connect: all, bandwidth: 100 Mbit/s}
"""

_TEN_TOKENS = SMALL_WORLD + "workload: [{prompt: 8, output: 10}]\n"

_COMMANDS = {
    "headway --help": ("-m", "headway", "--help"),
    "import headway": ("-c", "import headway"),
    "headway run, 10 tokens": ("-m", "headway", "run", "ten.yaml", "--policy", "static"),
    "headway run": ("-m", "headway", "run"),
    "python -c pass": ("-c", "pass"),
    "headway trace info": ("-m", "headway", "trace", "info", "link.csv"),
}


def startup(effort: Effort) -> Figures:
    """(i) Wall time of commands [s], without compiled kernels on disk, as at the first call of a user.

    `again_s`, which only the full benchmark measures, is the time of a second call, which finds compiled kernels.
    """
    names = effort.choose([*_COMMANDS], [*_COMMANDS], ["import headway", "python -c pass"])
    return {name: _figures(_COMMANDS[name], effort) for name in names}


def _figures(arguments: Sequence[str], effort: Effort) -> Figures:
    calls = 2 if effort is FULL else 1
    times = zip(*(_seconds(arguments, calls) for _ in range(effort.process_repeats)), strict=True)
    return dict(zip(("seconds", "again_s"), map(statistics.median, times), strict=False))


def _seconds(arguments: Sequence[str], calls: int) -> list[float]:
    """Wall times of calls of Python one after another, in a new folder with an empty cache of numba."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ten.yaml").write_text(_TEN_TOKENS)
        (folder / "link.csv").write_text("time [s],rate [Mbit/s]\n0,10\n1,12\n2,9\n")
        environment = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
        call = partial(fresh_process, *arguments, folder=folder, environment=environment)
        return [seconds_of(call) for _ in range(calls)]
