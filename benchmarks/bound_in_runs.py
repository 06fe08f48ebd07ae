"""Distance of policies to the lower bound during runs: python -m benchmarks.bound_in_runs.

At every decision, the predicted delay of the placement that the policy chooses is divided by the lower bound for the
same horizon in a world that does not swap. So is its objective, the delay plus the time of its moves: no placement has
an objective below the bound. The rows are a table for docs/policies.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from headway import policies
from headway.simcore import (
    Decision,
    Observation,
    Placement,
    Policy,
    load_scenario,
    predict,
    shipped_scenario,
    shipped_scenarios,
    simulate,
)


@dataclass
class Compared:
    """A policy whose decisions are compared with the bound.

    Attributes:
        policy: decides.
        ratios: predicted delay and objective over the bound, one pair for each decision with a placement.
    """

    policy: Policy
    ratios: list[tuple[float, float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the policy."""
        return self.policy.name

    def decide(self, observation: Observation) -> Decision:
        """The decision of the policy."""
        decision = self.policy.decide(observation)
        devices = decision.devices if isinstance(decision, Placement) else observation.placement
        dry = replace(observation, overflow="fail")
        if devices is not None and observation.up[devices].all():
            delay_s, bound_s = predict.shared_delay(observation, devices), policies.lower_bound(dry)
            moving_s = predict.migration_delay(observation, predict.reachable(observation, devices))
            self.ratios.append((delay_s / bound_s, (delay_s + moving_s) / bound_s))
        return decision


def rows() -> Iterator[str]:
    """A row per scenario and policy of that scenario: median and largest distance of delay and of objective [%]."""
    yield "| scenario | policy | delay: median | largest | objective: median | largest |"
    yield "|---|---|---|---|---|---|"
    for name in shipped_scenarios():
        scenario = load_scenario(shipped_scenario(name))
        for choice in scenario.policies:
            compared = Compared(policies.from_choice(choice))
            simulate(scenario, compared)
            if compared.ratios:
                distances = 100.0 * (np.quantile(compared.ratios, (0.5, 1.0), axis=0).T.ravel() - 1.0)
                shares = " | ".join(f"{distance:,.0f} %" for distance in distances)
                yield f"| {name} | `{choice.label}` | {shares} |"


if __name__ == "__main__":
    for row in rows():
        print(row, flush=True)
