"""Runs of layers in proportion to memory, after *exo* (github.com/exo-explore/exo).

Known from the source of exo: the layers form one run for each device of a ring, in proportion to memory. The first
versions (`ring_memory_weighted_partitioning_strategy.py`) use all devices, sort them by memory, the largest first, and
round the ends of the runs. Later ones (`master/placement_utils.py`) share by available memory, round by largest
remainders, limit each device to the layers that fit, and give each device of the ring at least one layer. They take a
ring with the fewest devices that hold the model together (`master/placement.py`).

Ours, where this simulator differs:

- All devices that are up and reachable form the ring, as in the first versions, with the rounding and the limits of the
  later ones. `fewest` takes as few of the largest as have room, as the later versions do. A device may get no layer.
- exo counts equal layers. Here the embedding belongs to the first layer and the output head is one more unit.
- exo plans when a model is loaded. Here a plan is kept until it no longer fits or a device of it goes down.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.runs_in_order import proportional_runs
from headway.simcore import Decision, Infeasible, Keep, Observation, Placement, predict


@dataclass(frozen=True)
class RamProportional:
    """Runs of consecutive layers in proportion to the available memory of devices, and kept (exo).

    Attributes:
        fewest: use as few devices as have room, the largest first, in place of all.
    """

    name: ClassVar[str] = "ram-proportional"

    fewest: bool = False

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan no longer fits."""
        if predict.can_stay(observation):
            return Keep()
        room = np.where(observation.up, observation.available_bytes, 0.0)
        for least in np.sort(room)[::-1] if self.fewest else (0.0,):
            devices = proportional_runs(observation, np.where(room >= least, room, 0.0))
            if devices is not None and not (self.fewest and (room[devices] < least).any()):
                return Placement(devices)
        return Infeasible("no cut into runs fits, with the devices sorted by memory")
