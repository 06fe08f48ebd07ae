"""How far policies are from what no placement can beat, in a world of many layers.

    python benchmarks/layers.py [--seeds N]

Takes the shipped home cluster as it is after its first interval, under N seeds and without a disk to swap to, asks each
policy for a first placement, and prints by how much its predicted D_T is above the bound of `policies.lower_bound`.
"""

import argparse
import statistics
import time
from dataclasses import replace

from headway import policies
from headway.policies import lower_bound
from headway.simcore import (
    Decision,
    Observation,
    Placement,
    Request,
    load_scenario,
    predict,
    shipped_scenario,
    simulate,
)

ONE_LAYER_ONLY = {"exact", "exact-milp"}


class Watched:
    """Decides as `resource-aware` and keeps what it saw."""

    name = "watched"

    def __init__(self) -> None:
        self._policy = policies.create("resource-aware")
        self.observation: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        """As the policy does."""
        self.observation.append(observation)
        return self._policy.decide(observation)


def second_interval(seed: int) -> Observation:
    """What a policy sees there; as if nothing had been placed, so that no move holds it back."""
    scenario = load_scenario(shipped_scenario("home-cluster"), seed=seed)
    request = Request(prompt=64, output=2 * scenario.controller.interval)
    watched = Watched()
    simulate(replace(scenario, requests=(request,)), watched)
    return replace(watched.observation[1], placement=None, overflow="fail")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=10)
    worlds = [second_interval(seed) for seed in range(parser.parse_args().seeds)]
    begun = time.perf_counter()
    bounds = [lower_bound(observation) for observation in worlds]
    each_s = (time.perf_counter() - begun) / len(worlds)
    free = [lower_bound(observation, rounds=0) for observation in worlds]
    share = statistics.median(one / other for one, other in zip(free, bounds, strict=True))
    print(f"bound: {each_s:.2f} s each; with memory free it is {share:.0%} of that")
    for name in policies.names():
        if name in ONE_LAYER_ONLY:
            continue
        ratios = []
        for observation, bound in zip(worlds, bounds, strict=True):
            decision = policies.create(name).decide(observation)
            if isinstance(decision, Placement):
                ratios.append(predict.horizon_delay(observation, decision.devices) / bound - 1.0)
        if not ratios:
            print(f"{name:<16} finds no placement that fits")
            continue
        middle, largest = statistics.median(ratios), max(ratios)
        print(f"{name:<16} {middle:7.1%} above it (largest {largest:.1%}, {len(ratios)} worlds)")


if __name__ == "__main__":
    main()
