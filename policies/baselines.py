"""The simple policies against which the others are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from policies.common.live_moves import placement_in_reach
from policies.resource_aware import ResourceAware
from simcore import Decision, Infeasible, IntArray, Keep, Observation


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
        # Where nothing is there is no room, not even for a block without bytes.
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


@dataclass(frozen=True)
class RoundRobin:
    """Block after block to device after device, passing over those without room."""

    name: ClassVar[str] = "round-robin"
    declares: ClassVar[Mapping[str, str]] = {
        "reordering": "blocks are dealt out in the order in which devices are listed",
        "worth-moving": "it ignores what a move costs",
    }

    def decide(self, seen: Observation) -> Decision:
        """Deal the blocks out anew; as long as memory allows the same, nothing moves."""
        devices = np.empty(len(seen.blocks), dtype=np.int64)
        free = np.where(seen.up, seen.available_bytes, -1.0)
        turn = 0
        for block, size in enumerate(seen.memory_bytes):
            with_room = (turn + np.flatnonzero(np.roll(free, -turn) >= size)) % seen.devices
            if not len(with_room):
                return Infeasible(f"no device has room for {seen.blocks.names[block]}")
            devices[block] = with_room[0]
            free[with_room[0]] -= size
            turn = (int(with_room[0]) + 1) % seen.devices
        return placement_in_reach(seen, devices)


@dataclass(frozen=True)
class Single:
    """Everything on the one device where a token is fastest, among those that can hold it all."""

    name: ClassVar[str] = "single"
    declares: ClassVar[Mapping[str, str]] = {
        "worth-moving": "it ignores what a move costs",
    }

    def decide(self, seen: Observation) -> Decision:
        """Choose the device anew at every interval."""
        needed = seen.memory_bytes.sum()
        seconds = seen.kind_seconds[seen.blocks.kind].sum(axis=0)
        candidates = np.where(needed <= seen.available_bytes, seconds, np.inf)
        device = int(candidates.argmin())
        if needed > seen.available_bytes[device]:
            return Infeasible("no device alone can hold the model")
        return placement_in_reach(seen, _all_on(device, seen))


@dataclass(frozen=True)
class Static:
    """The placement that `resource-aware` finds first, kept for good."""

    name: ClassVar[str] = "static"
    declares: ClassVar[Mapping[str, str]] = {
        "present": "it never decides again, so a run waits until the device is back",
        "within-memory": "it never decides again, whatever becomes of memory",
    }

    first: ResourceAware = field(default_factory=ResourceAware)

    def decide(self, seen: Observation) -> Decision:
        """Decide once."""
        return Keep() if seen.placement is not None else self.first.decide(seen)


def _all_on(device: int, seen: Observation) -> IntArray:
    return np.full(len(seen.blocks), device, dtype=np.int64)
