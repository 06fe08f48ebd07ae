"""Edge cases: fixed scenarios with extreme sizes, memory, links or faults."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from headway.policies.contract.question import Question
from headway.policies.contract.strategies import block_bytes, needed_bytes, with_memory
from headway.simcore import BlockOptions, Cluster, DecodeCost, Device, Link, ModelSpec, Request, Scenario
from headway.traces import Trace


def edges() -> tuple[Question, ...]:
    """One device, one head, a dead link, devices that are or go down, full or missing memory, a hundred devices."""
    return (
        Question(_world("one-device", 1)),
        Question(_world("one-head", 2, heads=1)),
        Question(_world("dead-link", 2, bandwidth=0.0)),
        _holder_fails(),
        _only_source_up(),
        _empty_projection(),
        _source_too_small(),
        _exact_fit(),
        _no_memory(),
        _holder_too_small(),
        Question(_world("hundred-devices", 100, heads=2)),
    )


def _world(name: str, devices: int, *, heads: int = 4, bandwidth: float = 1e6) -> Scenario:
    """One layer, and a star of unequal devices around the source."""
    speeds = [1e8 * (1 + i % 7) for i in range(devices)]
    return star_world(name, speeds, [(bandwidth, 1e-4 * i) for i in range(1, devices)], heads=heads)


def star_world(
    name: str,
    speeds: Sequence[float],
    links: Sequence[tuple[float, float]],
    *,
    heads: int,
    layers: int = 1,
    output: int = 2,
) -> Scenario:
    """A star of devices of these speeds [FLOP/s] around the source, the first of them, and one request.

    `links` has the rate [bytes/s] and latency [s] of the link from the source to each other device.
    """
    model = ModelSpec(
        name=name, layers=layers, width=16 * heads, heads=heads, kv_heads=heads, head_size=16,
        ffn_width=64, gated_ffn=False, vocabulary=0,
    )  # fmt: skip
    cluster = Cluster(
        tuple(
            Device(name=f"d{i}", memory_bytes=1e9, flops=speed, disk_bandwidth=1e8)
            for i, speed in enumerate(speeds)
        ),
        tuple(
            Link(name=f"l{i}", ends=("d0", f"d{i}"), bandwidth=Trace.constant(rate), latency_s=latency_s)
            for i, (rate, latency_s) in enumerate(links, 1)
        ),
        "d0",
    )
    request = Request(prompt=4, output=output)
    return Scenario(
        name=name, model=model, cost=DecodeCost(model), cluster=cluster, requests=(request,),
        blocks=BlockOptions(embed=False, lm_head=False),
    )  # fmt: skip


def _with_up(scenario: Scenario, up: dict[int, Trace]) -> Scenario:
    cluster = scenario.cluster
    devices = tuple(replace(d, up=up.get(i, d.up)) for i, d in enumerate(cluster.devices))
    return replace(scenario, cluster=replace(cluster, devices=devices))


def _holder_fails() -> Question:
    """The device that holds all blocks goes down during the first token."""
    world = _with_up(_world("holder-fails", 3), {1: Trace([0.0, 1e-6], [1.0, 0.0])})
    return Question(world, np.ones(len(world.block_table), dtype=np.int64))


def _only_source_up() -> Question:
    """All devices except the source are down."""
    return Question(_with_up(_world("only-source-up", 3), {1: Trace.constant(0.0), 2: Trace.constant(0.0)}))


def _empty_projection() -> Question:
    """All devices except the last are down, and the projection is empty: each head carries its rows of it."""
    world = _with_up(_world("empty-projection", 3), {0: Trace.constant(0.0), 1: Trace.constant(0.0)})
    cluster = replace(world.cluster, source=world.cluster.names[-1])
    return Question(replace(world, cost=DecodeCost(world.model, projection="sharded"), cluster=cluster))


def _source_too_small() -> Question:
    """All devices except the source are down, and the source has memory for half of the blocks."""
    world = replace(_only_source_up().scenario, name="source-too-small")
    needed = needed_bytes(world)
    return Question(with_memory(world, [needed / 2.0, needed, needed]))


def _exact_fit() -> Question:
    """Each of two devices has exactly the memory for every second block."""
    world = _world("exact-fit", 2)
    sizes = block_bytes(world)
    return Question(with_memory(world, [float(sizes[::2].sum()), float(sizes[1::2].sum())]))


def _no_memory() -> Question:
    """No placement fits, because other programs use nearly all memory. A file with too little memory is invalid."""
    world = _world("no-memory", 2)
    used = Trace.constant(1e9 - needed_bytes(world) / 1000.0)
    devices = tuple(replace(device, used_bytes=used) for device in world.cluster.devices)
    return Question(replace(world, cluster=replace(world.cluster, devices=devices)))


def _holder_too_small() -> Question:
    """All blocks are on a device with memory for half of them; another device has memory for all."""
    world = _world("holder-too-small", 2)
    needed = needed_bytes(world)
    world = with_memory(world, [needed * 2.0, needed / 2.0])
    return Question(world, np.ones(len(world.block_table), dtype=np.int64))


@cache
def other_world() -> Scenario:
    """A scenario with three decisions, for the run before the tested one."""
    return replace(_world("other-world", 2, heads=2), requests=(Request(prompt=4, output=3),))


def repeated_decisions() -> tuple[Question, ...]:
    """Worlds in which a policy may move blocks again right after its own decision."""
    return _detour(), _threshold()


def _detour() -> Question:
    """Two consecutive moves cost less than one direct move, so a policy that rates each move alone makes both.

    All blocks are on device 0. Fast links lead from device 0 to the faster device 1 and on to the fastest device 2. The
    direct link from 0 to 2 is slow, but it is the route of messages.
    """
    world = _world("detour", 3, heads=1)
    speeds, ends = (1e5, 1e6, 1e9), ((0, 1, 1e8, 1e-4), (1, 2, 1e8, 1e-4), (0, 2, 1e4, 0.0))
    devices = tuple(replace(d, flops=f) for d, f in zip(world.cluster.devices, speeds, strict=True))
    links = tuple(
        Link(name=f"l{i}-{j}", ends=(f"d{i}", f"d{j}"), bandwidth=Trace.constant(rate), latency_s=latency_s)
        for i, j, rate, latency_s in ends
    )
    world = replace(world, cluster=Cluster(devices, links, "d1"))
    return Question(world, np.zeros(len(world.block_table), dtype=np.int64))


def _threshold() -> Question:
    """Two devices must be filled completely; a third then has memory for a small block only."""
    world = _world("threshold", 3, heads=1)
    head, proj, ffn = block_bytes(world).tolist()
    return Question(with_memory(world, [head + proj, ffn, 1.25 * proj]))
