"""Laws of the section `faults`: what it does to traces, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import reals, varying

from headway.simcore import Cluster, load_scenario
from headway.simcore.files.builders.faults import product
from headway.traces import Trace, on_off

WORLD = """
model: {shape: {layers: 1, width: 64, heads: 4}}
devices:
  pi: {count: 2, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited, availability: 80 %}
  phone: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
media: {air: {bandwidth: 8 Mbit/s}}
links:
  wire: {connect: [[pi, pi], [pi, phone]], bandwidth: 8 Mbit/s}
  wifi: {connect: [[pi-1, phone]], medium: air, latency: 1 s}
workload: [{prompt: 3, output: 5}]
faults:
"""


def load(folder: Path, *faults: str) -> Cluster:
    path = folder / "world.yaml"
    path.write_text(WORLD + "".join(f"  - {fault}\n" for fault in faults), encoding="utf-8")
    return load_scenario(path).cluster


def test_faults_reach_all_that_a_name_stands_for(tmp_path: Path) -> None:
    cluster = load(
        tmp_path, "{device: pi, down: 5 s, up: 6 s}", "{device: pi-2, down: 8 s}",
        "{link: wire, slowed_to: 0.5, since: 3 s}",
    )  # fmt: skip
    up = {device.name: device.up for device in cluster.devices}
    assert [up["pi-1"].value(t) for t in (4.0, 5.0, 6.0, 9.0)] == [1.0, 0.0, 1.0, 1.0]
    assert [up["pi-2"].value(t) for t in (4.0, 5.0, 6.0, 9.0, 1e9)] == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert up["phone"].is_constant
    for link in cluster.links:
        slow = link.name.startswith("wire")
        assert link.up.is_constant
        if link.bandwidth is not None:
            assert [link.bandwidth.value(t) for t in (2.0, 3.0)] == [1e6, 0.5e6]
        assert slow == (link.bandwidth is not None)


def test_slowdowns_multiply_and_a_single_link_can_be_meant(tmp_path: Path) -> None:
    cluster = load(
        tmp_path, "{device: pi-1, slowed_to: 50 %}", "{device: pi, slowed_to: 0.5, since: 1 s, until: 2 s}",
        "{link: 'wire:pi-1-phone', down: 0 s, up: 1 s}", "{link: wifi, online: {steps: [[0 s, 0], [4 s, 1]]}}",
    )  # fmt: skip
    first, second, _ = cluster.devices
    assert [first.availability.value(t) for t in (0.0, 1.0, 2.0)] == pytest.approx([0.4, 0.2, 0.4])
    assert [second.availability.value(t) for t in (0.0, 1.0, 2.0)] == pytest.approx([0.8, 0.4, 0.8])
    down = [link.name for link in cluster.links if link.up.value(0.0) == 0.0]
    assert down == ["wire:pi-1-phone", "wifi"]


@given(varying(0.0, 5.0), varying(0.0, 1.0), st.lists(reals(0.0, 20.0), min_size=2, max_size=2, unique=True))
@settings(max_examples=25, deadline=None)
def test_a_product_is_exact_for_long(trace: Trace, other: Trace, outage: list[float]) -> None:
    """A loop that fails once, and two loops: at random times within several times the last change."""
    once = on_off([(min(outage), max(outage))])
    one_loop, both = product(trace, once), product(trace, other)
    times = np.random.default_rng(0).uniform(0.0, 2.0 * max(outage), 50)
    for t in times.tolist():
        assert one_loop.value(t) == pytest.approx(trace.value(t) * once.value(t), abs=1e-12) or _near(
            trace, t
        )
        assert (
            both.value(t) == pytest.approx(trace.value(t) * other.value(t), abs=1e-12)
            or _near(trace, t)
            or _near(other, t)
        )


def _near(trace: Trace, t: float) -> bool:
    """Whether rounding may put a moment on the other side of a change."""
    return trace.value(max(0.0, t - 1e-7)) != trace.value(t + 1e-7)
