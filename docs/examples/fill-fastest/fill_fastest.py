"""An example of a policy: fill the fastest device first."""

import numpy as np

from headway.simcore import Decision, Infeasible, Keep, Kind, Observation, Placement, predict


class FillFastest:
    """Puts consecutive blocks on the fastest device until it is full, then on the next fastest."""

    name = "fill-fastest"

    def decide(self, seen: Observation) -> Decision:
        room = np.where(seen.up, seen.available_bytes, -1.0)
        devices = np.empty(len(seen.blocks), dtype=np.int64)
        block = 0
        for device in np.argsort(seen.kind_seconds[Kind.FFN], kind="stable"):
            while block < len(devices) and seen.memory_bytes[block] <= room[device]:
                devices[block] = device
                room[device] -= seen.memory_bytes[block]
                block += 1
        if block < len(devices):
            return Infeasible(f"no room for {seen.blocks.names[block]}")
        now = seen.placement
        if now is not None and predict.can_stay(seen):
            stay_s, move_s = predict.horizon_delay(seen, now), predict.objective(seen, devices)
            return Keep() if stay_s <= move_s else Placement(devices)
        return Placement(devices)
