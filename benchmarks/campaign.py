"""(k) A campaign."""

from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import yaml

from benchmarks.measure import (
    Effort,
    Figures,
    clock,
    cores,
    fresh_process,
    median_of,
    peak_bytes_of_headway,
    seconds_of,
)

_NAME = "weaker-wifi"


def campaign(effort: Effort) -> Figures:
    """(k) The shipped campaign `weaker-wifi` on all cores: 1,008 runs, or a part of them."""
    workers = cores()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "campaign.yaml").write_text(_definition(effort))
        arguments = ("sweep", "run", "campaign.yaml", "--workers", str(workers), "--store")
        stores = map(str, range(effort.process_repeats))
        seconds = median_of(
            effort.process_repeats,
            lambda: seconds_of(
                partial(fresh_process, "-m", "headway", *arguments, next(stores), folder=folder)
            ),
        )
        runs = sum(pq.read_metadata(path).num_rows for path in folder.glob("0/parts/*/runs.parquet"))
        # A second call finds all runs in the store: it only reads the campaign, and names its runs.
        again_s, peak = clock(lambda: peak_bytes_of_headway(*arguments, "0", folder=folder))
    return {
        "runs": runs,
        "workers": workers,
        "seconds": seconds,
        "runs_per_s": runs / seconds,
        "again_s": again_s,
        "runner_peak_bytes": peak,
    }


def _definition(effort: Effort) -> str:
    """The campaign file, with fewer runs unless the effort is full."""
    text = files("headway.analysis.experiments").joinpath("shipped", f"{_NAME}.yaml").read_text()
    if effort.name == "full":
        return text
    values = yaml.safe_load(text)
    values["replications"] = 1
    values["axes"]["product"]["wifi"]["factors"] = effort.choose([], [0.25, 1], [1])
    if effort.name == "tiny":
        values["axes"]["product"]["boards"]["variants"] = {"three": []}
        values["policies"] = ["static"]
    return str(yaml.safe_dump(values))
