"""Warm copies of weights, recounted from spans alone."""

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.scenario import Scenario
from headway.traces.trace import values_between


class ReferenceCopies:
    """The copies that devices must have.

    Devices drop copies that do not fit before the policy is asked and before a step, and all copies when they go down.

    Attributes:
        held: whether each device has a copy of each block, shape (blocks, devices).
    """

    def __init__(self, scenario: Scenario) -> None:
        weights = np.asarray(scenario.cost.idle_memory_bytes)[scenario.block_table.kind]
        self._bytes: list[float] = weights.tolist()
        self._allowed = scenario.controller.warm_copies
        self._cluster = scenario.cluster
        self._checked_s = 0.0
        self._waiting: list[tuple[int, int]] = []
        self._reserved: dict[tuple[int, int], bool] = {}
        self.held: BoolArray = np.zeros((len(weights), len(scenario.cluster.devices)), dtype=np.bool_)

    def begin(self, placement: IntArray, copies: BoolArray | None) -> None:
        """The first placement, shape (blocks,), with the copies that it asks for."""
        for block, device in np.argwhere(copies).tolist() if copies is not None else ():
            if device != placement[block]:
                self._add(block, device)

    def end(self) -> None:
        """No block is placed any more."""
        self.held[:] = False

    def move(self, block: int, old: int | None, new: int) -> None:
        """A block has moved; `old` is None if it was lost."""
        if old is not None:
            self._add(block, old)
        self.held[block, new] = False

    def copy_beside(self, under_way: list[tuple[int, int]]) -> None:
        """Another `live` migration is in progress, or none; copies that its blocks need count as reserved memory."""
        for (block, device), warm in self._reserved.items():
            self.held[block, device] |= warm
        self._waiting, self._reserved = list(under_way), {}

    def warm(self, block: int, device: int) -> bool:
        """Whether a move of a block to a device needs no weights."""
        if (block, device) in self._waiting:
            self._reserve()
        return self._reserved.get((block, device), bool(self.held[block, device]))

    def fit(self, held_bytes: FloatArray, now_s: float, *, reserve: bool) -> None:
        """Drop copies that do not fit beside the other bytes that each device holds, shape (devices,).

        `reserve`: whether a `live` migration that has started is part of these bytes.
        """
        if reserve:
            self._reserve()
        for number, device in enumerate(self._cluster.devices):
            if 0.0 in (device.up.value(now_s), *values_between(device.up, self._checked_s, now_s)):
                self.held[:, number] = False
        self._checked_s = now_s
        if not self.held.any():
            return
        used = np.maximum(held_bytes, self._cluster.runtime_bytes)
        room = (self._cluster.available_bytes(now_s) - used).tolist()
        for block, number in np.argwhere(self.held).tolist():
            room[number] -= self._bytes[block]
            if room[number] < 0.0:
                self.held[block, number] = False

    def _reserve(self) -> None:
        for block, device in self._waiting:
            self._reserved[block, device] = bool(self.held[block, device])
            self.held[block, device] = False
        self._waiting = []

    def _add(self, block: int, device: int) -> None:
        self.held[block, device] = self._allowed and self._bytes[block] > 0.0
