"""Recorded traces with `start: random`: each link and device starts at its own time of the recording."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_scenario import SMALL, folder, load, merged

from headway.analysis.experiments.identity import digest
from headway.simcore import Scenario, dump_scenario, load_scenario
from headway.simcore.files import bounds
from headway.simcore.files.overrides.changes import parse_change
from headway.traces import Trace, read, shipped
from headway.traces.transform import shifted

__all__ = ["folder"]

NEAR = {"shipped": "wifi-near.csv", "end": "loop", "start": "random"}
PERIOD_S = read(shipped("wifi-near.csv"), "rate", end="loop").duration or 0.0

each_seed = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def world(folder: Path, seed: int, **changes: Any) -> Scenario:
    """Three devices, all linked, with the recording under every link."""
    document = merged(SMALL, {"links": {"wire": {"connect": "all", "bandwidth": NEAR | changes}}})
    document["devices"] = {"a": SMALL["devices"]["a"] | {"count": 3}}
    return load(folder, document, seed=seed)


def rates(scenario: Scenario) -> dict[str, Trace]:
    return {link.name: link.bandwidth for link in scenario.cluster.links if link.bandwidth is not None}


def content(trace: Trace) -> tuple[bytes, bytes, str, float | None]:
    return trace.times.tobytes(), trace.values.tobytes(), trace.end, trace.duration


@given(seed=st.integers(0, bounds.MOST_SEEDS - 2))
@each_seed
def test_links_start_at_different_times_of_one_recording(seed: int, folder: Path) -> None:
    found = rates(world(folder, seed))
    assert len(found) == len({content(trace) for trace in found.values()}) == 3
    recording = read(shipped("wifi-near.csv"), "rate", end="loop")
    for trace in found.values():
        assert (trace.end, trace.duration) == ("loop", PERIOD_S)
        assert trace.mean(0.0, PERIOD_S) == pytest.approx(recording.mean(0.0, PERIOD_S), rel=1e-9)


@given(seed=st.integers(0, bounds.MOST_SEEDS - 2))
@each_seed
def test_equal_seeds_give_equal_starts_and_others_give_others(seed: int, folder: Path) -> None:
    assert digest(world(folder, seed)) == digest(world(folder, seed))
    before, after = rates(world(folder, seed)), rates(world(folder, seed + 1))
    assert all(content(before[name]) != content(after[name]) for name in before)


@given(seed=st.integers(0, bounds.MOST_SEEDS - 1), shift_s=st.integers(1, 500))
@each_seed
def test_a_shift_is_added_to_the_random_start(seed: int, shift_s: int, folder: Path) -> None:
    plain, later = rates(world(folder, seed)), rates(world(folder, seed, shift=f"{shift_s} s"))
    times = np.linspace(0.0, PERIOD_S, 200)
    for name, trace in plain.items():
        np.testing.assert_allclose(
            later[name].integral(0.0, times),
            shifted(trace, shift_s).integral(0.0, times),
            rtol=1e-9,
            atol=1e-3,
        )


def test_a_shift_of_one_period_equals_none(folder: Path) -> None:
    assert digest(world(folder, 5)) == digest(world(folder, 5, shift=f"{PERIOD_S!r} s"))


def test_links_and_devices_elsewhere_do_not_change_a_start(folder: Path) -> None:
    document = merged(SMALL, {"links": {"wire": {"bandwidth": NEAR}}})
    more = copy.deepcopy(document)
    more["devices"]["new"] = SMALL["devices"]["a"] | {"nic_up": NEAR}
    more["links"]["other"] = {"connect": [["new", "a"]], "bandwidth": NEAR}
    before, after = rates(load(folder, document)), rates(load(folder, more))
    assert {name: content(after[name]) for name in before} == {name: content(t) for name, t in before.items()}
    assert len({content(trace) for trace in after.values()}) == len(after)


def test_latencies_of_a_topology_start_at_random_too(folder: Path) -> None:
    (folder / "rtt.csv").write_text("time [s],latency [ms]\n" + "".join(f"{t},{t + 1}\n" for t in range(20)))
    latency = {"file": "rtt.csv", "end": "loop", "start": "random"}
    document = merged(
        SMALL, {"topology": {"lab": {"kind": "mesh", "bandwidth": "1 Mbit/s", "latency": latency}}}
    )
    document["devices"] = {"a": SMALL["devices"]["a"] | {"count": 3}}
    del document["links"]
    found = [link.latency_s for link in load(folder, document).cluster.links]
    assert len({content(trace) for trace in found if isinstance(trace, Trace)}) == 3


def test_a_dumped_scenario_has_the_starts_that_were_drawn(folder: Path) -> None:
    scenario = world(folder, 5)
    (folder / "dumped.yaml").write_text(dump_scenario(scenario))
    assert digest(load_scenario(folder / "dumped.yaml")) == digest(scenario)


def test_a_change_can_set_the_start(folder: Path) -> None:
    document = merged(SMALL, {"links": {"wire": {"bandwidth": {"shipped": "wifi-near.csv", "end": "loop"}}}})
    fixed = load(folder, document, seed=5)
    changed = load(folder, document, seed=5, changes=[parse_change("links.wire.bandwidth.start=random", "")])
    assert digest(fixed) != digest(changed)
