"""Hypothesis strategies for worlds and for the decisions of policies in them.

All drawn values are valid and small by default. They shrink to few devices, one layer and constant traces.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from hypothesis import strategies as st

from headway.policies.contract.arguments import checked
from headway.policies.contract.question import Question, observation_of
from headway.simcore import (
    BlockOptions,
    Cluster,
    ControllerOptions,
    CostModel,
    DecodeCost,
    Device,
    FloatArray,
    IntArray,
    Link,
    ModelSpec,
    NetworkOptions,
    Observation,
    PaperCost,
    Request,
    Scenario,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.cost import Projection
from headway.simcore.world.options import Caches, Migration
from headway.traces import Trace, scaled

Sharing: TypeAlias = Literal["airtime", "dedicated", "fair"]
"""Sharing rules of the drawn worlds."""


@cache
def reals(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite numbers from `low` to `high`."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@checked
@cache
def models(*, most_layers: int = 3, most_heads: int = 6) -> st.SearchStrategy[ModelSpec]:
    """Models with or without grouped-query attention and gated feed-forward networks.

    Args:
        most_layers: largest number of layers.
        most_heads: largest number of key/value heads per layer; each has up to three query heads.
    """
    return st.builds(
        lambda layers, kv_heads, group, head_size, ffn_width, gated, precision: ModelSpec(
            name="random",
            layers=layers,
            width=kv_heads * group * head_size,
            heads=kv_heads * group,
            kv_heads=kv_heads,
            head_size=head_size,
            ffn_width=ffn_width,
            gated_ffn=gated,
            vocabulary=100,
            bytes_per_weight=precision,
            bytes_per_kv=2.0,
            bytes_per_activation=precision,
        ),
        st.integers(1, most_layers),
        st.integers(1, most_heads),
        st.integers(1, 3),
        st.sampled_from([4, 16, 64]),
        st.integers(1, 300),
        st.booleans(),
        st.sampled_from([0.5625, 2.0, 4.0]),
    )


@checked
def costs(model: ModelSpec, *, most_shards: int = 1) -> st.SearchStrategy[CostModel]:
    """Either cost model; also with sharded projections if `most_shards` is above 1."""
    shards = st.integers(1, min(most_shards, model.ffn_width))
    projections: list[Projection] = ["gathered", "sharded"] if most_shards > 1 else ["gathered"]
    projection = st.sampled_from(projections)
    return st.one_of(
        st.builds(DecodeCost, st.just(model), shards, projection),
        st.builds(PaperCost, st.just(model), st.sampled_from([8.0, 0.8]), shards, projection),
    )


@cache
def constant(low: float, high: float) -> st.SearchStrategy[Trace]:
    """Constant traces with a value from `low` to `high`."""
    return reals(low, high).map(Trace.constant)


@cache
def varying(low: float, high: float) -> st.SearchStrategy[Trace]:
    """Looping traces with a few steps between `low` and `high`."""
    return st.builds(
        lambda steps, last: Trace(
            np.concatenate(([0.0], np.cumsum([step for step, _ in steps]))),
            [value for _, value in steps] + [last],
            end="loop",
            duration=sum(step for step, _ in steps) + 0.01,
        ),
        st.lists(st.tuples(reals(0.001, 0.05), reals(low, high)), min_size=1, max_size=5),
        reals(low, high),
    )


@cache
def blinking() -> st.SearchStrategy[Trace]:
    """Looping traces with outages: 0 or at least 0.1, because near 0 a rounding error in bytes is a long time."""
    return varying(0.0, 5.0).map(lambda t: t.with_values(np.where(t.values < 0.1, 0.0, t.values)))


@checked
@st.composite
def clusters(
    draw: st.DrawFn,
    *,
    most: int = 12,
    steady: bool = True,
    mesh: bool | None = None,
    fixed_times: bool = True,
    memory_bytes: float = 1e15,
) -> Cluster:
    """Connected clusters of devices `d0`, `d1`, ...

    Args:
        draw: function of Hypothesis that draws from other strategies.
        most: largest number of devices.
        steady: constant traces only.
        mesh: True: a link between every pair; False: a tree; None: either.
        fixed_times: False: all latencies and overheads are 0.
        memory_bytes: of each device.
    """
    count = draw(st.integers(1, most))
    trace = constant if steady else varying
    # A file's latencies are traces, whose values below 1e-200 count as 0.
    fixed = reals(0.0, 1e-2).map(lambda seconds: seconds if seconds > 1e-200 else 0.0)
    latency = fixed if steady else st.one_of(fixed, varying(0.0, 1e-2))
    devices = tuple(
        Device(
            name=f"d{i}",
            memory_bytes=memory_bytes,
            flops=draw(reals(1e8, 1e10)),
            memory_bandwidth=draw(reals(1e8, 1e10)),
            overhead_s=draw(reals(0.0, 1e-4)) if fixed_times else 0.0,
            disk_bandwidth=1e8,
            availability=draw(trace(0.1, 1.0)),
        )
        for i in range(count)
    )
    full = draw(st.booleans()) if mesh is None else mesh
    pairs = [(i, j) for j in range(count) for i in range(j) if full or i == (j - 1) // 2]
    links = tuple(
        Link(
            name=f"l{i}-{j}",
            ends=(f"d{i}", f"d{j}"),
            bandwidth=draw(trace(1e5, 1e8)),
            latency_s=draw(latency) if fixed_times else 0.0,
            overhead_s=draw(reals(0.0, 1e-3)) if fixed_times else 0.0,
        )
        for i, j in pairs
    )
    return Cluster(devices, links, f"d{draw(st.integers(0, count - 1))}")


@checked
@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    cluster: st.SearchStrategy[Cluster] | None = None,
    model: st.SearchStrategy[ModelSpec] | None = None,
    requests: int = 1,
    most_tokens: int = 4,
    most_shards: int = 1,
    sharing: Sharing = "dedicated",
) -> Scenario:
    """Scenarios, by default with dedicated links, for which the closed form is exact.

    Args:
        draw: function of Hypothesis that draws from other strategies.
        cluster: strategy for the cluster; `clusters()` by default.
        model: strategy for the model; `models()` by default.
        requests: largest number of requests.
        most_tokens: largest output length.
        most_shards: largest number of shards per feed-forward network.
        sharing: sharing rule.
    """
    shape = draw(models() if model is None else model)
    embed, lm_head = draw(st.booleans()), draw(st.booleans())
    return Scenario(
        name="random",
        model=shape,
        cost=draw(costs(shape, most_shards=most_shards)),
        cluster=draw(clusters() if cluster is None else cluster),
        requests=tuple(
            Request(
                prompt=draw(st.integers(1, 20)),
                output=draw(st.integers(1, most_tokens)),
                arrival_s=draw(reals(0.0, 0.1)),
            )
            for _ in range(draw(st.integers(1, requests)))
        ),
        blocks=BlockOptions(embed=embed, lm_head=lm_head),
        network=NetworkOptions(sharing=sharing),
        controller=ControllerOptions(interval=draw(st.integers(1, 3))),
    )


@checked
@st.composite
def faults(draw: st.DrawFn, scenario: Scenario, *, at_once: bool) -> Scenario:
    """The scenario with one device other than the source permanently down; unchanged if there is none.

    Args:
        draw: function of Hypothesis that draws from other strategies.
        scenario: scenario without faults.
        at_once: the device is down from the start; otherwise it goes down soon after.
    """
    cluster = scenario.cluster
    others = [i for i in range(len(cluster.devices)) if i != cluster.source_index]
    if not others:
        return scenario
    device = draw(st.sampled_from(others))
    up = Trace.constant(0.0) if at_once else Trace([0.0, draw(reals(1e-6, 1e-2))], [1.0, 0.0])
    devices = list(cluster.devices)
    devices[device] = replace(devices[device], up=up)
    return replace(scenario, cluster=replace(cluster, devices=tuple(devices)))


@checked
def placements(blocks: int, devices: int) -> st.SearchStrategy[IntArray]:
    """A device for each block, shape (blocks,)."""
    devices_of_blocks = st.lists(st.integers(0, devices - 1), min_size=blocks, max_size=blocks)
    return devices_of_blocks.map(lambda values: np.array(values, dtype=np.int64))


@checked
@st.composite
def questions(
    draw: st.DrawFn,
    *,
    most: int = 5,
    model: st.SearchStrategy[ModelSpec] | None = None,
    mesh: bool | None = None,
    tight: bool = False,
    faulty: bool = False,
    again: bool | None = None,
    most_shards: int = 2,
) -> Question:
    """Decisions of a policy before a token.

    Args:
        draw: function of Hypothesis that draws from other strategies.
        most: largest number of devices.
        model: strategy for the model; `models()` by default.
        mesh: True: a link between every pair of devices; False: a tree; None: either.
        tight: scarce memory: the devices together have one to three times the necessary memory, and one device can hold
            the largest block. (A scenario file with less memory is invalid.)
        faulty: a device is down, or goes down during the first tokens.
        again: whether there is a current placement; None: either.
        most_shards: largest number of shards per feed-forward network; if above 1, projections may be sharded too.
    """
    cluster = clusters(most=most, mesh=mesh)
    scenario = draw(scenarios(cluster=cluster, model=model, most_shards=most_shards, most_tokens=2))
    request = replace(scenario.requests[0], output=scenario.controller.interval * 2, arrival_s=0.0)
    scenario = replace(scenario, requests=(request,), controller=_moves(draw, scenario.controller))
    count = len(scenario.cluster.devices)
    if tight:
        shares = np.array(draw(st.lists(reals(0.01, 1.0), min_size=count, max_size=count)))
        room = draw(reals(1.01, 3.0)) * needed_bytes(scenario) * shares / shares.sum()
        room[room.argmax()] = max(room.max(), block_bytes(scenario).max())
        scenario = with_memory(scenario, room.tolist())
    has_placement = draw(st.booleans()) if again is None else again
    if faulty:
        scenario = draw(faults(scenario, at_once=not has_placement))
    question = Question(scenario)
    if has_placement:
        blocks = len(scenario.block_table)
        pairs = st.tuples(st.integers(0, blocks - 1), st.integers(0, count - 1))
        copies = draw(st.lists(pairs, max_size=blocks)) if scenario.controller.warm_copies else []
        question = Question(scenario, draw(placements(blocks, count)), tuple(copies))
    return question if question.observation is not None else Question(scenario)


def observations(**arguments: Any) -> st.SearchStrategy[Observation]:
    """Observations of `questions`, with the same arguments."""
    return questions(**arguments).map(observation_of)


@checked
@st.composite
def one_large(
    draw: st.DrawFn, *, most: int = 5, model: st.SearchStrategy[ModelSpec] | None = None
) -> Question:
    """First decisions in worlds in which only one device can hold all blocks, and all others together cannot.

    Arguments as in `questions`.
    """
    question = draw(questions(most=most, model=model, again=False))
    scenario = question.scenario
    count = len(scenario.cluster.devices)
    needed = needed_bytes(scenario)
    room = [needed * draw(reals(0.0, 0.9)) / count for _ in range(count)]
    room[draw(st.integers(0, count - 1))] = needed * 1.001
    return Question(with_memory(scenario, room))


@checked
@st.composite
def untied(draw: st.DrawFn, *, most: int = 5, model: st.SearchStrategy[ModelSpec] | None = None) -> Question:
    """Decisions without equal devices or links, so that the result does not depend on tie-breaking.

    Ties come from simple values, which Hypothesis prefers, and from blocks that cost nothing.
    Arguments as in `questions`.
    """
    question = draw(questions(most=most, model=model, mesh=True, again=False, most_shards=1))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def near(value: float) -> float:
        return value * float(random.uniform(0.8, 1.0))

    cluster = question.scenario.cluster
    devices = tuple(
        replace(
            device,
            memory_bytes=near(device.memory_bytes),
            flops=near(device.flops),
            memory_bandwidth=near(device.memory_bandwidth),
            overhead_s=near(1e-3),
            disk_bandwidth=near(device.disk_bandwidth),
        )
        for device in cluster.devices
    )
    links = tuple(
        replace(link, bandwidth=scaled(link.bandwidth, near(1.0)), latency_s=near(1e-2))
        for link in cluster.links
        if link.bandwidth is not None
    )
    cluster = replace(cluster, devices=devices, links=links)
    blocks = BlockOptions(embed=False, lm_head=False)
    return Question(replace(question.scenario, cluster=cluster, blocks=blocks))


@checked
@st.composite
def runs(draw: st.DrawFn, *, most: int = 5, model: st.SearchStrategy[ModelSpec] | None = None) -> Question:
    """Whole runs of a few decisions in worlds that vary, with either sharing rule and either migration.

    Arguments as in `questions`.
    """
    sharing: Sharing = draw(st.sampled_from(["dedicated", "fair"]))
    cluster = clusters(most=most, steady=False)
    scenario = draw(scenarios(cluster=cluster, model=model, requests=2, most_shards=2, sharing=sharing))
    controller = replace(
        _moves(draw, scenario.controller),
        window_s=0.0,
        caches=draw(st.sampled_from(get_args(Caches))),
        pause_budget_s=draw(st.one_of(st.none(), reals(1e-3, 1e-1))),
    )
    return Question(replace(scenario, controller=controller))


def _moves(draw: st.DrawFn, controller: ControllerOptions) -> ControllerOptions:
    """The options with any kind of migration."""
    return replace(
        controller,
        migration=draw(st.sampled_from(get_args(Migration))),
        weights_on_disk=draw(st.booleans()),
        warm_copies=draw(st.booleans()),
    )


def needed_bytes(scenario: Scenario) -> float:
    """Total size of all blocks at the end of the first interval [bytes]."""
    return float(block_bytes(scenario).sum())


def block_bytes(scenario: Scenario) -> FloatArray:
    """Size of each block at the end of the first request [bytes], shape (B,)."""
    request = scenario.requests[0]
    last = scenario.cost.step(one_sequence(request.prompt, request.output - 1))
    return last.memory_bytes[scenario.block_table.kind]


def with_memory(scenario: Scenario, room: Sequence[float]) -> Scenario:
    """The scenario with `room` bytes for blocks on each device, in addition to the activations of the first step."""
    cluster, prefill = scenario.cluster, scenario.cost.step(one_sequence(scenario.requests[0].prompt, 0))
    devices = tuple(
        replace(device, memory_bytes=each + prefill.activation_bytes + device.runtime_bytes)
        for device, each in zip(cluster.devices, room, strict=True)
    )
    return replace(scenario, cluster=replace(cluster, devices=devices))
