"""A baseline that places the blocks once by scores, and never moves them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from headway.policies.common.score_search import NOTHING_FOUND, ScoreSearch
from headway.simcore import Decision, Infeasible, Keep, Observation, Placement


@dataclass(frozen=True)
class Static:
    """The first placement of `resource-aware`, never changed.

    Attributes:
        first: the search for that placement.
    """

    name: ClassVar[str] = "static"
    declares: ClassVar[Mapping[str, str]] = {
        "present": "it never decides again, so a run waits until the device is back",
        "within-memory": "it never decides again, also when its placement no longer fits",
    }

    fixed: ClassVar[bool] = True

    first: ScoreSearch = field(default_factory=ScoreSearch)

    def decide(self, observation: Observation) -> Decision:
        """Search for a placement before the first token; keep it afterwards."""
        if observation.placement is not None:
            return Keep()
        devices = self.first.place(observation)
        return Infeasible(NOTHING_FOUND) if devices is None else Placement(devices)
