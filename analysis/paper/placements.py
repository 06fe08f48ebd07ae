"""A placement that no policy would choose, as a yardstick."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore import Decision, Infeasible, Keep, Observation, Placement


@dataclass(frozen=True)
class SlowestDevice:
    """All blocks on the device with the lowest peak speed among those that can hold them, for good.

    The range of device speeds is a factor of ten (5-50 GFLOP/s), and so is what a layer-wise placement can lose by
    choosing badly: this is how badly.
    """

    name: ClassVar[str] = "slowest-device"

    def decide(self, seen: Observation) -> Decision:
        """Decide once."""
        if seen.placement is not None:
            return Keep()
        with_room = seen.memory_bytes.sum() <= seen.available_bytes
        if not with_room.any():
            return Infeasible("no device alone can hold the model")
        device = int(np.where(with_room, seen.flops, np.inf).argmin())
        return Placement(np.full(len(seen.blocks), device, dtype=np.int64))
