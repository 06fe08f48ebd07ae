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
- The plan is kept until it no longer fits or a device of it goes down. With `least_gain` there is a new plan at every
  decision; it replaces the old one if that lowers the objective by more than this share, whatever the moves cost. The
  first layer then stays on its device, so that devices do not exchange their layers for a small gain. The first plan is
  the placement that the scenario pins, if it pins one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from headway.policies.common.layer_runs import MOST_STATES, cost_of_runs, layer_runs
from headway.policies.common.layer_units import units
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class SumOfStages:
    """Runs of layers on the subset and order of devices with the least sum of stage times, and kept (mesh-llm).

    Attributes:
        objective: `sum` of the stages or their `maximum`; a stage is computing and sending its output on.
        most_states: states kept per unit; below it the plan is the best one of its form.
        least_gain: share by which a new plan must lower the objective to replace the plan in force; None: the plan is
            kept.
    """

    name: ClassVar[str] = "sum-of-stages"

    objective: Literal["sum", "maximum"] = "sum"
    most_states: int = MOST_STATES
    least_gain: float | None = None

    def __post_init__(self) -> None:
        if self.most_states < 1:
            raise ValueError(f"most_states must be at least 1, not {self.most_states}")
        if self.least_gain is not None and not 0.0 <= self.least_gain < 1.0:
            raise ValueError(f"least_gain must be at least 0 and below 1, not {self.least_gain}")

    @property
    def declares(self) -> Mapping[str, str]:
        """The laws of the contract that the policy breaks."""
        if self.least_gain is None:
            return {}
        return {"worth-moving": "the gain of the objective decides when layers move, not what a move costs"}

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again when the plan no longer fits, and with `least_gain` at every decision."""
        now, can_stay, first = observation.placement, predict.can_stay(observation), None
        if can_stay and self.least_gain is None:
            return Keep()
        if self.least_gain is not None:
            pinned = observation.pinned if now is None else None
            if pinned is not None and predict.can_stay(replace(observation, placement=pinned)):
                return Placement(pinned)
            first = None if now is None else int(now[units(observation.blocks)[0][0]])
        devices = layer_runs(observation, first, self._objective, self.most_states)
        if devices is None:
            reason = "no cut into runs of consecutive layers was found that fits, one run per device"
            return Infeasible(reason)
        if can_stay and now is not None and not self._better(observation, now, devices):
            return Keep()
        return Placement(devices)

    @property
    def _objective(self) -> Literal["latency", "longest"]:
        return "latency" if self.objective == "sum" else "longest"

    def _better(self, observation: Observation, now: IntArray, devices: IntArray) -> bool:
        """Whether a plan gains enough over the placement in force, shape (B,) each."""
        now_s, new_s = (cost_of_runs(observation, plan, self._objective) for plan in (now, devices))
        return new_s < (1.0 - (self.least_gain or 0.0)) * now_s
