"""A worst-case placement, for comparison."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore import Decision, Infeasible, Keep, Observation, Placement


@dataclass(frozen=True)
class SlowestDevice:
    """Always all blocks on the slowest device that can hold them.

    Device speeds span a factor of ten (5-50 GFLOP/s), so a layer-wise placement on a bad device can be ten times slower
    than on the best one.
    """

    name: ClassVar[str] = "slowest-device"

    def decide(self, seen: Observation) -> Decision:
        """Decide once, then keep the placement."""
        if seen.placement is not None:
            return Keep()
        can_hold_all = seen.memory_bytes.sum() <= seen.available_bytes
        if not can_hold_all.any():
            return Infeasible("no device alone can hold the model")
        device = int(np.where(can_hold_all, seen.flops, np.inf).argmin())
        return Placement(np.full(len(seen.blocks), device, dtype=np.int64))
