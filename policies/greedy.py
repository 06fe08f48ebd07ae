"""A baseline that balances computing and ignores links."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore import Decision, Infeasible, Kind, Observation, Placement


@dataclass(frozen=True)
class Greedy:
    """Each block, largest first, to the device with room where it would finish soonest, ignoring links."""

    name: ClassVar[str] = "greedy"
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {"worth-moving": "it ignores what a move costs"}

    def decide(self, observation: Observation) -> Decision:
        """Place all blocks again, also ignoring migration costs."""
        devices = np.empty(len(observation.blocks), dtype=np.int64)
        # A device that is down has no room, not even for a block without bytes.
        free = np.where(observation.up, observation.available_bytes, -1.0)
        busy = np.zeros(observation.devices)
        blocks, (block_s, task_s) = observation.blocks, observation.horizon_times
        # Whether a device already has a task of a kind and layer, so that another block adds no overhead.
        begun = np.zeros((len(Kind), blocks.layers + 2, observation.devices), dtype=np.bool_)
        for block in np.argsort(-observation.memory_bytes, kind="stable"):
            kind, layer = blocks.kind[block], blocks.layer[block]
            seconds = block_s[kind] + np.where(begun[kind, layer], 0.0, task_s[kind])
            finish = np.where(observation.memory_bytes[block] <= free, busy + seconds, np.inf)
            device = int(finish.argmin())
            if observation.memory_bytes[block] > free[device]:
                return Infeasible(f"no device has room for {observation.blocks.names[block]}")
            devices[block] = device
            free[device] -= observation.memory_bytes[block]
            busy[device] += seconds[device]
            begun[kind, layer, device] = True
        return Placement(devices)
