"""One decision of an agent: its observation as arrays, the possible actions, and their decisions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headway.policies.common.layer_units import spread, units
from headway.policies.common.reachability import usable
from headway.simcore import BlockTable, Decision, FloatArray, IntArray, Observation, Placement, predict

Arrays: TypeAlias = dict[str, NDArray[np.float32]]

_HALF_RATE, _HALF_TOKENS = 12.5e6, 100.0
"""Bytes/s and numbers of tokens that the arrays show as 0.5."""


def groups_of(blocks: BlockTable, most: int) -> IntArray:
    """The group of each block, shape (B,): at most `most` groups of consecutive layers, as equal as possible."""
    count = len(units(blocks))
    parts = np.array_split(np.arange(count), min(most, count))
    return spread(blocks, np.repeat(np.arange(len(parts)), [len(part) for part in parts]))


@dataclass(frozen=True, eq=False)
class Turn:
    """One decision of an agent, for `G` groups of blocks and `D` devices.

    Attributes:
        observation: the observation of a policy.
        proposed: the decision if the agent keeps the placement.
        devices: the placement that the agent changes, shape (B,); None if there is none.
        group: the group of each block, shape (B,).
    """

    observation: Observation
    proposed: Decision
    devices: IntArray | None
    group: IntArray

    @cached_property
    def held(self) -> FloatArray:
        """Bytes of each group on each device at the end of the horizon, shape (G, D)."""
        held = np.zeros((int(self.group.max()) + 1, self.observation.devices))
        if self.devices is not None:
            np.add.at(held, (self.group, self.devices), self.observation.memory_bytes)
        return held

    @property
    def free_bytes(self) -> FloatArray:
        """Memory that the blocks leave free on each device, negative if it is too small, shape (D,)."""
        free: FloatArray = self.observation.available_bytes - self.held.sum(axis=0)
        return free

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether each action is possible, shape (1 + G * D,): to keep the placement, or to move a group to a device.

        A group can move to a device that is up, is connected to the source, does not hold the whole group, and has
        memory for it.
        """
        coming = self.held.sum(axis=1, keepdims=True) - self.held
        room = self.free_bytes + predict.TOLERANCE_BYTES
        moves = (coming > 0.0) & (coming <= room) & usable(self.observation) & self.observation.up
        return np.concatenate(([True], moves.ravel()))

    @property
    def arrays(self) -> Arrays:
        """The observation of the agent, as `PlacementEnv` documents it; new arrays at each call."""
        now, total = self.observation, self.held.sum(axis=1, keepdims=True)
        arrays = {
            "free": np.clip(self.free_bytes / np.maximum(now.capacity_bytes, 1.0), -1.0, 1.0),
            "availability": now.availability,
            "rate": _share(now.rate, _HALF_RATE),
            "placement": self.held / np.maximum(total, 1.0),
            "horizon": _share(np.array([now.tokens]), _HALF_TOKENS),
            "generated": _share(np.array([now.generated]), _HALF_TOKENS),
        }
        return {key: array.astype(np.float32) for key, array in arrays.items()}

    def decision(self, action: int) -> Decision:
        """The decision of an action; an action that is not possible keeps the placement."""
        if action == 0 or not self.mask[action] or self.devices is None:
            return self.proposed
        group, device = divmod(action - 1, self.observation.devices)
        return Placement(np.where(self.group == group, device, self.devices))


def _share(amount: NDArray[Any], half: float) -> FloatArray:
    """Map amounts from 0 to infinity to [0, 1]: x / (x + half)."""
    return 1.0 - half / (amount + half)
