"""The ways to place the blocks of each stage of a step, with their times.

A step is a chain of stages (`simcore.steps.fork_join`). A *way* through a stage is: the device with its input, the
device that gathers its outputs, and how many of its blocks are on each device. Blocks of a stage differ only in where
they are now, so the time of a way includes the cheapest moves of its blocks.
"""

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from headway.policies.common.transfer_times import branches, over_horizon
from headway.simcore import FloatArray, IntArray, Observation, Stage, predict
from headway.simcore.arrays import BoolArray

_NEVER_S = 1e15
"""A time in place of infinity for the assignment of moves."""


@dataclass(frozen=True, eq=False)
class Ways:
    """The ways through some stages, all arrays of shape (n,) or, the counts, (n, D).

    Attributes:
        stage: number of the stage.
        start: device that holds its input.
        end: device that gathers its outputs.
        counts: blocks of the stage on each device.
        seconds: time of the stage over the horizon, and of the moves of its blocks.
    """

    stage: IntArray
    start: IntArray
    end: IntArray
    counts: IntArray
    seconds: FloatArray

    def __getitem__(self, rows: BoolArray | IntArray) -> "Ways":
        return Ways(*(values[rows] for values in vars(self).values()))


def _free(stage: Stage) -> list[int]:
    """The blocks of a stage that may be on any device, whatever the device at its end."""
    return [row for row in stage.rows if row != stage.gathers]


def number_of_ways(observation: Observation) -> int:
    """An upper bound on the number of ways of `all_ways`."""
    count = observation.devices
    return sum(
        (count if number else 1) * count * math.comb(len(_free(stage)) + count - 1, count - 1)
        for number, stage in enumerate(observation.step_graphs.chain.stages)
    )


def all_ways(observation: Observation) -> Ways:
    """The ways through all stages; the last ones include the time of the result to the source."""
    chain, moves = observation.step_graphs.chain, predict.move_seconds(observation)
    parts = [_ways(observation, number, moves) for number in range(len(chain.stages))]
    last = parts[-1]
    back = over_horizon(observation, chain.result)[last.end, observation.source]
    parts[-1] = replace(last, seconds=last.seconds + back)
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Ways(*map(np.concatenate, columns))


def _ways(observation: Observation, number: int, moves: FloatArray) -> Ways:
    """The ways through one stage."""
    stages = observation.step_graphs.chain.stages
    stage, free = stages[number], _free(stages[number])
    shares = _compositions(len(free), observation.devices)
    grid = np.mgrid[: observation.devices, : observation.devices, : len(shares)]
    start, end, share = (axis.ravel() for axis in grid)
    if number == 0:
        possible = start == observation.source
    elif stages[number - 1].gathers == stage.gathers:
        possible = start == end
    else:
        possible = np.ones(len(start), dtype=np.bool_)
    start, end, share = start[possible], end[possible], share[possible]
    counts, seconds = shares[share], _moving(moves[free], shares)[share]
    if len(free) < len(stage.rows):
        counts[np.arange(len(end)), end] += 1
        seconds = seconds + moves[stage.gathers, end]
    for index, step in enumerate(observation.steps):
        once, each = branches(observation, stage, index)
        branch = once[start, :, end] + counts * each[:, end].T
        seconds = seconds + step.count * np.where(counts > 0, branch, 0.0).max(axis=1)
    return Ways(np.full(len(start), number), start, end, counts, seconds)


def _compositions(total: int, parts: int) -> IntArray:
    """All ways to write `total` as a sum of `parts` numbers, shape (ways, parts)."""
    bars = list(combinations(range(total + parts - 1), parts - 1))
    between = np.array(bars, dtype=np.int64).reshape(len(bars), parts - 1)
    return np.diff(between, axis=1, prepend=-1, append=total + parts - 1) - 1


def _moving(moves: FloatArray, shares: IntArray) -> FloatArray:
    """Least time to move blocks so that each device has its share, shape (ways,).

    `moves` are the times of each block to each device, shape (n, D), `shares` the numbers of blocks, shape (ways, D).
    """
    if not moves.any():
        return np.zeros(len(shares))
    rows = np.arange(len(moves))
    return np.array([moves[rows, _cheapest_assignment(moves, share)].sum() for share in shares])


def _cheapest_assignment(moves: FloatArray, share: IntArray) -> IntArray:
    """The device of each of n blocks, shape (n,), for the least sum of `moves`; arguments as in `_moving`."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 (half a second of import that only the exact policies need)

    slots = np.repeat(np.arange(len(share)), share)
    _, columns = linear_sum_assignment(np.minimum(moves[:, slots], _NEVER_S))
    return slots[columns]


def shortest_s(observation: Observation, ways: Ways) -> float:
    """Time of the shortest path through all stages, as if memory were free [s]; infinite without any."""
    reached = np.zeros(observation.devices)
    for number in range(len(observation.step_graphs.chain.stages)):
        here = ways[ways.stage == number]
        following = np.full(observation.devices, np.inf)
        np.minimum.at(following, here.end, reached[here.start] + here.seconds)
        reached = following
    return float(reached.min())


def placement(observation: Observation, ways: Ways) -> IntArray:
    """The device of each block, shape (B,), from one way for each stage, in order."""
    devices, moves = np.empty(len(observation.blocks), dtype=np.int64), predict.move_seconds(observation)
    for stage, end, counts in zip(observation.step_graphs.chain.stages, ways.end, ways.counts, strict=True):
        free, shares = _free(stage), counts.copy()
        if len(free) < len(stage.rows):
            devices[stage.gathers] = end
            shares[end] -= 1
        devices[free] = _cheapest_assignment(moves[free], shares)
    return devices
