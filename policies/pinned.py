"""A baseline that keeps the placement that the scenario pins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from headway.simcore import Decision, Infeasible, Keep, Observation, Placement


@dataclass(frozen=True)
class Pinned:
    """The placement that the scenario gives under `placement`, never changed."""

    name: ClassVar[str] = "pinned"
    declares: ClassVar[Mapping[str, str]] = {
        "present": "it knows one placement, so a run waits until the device is back",
        "within-memory": "it knows one placement, also when that no longer fits",
        "finds-room": "it knows the placement of the scenario and no other",
    }

    fixed: ClassVar[bool] = True

    def decide(self, observation: Observation) -> Decision:
        """The scenario's placement before the first token; keep it afterwards."""
        if observation.pinned is None:
            return Infeasible("the scenario pins no placement; it needs the key placement")
        return Keep() if observation.placement is not None else Placement(observation.pinned)
