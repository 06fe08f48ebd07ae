"""Recorded traces in their public formats, where the machine has some; they are not part of the project."""

import os
from pathlib import Path

import pytest
from worlds import Shuffled, rate_of

from simcore import load_scenario, simulate

FOLDER = Path(os.environ.get("HEADWAY_RECORDED_TRACES", "")) / "mahimahi_cellular"

SCENARIO = """
model: {preset: gpt2}
devices: {phone: {memory: 4 GB, compute: 10 GFLOP/s}, box: {memory: 4 GB, compute: 50 GFLOP/s}}
links: {cell: {connect: all, latency: 30 ms, bandwidth: {file: FILE}}}
workload: [{prompt: 4, output: 20}]
"""


@pytest.mark.skipif(not FOLDER.is_dir(), reason="set HEADWAY_RECORDED_TRACES to a folder of recorded traces")
@pytest.mark.parametrize(
    "name", ["ATT-LTE-driving-2016.down", "ATT-LTE-driving-2016.up", "Verizon-EVDO-driving.down"]
)
def test_a_mahimahi_recording_drives_a_link_by_its_name_in_a_scenario(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cellular.yaml"
    path.write_text(SCENARIO.replace("FILE", str(FOLDER / name)))
    scenario = load_scenario(path)
    trace = rate_of(scenario.cluster.links[0])
    opportunities = (FOLDER / name).read_text().split()
    period_s = int(opportunities[-1]) / 1000
    assert trace.duration == pytest.approx(period_s)
    assert trace.integral(0.0, period_s) == pytest.approx(1500 * len(opportunities))
    result = simulate(scenario, Shuffled(1))
    assert result.runs.status[0] == "complete"
