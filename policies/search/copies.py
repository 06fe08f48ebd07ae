"""Which warm copies of weights a first placement asks for, so that the loss of a device costs little."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.score_search import ScoreSearch
from headway.policies.search.local_search import LocalSearch
from headway.simcore import BoolArray, IntArray, Observation, Placement, predict

_STEPS = 30
"""Changes that the search for the placement after a loss makes."""


def with_copies(observation: Observation, course: Sequence[IntArray], most_pause_s: float) -> Placement:
    """The first placement of a course, with copies if there is none in force and copies are allowed.

    Blocks that move later in the course have copies where they will go. Then, for each device in use except the source,
    which sends lost blocks, a search finds the placement without the device; the blocks that would move have copies
    where they would go. The device whose copies are smallest comes first, until the memory that is free at the end of
    the horizon is used up.

    Args:
        observation: the world now.
        course: the placement to adopt, and those expected to follow, shape (B,) each.
        most_pause_s: as in `PlacementCost`.
    """
    devices = course[0]
    if observation.placement is not None or not observation.warm_copies:
        return Placement(devices)
    size = observation.moving_bytes
    wishes = [
        _copies_without(observation, devices, lost, most_pause_s)
        for lost in np.unique(devices).tolist()
        if lost != observation.source
    ]
    wishes.sort(key=lambda wish: float(size[wish[0]].sum()))
    moves = ((np.flatnonzero(after != before), after) for before, after in pairwise(course))
    expected = [(rows, after[rows]) for rows, after in moves]
    return Placement(devices, fitting_copies(observation, devices, [*expected, *wishes]))


def fitting_copies(
    observation: Observation, devices: IntArray, wishes: Iterable[tuple[IntArray, IntArray]]
) -> BoolArray:
    """The copies that fit next to a placement, shape (B, D).

    Args:
        observation: a world, with the weights of blocks as the part of `moving_bytes` beyond `cache_bytes`.
        devices: the placement, shape (B,).
        wishes: blocks and the devices that are to have copies of them, shape (n,) each, in order of importance.
    """
    copies = np.zeros((len(devices), observation.devices), dtype=np.bool_)
    room = observation.available_bytes - predict.held_bytes(observation, devices)
    size = observation.moving_bytes - observation.cache_bytes
    for rows, targets in wishes:
        for block, target in zip(rows.tolist(), targets.tolist(), strict=True):
            if size[block] <= room[target] and devices[block] != target and not copies[block, target]:
                copies[block, target] = True
                room[target] -= size[block]
    return copies


def _copies_without(
    observation: Observation, devices: IntArray, lost: int, most_pause_s: float
) -> tuple[IntArray, IntArray]:
    """The blocks that would move if a device went down, and their new devices, shape (n,) each."""
    after = _without(observation, devices, lost)
    search = LocalSearch(after, most_pause_s)
    placements = ScoreSearch().place(after), layer_runs(after, after.source)
    starts = [start for start in placements if start is not None]
    if not starts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    best = search.improved(min(starts, key=search.cost.of), _STEPS)
    rows = np.flatnonzero(((best != devices) | after.lost) & (best != observation.source))
    return rows, best[rows]


def _without(observation: Observation, devices: IntArray, lost: int) -> Observation:
    """The world after the loss of a device, if the other devices have copies of all blocks that it had."""
    there = np.arange(observation.devices) != lost
    gone = devices == lost
    return replace(
        observation,
        available_bytes=observation.available_bytes * there,
        rate=np.where(there[:, None] & there, observation.rate, 0.0),
        up=observation.up & there,
        availability=observation.availability * there,
        lost=gone,
        placement=devices,
        copies=gone[:, None] & there,
        cache_bytes=np.where(gone, 0.0, observation.memory_bytes - observation.moving_bytes),
    )
