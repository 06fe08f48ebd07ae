"""Random small worlds for the tests: the strategies of `headway.policies.contract`, and what only the tests need."""

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from headway.policies.contract.question import Question, observation_of
from headway.policies.contract.strategies import (
    blinking,
    clusters,
    constant,
    costs,
    models,
    reals,
    scenarios,
    varying,
)
from headway.simcore import (
    BlockOptions,
    Cluster,
    ControllerOptions,
    Decision,
    DecodeCost,
    Device,
    Ideal,
    IntArray,
    Keep,
    Link,
    MemoryOptions,
    ModelSpec,
    NetworkOptions,
    Observation,
    Placement,
    Request,
    Scenario,
    Tcp,
    simulate,
)
from headway.traces import Trace, on_off

__all__ = [
    "Insisting",
    "Returning",
    "Scripted",
    "Shuffled",
    "bare",
    "blinking",
    "clusters",
    "constant",
    "costs",
    "eventful",
    "few_placements",
    "model_of_bytes",
    "models",
    "observe",
    "placed",
    "rate_of",
    "reals",
    "row",
    "scenarios",
    "small_world",
    "varied",
    "varying",
    "with_devices",
    "with_links",
]


class Scripted:
    """A policy that returns given placements one after another, then keeps the last.

    Attributes:
        observations: the observations that it received, in order.
    """

    name = "scripted"

    def __init__(self, *placements: IntArray) -> None:
        self._remaining = list(placements)
        self.observations: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        """The next placement."""
        self.observations.append(observation)
        return Placement(self._remaining.pop(0)) if self._remaining else Keep()


_GROUPS = {
    option.name: group
    for group, kind in (
        ("blocks", BlockOptions),
        ("network", NetworkOptions),
        ("controller", ControllerOptions),
        ("memory", MemoryOptions),
    )
    for option in fields(kind)
}
"""The group of a scenario in which each option is."""


def varied(scenario: Scenario, **changes: Any) -> Scenario:
    """The scenario with these options replaced in their groups, and with these fields of its own replaced."""
    groups: dict[str, dict[str, Any]] = {}
    for name in _GROUPS.keys() & changes.keys():
        groups.setdefault(_GROUPS[name], {})[name] = changes.pop(name)
    grouped = {group: replace(getattr(scenario, group), **options) for group, options in groups.items()}
    return replace(scenario, **changes, **grouped)


def rate_of(link: Link) -> Trace:
    """The bandwidth of a link that has one of its own."""
    assert link.bandwidth is not None
    return link.bandwidth


def model_of_bytes(**changes: Any) -> ModelSpec:
    """A model for calculations by hand: a layer of two heads, 1 byte per number; fields may be replaced."""
    values: dict[str, Any] = {
        "name": "small", "layers": 1, "width": 8, "heads": 2, "kv_heads": 2, "head_size": 4, "ffn_width": 8,
        "gated_ffn": False, "vocabulary": 10, "bytes_per_weight": 1, "bytes_per_kv": 1, "bytes_per_activation": 1,
    }  # fmt: skip
    return ModelSpec(**values | changes)


def small_world(
    names: str = "ab",
    *,
    model: ModelSpec | None = None,
    rate: float = 100.0,
    device: dict[str, Any] | None = None,
    up: Mapping[str, Trace] | None = None,
    **changes: Any,
) -> Scenario:
    """A world for calculations by hand, without embedding and output head; options and fields may be replaced.

    Args:
        names: of the devices, one letter each; the first is the source.
        model: of the scenario; by default `model_of_bytes()`.
        rate: of the link between every two devices [bytes/s].
        device: fields of all devices; by default they have 1 MB and 1000 FLOP/s.
        up: when devices are up, those that are not always.
        changes: as of `varied`.
    """
    model = model or model_of_bytes()
    fields_of_device = {"memory_bytes": 1e6, "flops": 1e3} | (device or {})
    devices = tuple(
        Device(name=name, up=(up or {}).get(name, Trace.constant(1.0)), **fields_of_device) for name in names
    )
    links = tuple(
        Link(name=one + other, ends=(one, other), bandwidth=Trace.constant(rate))
        for one, other in combinations(names, 2)
    )
    scenario = Scenario(
        name="small",
        model=model,
        cost=DecodeCost(model),
        cluster=Cluster(devices, links, names[0]),
        requests=(Request(prompt=2, output=8),),
        blocks=BlockOptions(embed=False, lm_head=False),
    )
    return varied(scenario, **changes)


def with_devices(scenario: Scenario, *names: str, **changes: Any) -> Scenario:
    """The scenario with fields of these devices replaced, or of all devices if none is named."""
    devices = tuple(
        replace(one, **changes) if one.name in names or not names else one for one in scenario.cluster.devices
    )
    return replace(scenario, cluster=replace(scenario.cluster, devices=devices))


def with_links(scenario: Scenario, *names: str, **changes: Any) -> Scenario:
    """The scenario with fields of these links replaced, or of all links if none is named."""
    links = tuple(
        replace(one, **changes) if one.name in names or not names else one for one in scenario.cluster.links
    )
    return replace(scenario, cluster=replace(scenario.cluster, links=links))


def bare(name: str, **changes: Any) -> Device:
    """A device for tests that need little more than its name."""
    values: dict[str, Any] = {"name": name, "memory_bytes": 1.0, "flops": 1.0} | changes
    return Device(**values)


def row(*traces: Trace, latency_s: float = 0.0) -> Cluster:
    """Devices d0, d1, ... in a row, and links l0, l1, ... with these bandwidths between them."""
    links = tuple(
        Link(name=f"l{i}", ends=(f"d{i}", f"d{i + 1}"), bandwidth=trace, latency_s=latency_s)
        for i, trace in enumerate(traces)
    )
    return Cluster(tuple(bare(f"d{i}") for i in range(len(traces) + 1)), links, "d0")


class Insisting:
    """First one placement, then always another one; keeps its observations."""

    name = "insisting"

    def __init__(self, first: IntArray, then: IntArray) -> None:
        self._first, self._then = first, then
        self.observations: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        self.observations.append(observation)
        return Placement(self._first if observation.placement is None else self._then)


class Shuffled:
    """Places every block at random, anew at every interval."""

    name = "shuffled"

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def decide(self, observation: Observation) -> Decision:
        return Placement(self._random.integers(0, observation.devices, len(observation.blocks)))


class Returning:
    """Places blocks at random, often where they were before, and asks for random copies first."""

    name = "returning"

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._past: list[IntArray] = []

    def decide(self, observation: Observation) -> Decision:
        blocks, random = len(observation.blocks), self._random
        if self._past and random.random() < 0.5:
            devices = self._past[int(random.integers(len(self._past)))]
        else:
            devices = random.integers(0, observation.devices, blocks)
        self._past.append(devices)
        return Placement(devices, random.random((blocks, observation.devices)) < 0.5)


def observe(scenario: Scenario, placement: IntArray | None = None, interval: int = 1) -> Observation:
    """What a policy sees at the first token, or at the second decision with a placement in force.

    The world is shown as one that cannot swap.
    """
    request = Request(prompt=4, output=2 * interval)
    world = varied(scenario, requests=(request,), interval=interval, horizon="interval", overflow="fail")
    return observation_of(Question(world, placement))


def placed(decision: Decision) -> IntArray:
    """The devices of a decision, which is a placement."""
    assert isinstance(decision, Placement)
    return decision.devices


@st.composite
def few_placements(draw: st.DrawFn) -> Scenario:
    """Worlds of up to three devices with at most some thousand placements."""
    devices, layers, heads, shards = draw(
        st.sampled_from([(2, 1, 4, 2), (2, 2, 2, 1), (2, 3, 1, 1), (3, 1, 2, 1), (3, 1, 1, 2), (3, 2, 1, 1)])
    )
    model = models(most_layers=layers, most_heads=heads)
    cluster = clusters(most=devices)
    return draw(scenarios(cluster=cluster, model=model, most_shards=shards))


@st.composite
def eventful(draw: st.DrawFn, *, faults: bool = False) -> Scenario:
    """Worlds in which all that takes time happens: prefill, sharing, migrations of both kinds, charged decisions.

    With `faults`, devices go down and come back as well, about as fast as tokens are made.
    """
    sharing: Literal["dedicated", "fair"] = draw(st.sampled_from(["dedicated", "fair"]))
    memory_bytes = draw(st.sampled_from([1e15, 1e4]))
    cluster = clusters(most=5, steady=False, memory_bytes=memory_bytes)
    scenario = draw(scenarios(cluster=cluster, requests=2, most_tokens=5, most_shards=2, sharing=sharing))
    swap = draw(st.sampled_from(["pinned", "lru", "prefetch"]))
    scenario = varied(scenario, overflow="swap", swap=swap)
    discipline: Literal["fifo", "ps"] = draw(st.sampled_from(["fifo", "ps"]))
    runtime_bytes = draw(st.sampled_from([0.0, 1e3]))
    devices = [
        replace(device, discipline=discipline, runtime_bytes=runtime_bytes)
        for device in scenario.cluster.devices
    ]
    if faults:
        calm_s = float(simulate(scenario, Shuffled(1)).runs.end_s[0])
        devices = [
            replace(one, up=draw(st.one_of(st.just(one.up), _coming_and_going(calm_s)))) for one in devices
        ]
    return varied(
        scenario,
        cluster=replace(scenario.cluster, devices=tuple(devices)),
        migration=draw(st.sampled_from(["blocking", "live"])),
        weights_on_disk=draw(st.booleans()),
        transport=draw(st.sampled_from([Ideal(), Tcp(), Tcp(connection="persistent")])),
        decision_time=draw(st.sampled_from(["free", 0.01])),
    )


def _coming_and_going(end_s: float) -> st.SearchStrategy[Trace]:
    """Up at first, and at the end."""
    return st.builds(
        lambda up, down: on_off([(up * end_s, (up + down) * end_s)]), reals(0.01, 0.9), reals(0.01, 0.3)
    )


def with_memory(observation: Observation, parts: np.ndarray) -> Observation:
    """The same world with devices of these sizes, which nobody else uses."""
    return replace(observation, available_bytes=parts, capacity_bytes=parts)


def tight(observation: Observation, share: float, seed: int) -> Observation:
    """The same world, its devices of random size and together 1 / `share` times as large as the model."""
    parts = np.random.default_rng(seed).dirichlet(np.ones(observation.devices))
    return with_memory(observation, parts * observation.memory_bytes.sum() / share)
