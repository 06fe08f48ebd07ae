"""(i) Start-up: whole commands, each in a new process."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Effort, Figures, clock, fresh_process, median_of

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
    "headway trace info": ("-m", "headway", "trace", "info", "link.csv"),
}


def startup(effort: Effort) -> Figures:
    """(i) Wall time of commands [s], without compiled kernels on disk, as at the first call of a user."""
    names = effort.choose(list(_COMMANDS), list(_COMMANDS), ["import headway"])
    figures: Figures = {
        name: {"seconds": median_of(effort.process_repeats, partial(_seconds, *_COMMANDS[name]))}
        for name in names
    }
    figures["python -c pass"] = {"seconds": median_of(effort.process_repeats, lambda: _seconds("-c", "pass"))}
    return figures


def _seconds(*arguments: str) -> float:
    """Wall time of Python with these arguments, in an empty folder and with an empty cache of numba."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ten.yaml").write_text(_TEN_TOKENS)
        (folder / "link.csv").write_text("time [s],rate [Mbit/s]\n0,10\n1,12\n2,9\n")
        environment = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
        return clock(lambda: fresh_process(*arguments, folder=folder, environment=environment))[0]
