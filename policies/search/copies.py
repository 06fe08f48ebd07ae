"""Which warm copies of weights a first placement asks for, so that the loss of a device costs little."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.score_search import ScoreSearch
from headway.policies.search.local_search import LocalSearch
from headway.simcore import IntArray, Observation, Placement, predict

_STEPS = 30
"""Changes that the search for the placement after a loss makes."""


def with_copies(observation: Observation, devices: IntArray, most_pause_s: float) -> Placement:
    """The placement `devices`, shape (B,), with copies if it is the first one and copies are allowed.

    For each device in use except the source, which sends lost blocks, a search finds the placement without the device.
    The blocks that would move then have copies where they would go. The device whose copies are smallest comes first,
    until the memory that is free at the end of the horizon is used up.
    """
    if observation.placement is not None or not observation.warm_copies:
        return Placement(devices)
    copies = np.zeros((len(devices), observation.devices), dtype=np.bool_)
    room = observation.available_bytes - predict.held_bytes(observation, devices)
    size = observation.moving_bytes
    wishes = [
        _copies_without(observation, devices, lost, most_pause_s) for lost in _others(observation, devices)
    ]
    for rows, targets in sorted(wishes, key=lambda wish: float(size[wish[0]].sum())):
        for block, target in zip(rows.tolist(), targets.tolist(), strict=True):
            if size[block] <= room[target] and not copies[block, target]:
                copies[block, target] = True
                room[target] -= size[block]
    return Placement(devices, copies)


def _others(observation: Observation, devices: IntArray) -> Iterator[int]:
    """Devices in use except the source."""
    return (device for device in np.unique(devices).tolist() if device != observation.source)


def _copies_without(
    observation: Observation, devices: IntArray, lost: int, most_pause_s: float
) -> tuple[IntArray, IntArray]:
    """The blocks that would move if a device went down, and their new devices, shape (n,) each."""
    after = _without(observation, devices, lost)
    search = LocalSearch(after, most_pause_s)
    starts = [start for start in (ScoreSearch().place(after), layer_runs(after)) if start is not None]
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
