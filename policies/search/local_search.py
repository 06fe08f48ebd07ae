"""Steepest descent from a placement, over moves of runs of layers and of blocks of one kind and layer."""

import importlib
import sys
from functools import cache
from types import ModuleType

import numpy as np

from headway.policies.search.group_moves import GroupMoves
from headway.policies.search.placement_cost import Change, PlacementCost
from headway.policies.search.run_moves import RunMoves
from headway.simcore import IntArray, Observation, jit

_SCARCITY = (1.0, 10.0, 100.0)
"""Prices of memory in turn: the delay of the placement, this many times, for as much memory as all devices have."""

_LEAST_GAIN = 1e-6
"""Relative gain below which the search ends."""

_COMPILED = "headway.policies.search.compiled_search"

_plain = jit.PlainWork(2000)
"""Steps of searches."""

_BEFORE_LOADING = 200
"""Number of steps that take about as long as it takes to load compiled code from disk."""


class LocalSearch:
    """Improves placements under one observation; arguments as in `PlacementCost`.

    Compiled code gives the same bits as array code; with None for `compiled` it takes over after many steps.
    """

    def __init__(
        self,
        observation: Observation,
        most_pause_s: float,
        before: Observation | None = None,
        compiled: bool | None = None,
    ) -> None:
        self._module = _compiled_search(compiled)
        self.cost = PlacementCost(observation, most_pause_s, before, compiled=self._module is not None)
        self._runs = RunMoves(self.cost)
        self._groups = GroupMoves(self.cost)
        if self._module is not None:
            self._search = self._module.search_of(self.cost, self._groups, self._runs)

    def best_changes(self, devices: IntArray) -> tuple[float, Change, Change]:
        """Cost of a placement [s], the best move of a run of layers, and that of blocks of one kind and layer."""
        if self._module is not None:
            cost_s, run, group = self._module.best_changes(self._search, self.cost.per_excess, devices)
            return cost_s, self._runs.change(*run), Change(*group)
        state = self.cost.times.state(devices)
        return self.cost.of_state(state), self._runs.best(state), self._groups.best(state)

    def improved(self, devices: IntArray, most_steps: int) -> IntArray:
        """A placement, shape (B,), after at most `most_steps` changes, each the best one."""
        devices = devices.copy()
        if self._module is not None:
            self._module.improve(self._search, self.cost.per_excess, devices, most_steps, _LEAST_GAIN)
            return devices
        for _ in range(most_steps):
            _plain.done += 1
            cost_s, *changes = self.best_changes(devices)
            best = min(changes, key=lambda change: change.cost_s)
            if not best.cost_s < cost_s * (1.0 - _LEAST_GAIN):
                break
            devices[best.rows] = best.device
        return devices

    def settled(self, devices: IntArray, most_steps: int) -> IntArray:
        """A placement, shape (B,), that is improved while memory becomes scarce step by step (a penalty method).

        Where memory is tight, no single change of a placement that fits may help, although an exchange would. So the
        search may exceed memory at first. It makes at most `most_steps` changes at each price of memory.
        """
        cost = self.cost
        full = cost.per_excess
        byte_s = cost.times.state(devices).delay_s / max(float(cost.observation.available_bytes.sum()), 1.0)
        for times in _SCARCITY:
            cost.per_excess = np.minimum(times * byte_s, full)
            devices = self.improved(devices, most_steps)
        cost.per_excess = full
        return self.improved(devices, most_steps)


def _compiled_search(compiled: bool | None) -> ModuleType | None:
    """`policies.search.compiled_search`, or None for array code."""
    if compiled is None:
        # Loading numba itself would take longer than it saves.
        may_load = _plain.done > _BEFORE_LOADING and "numba" in sys.modules
        compiled = _plain.is_enough or (may_load and _is_on_disk())
    return importlib.import_module(_COMPILED) if compiled else None


@cache
def _is_on_disk() -> bool:
    """Whether the compiled search only needs to be loaded; looked up once, not at every decision."""
    return jit.is_on_disk(importlib.import_module(_COMPILED).improve)
