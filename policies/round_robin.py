"""A baseline that assigns blocks to devices in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore import Decision, Infeasible, Observation, Placement


@dataclass(frozen=True)
class RoundRobin:
    """Assigns one block after another to one device after another, skipping devices without room."""

    name: ClassVar[str] = "round-robin"
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {
        "reordering": "blocks are assigned in the order in which devices are listed",
        "worth-moving": "it ignores what a move costs",
    }

    def decide(self, observation: Observation) -> Decision:
        """Assign all blocks again; nothing moves while memory allows the same placement."""
        devices = np.empty(len(observation.blocks), dtype=np.int64)
        free = np.where(observation.up, observation.available_bytes, -1.0)
        turn = 0
        for block, size in enumerate(observation.memory_bytes):
            with_room = (turn + np.flatnonzero(np.roll(free, -turn) >= size)) % observation.devices
            if not len(with_room):
                return Infeasible(f"no device has room for {observation.blocks.names[block]}")
            devices[block] = with_room[0]
            free[with_room[0]] -= size
            turn = (int(with_room[0]) + 1) % observation.devices
        return Placement(devices)
