"""Random worlds of the paper (arXiv 2505.02533, section on the simulation set-up).

The paper states: memory of 2-8 GB and compute of 5-50 GFLOP/s, both log-normal; links of 1-10 Gbit/s, uniform, between
every two devices; one decoder layer in 32-bit numbers; background load that changes with time; a decision at every
token. All other choices are ours; each is a field of `World`.

Each random quantity has a stream named after its device or link. So all policies see the same world, the first three
devices of a seed do not depend on the number of devices, and an option does not change other random values.
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
    ModelSpec,
    NetworkOptions,
    PaperCost,
    Request,
    Scenario,
    preset,
    stream,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.blocks import block_table
from headway.simcore.world.options import Overflow, Swap
from headway.traces import Trace

MEMORY_BYTES = (2e9, 8e9)
FLOPS = (5e9, 50e9)
LINK_BYTES_PER_S = (1e9 / 8, 10e9 / 8)

SIGMAS = 2.0
"""Standard deviations of the logarithm at the ends of the stated ranges; values outside are drawn again."""

_LOAD_PERIODS = 64
"""Period of the load in mean holding times."""

Source: TypeAlias = Literal["random", "fastest", "slowest"]


@dataclass(frozen=True, kw_only=True)
class World:
    """Parameters of a world, without its seed.

    Attributes:
        devices: number of devices.
        shape: preset of the model, `paper-<heads>x<width>`.
        layers: number of layers of this shape; the paper has one.
        tokens: number of tokens to generate.
        prompt: length of the prompt, which the paper does not state.
        cost: `paper` recomputes the sequence at every token, `decode` has a K/V cache.
        ffn_factor: work of the feed-forward network in units of L * D^2 under `paper`.
        ffn_shards: number of blocks of the feed-forward network.
        sharded: whether the projection is split among the heads.
        load: largest share of a device's compute that other programs use; 0: none.
        memory_load: largest share of a device's memory that other programs use.
        load_tokens: mean duration of a load, in tokens at half the final length on one device of median speed.
        memory_fill: final size of the model as a share of all memory; None: do not scale the memory of devices.
        link_scale: factor on the rates of all links.
        source: the device that holds the prompt.
        interval: tokens between two decisions.
        overflow: effect if a device holds more than its memory.
        swap: how a device reads the bytes that do not fit from its disk.
        disk_bytes_per_s: read rate of each disk; 500 MB/s is a SATA solid-state disk.
    """

    devices: int
    shape: str = "paper-32x2048"
    layers: int = 1
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
    swap: Swap = "pinned"
    disk_bytes_per_s: float = 500e6

    def __post_init__(self) -> None:
        if not 0.0 <= self.load < 1.0 or not 0.0 <= self.memory_load < 1.0:
            raise ValueError(f"loads must be from 0 to below 1, not {self.load} and {self.memory_load}")


def draw(world: World, seed: int) -> Scenario:
    """The scenario of a world with a seed."""
    cost = costs(world)
    memory = np.array([_log_normal(seed, f"memory/d{i}", MEMORY_BYTES) for i in range(world.devices)])
    flops = np.array([_log_normal(seed, f"compute/d{i}", FLOPS) for i in range(world.devices)])
    if world.memory_fill is not None:
        memory *= model_bytes(world) / world.memory_fill / memory.sum()
    hold_s = world.load_tokens * token_seconds(world)
    return Scenario(
        name=f"{world.devices} devices, seed {seed}",
        model=_model(world),
        cost=cost,
        cluster=Cluster(
            tuple(_device(world, seed, i, memory[i], flops[i], hold_s) for i in range(world.devices)),
            tuple(_link(world, seed, i, j) for j in range(world.devices) for i in range(j)),
            f"d{_source(world.source, flops)}",
        ),
        requests=(Request(prompt=world.prompt, output=world.tokens),),
        blocks=BlockOptions(embed=False, lm_head=False),
        # In the paper, links are dedicated, and policies see instantaneous values.
        network=NetworkOptions(sharing="dedicated"),
        controller=replace(PAPER_CONTROLLER, interval=world.interval, window_s=0.0),
        memory=MemoryOptions(overflow=world.overflow, swap=world.swap),
        seed=seed,
    )


def costs(world: World) -> CostModel:
    """The cost model of a world."""
    model = _model(world)
    projection: Literal["gathered", "sharded"] = "sharded" if world.sharded else "gathered"
    if world.cost == "decode":
        return DecodeCost(model, ffn_shards=world.ffn_shards, projection=projection)
    return PaperCost(model, world.ffn_factor, ffn_shards=world.ffn_shards, projection=projection)


def model_bytes(world: World, generated: int | None = None) -> float:
    """Total size of all blocks after `generated` tokens, by default at the last one; the same for every placement."""
    after = world.tokens - 1 if generated is None else generated
    return float(costs(world).step(one_sequence(world.prompt, after)).memory_bytes[_kinds(world)].sum())


def work_flop(world: World, generated: int) -> FloatArray:
    """Total work of all blocks of each kind in one step [FLOP], shape (kinds,)."""
    count = np.bincount(_kinds(world), minlength=len(Kind))
    work: FloatArray = costs(world).step(one_sequence(world.prompt, generated)).work_flop * count
    return work


def token_seconds(world: World) -> float:
    """Time of a token at half the final length on one device of median speed, without links."""
    return float(work_flop(world, max(1, world.tokens // 2)).sum()) / math.sqrt(math.prod(FLOPS))


def alone_seconds(world: World, scenario: Scenario) -> float:
    """Time of all tokens on the fastest device alone, without background load."""
    return float(_total_work(world).sum() / scenario.cluster.flops.max())


def bound_seconds(world: World, scenario: Scenario) -> float:
    """Lower bound on the time of all tokens: Amdahl's law for devices of different speeds.

    Heads use all devices, feed-forward shards the fastest devices (one per shard), and the projection the fastest one;
    the three run one after another. The bound assumes divisible work, free messages, and no background load.
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


def _model(world: World) -> ModelSpec:
    return replace(preset(world.shape), layers=world.layers)


def _kinds(world: World) -> IntArray:
    table = block_table(_model(world), embed=False, lm_head=False, ffn_shards=world.ffn_shards)
    return table.kind


def _log_normal(seed: int, name: str, between: tuple[float, float]) -> float:
    """A truncated log-normal value. Clipping instead would accumulate values at the ends of the range.

    The median is the geometric mean of the ends, which are 2 `SIGMAS` standard deviations of the logarithm apart. One
    uniform value is transformed by the inverse distribution function.
    """
    low, high = map(math.log, between)
    # Probability outside the range on each side.
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
        disk_bandwidth=world.disk_bytes_per_s,
        availability=looping(1.0 - world.load * shares[0], world.load == 0.0),
        used_bytes=looping(world.memory_load * memory_bytes * shares[1], world.memory_load == 0.0),
    )


def _load(seed: int, name: str, hold_s: float) -> tuple[FloatArray, FloatArray]:
    """Times and relative values (compute, memory) of the background load, shapes (n,) and (2, n).

    The times are a Poisson process with mean interval `hold_s`. The values are uniform from 0 to 1.
    """
    random = stream(seed, name)
    gaps = random.exponential(size=4 * _LOAD_PERIODS)
    times = np.concatenate(([0.0], np.cumsum(gaps)))
    times = times[times < _LOAD_PERIODS]
    shares: FloatArray = random.uniform(size=(2, 4 * _LOAD_PERIODS + 1))[:, : len(times)]
    return times * hold_s, shares


def _link(world: World, seed: int, i: int, j: int) -> Link:
    rate = stream(seed, f"link/d{i}-d{j}").uniform(*LINK_BYTES_PER_S)
    return Link(name=f"d{i}-d{j}", ends=(f"d{i}", f"d{j}"), bandwidth=Trace.constant(world.link_scale * rate))


def _source(which: Source, flops: FloatArray) -> int:
    """Index of the source. All devices have the same distribution, so the first one is a random one."""
    if which == "random":
        return 0
    return int(flops.argmax() if which == "fastest" else flops.argmin())
