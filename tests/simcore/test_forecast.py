"""Laws of forecasts: an oracle tells the truth, all others nothing of the future, and every period is as observed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Scripted, eventful, small_world, varied, with_devices

from headway.simcore import (
    ForecastOptions,
    Observation,
    Period,
    Request,
    Scenario,
    simulate,
)
from headway.traces import Trace

FIELDS = ("available_bytes", "availability", "rate", "up")
ALL = ("memory", "availability", "rates", "outages")


@pytest.fixture
def scenario() -> Scenario:
    """Two devices that take about a second for a token."""
    device = {"memory_bytes": 1e4, "disk_bandwidth": 1e9}
    requests = (Request(prompt=2, output=12),)
    return small_world(rate=1e4, device=device, embed=True, lm_head=True, requests=requests)


def forecast(methods: Any, **options: Any) -> ForecastOptions:
    return ForecastOptions(
        **(methods if isinstance(methods, dict) else dict.fromkeys(ALL, methods)), **options
    )


def observed(scenario: Scenario, options: ForecastOptions, **changes: Any) -> list[Observation]:
    """The observations of a run in which the policy keeps one block after another moving."""
    blocks, devices = len(scenario.block_table), len(scenario.cluster.devices)
    script = [np.full(blocks, number % devices) for number in range(20)]
    world = varied(scenario, forecast=options, overflow="swap", migration="blocking", **changes)
    policy = Scripted(*script)
    simulate(world, policy)
    return policy.observations


def assert_same(one: Period | Observation, other: Period | Observation) -> None:
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    np.testing.assert_array_equal(one.crossings.rate, other.crossings.rate)


@given(scenario=eventful(faults=True))
@settings(max_examples=25)
def test_without_a_method_there_is_no_forecast_and_last_repeats_the_observation(scenario: Scenario) -> None:
    assert all(not one.forecast for one in observed(scenario, ForecastOptions()))
    for one in observed(scenario, forecast("last", span_s=3.5)):
        assert [period.begin_s - one.time_s for period in one.forecast] == pytest.approx([0.0, 1.0, 2.0, 3.0])
        assert one.forecast[-1].end_s == one.time_s + 3.5
        for period in one.forecast:
            assert_same(period, one)


@given(scenario=eventful(faults=True))
@settings(max_examples=25)
def test_an_oracle_tells_the_means_the_most_used_memory_and_every_outage(scenario: Scenario) -> None:
    devices = scenario.cluster.devices
    for one in observed(scenario, forecast("oracle", span_s=2.0, step_s=0.5)):
        reserved = float(one.reserved_bytes.max())
        for period in one.forecast:
            times = np.linspace(period.begin_s, np.nextafter(period.end_s, 0.0), 50)
            for i, device in enumerate(devices):
                assert period.up[i] <= device.up.value(times).all()
                share = device.availability.mean(period.begin_s, period.end_s) * period.up[i]
                assert period.availability[i] == pytest.approx(share, rel=1e-9)
                free = device.memory_bytes - device.used_bytes.value(times).max() - device.runtime_bytes
                assert period.available_bytes[i] <= max(free - reserved, 0.0) + 1e-6
            down = ~period.up
            assert not period.rate[down][:, ~down].any()
            assert not period.rate[~down][:, down].any()


@given(
    scenario=eventful(faults=True),
    method=st.sampled_from(["last", "mean", "seasonal"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_only_an_oracle_knows_what_comes(scenario: Scenario, method: str, seed: int) -> None:
    """Worlds that are equal until now and differ after it have the same forecast."""
    methods = dict.fromkeys(ALL, method) | {"outages": "last" if method == "mean" else method}
    options = forecast(methods, span_s=2.0, step_s=0.4, season_s=1.3)
    one = observed(scenario, options)[-1]

    def other_after(trace: Trace) -> Trace:
        cut = one.time_s + 1e-6
        kept = trace.times < cut
        ahead = np.append(trace.times[kept], cut)
        values = np.append(trace.values[kept], np.random.default_rng(seed).uniform(0.1, 0.9))
        return Trace(ahead, values) if trace.end != "loop" else trace

    devices = tuple(
        replace(device, availability=other_after(device.availability)) for device in scenario.cluster.devices
    )
    other = observed(replace(scenario, cluster=replace(scenario.cluster, devices=devices)), options)
    (same,) = [this for this in other if this.time_s == one.time_s and this.generated == one.generated]
    for period, expected in zip(same.forecast, one.forecast, strict=True):
        assert_same(period, expected)


def test_a_season_repeats_and_before_the_first_one_the_present_stays(scenario: Scenario) -> None:
    """In a world that repeats every 4 s, `seasonal` is the oracle as soon as a whole season is known."""
    loads = Trace([0.0, 1.0, 3.0], [0.9, 0.3, 0.6], end="loop", duration=4.0)
    used = Trace([0.0, 2.0], [0.0, 100.0], end="loop", duration=4.0)
    world = with_devices(scenario, availability=loads, used_bytes=used)
    known = {"memory": "seasonal", "availability": "seasonal"}
    seasonal = observed(world, forecast(known, span_s=4.0, season_s=4.0))
    oracle = observed(world, forecast(dict.fromkeys(known, "oracle"), span_s=4.0))
    assert seasonal[-1].time_s > 4.0
    for one, truth in zip(seasonal, oracle, strict=True):
        for period, expected in zip(one.forecast, truth.forecast, strict=True):
            if period.begin_s >= 4.0:
                np.testing.assert_allclose(period.availability, expected.availability, rtol=1e-9)
                np.testing.assert_allclose(period.available_bytes, expected.available_bytes, rtol=1e-9)
            else:
                assert period.available_bytes.tolist() == one.available_bytes.tolist()


def test_a_mean_is_that_since_the_start(scenario: Scenario) -> None:
    loads = Trace([0.0, 1.0, 3.0], [0.9, 0.3, 0.6])
    world = with_devices(scenario, availability=loads)
    first, *later = observed(world, forecast({"availability": "mean"}))
    assert first.forecast[0].availability.tolist() == first.availability.tolist()
    for one in later:
        mean = loads.mean(0.0, one.time_s)
        assert all(period.availability == pytest.approx(mean) for period in one.forecast)


def test_a_quantity_without_a_method_stays_as_it_is_observed(scenario: Scenario) -> None:
    first, *_ = observed(scenario, forecast({"memory": "oracle"}))
    for period in first.forecast:
        np.testing.assert_array_equal(period.rate, first.rate)
        np.testing.assert_array_equal(period.availability, first.availability)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"step_s": 0.0}, "step_s"),
        ({"step_s": 2.0, "span_s": 1.0}, "step_s"),
        ({"span_s": 1e6}, "at most 1000 periods"),
        ({"memory": "seasonal"}, "season_s"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ForecastOptions(**wrong)
