"""Layer-wise placement by dynamic programming, after *EdgeShard* (arXiv 2405.14371, doi 10.1109/JIOT.2024.3524255).

EdgeShard cuts a model into runs of consecutive layers and chooses, jointly, which devices take part and where the
cuts are. A dynamic programme over layers and devices minimises either the latency of a token (computing of every layer,
every move of the activations from device to device, and the way back to the source) or the slowest stage of a pipeline.
The first layer stays on the source, so that no raw input leaves it.

Ours, where the paper leaves it open, where its full text was not available, or where this simulator differs:

- Each device holds one run of consecutive units; `policies.common.layer_runs` has the programme.
- A model of one layer is cut into attention (all heads), projection and feed-forward network instead of layers.
- The embedding belongs to the first unit; the output head is a unit of its own, the last.
- The first unit is pinned to the source if such a plan takes a finite time. A source that is too small, down or cut off
  is skipped, because a comparison of policies needs a result.
- Costs are those of the present horizon, so at the start of a request mostly those of the prefill. The paper measures
  layers in advance.
- The plan is made once and kept. It is recomputed, ignoring migration costs, only when it no longer fits and the
  scenario does not swap.
"""

from dataclasses import dataclass
from typing import ClassVar

from headway.policies.common.layer_chain import Objective
from headway.policies.common.layer_runs import MOST_STATES, layer_runs
from headway.simcore import Decision, Infeasible, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class EdgeShard:
    """Runs of consecutive layers on devices, chosen by dynamic programming, and kept.

    Attributes:
        objective: `latency` of one token, or `throughput` of a pipeline, which its slowest stage or transfer limits.
        most_states: states kept per layer; below it the plan is the best one of its form.
    """

    name: ClassVar[str] = "edgeshard"

    objective: Objective = "latency"
    most_states: int = MOST_STATES

    def __post_init__(self) -> None:
        if self.most_states < 1:
            raise ValueError(f"most_states must be at least 1, not {self.most_states}")

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan does not fit any more."""
        if predict.can_stay(observation):
            return Keep()
        devices = layer_runs(observation, observation.source, self.objective, self.most_states)
        reason = "no cut into runs of consecutive layers was found that fits, one run per device"
        return Infeasible(reason) if devices is None else Placement(devices)
