"""A baseline that does not split the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from headway.policies.common.one_device import fastest_alone
from headway.simcore import Decision, Infeasible, Observation, Placement


@dataclass(frozen=True)
class Single:
    """All blocks on the fastest device that can hold the whole model."""

    name: ClassVar[str] = "single"
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {"worth-moving": "it ignores what a move costs"}

    def decide(self, observation: Observation) -> Decision:
        """Choose the device again at every decision."""
        devices = fastest_alone(observation)
        return Infeasible("no device alone can hold the model") if devices is None else Placement(devices)
