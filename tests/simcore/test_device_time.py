"""Laws of device-time models: one of one's own decides how long tasks take, in the engine and in predictions alike."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Scripted, Shuffled, model_of_bytes, scenarios, small_world, varied

from headway.simcore import (
    FloatArray,
    Kind,
    Observation,
    Payload,
    Request,
    Roofline,
    RunOptions,
    Scenario,
    Spans,
    StepCost,
    TaskTimes,
    predict,
    simulate,
)
from headway.simcore.instrument import Compute, Span
from headway.simcore.world.device_time import DEVICE_TIMES, Machines
from headway.traces import InputError, Trace

BLOCK_S = np.array(
    [[0.5, 0.25], [0.125, 1.0], [2.0, 0.75], [0.0, 0.0], [0.0, 0.0]],
)
"""Seconds of a block of each kind on a and b, whatever it costs."""
TASK_S = np.array([[0.1, 0.2], [0.0, 0.3], [0.4, 0.0], [0.0, 0.0], [0.0, 0.0]])


@dataclass(frozen=True)
class Table:
    """Measured times."""

    block_s: FloatArray = field(default_factory=BLOCK_S.copy)
    task_s: FloatArray = field(default_factory=TASK_S.copy)
    name: str = "measured"

    def times(self, cost: StepCost, machines: Machines) -> TaskTimes:
        return TaskTimes(self.block_s, self.task_s)


def world(availability: float = 1.0) -> Scenario:
    """Two devices, 100 bytes/s between them; one layer of three heads, without embedding and output head."""
    return small_world(
        model=model_of_bytes(width=12, heads=3, kv_heads=3),
        device={"flops": 1.0, "availability": Trace.constant(availability)},
        requests=(Request(prompt=1, output=2),), sharing="dedicated", device_time=Table(),
    )  # fmt: skip


@pytest.mark.parametrize("availability", [1.0, 0.5])
def test_measured_times_by_hand(availability: float) -> None:
    """Two heads on b, one on a, the projection on b, the network on a; 12 bytes of hidden states, 4 for each head."""
    spans: list[Span] = []
    placement = np.array([1, 1, 0, 1, 0])
    scenario = world(availability)
    result = simulate(
        scenario, Scripted(placement), instrument=Spans(spans.append), options=RunOptions(audit=True)
    )
    tasks_s = [("b", 0.2 + 2 * 0.25), ("a", 0.1 + 0.5), ("b", 0.3 + 1.0), ("a", 0.4 + 2.0)]
    far_s, near_s, proj_s, ffn_s = (seconds / availability for _, seconds in tasks_s)
    heads_s = max(0.12 + far_s, near_s + 0.04)
    np.testing.assert_allclose(result.tokens.latency_s, heads_s + proj_s + 0.12 + ffn_s, rtol=1e-12)
    np.testing.assert_allclose(result.decisions.predicted_delay_s, result.tokens.latency_s, rtol=1e-12)
    nominal_s = [span.nominal_s for span in spans if isinstance(span, Compute)]
    assert sorted(nominal_s) == pytest.approx(sorted(2 * [seconds for _, seconds in tasks_s]))


@given(scenarios(most_shards=3), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_predictions_follow_a_table_of_ones_own(scenario: Scenario, seed: int) -> None:
    random, count = np.random.default_rng(seed), len(scenario.cluster.devices)
    table = Table(random.uniform(0.0, 2.0, (len(Kind), count)), random.uniform(0.0, 0.5, (len(Kind), count)))
    result = simulate(
        varied(replace(scenario, device_time=table), interval=1),
        Shuffled(seed),
        options=RunOptions(audit=True),
    )
    tokens, decisions = result.tokens, result.decisions
    inference_s = tokens.latency_s - tokens.migration_s
    np.testing.assert_allclose(inference_s, decisions.predicted_delay_s, rtol=1e-9)


@given(scenarios(), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_roofline_by_name_and_as_an_object_are_one(scenario: Scenario, seed: int) -> None:
    by_name, as_object = (
        simulate(replace(scenario, device_time=part), Shuffled(seed)) for part in ("roofline", Roofline())
    )
    np.testing.assert_array_equal(by_name.tokens.latency_s, as_object.tokens.latency_s)


def test_the_roofline_by_hand() -> None:
    """The longer of computing and reading, and the overhead of a task; what does nothing takes no time."""
    machines = world().cluster
    machines = replace(
        machines,
        devices=tuple(replace(d, flops=8.0, memory_bandwidth=4.0, overhead_s=1.0) for d in machines.devices),
    )
    nothing = (len(Kind) - 5) * [0.0]
    cost = StepCost(
        memory_bytes=np.zeros(len(Kind)),
        work_flop=np.array([16.0, 80.0, 0.0, 0.0, 0.0, *nothing]),
        weight_bytes=np.array([8.0, 4.0, 0.0, 2.0, 0.0, *nothing]),
        kv_bytes=np.array([12.0, 0.0, 0.0, 0.0, 0.0, *nothing]),
        message_bytes=np.zeros(len(Payload)),
    )
    block_s, task_s = Roofline().times(cost, machines)
    assert block_s[:, 0].tolist() == [20.0 / 4.0, 80.0 / 8.0, 0.0, 2.0 / 4.0, 0.0, *nothing]
    assert task_s[:, 0].tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, *nothing]
    # With a rate of its own for the cache, and a time for each message.
    other = tuple(replace(d, kv_bandwidth=2.0, sync_s=0.25) for d in machines.devices)
    block_s, task_s = Roofline().times(cost, replace(machines, devices=other))
    assert block_s[: Kind.SYNC, 0].tolist() == [
        8.0 / 4.0 + 12.0 / 2.0,
        80.0 / 8.0,
        0.0,
        2.0 / 4.0,
        0.0,
        *nothing[:-1],
    ]
    assert (block_s[Kind.SYNC, 0], task_s[Kind.SYNC, 0]) == (0.25, 0.0)


def test_policies_see_the_times_of_a_table() -> None:
    policy = Scripted(np.zeros(5, dtype=np.int64))
    simulate(varied(world(0.5), horizon=1), policy)
    observation: Observation = policy.observations[0]
    assert isinstance(observation.device_time, Table)
    for times in observation.step_times:
        np.testing.assert_allclose(times.block_s, 2.0 * BLOCK_S)
        np.testing.assert_allclose(times.task_s, 2.0 * TASK_S)
        assert not times.block_s.flags.writeable
    # All on a: three heads as one task, a projection, a network.
    on_a = 2.0 * (0.1 + 3 * 0.5 + 0.0 + 0.125 + 0.4 + 2.0)
    assert predict.horizon_delay(observation, np.zeros(5, dtype=np.int64)) == pytest.approx(on_a)


def test_an_unknown_device_time_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        simulate(replace(world(), device_time="stopwatch"), Scripted(np.zeros(5, dtype=np.int64)))
    assert all(name in str(caught.value) for name in ("stopwatch", *DEVICE_TIMES.names()))
