"""Runs of layers in proportion to memory bandwidth, a variant of the rule of *exo* (github.com/exo-explore/exo).

A decode step reads all weights of a device once, so that memory bandwidth limits its speed. Shares in proportion to it
give all stages the same time.

Known: exo shares layers by memory (see `ram-proportional`). A proposed change of exo (its pull request 2229, used in
forks) reads bandwidths from a table of chips, but fills the fastest devices with as many layers as fit, which minimises
the sum of the stages; for one sequence at a time `sum-of-stages` does the same with links in view. Parallax offers
shares by bandwidth (see `parallax`). No released planner with exactly this rule was found; ours is the combination.

Ours: peak bandwidths count, as in a table of chips, and not the share that is free. Order, rounding, memory limits and
units are those of `ram-proportional`. If some bandwidths are infinite, those devices share the layers equally.
"""

from dataclasses import dataclass
from typing import ClassVar

from headway.policies.common.runs_in_order import proportional_runs
from headway.simcore import Decision, Infeasible, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class BandwidthProportional:
    """Runs of consecutive layers in proportion to the memory bandwidth of devices, and kept."""

    name: ClassVar[str] = "bandwidth-proportional"

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan no longer fits."""
        if predict.can_stay(observation):
            return Keep()
        devices = proportional_runs(observation, observation.memory_bandwidth)
        reason = "no cut into runs fits, with the devices sorted by memory bandwidth"
        return Infeasible(reason) if devices is None else Placement(devices)
