"""A baseline that balances computing and ignores links."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.common.live_moves import placement_in_reach
from simcore import Decision, Infeasible, Observation


@dataclass(frozen=True)
class Greedy:
    """Each block, largest first, to the device with room where it would finish soonest, ignoring links."""

    name: ClassVar[str] = "greedy"
    declares: ClassVar[Mapping[str, str]] = {
        "worth-moving": "it ignores what a move costs",
    }

    def decide(self, seen: Observation) -> Decision:
        """Place all blocks anew; what it costs to move them is ignored too."""
        devices = np.empty(len(seen.blocks), dtype=np.int64)
        # A device that is down has no room, not even for a block without bytes.
        free = np.where(seen.up, seen.available_bytes, -1.0)
        busy = np.zeros(seen.devices)
        seconds = seen.kind_seconds[seen.blocks.kind]
        for block in np.argsort(-seen.memory_bytes, kind="stable"):
            finish = np.where(seen.memory_bytes[block] <= free, busy + seconds[block], np.inf)
            device = int(finish.argmin())
            if seen.memory_bytes[block] > free[device]:
                return Infeasible(f"no device has room for {seen.blocks.names[block]}")
            devices[block] = device
            free[device] -= seen.memory_bytes[block]
            busy[device] += seconds[block, device]
        return placement_in_reach(seen, devices)
