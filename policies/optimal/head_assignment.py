"""The best devices for the heads of one layer, for given devices of the single blocks.

The slowest branch determines the time of a step. So a threshold on the times of branches limits the number of heads on
each device: the device has that many *slots*. To move the heads into slots at the least cost is an assignment problem,
for which SciPy has an exact solver. The delay of the best placement is one of finitely many times, those of a device
with some number of heads; the search goes over these.

A *table* holds the time of the branch over each device with 1, 2, ..., H heads, shape (D, H). Its rows ascend, and are
infinite where the heads do not fit.
"""

from typing import TypeAlias

import numpy as np

from headway.policies.optimal.single_layer import OneLayer
from headway.simcore import FloatArray, IntArray

Assignment: TypeAlias = tuple[float, IntArray] | None
"""Seconds of the slowest branches and of the moves together, and the device of each head, shape (H,)."""


class HeadStage:
    """Places the heads of one layer."""

    def __init__(self, layer: OneLayer) -> None:
        self._layer = layer
        self._numbers = np.arange(1, layer.heads + 1)
        self._now = np.bincount(layer.origin, minlength=len(layer.proj))
        # Of the heads on one device, each is counted as one of the first, second, ... there.
        order = np.argsort(layer.origin, kind="stable")
        before = np.cumsum(self._now) - self._now
        self._rank = np.empty(layer.heads, dtype=np.int64)
        self._rank[order] = np.arange(layer.heads) - before[layer.origin[order]]
        elsewhere = layer.moves.copy()
        elsewhere[np.arange(layer.heads), layer.origin] = np.inf
        elsewhere[:, layer.room[0] < 1] = np.inf
        self._leaving = np.minimum(elsewhere.min(axis=1), layer.ceiling)
        self._moving_matters = bool(layer.moves.any())

    def tables(self, embed: int, proj: int) -> FloatArray:
        """A table for each step, shape (S, D, H), for unlimited memory."""
        layer = self._layer
        once = layer.arrive[:, embed] + layer.leave[:, :, proj]
        return once[:, :, None] + layer.each[:, :, proj, None] * self._numbers

    def within(self, tables: FloatArray, room: IntArray) -> FloatArray:
        """The tables with no more heads on each device than `room`, shape (..., D)."""
        return np.where(self._numbers > room[..., None], np.inf, tables)

    def bounds(self, arrive: FloatArray, room: IntArray) -> FloatArray:
        """A lower bound on the time of the heads for each place of the projection [s], shape (D,).

        The threshold T is at least the one that leaves H slots, and each head without a slot on its present device
        costs at least its cheapest move. The second cost only changes where T passes the time of a slot in use.

        Args:
            arrive: time in which the input comes to each device in each step, shape (S, D).
            room: heads that fit on each device for each place of the projection, shape (D, D).
        """
        layer = self._layer
        bounds = np.full(len(room), np.inf)
        possible = np.flatnonzero(room.sum(axis=1) >= layer.heads)
        once = (arrive[:, :, None] + layer.leave).sum(axis=0).T[possible]
        table = once[:, :, None] + layer.each.sum(axis=0).T[possible][:, :, None] * self._numbers
        table = self.within(table, room[possible])
        lowest = self._lowest(table)[:, None]
        if not self._moving_matters:
            bounds[possible] = lowest[:, 0]
            return bounds
        used = table[:, layer.origin, self._rank]
        thresholds = np.maximum(np.concatenate((lowest, used), axis=1), lowest)
        forced = np.where(used[:, None, :] > thresholds[:, :, None], self._leaving, 0.0).sum(axis=2)
        bounds[possible] = (thresholds + forced).min(axis=1)
        return bounds

    def best(self, tables: FloatArray, limit: float) -> Assignment:
        """The devices of the heads with the least time of slowest branches and moves, if below `limit` seconds.

        With several steps, each has a slowest branch of its own. Often one branch is the slowest in all of them; then
        the problem is that of one step with the sums of the times. That is tried first, and bounds the rest.
        """
        if len(tables) == 1:
            return self._one_step(tables[0], limit)
        joint = self._one_step(tables.sum(axis=0), limit)
        if joint is None:
            return None
        least, heads = joint
        value = self._moves(heads) + sum(self._slowest(table, heads) for table in tables)
        # Up to rounding, one branch is the slowest in all steps.
        if value <= least * (1.0 + 1e-13):
            return value, heads
        better = self._several_steps(tables, min(value, limit))
        return better if better is not None or value >= limit else (value, heads)

    def _several_steps(self, tables: FloatArray, limit: float) -> Assignment:
        """The best for thresholds of all steps: that of the first step falls, and the others are solved for each."""
        if len(tables) == 1:
            return self._one_step(tables[0], limit)
        first, rest = tables[0], tables[1:]
        lowest = float(self._lowest(first))
        best: Assignment = None
        while (others := self._several_steps(rest, limit - lowest)) is not None:
            seconds, heads = others
            slowest = self._slowest(first, heads)
            if slowest + seconds < limit:
                limit = slowest + seconds
                best = limit, heads
            # Thresholds of the first step from `slowest` to the last one leave the other steps the same slots.
            rest = np.where(first < slowest, rest, np.inf)
        return best

    def _one_step(self, table: FloatArray, limit: float) -> Assignment:
        """The best for one threshold.

        The higher the threshold, the less moves cost. So their cost at one threshold is a lower bound for all lower
        ones. Thresholds are tried from the middle of those that may still be better than the best so far.
        """
        lowest = float(self._lowest(table))
        if lowest >= limit:
            return None
        if not self._moving_matters:
            return lowest, np.argsort(table, axis=None, kind="stable")[: self._layer.heads] // table.shape[1]
        thresholds = np.unique(table[(table >= lowest) & (table < limit)])
        bounds = thresholds + self._forced(table, thresholds)
        best: Assignment = None
        while len(open_ones := np.flatnonzero(bounds < limit)):
            middle = int(open_ones[len(open_ones) // 2])
            heads, moves = self._cheapest(table, float(thresholds[middle]), limit)
            value = self._slowest(table, heads) + moves
            if value < limit:
                limit = value
                best = value, heads
            bounds[:middle] = np.maximum(bounds[:middle], thresholds[:middle] + moves)
            bounds[middle] = np.inf
        return best

    def _lowest(self, table: FloatArray) -> FloatArray:
        """The lowest threshold that leaves H slots, of each table in shape (..., D, H)."""
        flat = table.reshape(*table.shape[:-2], table.shape[-2] * table.shape[-1])
        return np.partition(flat, self._layer.heads - 1, axis=-1)[..., self._layer.heads - 1]

    def _forced(self, table: FloatArray, thresholds: FloatArray) -> FloatArray:
        """A lower bound on the cost of moves at each threshold: the cheapest move of each head without a slot there."""
        used = table[self._layer.origin, self._rank]
        order = np.argsort(used)
        leaving = np.concatenate((np.cumsum(self._leaving[order][::-1])[::-1], [0.0]))
        return leaving[np.searchsorted(used[order], thresholds, side="right")]

    def _cheapest(self, table: FloatArray, threshold: float, limit: float) -> tuple[IntArray, float]:
        """The cheapest moves into the slots at a threshold, and their cost; costs above `limit` are underestimated.

        In the cheapest solution, no device gains more heads than lose their slots in total: each of these starts a
        chain of moves that ends with one more head on one device. So most slots need not be considered.
        """
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 (half a second of import that only the exact policies need)

        excess = int((table[self._layer.origin, self._rank] > threshold).sum())
        gain = self._numbers <= (self._now + excess)[:, None]
        slots, _ = np.nonzero((table <= threshold) & gain)
        cost = np.minimum(self._layer.moves[:, slots], limit)
        rows, columns = linear_sum_assignment(cost)
        return slots[columns], float(cost[rows, columns].sum())

    def _slowest(self, table: FloatArray, heads: IntArray) -> float:
        count = np.bincount(heads, minlength=len(table))
        used = np.flatnonzero(count)
        return float(table[used, count[used] - 1].max())

    def _moves(self, heads: IntArray) -> float:
        return float(self._layer.moves[np.arange(len(heads)), heads].sum())
