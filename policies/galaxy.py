"""Tensor-parallel placement in proportion to speed, after *Galaxy* (arXiv 2405.17245; IEEE INFOCOM 2024).

Galaxy splits the attention heads and the columns of the feed-forward network of every layer over all devices, in two
steps: first in proportion to how fast a device computes, then blocks that do not fit into a device's memory move
to devices with room.

Ours, where the paper leaves it open, where its full text was not available, or where this simulator differs:

- The speed of a device is one over its seconds for all blocks of one layer, as observed when the plan is made; a device
  that is down, or from or to which the source can send nothing, counts as having none. Links do not matter otherwise.
- Heads are whole, so their numbers are rounded by largest remainders, alike in every layer: each device is less than
  one head from its exact share. Feed-forward networks in several shards are split like heads; the shard that gathers
  the sums of the others is with the projection, if the device of that has a share.
- The projection, and a feed-forward network that is one block, cannot be split. They are distributed over the
  layers instead: each device gets both of consecutive layers, in proportion to its speed, again by largest remainders.
  In a model of one layer the fastest device thus has both.
- Embedding and output head, which the paper does not split, start on the source.
- Step two moves one block at a time off the most overfull device: the smallest block that is enough, or else the
  largest that fits elsewhere, to the device with room that would finish all its blocks first. If no block can move, a
  search over all ways to pack the blocks replaces the proportions. So `Infeasible` is certain as long
  as that search ends within its bound on choices, as it does for small worlds; it is bounded for large ones.
- Galaxy shares the norms between blocks by position in the sequence, and overlaps sending with computing; this
  simulator models neither.
- The plan is made once and kept. It is recomputed, ignoring migration costs, only when it no longer fits and the
  scenario does not swap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.packing import packed
from headway.policies.common.reachability import usable
from headway.simcore import (
    Decision,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Kind,
    Observation,
    Placement,
    predict,
)


@dataclass(frozen=True)
class Galaxy:
    """Heads and feed-forward networks over all devices in proportion to their speed, as far as memory allows."""

    name: ClassVar[str] = "galaxy"
    declares: ClassVar[Mapping[str, str]] = {
        "reordering": "layers are assigned in runs, in the order in which devices are listed",
    }

    def decide(self, observation: Observation) -> Decision:
        """Plan once; again only when the plan does not fit any more."""
        if predict.can_stay(observation):
            return Keep()
        devices = _unload(observation, _in_proportion(observation))
        if devices is None:
            devices = packed(observation.memory_bytes, observation.available_bytes, usable(observation))
        return Infeasible("found no way to fit all blocks") if devices is None else Placement(devices)


def shares(count: int, speed: FloatArray) -> IntArray:
    """Number of `count` equal parts for each device, in proportion to `speed`, by largest remainders, shape (D,).

    Of equal remainders the faster device goes first, then the one listed first.
    """
    exact = count * speed / speed.sum()
    whole: IntArray = np.floor(exact).astype(np.int64)
    first = np.lexsort((-speed, whole - exact))
    whole[first[: count - int(whole.sum())]] += 1
    return whole


def _in_proportion(observation: Observation) -> IntArray:
    """The first step: in proportion to the speeds of devices, ignoring memory, shape (B,)."""
    blocks = observation.blocks
    speed = _speed(observation)
    numbers = np.arange(observation.devices)
    owner = np.repeat(numbers, shares(blocks.layers, speed))
    devices = np.full(len(blocks), observation.source, dtype=np.int64)
    for layer in range(blocks.layers):
        owner_first = np.argsort(numbers != owner[layer], kind="stable")
        for kind in (Kind.HEAD, Kind.PROJ, Kind.FFN):
            rows = np.flatnonzero((blocks.layer == layer) & (blocks.kind == kind))
            if kind != Kind.HEAD and len(rows) == 1:
                devices[rows] = owner[layer]
            else:
                devices[rows] = np.repeat(owner_first, shares(len(rows), speed)[owner_first])
    return devices


def _speed(observation: Observation) -> FloatArray:
    """Layers per second of each device; all equal if none can be used, shape (D,)."""
    layer = observation.seconds_together(np.flatnonzero(observation.blocks.layer == 0))
    speed: FloatArray = np.where(usable(observation), 1.0 / layer, 0.0)
    return speed if speed.any() else np.ones(observation.devices)


def _unload(observation: Observation, devices: IntArray) -> IntArray | None:
    """The second step: move blocks off overfull devices, shape (B,); None if no block can move."""
    devices = devices.copy()
    held = predict.held_bytes(observation, devices)
    # Sums depend on their order by rounding: a placement that fits by one order must not overflow by the other.
    while (held > observation.available_bytes * (1.0 + 1e-12)).any():
        old = int((held - observation.available_bytes).argmax())
        block = _to_move(observation, np.flatnonzero(devices == old), held, old)
        if block is None:
            return None
        devices[block] = _soonest(observation, devices, block, held)
        held = predict.held_bytes(observation, devices)
    return devices


def _to_move(observation: Observation, candidates: IntArray, held: FloatArray, old: int) -> int | None:
    """The block to move off an overfull device; None if none fits elsewhere."""
    elsewhere = np.delete(observation.available_bytes - held, old)
    size = observation.memory_bytes[candidates]
    movable = (size > 0.0) & (size <= elsewhere.max(initial=-np.inf))
    cures = movable & (held[old] - size <= observation.available_bytes[old])
    if cures.any():
        return int(candidates[np.where(cures, size, np.inf).argmin()])
    return int(candidates[np.where(movable, size, -np.inf).argmax()]) if movable.any() else None


def _soonest(observation: Observation, devices: IntArray, block: int, held: FloatArray) -> int:
    """The device with room for a block that would finish all its blocks first; usable devices before others."""
    blocks, (block_s, task_s) = observation.blocks, observation.horizon_times
    kind, graph = blocks.kind, observation.step_graphs.of(devices, observation.source)
    own, where = graph.kind[graph.tasks], graph.device[graph.tasks]
    busy = np.bincount(devices, block_s[kind, devices], observation.devices)
    busy += np.bincount(where, task_s[own, where], observation.devices)
    beside = devices[(kind == kind[block]) & (blocks.layer == blocks.layer[block])]
    joins = np.isin(np.arange(observation.devices), beside)
    done = busy + block_s[kind[block]] + np.where(joins, 0.0, task_s[kind[block]])
    room = np.flatnonzero(observation.memory_bytes[block] <= observation.available_bytes - held)
    return int(room[np.lexsort((done[room], ~usable(observation)[room]))[0]])
