"""Laws of what a scenario draws at random beside its walks: synthetic traces of every kind, and requests."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.simcore import Request, Scenario, load_scenario
from headway.simcore.files import schema
from headway.simcore.files.builders.workload import lengths
from headway.simcore.rng import stream
from headway.traces import Trace
from headway.traces.synthesis import KINDS

SHARED_FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=20
)

TRACES: dict[str, dict[str, Any]] = {
    "walk": {"walk_mean": "8 Mbit/s", "sigma": 0.3, "step": "1 s", "duration": "20 s"},
    "ornstein-uhlenbeck": {
        "reverting_mean": "8 Mbit/s",
        "deviation": "4 Mbit/s",
        "relaxation": "3 s",
        "step": "1 s",
        "duration": "20 s",
    },
    "gilbert-elliott": {
        "good": "8 Mbit/s",
        "bad": "80 kbit/s",
        "good_time": "2 s",
        "bad_time": "500 ms",
        "duration": "20 s",
    },
    "diurnal": {
        "diurnal_mean": "8 Mbit/s",
        "amplitude": "4 Mbit/s",
        "period": "10 s",
        "peak": "3 s",
        "sigma": 0.2,
        "step": "1 s",
        "duration": "20 s",
    },
    "fading": {"fading_mean": "8 Mbit/s", "coherence": "1 s", "rice_factor": 2, "step": "1 s", "duration": "20 s"},
}  # fmt: skip


def load(folder: Path, seed: int = 0, **changes: Any) -> Scenario:
    device = {"memory": "1 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}
    document = {
        "seed": seed,
        "model": {"shape": {"layers": 1, "width": 8, "heads": 2}},
        "devices": {"a": device, "b": {**device, "count": 2}},
        "links": {"wire": {"connect": "all", "bandwidth": "8 Mbit/s"}},
        "workload": [{"prompt": 3, "output": 5}],
    }
    path = folder / "lab.yaml"
    path.write_text(json.dumps(document | changes, indent=1))
    return load_scenario(path)


def rates(folder: Path, section: Mapping[str, Any], seed: int = 0) -> dict[str, Trace]:
    world = load(folder, seed, links={"wire": {"connect": "all", "bandwidth": section}})
    return {link.name: link.bandwidth for link in world.cluster.links if link.bandwidth is not None}


def availability(folder: Path, section: Mapping[str, Any]) -> Trace:
    device = {
        "memory": "1 GB",
        "compute": "1 GFLOP/s",
        "memory_bandwidth": "unlimited",
        "availability": section,
    }
    return load(folder, devices={"a": device}, links={}).cluster.devices[0].availability


# Traces


def test_every_kind_of_synthetic_trace_has_a_section() -> None:
    assert KINDS.keys() == TRACES.keys()


@pytest.mark.parametrize("kind", TRACES)
def test_a_section_is_its_kind_drawn_from_a_stream_of_its_owner(kind: str, tmp_path: Path) -> None:
    """All sections of the examples say 8 Mbit/s, 10^6 bytes/s, in the units of the border."""
    section = TRACES[kind]
    si = {
        "walk": {"mean": 1e6, "sigma": 0.3, "step_s": 1.0},
        "ornstein-uhlenbeck": {"mean": 1e6, "deviation": 5e5, "relaxation_s": 3.0, "step_s": 1.0},
        "gilbert-elliott": {"good": 1e6, "bad": 1e4, "good_time_s": 2.0, "bad_time_s": 0.5},
        "diurnal": {
            "mean": 1e6,
            "amplitude": 5e5,
            "period_s": 10.0,
            "peak_s": 3.0,
            "sigma": 0.2,
            "step_s": 1.0,
        },
        "fading": {"mean": 1e6, "coherence_s": 1.0, "rice_factor": 2.0, "step_s": 1.0},
    }[kind]
    for name, trace in rates(tmp_path, section, seed=4).items():
        rng = stream(4, f"links.wire.bandwidth/{name}")
        assert trace == KINDS[kind].generate(rng, **si, duration_s=20.0)


@pytest.mark.parametrize("kind", TRACES)
def test_every_link_draws_its_own_and_every_seed_another_world(kind: str, tmp_path: Path) -> None:
    one, again, other = (rates(tmp_path, TRACES[kind], seed) for seed in (3, 3, 4))
    assert one == again
    assert len({*one.values(), *other.values()}) == 2 * len(one) == 6


@pytest.mark.parametrize("kind", TRACES)
def test_a_share_is_cut_off_at_the_whole_device(kind: str, tmp_path: Path) -> None:
    mean = {"good": "120 %"} if kind == "gilbert-elliott" else {KINDS[kind].key: "90 %"}
    values = {key: "5 %" for key in ("deviation", "bad", "amplitude") if key in TRACES[kind]}
    spread = {"deviation": "60 %", "sigma": 1.0}
    section = TRACES[kind] | values | {k: v for k, v in spread.items() if k in TRACES[kind]} | mean
    trace = availability(tmp_path, section)
    assert trace.values.max() == 1.0
    assert trace.values.min() < 1.0


@pytest.mark.parametrize("kind", TRACES)
def test_scale_and_shift_act_on_every_kind(kind: str, tmp_path: Path) -> None:
    plain = rates(tmp_path, TRACES[kind])
    changed = rates(tmp_path, TRACES[kind] | {"scale": 2.0, "shift": "5 s"})
    at = np.arange(0.25, 40.0, 0.5)
    for name, trace in plain.items():
        assert np.array_equal(changed[name].value(at), 2 * trace.value(at + 5.0))


# Requests

POISSON: dict[str, Any] = {"poisson": "30 /min", "count": 50, "prompt": 4, "output": 2}


LENGTHS: dict[str, Any] = {"prompt": {"uniform": [1, 50]}, "output": {"geometric_mean": 20}}


def requests(folder: Path, seed: int = 0, **changes: Any) -> tuple[Request, ...]:
    return load(folder, seed, workload=POISSON | changes).requests


@given(seed=st.integers(0, 2**63 - 1))
@SHARED_FOLDER
def test_arrivals_are_a_poisson_process(seed: int, tmp_path: Path) -> None:
    """Gaps have the mean and the standard deviation 1 / rate; of 4000, within six standard errors."""
    drawn = requests(tmp_path, seed, count=4000)
    gaps = np.diff([0.0, *(request.arrival_s for request in drawn)])
    assert len(drawn) == 4000
    assert gaps.min() > 0
    assert gaps.mean() == pytest.approx(2.0, rel=6 / math.sqrt(4000))
    assert gaps.std() == pytest.approx(2.0, rel=6 * math.sqrt(2 / 4000))
    assert (gaps > 2.0).mean() == pytest.approx(math.exp(-1), abs=6 * 0.5 / math.sqrt(4000))


def test_one_seed_gives_the_same_requests_and_another_others(tmp_path: Path) -> None:
    assert requests(tmp_path, 5, **LENGTHS) == requests(tmp_path, 5, **LENGTHS)
    one, other = requests(tmp_path, 5, **LENGTHS), requests(tmp_path, 6, **LENGTHS)
    for field in ("arrival_s", "prompt", "output"):
        assert [getattr(r, field) for r in one] != [getattr(r, field) for r in other]


def test_what_changes_in_a_workload_leaves_the_rest_alone(tmp_path: Path) -> None:
    """Common random numbers: another rate stretches the arrivals, other outputs come with the same prompts."""
    base = requests(tmp_path, **LENGTHS)
    slower = requests(tmp_path, **LENGTHS, poisson="15 /min")
    assert [(r.prompt, r.output) for r in slower] == [(r.prompt, r.output) for r in base]
    assert [r.arrival_s for r in slower] == pytest.approx([2 * r.arrival_s for r in base])
    fixed = requests(tmp_path, prompt=LENGTHS["prompt"])
    assert [(r.arrival_s, r.prompt) for r in fixed] == [(r.arrival_s, r.prompt) for r in base]
    longer = requests(tmp_path, **LENGTHS, count=60)
    assert longer[:50] == base


@pytest.mark.parametrize(
    ("section", "mean", "deviation"),
    [
        (schema.UniformLength(uniform=[10, 30]), 20.0, math.sqrt((21**2 - 1) / 12)),
        (schema.LogNormalLength(lognormal_mean=300.0, sigma=0.5), 300.0, 300.0 * math.sqrt(math.expm1(0.25))),
        (schema.GeometricLength(geometric_mean=40.0), 40.0, math.sqrt(40.0 * 39.0)),
    ],
)
def test_lengths_have_the_moments_of_their_distribution(
    section: schema.Length, mean: float, deviation: float
) -> None:
    n = 100_000
    drawn = lengths(np.random.default_rng(9), section, n)
    assert drawn.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(n))
    assert drawn.std() == pytest.approx(deviation, rel=0.03)


@given(st.integers(1, 100), st.integers(0, 100), st.integers(1, 50), st.integers(0, 2**32))
def test_lengths_stay_within_their_bounds(least: int, width: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = lengths(rng, schema.UniformLength(uniform=[least, least + width]), 200)
    assert least <= drawn.min() <= drawn.max() <= least + width
    for section in (
        schema.LogNormalLength(lognormal_mean=1.0, sigma=3.0, most=most),
        schema.GeometricLength(geometric_mean=30.0, most=most),
    ):
        drawn = lengths(rng, section, 200)
        assert 1 <= drawn.min() <= drawn.max() <= most
    assert lengths(rng, 7, 3).tolist() == [7, 7, 7]
