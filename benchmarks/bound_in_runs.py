"""Distance of policies to the lower bound during runs: python -m benchmarks.bound_in_runs.

At every decision the predicted delay of the placement that the policy chooses is divided by the lower bound for the
same horizon, in a world that does not swap. The rows are a table for docs/policies.md.
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
        ratios: predicted delay over the bound, one for each decision with a placement that fits.
    """

    policy: Policy
    ratios: list[float] = field(default_factory=list)

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
            self.ratios.append(predict.shared_delay(observation, devices) / policies.lower_bound(dry))
        return decision


def rows() -> Iterator[str]:
    """A row per scenario and policy of that scenario: median and largest distance [%]."""
    yield "| scenario | policy | median | largest |"
    yield "|---|---|---|---|"
    for name in shipped_scenarios():
        scenario = load_scenario(shipped_scenario(name))
        for choice in scenario.policies:
            compared = Compared(policies.chosen(choice))
            simulate(scenario, compared)
            if compared.ratios:
                median, largest = (100.0 * (one - 1.0) for one in np.quantile(compared.ratios, (0.5, 1.0)))
                yield f"| `{name}` | `{choice.label}` | {median:.0f} % | {largest:,.0f} % |"


if __name__ == "__main__":
    for row in rows():
        print(row, flush=True)
