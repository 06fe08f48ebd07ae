"""Random worlds as the paper describes them (arXiv 2505.02533, its section on the simulation set-up).

Stated there: memory of 2-8 GB and compute of 5-50 GFLOP/s, both log-normal; links of 1-10 Gbit/s, uniform, between
every two devices; one decoder layer in 32-bit numbers; load from others that changes with time; a decision at every
token. The rest is ours, and `World` has a field for each choice.

Everything random comes from a stream named after what it belongs to. So all policies meet the same world, the first
three devices under a seed are the same whether there are two or twenty more, and no option shifts the draws of another.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from headway.simcore import (
    PAPER_CONTROLLER,
    BlockOptions,
    Cluster,
    CostModel,
    DecodeCost,
    Device,
    FloatArray,
    IntArray,
    Kind,
    Link,
    MemoryOptions,
    NetworkOptions,
    PaperCost,
    Request,
    Scenario,
    preset,
    stream,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.blocks import block_table
from headway.simcore.world.options import Overflow
from headway.traces import Trace

MEMORY_BYTES = (2e9, 8e9)
FLOPS = (5e9, 50e9)
LINK_BYTES_PER_S = (1e9 / 8, 10e9 / 8)

SIGMAS = 2.0
"""The stated ranges are taken to be +-2 standard deviations of the logarithm, and what lies outside is drawn again."""

_DISK_BYTES_PER_S = 500e6
"""A SATA solid-state disk; matters only where a world lets devices swap."""

_LOAD_PERIODS = 64
"""The load repeats after so many mean holding times."""

Source: TypeAlias = Literal["random", "fastest", "slowest"]


@dataclass(frozen=True, kw_only=True)
class World:
    """What a world is like, up to its seed.

    Attributes:
        devices: how many.
        shape: preset of the model, `paper-<heads>x<width>`.
        tokens: to generate.
        prompt: length of the prompt; the paper does not say.
        cost: `paper` recomputes the sequence at every token, `decode` has a K/V cache.
        ffn_factor: work of the feed-forward network in units of L * D^2 under `paper`.
        ffn_shards: blocks that the feed-forward network is split into.
        sharded: heads carry their part of the projection.
        load: the largest share of a device that others take; 0 for devices of the model's own.
        memory_load: likewise of its memory.
        load_tokens: how long a load lasts in the mean, in tokens of half length on one device of median speed.
        memory_fill: what the model takes in the end, as a share of all memory; None leaves the devices as drawn.
        link_scale: factor on the rates of all links.
        source: which device holds the prompt.
        interval: tokens from one decision to the next.
        overflow: what happens to a device that holds too much.
    """

    devices: int
    shape: str = "paper-32x2048"
    tokens: int = 10
    prompt: int = 128
    cost: Literal["paper", "decode"] = "paper"
    ffn_factor: float = 8.0
    ffn_shards: int = 1
    sharded: bool = False
    load: float = 0.7
    memory_load: float = 0.3
    load_tokens: float = 1.0
    memory_fill: float | None = None
    link_scale: float = 1.0
    source: Source = "random"
    interval: int = 1
    overflow: Overflow = "fail"

    def __post_init__(self) -> None:
        if not 0.0 <= self.load < 1.0 or not 0.0 <= self.memory_load < 1.0:
            raise ValueError(f"loads must be from 0 to below 1, not {self.load} and {self.memory_load}")


def draw(world: World, seed: int) -> Scenario:
    """The world of this kind under this seed."""
    cost = costs(world)
    memory = np.array([_log_normal(seed, f"memory/d{i}", MEMORY_BYTES) for i in range(world.devices)])
    flops = np.array([_log_normal(seed, f"compute/d{i}", FLOPS) for i in range(world.devices)])
    if world.memory_fill is not None:
        memory *= model_bytes(world) / world.memory_fill / memory.sum()
    hold_s = world.load_tokens * token_seconds(world)
    return Scenario(
        name=f"{world.devices} devices, seed {seed}",
        model=preset(world.shape),
        cost=cost,
        cluster=Cluster(
            tuple(_device(world, seed, i, memory[i], flops[i], hold_s) for i in range(world.devices)),
            tuple(_link(world, seed, i, j) for j in range(world.devices) for i in range(j)),
            f"d{_source(world.source, flops)}",
        ),
        requests=(Request(prompt=world.prompt, output=world.tokens),),
        blocks=BlockOptions(embed=False, lm_head=False),
        # The paper gives every transfer its link for itself, and its policies see the present instant.
        network=NetworkOptions(sharing="dedicated"),
        controller=replace(PAPER_CONTROLLER, interval=world.interval, window_s=0.0),
        memory=MemoryOptions(overflow=world.overflow),
        seed=seed,
    )


def costs(world: World) -> CostModel:
    """The cost model of a world."""
    model = preset(world.shape)
    projection: Literal["gathered", "sharded"] = "sharded" if world.sharded else "gathered"
    if world.cost == "decode":
        return DecodeCost(model, ffn_shards=world.ffn_shards, projection=projection)
    return PaperCost(model, world.ffn_factor, ffn_shards=world.ffn_shards, projection=projection)


def model_bytes(world: World, generated: int | None = None) -> float:
    """What all blocks together hold after so many tokens, by default at the last one; the same for every placement."""
    after = world.tokens - 1 if generated is None else generated
    return float(costs(world).step(one_sequence(world.prompt, after)).memory_bytes[_kinds(world)].sum())


def work_flop(world: World, generated: int) -> FloatArray:
    """Work of all blocks of each kind together in one step, shape (5,)."""
    count = np.bincount(_kinds(world), minlength=5)
    work: FloatArray = costs(world).step(one_sequence(world.prompt, generated)).work_flop * count
    return work


def token_seconds(world: World) -> float:
    """How long a token of half the length takes on one device of median speed, without links."""
    return float(work_flop(world, max(1, world.tokens // 2)).sum()) / math.sqrt(math.prod(FLOPS))


def alone_seconds(world: World, scenario: Scenario) -> float:
    """How long all tokens take on the fastest device if nobody else uses it and nothing is sent."""
    return float(_total_work(world).sum() / scenario.cluster.flops.max())


def bound_seconds(world: World, scenario: Scenario) -> float:
    """No placement makes all tokens in less: Amdahl's law for devices of different speeds.

    Heads could share all devices, the shards of the feed-forward network as many of the fastest as there are shards,
    and the projection has one; the three follow each other. Work is taken to be divisible at will, sending to be free,
    and devices to be the model's own.
    """
    fastest_first = np.sort(scenario.cluster.flops)[::-1]
    work = _total_work(world)
    return float(
        work[Kind.HEAD] / fastest_first.sum()
        + work[Kind.PROJ] / fastest_first[0]
        + work[Kind.FFN] / fastest_first[: world.ffn_shards].sum()
    )


def _total_work(world: World) -> FloatArray:
    total: FloatArray = np.stack([work_flop(world, n) for n in range(world.tokens)]).sum(axis=0)
    return total


def _kinds(world: World) -> IntArray:
    table = block_table(preset(world.shape), embed=False, lm_head=False, ffn_shards=world.ffn_shards)
    return table.kind


def _log_normal(seed: int, name: str, between: tuple[float, float]) -> float:
    """A log-normal value within a range: nothing piles up at the ends, as it would if draws were clipped.

    The median is the geometric middle of the range, which spans 2 `SIGMAS` standard deviations of the logarithm. The
    inverse of the distribution function turns one uniform draw into one from between the ends.
    """
    low, high = map(math.log, between)
    # By symmetry, the share of the normal law that is cut off on each side.
    tail = 0.5 * math.erfc(SIGMAS / math.sqrt(2.0))
    normal = float(ndtri(stream(seed, name).uniform(tail, 1.0 - tail)))
    return math.exp((low + high) / 2 + normal * (high - low) / (2 * SIGMAS))


def _device(world: World, seed: int, index: int, memory_bytes: float, flops: float, hold_s: float) -> Device:
    times_s, shares = _load(seed, f"load/d{index}", hold_s)
    end_s = _LOAD_PERIODS * hold_s

    def looping(values: FloatArray, steady: bool) -> Trace:
        return (
            Trace.constant(float(values[0])) if steady else Trace(times_s, values, end="loop", duration=end_s)
        )

    return Device(
        name=f"d{index}",
        memory_bytes=memory_bytes,
        flops=flops,
        disk_bandwidth=_DISK_BYTES_PER_S,
        availability=looping(1.0 - world.load * shares[0], world.load == 0.0),
        used_bytes=looping(world.memory_load * memory_bytes * shares[1], world.memory_load == 0.0),
    )


def _load(seed: int, name: str, hold_s: float) -> tuple[FloatArray, FloatArray]:
    """When others change what they take, and the shares of their most that they take, shape (n,) and (2, n).

    Changes are a Poisson process: each device changes on its own, in the mean once in `hold_s`. Shares are uniform.
    """
    random = stream(seed, name)
    waits = random.exponential(size=4 * _LOAD_PERIODS)
    times = np.concatenate(([0.0], np.cumsum(waits)))
    times = times[times < _LOAD_PERIODS]
    shares: FloatArray = random.uniform(size=(2, 4 * _LOAD_PERIODS + 1))[:, : len(times)]
    return times * hold_s, shares


def _link(world: World, seed: int, i: int, j: int) -> Link:
    rate = stream(seed, f"link/d{i}-d{j}").uniform(*LINK_BYTES_PER_S)
    return Link(name=f"d{i}-d{j}", ends=(f"d{i}", f"d{j}"), bandwidth=Trace.constant(world.link_scale * rate))


def _source(which: Source, flops: FloatArray) -> int:
    """Devices are drawn alike, so the first one is a random one."""
    if which == "random":
        return 0
    return int(flops.argmax() if which == "fastest" else flops.argmin())
