"""Random small worlds for the tests: Hypothesis strategies that are valid by construction."""

from dataclasses import replace
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from simcore import (
    Cluster,
    CostModel,
    Decision,
    DecodeCost,
    Device,
    IntArray,
    Keep,
    Link,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Request,
    Scenario,
    simulate,
)
from simcore.cost import Projection
from simcore.network import Sharing
from simcore.observe import Overflow
from traces import Trace, on_off


def reals(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def rate_of(link: Link) -> Trace:
    """The bandwidth of a link that has one of its own."""
    assert link.bandwidth is not None
    return link.bandwidth


def models() -> st.SearchStrategy[ModelSpec]:
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
        st.integers(1, 3),
        st.integers(1, 6),
        st.integers(1, 3),
        st.sampled_from([4, 16, 64]),
        st.integers(1, 300),
        st.booleans(),
        st.sampled_from([0.5625, 2.0, 4.0]),
    )


def costs(model: ModelSpec, *, most_shards: int = 1) -> st.SearchStrategy[CostModel]:
    """Either cost model; with more than one shard allowed, also sharded projections."""
    shards = st.integers(1, min(most_shards, model.ffn_width))
    projections: list[Projection] = ["gathered", "sharded"] if most_shards > 1 else ["gathered"]
    projection = st.sampled_from(projections)
    return st.one_of(
        st.builds(DecodeCost, st.just(model), shards, projection),
        st.builds(PaperCost, st.just(model), st.sampled_from([8.0, 0.8]), shards, projection),
    )


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


def blinking() -> st.SearchStrategy[Trace]:
    """Zero or a sizeable rate: at a rate near zero a rounding error of bytes is a long time."""
    return varying(0.0, 5.0).map(
        lambda t: Trace(t.times, np.where(t.values < 0.1, 0.0, t.values), end=t.end, duration=t.duration)
    )


def constant(low: float, high: float) -> st.SearchStrategy[Trace]:
    return reals(low, high).map(Trace.constant)


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
    """Connected clusters; `steady` ones have constant traces, a `mesh` has a link between every pair."""
    count = draw(st.integers(1, most))
    trace = constant if steady else varying
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
            latency_s=draw(reals(0.0, 1e-2)) if fixed_times else 0.0,
            overhead_s=draw(reals(0.0, 1e-3)) if fixed_times else 0.0,
        )
        for i, j in pairs
    )
    return Cluster(devices, links, f"d{draw(st.integers(0, count - 1))}")


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    cluster: st.SearchStrategy[Cluster] | None = None,
    requests: int = 1,
    most_tokens: int = 4,
    most_shards: int = 1,
    sharing: Sharing = "dedicated",
) -> Scenario:
    """Scenarios under the paper's assumption, in which the closed form holds; or under another `sharing`."""
    model = draw(models())
    embed, lm_head = draw(st.booleans()), draw(st.booleans())
    return Scenario(
        name="random",
        model=model,
        cost=draw(costs(model, most_shards=most_shards)),
        cluster=draw(clusters() if cluster is None else cluster),
        requests=tuple(
            Request(
                prompt=draw(st.integers(1, 20)),
                output=draw(st.integers(1, most_tokens)),
                arrival_s=draw(reals(0.0, 0.1)),
            )
            for _ in range(draw(st.integers(1, requests)))
        ),
        embed=embed,
        lm_head=lm_head,
        interval=draw(st.integers(1, 3)),
        sharing=sharing,
    )


@st.composite
def eventful(draw: st.DrawFn, *, faults: bool = False) -> Scenario:
    """Worlds in which all that takes time happens: prefill, sharing, migrations of both kinds, charged decisions.

    With `faults`, devices go down and come back as well, about as fast as tokens are made.
    """
    sharing: Sharing = draw(st.sampled_from(["dedicated", "fair"]))
    memory_bytes = draw(st.sampled_from([1e15, 1e4]))
    cluster = clusters(most=5, steady=False, memory_bytes=memory_bytes)
    scenario = draw(scenarios(cluster=cluster, requests=2, most_tokens=5, most_shards=2, sharing=sharing))
    scenario = replace(scenario, overflow="swap")
    discipline: Literal["fifo", "ps"] = draw(st.sampled_from(["fifo", "ps"]))
    devices = [replace(device, discipline=discipline) for device in scenario.cluster.devices]
    if faults:
        calm_s = float(simulate(scenario, Shuffled(1)).runs.end_s[0])
        devices = [
            replace(one, up=draw(st.one_of(st.just(one.up), _coming_and_going(calm_s)))) for one in devices
        ]
    return replace(
        scenario,
        cluster=replace(scenario.cluster, devices=tuple(devices)),
        migration=draw(st.sampled_from(["blocking", "live"])),
        weights_on_disk=draw(st.booleans()),
        overflow="swap",
        decision_time=draw(st.sampled_from(["free", 0.01])),
    )


def _coming_and_going(end_s: float) -> st.SearchStrategy[Trace]:
    """Up at first, and at the end."""
    return st.builds(
        lambda up, down: on_off([(up * end_s, (up + down) * end_s)]), reals(0.01, 0.9), reals(0.01, 0.3)
    )


class Scripted:
    """Gives out prepared placements one after another, then keeps the last."""

    name = "scripted"

    def __init__(self, *placements: IntArray) -> None:
        self._left = list(placements)
        self.seen: list[Observation] = []

    def decide(self, seen: Observation) -> Decision:
        self.seen.append(seen)
        return Placement(self._left.pop(0)) if self._left else Keep()


class Shuffled:
    """Places every block at random, anew at every interval."""

    name = "shuffled"

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def decide(self, seen: Observation) -> Decision:
        return Placement(self._random.integers(0, seen.devices, len(seen.blocks)))


def observe(scenario: Scenario, placement: IntArray | None = None, interval: int = 1) -> Observation:
    """What a policy sees at the first token, or at the second decision with a placement in force.

    The world is shown as one that cannot swap. Where there are disks it swaps until then, so that no placement in force
    is too large to be shown.
    """
    spy = Scripted() if placement is None else Scripted(placement)
    request = Request(prompt=4, output=2 * interval)
    swaps = all(device.disk_bandwidth > 0.0 for device in scenario.cluster.devices)
    overflow: Overflow = "swap" if swaps else "fail"
    simulate(replace(scenario, requests=(request,), interval=interval, overflow=overflow), spy)
    return replace(spy.seen[0 if placement is None else 1], overflow="fail")
