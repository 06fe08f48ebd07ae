"""Stages of layers with the least sum of times, or the least longest stage, after planners such as that of *mesh-llm*.

Known from mesh-llm (github.com/Mesh-LLM/mesh-llm): the layers form one run per stage; devices may be left out; a stage
costs the time to read its weights and cache, or to compute, and the transfer of its output. The design of its
performance-aware planner (pull request 1454) enumerates subsets of devices, orders them by the links between them, and
cuts the layers by a dynamic programme. It prices a prefill by the sum of all stages, and a token in a full pipeline by
the longest stage; with one sequence, a token takes the sum as well. In the source, released versions divide layers by
memory and choose the number of stages by the latency of links. The exact rule by which the new planner replaces a plan
in force was not available.

Ours:

- One dynamic programme chooses subset, order and cuts together (`policies.common.layer_runs`); it is exact up to
  `most_states` states per unit.
- Times are those over the present horizon. The output head is a unit with its own time and memory, and may be on a
  device of its own. The way of the result back to the source counts.
- No stage has to be on the source; mesh-llm has its coordinator serve the first stage.
- With `maximum` the transfer to the first stage counts as a stage.
- The plan is kept until it no longer fits or a device of it goes down.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from headway.policies.common.layer_runs import MOST_STATES, layer_runs
from headway.simcore import Decision, Infeasible, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class SumOfStages:
    """Runs of layers on the subset and order of devices with the least sum of stage times, and kept (mesh-llm).

    Attributes:
        objective: `sum` of the stages or their `maximum`; a stage is computing and sending its output on.
        most_states: states kept per unit; below it the plan is the best one of its form.
    """

    name: ClassVar[str] = "sum-of-stages"

    objective: Literal["sum", "maximum"] = "sum"
    most_states: int = MOST_STATES

    def __post_init__(self) -> None:
        if self.most_states < 1:
            raise ValueError(f"most_states must be at least 1, not {self.most_states}")

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan no longer fits."""
        if predict.can_stay(observation):
            return Keep()
        objective: Literal["latency", "longest"] = "latency" if self.objective == "sum" else "longest"
        devices = layer_runs(observation, objective, self.most_states, first_on_source=False)
        if devices is None:
            return Infeasible(
                "no cut into runs of consecutive layers was found that fits, one run per device"
            )
        return Placement(devices)
