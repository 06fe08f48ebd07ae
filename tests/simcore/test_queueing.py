"""Queueing theory as an oracle: Poisson arrivals at one device or link, mean times within 99 % confidence intervals.

Independent replications, each with a stream of its own; the interval is Student's t over their means. Every check also
asks that the interval be narrow: a wide one would accept anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pytest
import simpy
from scipy import stats
from simulated import at, unexpected
from worlds import bare

from headway.simcore import (
    BlockOptions,
    Cluster,
    Decision,
    Device,
    FloatArray,
    Link,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Request,
    Scenario,
    simulate,
    stream,
)
from headway.simcore.engine.compute import processor
from headway.simcore.engine.network.network import network
from headway.simcore.engine.network.transfer import Transfer
from headway.simcore.engine.task import Task
from headway.traces import Trace

Sizes = Callable[[np.random.Generator, int], FloatArray]


@dataclass(frozen=True)
class Scale:
    """How much is simulated, and how wide an interval may be, as a share of the expected mean."""

    replications: int
    tasks: int
    narrow: float


SHORT = Scale(20, 1_500, 0.15)
LONG = Scale(40, 20_000, 0.03)
SCALES = [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]


def exponential(random: np.random.Generator, count: int) -> FloatArray:
    return random.exponential(1.0, count)


def deterministic(random: np.random.Generator, count: int) -> FloatArray:
    return np.ones(count)


def hyperexponential(random: np.random.Generator, count: int) -> FloatArray:
    """Mean 1, second moment 5 (variance 4): balanced means, each half of the work in tasks of one of two kinds."""
    short = (1.0 + np.sqrt(3.0 / 5.0)) / 2.0
    means: FloatArray = np.where(random.random(count) < short, 0.5 / short, 0.5 / (1.0 - short))
    return means * random.exponential(1.0, count)


def three_sizes(random: np.random.Generator, count: int) -> FloatArray:
    """Mean 1."""
    return random.choice([0.25, 1.0, 3.0], count, p=[0.5, 0.3125, 0.1875])


SECOND_MOMENTS: dict[Sizes, float] = {exponential: 2.0, deterministic: 1.0, hyperexponential: 5.0}
DISTRIBUTIONS = [pytest.param(sizes, id=sizes.__name__) for sizes in SECOND_MOMENTS]


def serve(
    discipline: Literal["fifo", "ps"], comes_s: FloatArray, sizes_s: FloatArray, availability: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Time from arrival to end and time of waiting of each task, both of shape (tasks,)."""
    env = simpy.Environment()
    trace = Trace.constant(availability)
    device = processor(
        env, Device(name="d", memory_bytes=1.0, flops=1.0, discipline=discipline, availability=trace)
    )
    response_s, wait_s = np.zeros(len(comes_s)), np.zeros(len(comes_s))

    def arrive(number: int, size_s: float) -> None:
        device.submit(size_s, 0.0, partial(leave, number), unexpected)

    def leave(number: int, task: Task) -> None:
        response_s[number], wait_s[number] = env.now - task.submitted_s, task.start_s - task.submitted_s

    for number, (at_s, size_s) in enumerate(zip(comes_s.tolist(), sizes_s.tolist(), strict=True)):
        at(env, at_s, partial(arrive, number, size_s))
    env.run()
    return response_s, wait_s


def replicate(name: str, scale: Scale, measure: Callable[[np.random.Generator], float]) -> FloatArray:
    """What is measured in each replication, shape (replications,)."""
    return np.array([measure(stream(number, name)) for number in range(scale.replications)])


def assert_mean(means: FloatArray, expected: float, narrow: float) -> None:
    """The expected value lies in the 99 % interval around the mean, and that is narrow."""
    half_width = stats.t.ppf(0.995, len(means) - 1) * stats.sem(means)
    assert half_width < narrow * expected
    assert abs(means.mean() - expected) < half_width


def settled(values: FloatArray) -> FloatArray:
    """Without the first tenth, in which the queue fills."""
    return values[len(values) // 10 :]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("sizes", DISTRIBUTIONS)
def test_waiting_in_order_is_what_pollaczek_and_khinchine_say(sizes: Sizes, scale: Scale) -> None:
    """M/G/1 first come, first served: E[W] = rate * E[S^2] / (2 (1 - load)); M/M/1 and M/D/1 are two cases of it."""
    rate = 0.5

    def mean_wait(random: np.random.Generator) -> float:
        comes_s = random.exponential(1.0 / rate, scale.tasks).cumsum()
        return float(settled(serve("fifo", comes_s, sizes(random, scale.tasks))[1]).mean())

    expected = rate * SECOND_MOMENTS[sizes] / (2.0 * (1.0 - rate))
    assert_mean(replicate(f"fifo {sizes.__name__}", scale, mean_wait), expected, 2.0 * scale.narrow)


def carry(comes_s: FloatArray, sizes: FloatArray) -> FloatArray:
    """Time from sending to arrival of each message on one fair link of 1 byte/s, shape (messages,)."""
    env = simpy.Environment()
    devices = tuple(map(bare, "ab"))
    link = Link(name="l", ends=("a", "b"), bandwidth=Trace.constant(1.0))
    net = network(env, Cluster(devices, (link,), "a"), "fair")
    response_s = np.zeros(len(comes_s))

    def send(number: int, size: float) -> None:
        net.send(0, 1, size, partial(arrive, number), unexpected)

    def arrive(number: int, transfer: Transfer) -> None:
        response_s[number] = env.now - transfer.sent_s

    for number, (at_s, size) in enumerate(zip(comes_s.tolist(), sizes.tolist(), strict=True)):
        at(env, at_s, partial(send, number, size))
    env.run()
    return response_s


def share_device(comes_s: FloatArray, sizes_s: FloatArray) -> FloatArray:
    """Response times under processor sharing, shape (tasks,)."""
    return serve("ps", comes_s, sizes_s)[0]


@pytest.mark.parametrize(
    ("server", "sizes", "scale"),
    [
        pytest.param(server, sizes, scale, id=f"{server.__name__}-{sizes.__name__}-{name}", marks=marks)
        for server, sizes, short in (
            *((share_device, sizes, SHORT) for sizes in SECOND_MOMENTS),
            (carry, hyperexponential, Scale(20, 600, 0.2)),
        )
        for name, scale, marks in (("short", short, ()), ("long", LONG, pytest.mark.slow))
    ],
)
def test_the_mean_response_under_sharing_depends_on_the_mean_size_alone(
    server: Callable[[FloatArray, FloatArray], FloatArray], sizes: Sizes, scale: Scale
) -> None:
    """M/G/1 processor sharing: E[T] = E[S] / (1 - load), whatever the sizes, of a device and of a fair link."""
    rate = 0.5

    def mean_response(random: np.random.Generator) -> float:
        comes_s = random.exponential(1.0 / rate, scale.tasks).cumsum()
        return float(settled(server(comes_s, sizes(random, scale.tasks))).mean())

    name = f"{'link' if server is carry else 'ps'} {sizes.__name__}"
    assert_mean(replicate(name, scale, mean_response), 1.0 / (1.0 - rate), scale.narrow)


@pytest.mark.parametrize("scale", SCALES)
def test_the_response_under_sharing_is_linear_in_the_size(scale: Scale) -> None:
    """M/G/1 processor sharing: E[T | S = s] = s / (1 - load), on a device of which 80 % is available."""
    rate, availability = 0.4, 0.8

    def mean_responses(random: np.random.Generator) -> FloatArray:
        comes_s = random.exponential(1.0 / rate, scale.tasks).cumsum()
        sizes_s = three_sizes(random, scale.tasks)
        response_s = settled(serve("ps", comes_s, sizes_s, availability)[0])
        return np.array([response_s[settled(sizes_s) == size].mean() for size in (0.25, 1.0, 3.0)])

    means = np.array([mean_responses(stream(number, "linear")) for number in range(scale.replications)])
    for size, of_size in zip((0.25, 1.0, 3.0), means.T, strict=True):
        expected = size / availability / (1.0 - rate / availability)
        assert_mean(of_size, expected, scale.narrow)


class Alone:
    """Everything on the only device."""

    name = "alone"

    def decide(self, observation: Observation) -> Decision:
        return Placement(np.zeros(len(observation.blocks), dtype=np.int64))


@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(Scale(20, 150, 0.35), id="short"),
        pytest.param(Scale(40, 2_000, 0.08), id="long", marks=pytest.mark.slow),
    ],
)
def test_requests_of_one_length_wait_as_in_m_d_1(scale: Scale) -> None:
    """The whole engine as a queue: E[W] = load * service / (2 (1 - load)), read from the table of tokens."""
    model = ModelSpec(
        name="tiny", layers=1, width=4, heads=1, kv_heads=1, head_size=4, ffn_width=16, gated_ffn=False,
        vocabulary=0, bytes_per_weight=4, bytes_per_kv=4, bytes_per_activation=4,
    )  # fmt: skip
    cluster = Cluster((Device(name="d", memory_bytes=1e9, flops=1e3),), (), "d")
    alone = Scenario(
        name="queue", model=model, cost=PaperCost(model), cluster=cluster,
        requests=(Request(prompt=3, output=1),), blocks=BlockOptions(embed=False, lm_head=False),
    )  # fmt: skip
    service_s = float(simulate(alone, Alone()).tokens.latency_s[0])
    load = 0.5

    def mean_wait(random: np.random.Generator) -> float:
        comes_s = random.exponential(service_s / load, scale.tasks).cumsum().tolist()
        requests = tuple(Request(prompt=3, output=1, arrival_s=at_s) for at_s in comes_s)
        queue = Scenario(
            name="queue", model=model, cost=PaperCost(model), cluster=cluster,
            requests=requests, blocks=BlockOptions(embed=False, lm_head=False),
        )  # fmt: skip
        return float(settled(simulate(queue, Alone()).tokens.wait_s.to_numpy()).mean())

    assert_mean(replicate("requests", scale, mean_wait), load * service_s / (2 * (1 - load)), scale.narrow)
