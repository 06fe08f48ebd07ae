"""A change that begins after the runs have ended is reported, and no other change is."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headway.analysis.cli import app
from headway.analysis.notes import late_changes
from headway.simcore import Scenario, build_scenario
from headway.traces import Trace

LAB = """\
model: {shape: {layers: 2, width: 64, heads: 4}}
devices:
  desk: {memory: 100 MB, compute: 10 GFLOP/s, memory_bandwidth: unlimited}
  shelf: {memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited}
links:
  cable: {connect: all, bandwidth: 100 Mbit/s, latency: 1 ms}
workload:
  - {prompt: 4, output: 5}
policies: [round-robin]
"""
OUTAGE = "{device: shelf, down: 120 s}"
NOTE = "the state (up or down) of 'shelf' changes only from 120 s on, after the end of the runs ("


def headway(folder: Path, *arguments: object) -> str:
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, [*map(str, arguments)])
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def world(cable: Mapping[str, Any] | None = None, **more: Any) -> Scenario:
    values: dict[str, Any] = {
        "model": {"shape": {"layers": 2, "width": 64, "heads": 4}},
        "devices": {
            name: {"memory": "100 MB", "compute": "5 GFLOP/s", "memory_bandwidth": "unlimited"}
            for name in ("desk", "shelf")
        },
        "links": {"cable": {"connect": "all", "bandwidth": "100 Mbit/s", **(cable or {})}},
        "workload": [{"prompt": 4, "output": 5}],
    }
    return build_scenario(values | more)


def test_a_run_says_that_a_fault_is_later_than_its_end(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(LAB)
    assert "Note" not in headway(tmp_path, "run", "lab.yaml")
    (tmp_path / "lab.yaml").write_text(f"{LAB}faults: [{OUTAGE}]\n")
    assert f"\nNote: {NOTE}" in headway(tmp_path, "run", "lab.yaml")
    (tmp_path / "lab.yaml").write_text(f"{LAB}faults: [{OUTAGE.replace('120 s', '5 ms')}]\n")
    assert "Note" not in headway(tmp_path, "run", "lab.yaml")


def test_a_whatif_says_that_the_change_of_a_variant_is_later_than_its_end(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(LAB)
    variants = ("--variant", f"late: faults=[{OUTAGE}]", "--variant", "slow: links.cable.bandwidth*0.5")
    printed = headway(tmp_path, "whatif", "lab.yaml", *variants, "--workers", 1)
    assert printed.count("Note: ") == 1
    assert f"\nNote: late: {NOTE}" in printed


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (world(faults=[{"link": "cable", "down": "9 s"}]), "the state (up or down) of 'cable'"),
        (world(faults=[{"link": "cable", "slowed_to": "50 %", "since": "9 s"}]), "the bandwidth of 'cable'"),
        (world(faults=[{"device": "desk", "slowed_to": 0.1, "since": "9 s"}]), "the speed of 'desk'"),
        (
            world(faults=[{"device": name, "down": "9 s"} for name in ("desk", "shelf")]),
            "the state (up or down) of 'desk', 'shelf'",
        ),
    ],
)
def test_the_sentence_names_what_changes_and_when(changed: Scenario, kind: str) -> None:
    for base in (None, world()):
        expected = f"{kind} changes only from 9.00 s on, after the end of the runs (8.00 s at the latest)."
        assert late_changes(changed, 8.0, base) == [expected]
        assert late_changes(changed, 9.0, base) == []


def test_a_late_fault_of_a_variant_is_found_beside_earlier_changes() -> None:
    """The bandwidth changes all the time; the fault is the difference between base and variant."""
    walk = {"bandwidth": {"walk_mean": "20 Mbit/s", "sigma": 0.5, "step": "1 s", "duration": "20 s"}}
    late = world(walk, faults=[{"link": "cable", "slowed_to": "50 %", "since": "9 s"}])
    assert late_changes(late, 8.0) == []
    (note,) = late_changes(late, 8.0, world(walk))
    assert note.startswith("the bandwidth of 'cable' changes only from 9.00 s on")


levels = st.lists(st.sampled_from([1.0, 2.0]), min_size=1, max_size=6)


@given(levels, st.sampled_from(["hold", "loop", "zero"]), st.floats(0.0, 20.0))
def test_a_trace_is_noted_exactly_if_its_first_change_is_after_the_end(
    values: list[float], end: Any, end_s: float
) -> None:
    trace = Trace(range(len(values)), values, end, None if end == "hold" else len(values))
    changes = [time_s for time_s in range(1, 20) if trace.value(float(time_s)) != values[0]]
    begin_s = changes[0] if changes else math.inf
    scenario = world()
    links = (replace(scenario.cluster.links[0], bandwidth=trace),)
    scenario = replace(scenario, cluster=replace(scenario.cluster, links=links))
    assert bool(late_changes(scenario, end_s)) == (end_s < begin_s < math.inf)
