"""An example of a policy: fill the fastest device first."""

import numpy as np

from headway.simcore import Decision, Infeasible, Keep, Kind, Observation, Placement, predict


class FillFastest:
    """Puts consecutive blocks on the fastest device until it is full, then on the next fastest."""

    name = "fill-fastest"

    def decide(self, observation: Observation) -> Decision:
        room = np.where(observation.up, observation.available_bytes, -1.0)
        devices = np.empty(len(observation.blocks), dtype=np.int64)
        block = 0
        for device in np.argsort(observation.kind_seconds[Kind.FFN], kind="stable"):
            while block < len(devices) and observation.memory_bytes[block] <= room[device]:
                devices[block] = device
                room[device] -= observation.memory_bytes[block]
                block += 1
        if block < len(devices):
            return Infeasible(f"no room for {observation.blocks.names[block]}")
        now = observation.placement
        if now is not None and predict.can_stay(observation):
            stay_s, move_s = predict.horizon_delay(observation, now), predict.objective(observation, devices)
            return Keep() if stay_s <= move_s else Placement(devices)
        return Placement(devices)
