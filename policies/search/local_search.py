"""Steepest descent from a placement, over moves of runs of layers and of blocks of one kind and layer."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headway.policies.search.chain_times import ChainTimes, State
from headway.policies.search.transition import Transition
from headway.simcore import FloatArray, IntArray, Observation, predict

_LEAST_GAIN = 1e-6


@dataclass(frozen=True, eq=False)
class Change:
    """A change of a placement.

    Attributes:
        cost_s: cost of the placement after the change [s].
        rows: blocks that move.
        device: their new device.
    """

    cost_s: float
    rows: IntArray
    device: int


class LocalSearch:
    """Improves placements under one observation.

    The cost of a placement is its delay over the horizon, the time to read from disk what does not fit, and the price
    of the transition from the placement in force. Sharing of links is not counted.

    Args:
        seen: the observation.
        most_pause_s: a pause for moves above this costs extra.
    """

    def __init__(self, seen: Observation, most_pause_s: float) -> None:
        self._seen = seen
        self._times = ChainTimes(seen)
        self._transition = Transition(seen, most_pause_s)
        self._usable = np.flatnonzero(seen.up)
        self._bytes = seen.memory_bytes
        self._room = seen.available_bytes
        self._per_excess = self._excess_seconds()
        self._segments = self._cut_into_layers()
        self._gatherer = np.zeros(len(seen.blocks), dtype=np.bool_)
        self._gatherer[self._times.gathers] = True
        # The stage that holds the input of each stage: the one whose block gathered it; -1 for the source.
        self._gathered_at = np.concatenate(([-2], self._times.stage_of[self._times.gathers]))

    def _excess_seconds(self) -> FloatArray:
        """Cost of a byte beyond the memory of each device [s], shape (D,)."""
        seen = self._seen
        if seen.overflow == "swap":
            with np.errstate(divide="ignore"):
                return seen.tokens / seen.disk_bandwidth
        return np.full(seen.devices, 1e9 / self._bytes.sum())

    def _cut_into_layers(self) -> list[tuple[int, int]]:
        """First and last stage of each layer; the embedding and the output head are layers of their own."""
        layers = np.array([stage.layer for stage in self._seen.step_graphs.chain.stages])
        begins = np.flatnonzero(np.diff(layers, prepend=layers[0] - 1))
        return list(zip(begins.tolist(), [*(begins[1:] - 1).tolist(), len(layers) - 1], strict=True))

    @cached_property
    def _touched(self) -> tuple[IntArray, IntArray, IntArray]:
        """The stages whose time changes if all blocks of a stage move: numbers, begins and the stages."""
        numbers = range(len(self._gathered_at) - 1)
        gathered = [np.flatnonzero(self._gathered_at[1:] == number) for number in numbers]
        touched = [np.unique(np.concatenate(([number], one, one + 1))) for number, one in enumerate(gathered)]
        sizes = np.array([len(one) for one in touched])
        return sizes, np.cumsum(sizes) - sizes, np.concatenate(touched)

    def objective(self, devices: IntArray) -> float:
        """Predicted cost of a placement, shape (B,), with the exact delay [s]; infinite if it cannot be in force."""
        seen = self._seen
        if not seen.up[devices].all():
            return np.inf
        in_force = seen.placement is not None and np.array_equal(devices, seen.placement)
        if not (predict.fits(seen, devices) or in_force):
            return np.inf
        delay_s = predict.shared_delay(seen, devices)
        moving_s = predict.migration_delay(seen, predict.reachable(seen, devices))
        return delay_s + float(self._transition.price(np.array([moving_s]), delay_s))

    def cost(self, devices: IntArray) -> float:
        """Estimated cost of a placement, shape (B,): its delay, reading from disk, and the transition to it [s]."""
        delay_s = self._times.state(devices).delay_s
        return float(self._cost(delay_s, self._excess(self._used(devices)), self._transition.loads(devices)))

    def best_changes(self, devices: IntArray) -> tuple[Change, Change]:
        """The best move of a run of layers, and the best move of blocks of one kind and layer."""
        state, used = self._times.state(devices), self._used(devices)
        return self._best_run(state, used), self._best_group(state, used)

    def improved(self, devices: IntArray, most_steps: int) -> IntArray:
        """A placement, shape (B,), after at most `most_steps` changes, each the best one."""
        devices = devices.copy()
        for _ in range(most_steps):
            best = min(self.best_changes(devices), key=lambda change: change.cost_s)
            if not best.cost_s < self.cost(devices) * (1.0 - _LEAST_GAIN):
                break
            devices[best.rows] = best.device
        return devices

    def _used(self, devices: IntArray) -> FloatArray:
        used: FloatArray = np.bincount(devices, weights=self._bytes, minlength=self._seen.devices).astype(
            np.float64
        )
        return used

    def _cost(
        self, delay_s: FloatArray | float, excess_s: FloatArray | float, loads: FloatArray
    ) -> FloatArray:
        return delay_s + excess_s + self._transition.price(loads, delay_s)

    def _excess(self, used: FloatArray) -> float:
        return float((np.maximum(used - self._room, 0.0) * self._per_excess).sum())

    # Runs of layers

    def _best_run(self, state: State, used: FloatArray) -> Change:
        """The best move of a run of consecutive layers to one device."""
        times, count = self._times, self._seen.devices
        first = np.array([a for a, _ in self._segments])
        last = np.array([b for _, b in self._segments])
        n, usable = len(first), self._usable
        stages = len(state.seconds)
        # Inside a run every stage has all on one device; at its two ends the devices differ.
        inner = np.concatenate(
            (np.zeros((1, count)), np.cumsum(times.whole - state.seconds[:, None], axis=0))
        )
        sizes = state.counts.sum(axis=1)
        stage, device = (axis.ravel() for axis in np.meshgrid(first, usable, indexing="ij"))
        counts = np.zeros((len(stage), count), dtype=np.int64)
        counts[np.arange(len(stage)), device] = sizes[stage]
        entry = times.seconds(stage, state.starts[stage], counts, device) - state.seconds[stage]
        entry = entry.reshape(n, len(usable))
        leave = np.empty((n, len(usable)))
        after = last + 1
        inside = after < stages
        stage, device = (axis.ravel() for axis in np.meshgrid(after[inside], usable, indexing="ij"))
        seconds = times.seconds(stage, device, state.counts[stage], state.starts[stage + 1])
        leave[inside] = (seconds - state.seconds[stage]).reshape(-1, len(usable))
        leave[~inside] = times.back[usable] - state.back_s
        inner = inner[:, usable]
        delta = (
            entry[:, None, :] - inner[first + 1][:, None, :] + inner[last + 1][None, :, :] + leave[None, :, :]
        )
        delay = state.delay_s + delta
        # Memory: the bytes of a run on each device now, and all of them on its new device.
        stage_bytes = np.zeros((stages, count))
        np.add.at(stage_bytes, (times.stage_of, state.devices), self._bytes)
        upto = np.concatenate((np.zeros((1, count)), np.cumsum(stage_bytes, axis=0)))
        moved = upto[last + 1][None, :, :] - upto[first][:, None, :]
        over = used - moved - self._room
        rest = np.maximum(over, 0.0) * self._per_excess
        excess = rest.sum(axis=2)[:, :, None] - rest[:, :, usable]
        total = moved.sum(axis=2)[:, :, None]
        excess = excess + np.maximum(over[:, :, usable] + total, 0.0) * self._per_excess[usable]
        loads = self._transition.run_loads(state.devices, times.stage_of, first, last, usable)
        cost = self._cost(delay, excess, loads)
        cost = np.where((first[:, None] <= last[None, :])[:, :, None], cost, np.inf)
        a, b, d = np.unravel_index(int(cost.argmin()), cost.shape)
        rows = np.flatnonzero((times.stage_of >= first[a]) & (times.stage_of <= last[b]))
        return Change(float(cost[a, b, d]), rows, int(usable[d]))

    # Blocks of one stage on one device

    def _best_group(self, state: State, used: FloatArray) -> Change:
        """The best move of one, half or all blocks of a stage from one device to another."""
        times = self._times
        order, first, size = self._groups(state)
        amounts = np.stack((np.ones_like(size), (size + 1) // 2, size))
        fresh = np.stack((size > 2, size > 1, size > 0))
        choice, group = np.nonzero(fresh)
        taken = np.repeat(amounts[choice, group], len(self._usable))
        group = np.repeat(group, len(self._usable))
        target = np.tile(self._usable, len(choice))
        source = state.devices[order[first[group]]]
        moving = source != target
        group, taken, target, source = group[moving], taken[moving], target[moving], source[moving]
        if not len(group):
            return Change(np.inf, order[:0], 0)
        lead = order[first[group]]
        gathers = self._gatherer[order[first + size - 1]][group] & (taken == size[group])
        delay = state.delay_s + self._changes(state, times.stage_of[lead], source, target, taken, gathers)
        bytes_ = self._bytes[lead] * taken
        over = used - self._room
        before = np.maximum(over, 0.0) * self._per_excess
        excess = before.sum() - before[source] - before[target]
        excess = excess + np.maximum(over[source] - bytes_, 0.0) * self._per_excess[source]
        excess = excess + np.maximum(over[target] + bytes_, 0.0) * self._per_excess[target]
        loads = self._transition.group_loads(state.devices, lead, source, target, taken)
        cost = self._cost(delay, excess, loads)
        best = int(cost.argmin())
        begin = int(first[group[best]])
        return Change(float(cost[best]), order[begin : begin + int(taken[best])], int(target[best]))

    def _groups(self, state: State) -> tuple[IntArray, IntArray, IntArray]:
        """Blocks of one stage on one device with one origin.

        Returns:
            All blocks, group by group, a block that gathers last in its group, shape (B,); the first place and the size
            of each group.
        """
        count = self._seen.devices
        key = (self._times.stage_of * count + state.devices) * (2 * count) + self._transition.origin_key
        order = np.argsort(2 * key + self._gatherer, kind="stable")
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        return order, first, np.diff(first, append=len(order))

    def _changes(
        self,
        state: State,
        stage: IntArray,
        source: IntArray,
        target: IntArray,
        taken: IntArray,
        gathers: NDArray[np.bool_],
    ) -> FloatArray:
        """By how much the delay changes if `taken` blocks of a stage move, for n changes."""
        times, stages = self._times, len(state.seconds)
        case, at = self._affected(stage, gathers)
        back = at == stages
        delta: FloatArray = np.bincount(
            case[back], weights=times.back[target[case[back]]] - state.back_s, minlength=len(stage)
        ).astype(np.float64)
        case, at = case[~back], at[~back]
        counts = state.counts[at].copy()
        own = np.flatnonzero(at == stage[case])
        counts[own, source[case[own]]] -= taken[case[own]]
        counts[own, target[case[own]]] += taken[case[own]]
        gathering = np.where(gathers[case], stage[case], -1)
        starts = np.where(self._gathered_at[at] == gathering, target[case], state.starts[at])
        ends = np.where(self._gathered_at[at + 1] == gathering, target[case], state.starts[at + 1])
        seconds = times.seconds(at, starts, counts, ends)
        delta += np.bincount(case, weights=seconds - state.seconds[at], minlength=len(stage))
        return delta

    def _affected(self, stage: IntArray, gathers: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
        """Changes and the stages whose time they change, as pairs; stage S is the way of the result to the source."""
        sizes, begins, flat = self._touched
        count = np.where(gathers, sizes[stage], 1)
        case = np.repeat(np.arange(len(stage)), count)
        offset = np.arange(len(case)) - np.repeat(np.cumsum(count) - count, count)
        at = np.where(gathers[case], flat[begins[stage[case]] + offset], stage[case])
        return case, at
