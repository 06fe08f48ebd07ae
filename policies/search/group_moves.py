"""The best move of blocks of one kind and layer from one device to another, among all of them."""

from functools import lru_cache

import numpy as np

from headway.policies.search.placement_cost import Change, PlacementCost
from headway.policies.search.stages import State
from headway.simcore import BoolArray, FloatArray, IntArray


class GroupMoves:
    """Moves of one, half or all blocks of a stage that are on one device.

    Attributes:
        gatherer: whether each block gathers the outputs of its stage, shape (B,).
        holder: the stage whose block holds the input of each stage, and at last the result; -2 for the source.
        touched: the stages whose time changes if all blocks of a stage move: numbers, begins and the stages.
        keys: numbers by which blocks are grouped, on device 0, shape (B,). Those of a block that gathers are odd.
        per_device: by how much they grow from device to device.
    """

    def __init__(self, cost: PlacementCost) -> None:
        times = cost.times
        self._cost = cost
        self.gatherer = np.zeros(len(cost.observation.blocks), dtype=np.bool_)
        self.gatherer[times.gathers] = True
        self.holder = np.concatenate(([-2], times.stage_of[times.gathers]))
        self.touched = _touched_stages(self.holder.tobytes())
        origins = int(cost.transition.origin_key.max()) + 1
        self.per_device = 2 * origins
        number = times.stage_of * cost.observation.devices * origins + cost.transition.origin_key
        self.keys = 2 * number + self.gatherer

    def best(self, state: State) -> Change:
        """The change of a placement with the lowest cost."""
        cost, times, usable = self._cost, self._cost.times, self._cost.usable
        order, first, size = groups_of(self.keys + self.per_device * state.devices)
        amounts = np.stack((np.ones_like(size), (size + 1) // 2, size))
        fresh = np.stack((size > 2, size > 1, size > 0))
        choice, group = np.nonzero(fresh)
        taken = np.repeat(amounts[choice, group], len(usable))
        group = np.repeat(group, len(usable))
        target = np.tile(usable, len(choice))
        source = state.devices[order[first[group]]]
        moving = source != target
        group, taken, target, source = group[moving], taken[moving], target[moving], source[moving]
        if not len(group):
            return Change(np.inf, order[:0], 0)
        lead = order[first[group]]
        gathers = self.gatherer[order[first + size - 1]][group] & (taken == size[group])
        delay = state.delay_s + self._changes(state, times.stage_of[lead], source, target, taken, gathers)
        over = state.used - cost.observation.available_bytes
        bytes_ = cost.observation.memory_bytes[lead] * taken
        case = np.arange(len(group))
        after = np.repeat(over[None, :], len(group), axis=0)
        after[case, source] -= bytes_
        after[case, target] += bytes_
        loads = cost.transition.group_loads(state.devices, lead, source, target, taken)
        total = cost.total(delay, cost.excess(after).sum(axis=1), loads)
        best = int(total.argmin())
        begin = int(first[group[best]])
        return Change(float(total[best]), order[begin : begin + int(taken[best])], int(target[best]))

    def _changes(
        self,
        state: State,
        stage: IntArray,
        source: IntArray,
        target: IntArray,
        taken: IntArray,
        gathers: BoolArray,
    ) -> FloatArray:
        """By how much the delay changes if `taken` blocks of a stage move, for n changes."""
        times, stages = self._cost.times, len(state.seconds)
        case, at = self._affected(stage, gathers)
        back = at == stages
        delta: FloatArray = np.bincount(
            case[back], weights=times.tables.back[target[case[back]]] - state.back_s, minlength=len(stage)
        ).astype(np.float64)
        case, at = case[~back], at[~back]
        counts = state.counts[at].copy()
        own = np.flatnonzero(at == stage[case])
        counts[own, source[case[own]]] -= taken[case[own]]
        counts[own, target[case[own]]] += taken[case[own]]
        gathering = np.where(gathers[case], stage[case], -1)
        starts = np.where(self.holder[at] == gathering, target[case], state.starts[at])
        ends = np.where(self.holder[at + 1] == gathering, target[case], state.starts[at + 1])
        seconds = times.seconds(at, starts, counts, ends)
        delta += np.bincount(case, weights=seconds - state.seconds[at], minlength=len(stage))
        return delta

    def _affected(self, stage: IntArray, gathers: BoolArray) -> tuple[IntArray, IntArray]:
        """Changes and the stages whose time they change, as pairs; stage S is the way of the result to the source."""
        sizes, begins, flat = self.touched
        count = np.where(gathers, sizes[stage], 1)
        case = np.repeat(np.arange(len(stage)), count)
        offset = np.arange(len(case)) - np.repeat(np.cumsum(count) - count, count)
        at = np.where(gathers[case], flat[begins[stage[case]] + offset], stage[case])
        return case, at


def groups_of(keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Blocks of one stage on one device that take equally long to move; `keys` of all blocks, shape (B,).

    Returns:
        All blocks, group by group, a block that gathers last in its group, shape (B,); the first place and the size
        of each group.
    """
    order = np.argsort(keys, kind="mergesort")
    return order, *group_bounds(keys[order])


def group_bounds(keys: IntArray) -> tuple[IntArray, IntArray]:
    """The first place and the size of each group; `keys` in rising order, shape (B,). Compiled code calls it, too."""
    number = keys >> 1
    first = np.append(0, np.flatnonzero(number[1:] != number[:-1]) + 1)
    return first, np.append(first[1:], len(keys)) - first


@lru_cache(maxsize=8)
def _touched_stages(holder: bytes) -> tuple[IntArray, IntArray, IntArray]:
    """See `GroupMoves.touched`; `holder` are the bytes of `GroupMoves.holder`."""
    holders = np.frombuffer(holder, dtype=np.int64)
    numbers = range(len(holders) - 1)
    gathered = [np.flatnonzero(holders[1:] == number) for number in numbers]
    touched = [np.unique(np.concatenate(([number], one, one + 1))) for number, one in enumerate(gathered)]
    sizes = np.array([len(one) for one in touched])
    return sizes, np.cumsum(sizes) - sizes, np.concatenate(touched)
