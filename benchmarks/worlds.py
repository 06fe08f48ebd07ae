"""Worlds of the benchmarks, built in Python."""

from dataclasses import replace

import numpy as np

from headway.simcore import (
    BlockOptions,
    Cluster,
    ControllerOptions,
    DecodeCost,
    Device,
    Link,
    Medium,
    ModelSpec,
    PaperCost,
    Request,
    Scenario,
    preset,
)
from headway.traces import Trace

_PERIOD_S = 60.0


def paper_world(devices: int = 25, tokens: int = 1000, model: ModelSpec | None = None) -> Scenario:
    """The medium setting of the paper: a layer of 32 heads on a mesh of 1-10 Gbit/s links, devices of 5-50 GFLOP/s.

    The background load of each device changes every second, and the policy is asked at every token.
    """
    model = model or preset("paper-32x2048")
    return Scenario(
        name=f"paper-{devices}",
        model=model,
        cost=PaperCost(model),
        cluster=mesh(devices),
        requests=(Request(prompt=64, output=tokens),),
        blocks=BlockOptions(embed=False, lm_head=False),
    )


def mesh(devices: int, seed: int = 1) -> Cluster:
    """Devices with a background load that changes every second, and a link between every two of them."""
    random = np.random.default_rng(seed)
    machines = tuple(
        Device(
            name=f"d{i}",
            memory_bytes=random.uniform(2e9, 8e9),
            flops=random.uniform(5e9, 50e9),
            availability=_every_second(random, 0.3, 1.0),
        )
        for i in range(devices)
    )
    links = tuple(
        Link(
            name=f"d{i}-d{j}",
            ends=(f"d{i}", f"d{j}"),
            bandwidth=Trace.constant(random.uniform(1e9, 10e9) / 8),
            latency_s=1e-3,
        )
        for j in range(devices)
        for i in range(j)
    )
    return Cluster(machines, links, "d0")


def wifi_world(tokens: int = 2000, devices: int = 8) -> Scenario:
    """Llama-2-7B with 4-bit weights on devices in one Wi-Fi cell: all messages share one medium.

    The rate of the medium and the load of each device change every second; the policy is asked every 16 tokens.
    """
    model = replace(preset("llama-2-7b"), bytes_per_weight=0.5625)
    return Scenario(
        name="llama-wifi",
        model=model,
        cost=DecodeCost(model),
        cluster=wifi_cell(devices),
        requests=(Request(prompt=64, output=tokens),),
        controller=ControllerOptions(interval=16),
    )


def split_world(layers: int, devices: int = 8) -> Scenario:
    """The model of `wifi_world` with this number of layers, on a mesh of devices."""
    model = replace(preset("llama-2-7b"), bytes_per_weight=0.5625, layers=layers)
    return replace(
        wifi_world(), name="llama-mesh", model=model, cost=DecodeCost(model), cluster=mesh(devices)
    )


def wifi_cell(devices: int, seed: int = 1) -> Cluster:
    """Devices of 1.2 GB around an access point; their links share a medium of 120-240 Mbit/s."""
    random = np.random.default_rng(seed)
    machines = tuple(
        Device(
            name=f"d{i}",
            memory_bytes=1.2e9,
            flops=random.uniform(30e9, 100e9),
            memory_bandwidth=random.uniform(8e9, 30e9),
            availability=_every_second(random, 0.3, 1.0),
        )
        for i in range(devices)
    )
    medium = Medium(name="wifi", bandwidth=_every_second(random, 15e6, 30e6))
    links = tuple(
        Link(name=f"l{i}", ends=(f"d{i}", "ap"), medium="wifi", latency_s=5e-4) for i in range(devices)
    )
    return Cluster(machines, links, "d0", relays=("ap",), media=(medium,))


def large_world(devices: int = 100, layers: int = 80) -> Scenario:
    """A model of 80 layers and 64 heads, whose heads are spread over 100 devices and stay there.

    The blocks are placed on the devices in turn, so each layer uses 66 devices.
    """
    model = replace(
        preset("llama-2-13b"),
        layers=layers,
        heads=64,
        kv_heads=64,
        width=8192,
        ffn_width=28672,
        head_size=128,
    )
    scenario = Scenario(
        name="large",
        model=model,
        cost=DecodeCost(model),
        cluster=mesh(devices),
        requests=(Request(prompt=64, output=100),),
        controller=ControllerOptions(interval=1000),
    )
    cluster = replace(
        scenario.cluster,
        devices=tuple(
            replace(device, memory_bytes=1e12, memory_bandwidth=1e11) for device in scenario.cluster.devices
        ),
    )
    return replace(scenario, cluster=cluster, placement=np.arange(len(scenario.block_table)) % devices)


def _every_second(random: np.random.Generator, low: float, high: float) -> Trace:
    """A trace with a new value every second, which repeats after a minute."""
    times = np.arange(_PERIOD_S)
    return Trace(times, random.uniform(low, high, len(times)), end="loop", duration=_PERIOD_S)
