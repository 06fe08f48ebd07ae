"""The best move of a run of consecutive layers to one device, among all runs and devices."""

import numpy as np

from headway.policies.search.placement_cost import Change, PlacementCost
from headway.policies.search.stages import State
from headway.simcore import FloatArray, IntArray


class RunMoves:
    """Moves of runs of layers, for n layers and m devices; the embedding and the output head are layers, too.

    Attributes:
        first: first stage of each layer, shape (n,).
        last: last stage of each layer, shape (n,).
        runs: the first and the last layer of each of p runs, two arrays of shape (p,).
        loads: `Transition.stage_loads` of the usable devices.
    """

    def __init__(self, cost: PlacementCost) -> None:
        self._cost = cost
        layers = np.array([stage.layer for stage in cost.observation.step_graphs.chain.stages])
        self.first: IntArray = np.flatnonzero(np.diff(layers, prepend=layers[0] - 1))
        self.last: IntArray = np.append(self.first[1:], len(layers)) - 1
        self.runs: tuple[IntArray, IntArray] = np.triu_indices(len(self.first))
        self.loads = cost.transition.stage_loads(cost.times.stage_of, cost.usable)

    def best(self, state: State) -> Change:
        """The change of a placement with the lowest cost."""
        cost, (a, b) = self._cost, self.runs
        delay_s = state.delay_s + self._changes(state)
        stages = self.first[a], self.last[b]
        loads = cost.transition.run_loads(state.devices, cost.times.stage_of, *stages, self.loads)
        total = cost.total(delay_s, self._excess(state), loads)
        run, d = np.unravel_index(int(total.argmin()), total.shape)
        return self.change(float(total[run, d]), int(a[run]), int(b[run]), int(d))

    def change(self, cost_s: float, a: int, b: int, d: int) -> Change:
        """The move of the layers from a to b to the usable device number d."""
        stage_of = self._cost.times.stage_of
        rows = np.flatnonzero((stage_of >= self.first[a]) & (stage_of <= self.last[b]))
        return Change(cost_s, rows, int(self._cost.usable[d]))

    def _upto(self, state: State) -> FloatArray:
        """Bytes of the stages before each one on each device, shape (S + 1, D)."""
        devices = self._cost.observation.devices
        place = (self._cost.times.stage_of + 1) * devices + state.devices
        size = (len(state.seconds) + 1) * devices
        stage_bytes = np.bincount(place, self._cost.observation.memory_bytes, size).reshape(-1, devices)
        return np.cumsum(stage_bytes, axis=0)

    def _changes(self, state: State) -> FloatArray:
        """By how much the delay changes, by run and device, shape (p, m).

        Inside a run every stage has all its blocks, inputs and outputs on one device. The first stage of the run gets
        its input from another device, and the stage after the run starts on the device of the run.
        """
        times, usable, first, last = self._cost.times, self._cost.usable, self.first, self.last
        stages, width = len(state.seconds), len(usable)
        after = last[last + 1 < stages] + 1
        entering, device = (axis.ravel() for axis in np.meshgrid(first, usable, indexing="ij"))
        leaving, start = (axis.ravel() for axis in np.meshgrid(after, usable, indexing="ij"))
        counts = np.zeros((len(entering), self._cost.observation.devices), dtype=np.int64)
        counts[np.arange(len(entering)), device] = state.counts.sum(axis=1)[entering]
        stage = np.concatenate((entering, leaving))
        changed = times.seconds(
            stage,
            np.concatenate((state.starts[entering], start)),
            np.concatenate((counts, state.counts[leaving])),
            np.concatenate((device, state.starts[leaving + 1])),
        )
        change = (changed - state.seconds[stage]).reshape(-1, width)
        entry, leave = change[: len(first)], np.empty((len(first), width))
        leave[last + 1 < stages] = change[len(first) :]
        leave[last + 1 == stages] = times.tables.back[usable] - state.back_s
        inner = np.cumsum(times.whole[:, usable] - state.seconds[:, None], axis=0)
        a, b = self.runs
        return (entry - inner[first])[a] + (inner[last] + leave)[b]

    def _excess(self, state: State) -> FloatArray:
        """Cost of the memory that is lacking after each move, shape (p, m)."""
        cost, observation, usable, (a, b) = self._cost, self._cost.observation, self._cost.usable, self.runs
        upto = self._upto(state)
        moved = upto[self.last + 1][b] - upto[self.first][a]
        over = state.used - moved - observation.available_bytes
        without = cost.excess(over)
        arriving = np.zeros_like(over)
        arriving[:, usable] = moved.sum(axis=1)[:, None]
        excess: FloatArray = (
            without.sum(axis=1)[:, None] + (cost.excess(over + arriving) - without)[:, usable]
        )
        return excess
