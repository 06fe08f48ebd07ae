"""Build a world in Python, and compare the predicted latency of each token with the simulated one."""

import dataclasses

import numpy as np

from headway.simcore import (
    Cluster,
    ControllerOptions,
    Decision,
    DecodeCost,
    Device,
    Link,
    Observation,
    Placement,
    Request,
    Scenario,
    predict,
    preset,
    simulate,
)
from headway.traces import Trace, parse, steps


def rate(text: str) -> float:
    """Bytes per second."""
    return parse(text, "rate", "example")


class HalfAndHalf:
    """Puts odd heads on the second device, all other blocks on the first, and records its predictions."""

    name = "half-and-half"

    def __init__(self) -> None:
        self.predicted_s: list[float] = []

    def decide(self, observation: Observation) -> Decision:
        devices = np.zeros(len(observation.blocks), dtype=np.int64)
        devices[observation.blocks.heads[:, 1::2]] = 1
        self.predicted_s.append(predict.horizon_delay(observation, devices))
        return Placement(devices)


model = dataclasses.replace(preset("gpt2"), bytes_per_weight=1.0)
desk = Device(name="desk", memory_bytes=1e9, flops=50e9, memory_bandwidth=10e9)
shelf = Device(name="shelf", memory_bytes=1e9, flops=20e9, memory_bandwidth=5e9)
# 200 Mbit/s for 0.2 s, then 20 Mbit/s.
fading = steps([rate("200 Mbit/s"), rate("20 Mbit/s")], step_s=0.2)

for title, bandwidth in (("steady", Trace.constant(rate("200 Mbit/s"))), ("fading", fading)):
    cable = Link(name="cable", ends=("desk", "shelf"), bandwidth=bandwidth, latency_s=0.5e-3)
    scenario = Scenario(
        name=title,
        model=model,
        cost=DecodeCost(model),
        cluster=Cluster(devices=(desk, shelf), links=(cable,), source="desk"),
        requests=(Request(prompt=20, output=6),),
        # A prediction covers one token, not all tokens of the request.
        controller=ControllerOptions(horizon="interval"),
    )
    policy = HalfAndHalf()
    result = simulate(scenario, policy)
    print(f"{title}: token, predicted [ms], simulated [ms]")
    for token, predicted_s, simulated_s in zip(
        result.tokens["token"], policy.predicted_s, result.tokens["latency_s"], strict=True
    ):
        print(f"{token:5} {1e3 * predicted_s:10.3f} {1e3 * simulated_s:10.3f}")
