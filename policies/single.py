"""A baseline that does not split the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore import Decision, Infeasible, Observation, Placement


@dataclass(frozen=True)
class Single:
    """All blocks on the fastest device that can hold the whole model."""

    name: ClassVar[str] = "single"
    declares: ClassVar[Mapping[str, str]] = {
        "worth-moving": "it ignores what a move costs",
    }

    def decide(self, seen: Observation) -> Decision:
        """Choose the device anew at every interval."""
        needed = seen.memory_bytes.sum()
        seconds = seen.seconds_together(np.arange(len(seen.blocks)))
        candidates = np.where(needed <= seen.available_bytes, seconds, np.inf)
        device = int(candidates.argmin())
        if needed > seen.available_bytes[device]:
            return Infeasible("no device alone can hold the model")
        return Placement(np.full(len(seen.blocks), device, dtype=np.int64))
