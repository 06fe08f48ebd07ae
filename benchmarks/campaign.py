"""What a campaign costs beside its simulations, and what the process that runs it needs of memory.

    python benchmarks/campaign.py [--runs N ...] [--workers N] [--campaign FILE] [--skip-report]

Without a campaign file it makes the smallest runs there are: two devices, one token. They show best what is not
simulation. Every command is a process of its own, as a user calls it. For each number of runs it prints runs per
second; what `simulate` alone takes for such a run, in one process; what making and keeping it takes beyond that, in all
processes together; what it takes to give it its name; bytes on the disk; and the peak memory of each command without
its workers. Times are of processors where nothing else is said, so that a busy machine does not matter much.
"""

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from headway import policies
from headway.analysis.experiments import prepare, read_campaign
from headway.simcore import Scenario, simulate

TINY = """\
model: {shape: {layers: 1, width: 8, heads: 1}}
source: desk
devices:
  desk: {memory: 1 MB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
  shelf: {memory: 1 MB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
links:
  cable: {connect: all, bandwidth: 100 Mbit/s}
workload:
  - {prompt: 1, output: 1}
"""

# Says how much processor time it took, with its workers, and its own peak. What the system tells its parent of the peak
# includes what the parent had when it began.
COMMAND = """\
import os, sys
from headway.analysis.cli import app
try:
    app(prog_name="headway")
finally:
    status = open("/proc/self/status").read()
    print("took", sum(os.times()[:4]), status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""

AXES = ("links.cable.bandwidth", "devices.desk.compute", "devices.shelf.compute", "devices.desk.memory")

_SAMPLES = 60


def tiny(folder: Path, runs: int) -> Path:
    """A campaign of about so many small runs: 10 seeds of as many axes of 10 levels as it takes."""
    (folder / "tiny.yaml").write_text(TINY)
    path = folder / "campaign.yaml"
    factors = [round(1 + i / 10, 1) for i in range(10)]
    axes = "".join(
        f"    axis-{i}: {{path: {key}, factors: {factors}}}\n"
        for i, key in enumerate(AXES[: max(1, round(math.log10(runs / 10)))])
    )
    path.write_text(
        "name: tiny\nscenario: tiny.yaml\npolicies: [round-robin]\nreplications: 10\n"
        f"axes:\n  product:\n{axes}"
    )
    return path


@dataclass(frozen=True)
class Cost:
    """What a command takes: by the clock, of processors, and of memory."""

    clock_s: float
    processor_s: float
    peak_mb: float


def command(*arguments: str) -> Cost:
    """What a command of headway takes."""
    begun = time.perf_counter()
    line = [sys.executable, "-c", COMMAND, *arguments]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    clock_s = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
    processor_s, peak_kib = done.stderr.rpartition("took ")[2].split()
    return Cost(clock_s, float(processor_s), int(peak_kib) * 1024 / 1e6)


def alone(campaign: Path) -> float:
    """Seconds of a processor that `simulate` takes for a run, the mean of some that are picked by chance."""
    with tempfile.TemporaryDirectory() as folder:
        plan = prepare(read_campaign(campaign), Path(folder) / "cases.parquet")
        chosen = set(random.Random(1).sample(range(plan.runs), min(_SAMPLES, plan.runs)))
        spent = []
        for world, cases in plan.worlds(case for case in plan.cases() if case[0] in chosen):
            if isinstance(world.content, Scenario):
                for number, _ in cases:
                    begun = time.process_time()
                    simulate(world.content, policies.chosen(plan.choice(number)))
                    spent.append(time.process_time() - begun)
    return statistics.fmean(spent)


def measure(campaign: Path, folder: Path, workers: int, *, report: bool) -> None:
    """Make a campaign once, look at it in every way, and print what that took."""
    store = folder / "store"
    place = (str(campaign), "--store", str(store))
    crew = ("--workers", str(workers))
    costs = {
        "plan": command("sweep", "plan", *place),
        "run": command("sweep", "run", *place, *crew),
        "run again": command("sweep", "run", *place, *crew),
        "status": command("sweep", "status", *place),
        "export": command("sweep", "export", *place, "--out", str(folder / "out")),
    }
    if report:
        costs["report"] = command("report", str(store), "-o", str(folder / "report.html"))
    runs = sum(pq.read_metadata(path).num_rows for path in store.glob("parts/*/runs.parquet"))
    size = sum(path.stat().st_size for path in store.glob("parts/*/*"))
    one_s = alone(campaign)
    beyond_s = (costs["run"].processor_s - costs["run again"].processor_s) / runs - one_s
    read_s = costs["run again"].processor_s / runs
    print(
        f"{runs:,} runs, {workers} workers: {runs / costs['run'].clock_s:.1f} runs/s; simulate alone "
        f"{one_s * 1e3:.2f} ms a run, to make and keep it {beyond_s * 1e3:.2f} ms more, to name it "
        f"{read_s * 1e3:.2f} ms; {size / runs:.0f} bytes a run"
    )
    for what, unit in (
        ("clock_s", "s by the clock"),
        ("processor_s", "s of processors"),
        ("peak_mb", "MB at most"),
    ):
        values = ", ".join(f"{name} {getattr(cost, what):.1f}" for name, cost in costs.items())
        print(f"    {unit}: {values}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--campaign", type=Path, help="measure this one, not tiny runs")
    parser.add_argument("--skip-report", action="store_true")
    asked = parser.parse_args()
    for runs in [0] if asked.campaign else asked.runs:
        with tempfile.TemporaryDirectory(prefix="headway-benchmark-") as folder:
            campaign = asked.campaign or tiny(Path(folder), runs)
            measure(campaign, Path(folder), asked.workers, report=not asked.skip_report)


if __name__ == "__main__":
    main()
