"""A lower bound on the delay of every placement, for models of any number of layers.

Layers are coupled in two ways only: the input of a layer is on the device of the feed-forward network of the layer
before, and all layers share the memory of the devices. The first is a shortest path from layer to layer over the
devices that hold the activations. The second is priced (Lagrangian relaxation; Geoffrion, Mathematical Programming
Study 2, 1974): each block pays for the bytes that it takes of a device, and the price of all memory is subtracted. For
any prices, the cheapest placement then costs no more than the best one that fits. Subgradient steps improve the prices
(Held, Wolfe and Crowder, Mathematical Programming 6, 1974).

For given prices, a layer is solved exactly if messages share no resource: under a threshold on the branches of a stage,
each device has a number of slots, of which the cheapest are taken; the thresholds are the finitely many times of the
branches. The time of a shared resource is a sum over the devices. So its least sum under a threshold is another such
problem, in which the cost of a device's messages is divided among its slots.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from headway.policies.common.transfer_times import (
    branches,
    output_bytes,
    over_horizon,
    shared_seconds_per_byte,
)
from headway.simcore import FloatArray, IntArray, Kind, Observation, Payload, Stage, predict

ROUNDS = 100
"""Number of subgradient steps. In the shipped scenario, ten times as many raise the bound by less than 0.1 %."""

_Priced: TypeAlias = tuple[float, FloatArray]
"""Seconds and payments of the cheapest placement, and the bytes it takes of each device, shape (D,)."""


def lower_bound(observation: Observation, *, rounds: int = ROUNDS) -> float:
    """A lower bound on the predicted D_T of all placements that fit [s], and so on their D_T + D_mig.

    It equals the least D_T if memory does not bind and all steps of the horizon cost the same. Otherwise it may be
    lower: if memory binds, because the relaxation may divide blocks; and in a horizon that begins with the prefill,
    because it assumes that one branch is the slowest in the prefill and in all later steps. Under `swap` memory limits
    nothing, and the bound is that of a placement that never swaps.

    If messages share the network, the bound also holds for `predict.shared_delay`: a stage takes at least as long as
    each shared resource needs for all messages of the stage.

    Args:
        observation: the horizon and the world.
        rounds: how often the prices of memory are improved; with 0, memory is free.

    Returns:
        The bound [s]; infinite when no placement takes a finite time.
    """
    relaxed = _Relaxed(observation)
    least, used = relaxed.cheapest(np.zeros(observation.devices))
    if observation.overflow == "swap" or not np.isfinite(least):
        return least
    room = observation.available_bytes + predict.TOLERANCE_BYTES
    best, worth = least, np.zeros(observation.devices)
    for number in range(rounds):
        lack = used / room - 1.0
        steepness = float(np.sqrt(np.square(lack[(lack > 0.0) | (worth > 0.0)]).sum()))
        if steepness == 0.0:
            break
        # Steps of length proportional to best / n: they vanish, but their sum diverges, so the bound converges.
        worth = np.maximum(worth + 2.0 * best / (number + 2.0) * lack / steepness, 0.0)
        paid, used = relaxed.cheapest(worth / room)
        best = max(best, paid - float(worth.sum()))
    return best


class _Relaxed:
    """The horizon with prices on memory in place of limits."""

    def __init__(self, observation: Observation) -> None:
        blocks, chain = observation.blocks, observation.step_graphs.chain
        self._observation = observation
        # All layers are alike, so one stage of each kind stands for all.
        of_kind = {stage.kind: stage for stage in chain.stages}
        self._heads = _side_by_side(observation, of_kind[Kind.HEAD])
        self._shards = _side_by_side(observation, of_kind[Kind.FFN])
        self._result = chain.result
        self._bytes = np.zeros(len(Kind))
        self._bytes[blocks.kind] = observation.memory_bytes

    def cheapest(self, prices: FloatArray) -> _Priced:
        """The placement that is cheapest at these prices of a byte of each device [s], shape (D,)."""
        paid = self._bytes[:, None] * prices
        single = self._observation.kind_seconds + paid
        heads, head_counts = self._heads.cheapest(paid[Kind.HEAD], gathered=False)
        shards, shard_counts = self._shards.cheapest(paid[Kind.FFN], gathered=True)
        over = heads[:, :, None] + single[Kind.PROJ][None, :, None] + shards
        proj, layer = over.argmin(axis=1), over.min(axis=1)
        end, befores, least = self._path(single, layer)
        used = np.zeros(self._observation.devices)
        used[end[1]] += self._bytes[Kind.LM_HEAD]
        holder = end[0]
        for before in reversed(befores):
            start = int(before[holder])
            middle = int(proj[start, holder])
            used[middle] += self._bytes[Kind.PROJ]
            used += head_counts[start, middle] * self._bytes[Kind.HEAD]
            used += shard_counts[middle, holder] * self._bytes[Kind.FFN]
            holder = start
        used[holder] += self._bytes[Kind.EMBED]
        return least, used

    def _path(self, single: FloatArray, layer: FloatArray) -> tuple[tuple[int, int], list[IntArray], float]:
        """The cheapest path through all layers: last holder and output head, holders before each layer, its cost."""
        observation, blocks = self._observation, self._observation.blocks
        reached = np.full(observation.devices, np.inf)
        reached[observation.source] = 0.0
        if blocks.embed is not None:
            reached = over_horizon(observation, Payload.PROMPT)[observation.source] + single[Kind.EMBED]
        befores = []
        for _ in range(blocks.layers):
            through = reached[:, None] + layer
            befores.append(through.argmin(axis=0))
            reached = through.min(axis=0)
        onward, home = over_horizon(observation, Payload.LAST_HIDDEN), over_horizon(observation, self._result)
        if blocks.lm_head is None:
            last = reached + home[:, observation.source]
            return (int(last.argmin()), observation.source), befores, float(last.min())
        ends = reached[:, None] + onward + single[Kind.LM_HEAD] + home[:, observation.source]
        holder, lm_head = divmod(int(ends.argmin()), observation.devices)
        return (holder, lm_head), befores, float(ends.min())


@dataclass(frozen=True, eq=False)
class _SideBySide:
    """Blocks of one kind that share a layer's input and whose outputs meet on one device.

    Attributes:
        count: number of blocks, H.
        once: fixed time of a branch, by start, device and end, shape (D, D, D).
        each: additional time for each of its blocks, by device and end, shape (D, D).
        in_bytes: of the inputs of a branch.
        out_bytes: fixed size of its outputs.
        out_bytes_each: additional size for each of its blocks.
        seconds_per_byte: of R shared resources, by sender and receiver, shape (D, D, R).
    """

    count: int
    once: FloatArray
    each: FloatArray
    in_bytes: float
    out_bytes: float
    out_bytes_each: float
    seconds_per_byte: FloatArray

    def cheapest(self, paid: FloatArray, *, gathered: bool) -> tuple[FloatArray, FloatArray]:
        """For each start and end: slowest branch plus payments, shape (D, D), and the blocks on each device, (D, D, D).

        Args:
            paid: for a block on each device [s], shape (D,).
            gathered: whether one of the blocks must be on the device at the end.
        """
        devices = len(paid)
        seconds = np.full((devices, devices), np.inf)
        counts = np.zeros((devices, devices, devices))
        for start in range(devices):
            for end in range(devices):
                stage = self._between(start, end, paid, gathered=gathered)
                if stage is not None:
                    seconds[start, end], counts[start, end] = stage
        return seconds, counts

    def _between(
        self, start: int, end: int, paid: FloatArray, *, gathered: bool
    ) -> tuple[float, FloatArray] | None:
        """As `cheapest`, for one start and end; None if it never ends."""
        numbers = np.arange(1, self.count + 1)
        table = self.once[start, :, end, None] + self.each[:, end, None] * numbers
        lowest = np.partition(table, self.count - 1, axis=None)[self.count - 1]
        if gathered:
            lowest = max(lowest, table[end, 0])
        if not np.isfinite(lowest):
            return None
        reserved = np.zeros(len(paid))
        reserved[end] = float(gathered)
        loads = self._loads(start, end)
        # With a threshold above `most`, the stage costs more than with the lowest one.
        most = lowest + self.count * (paid.max() - paid.min())
        if loads:
            first = self._cheapest_slots(_slots(table, np.array([lowest])), paid, reserved)[0]
            busy_s = max(once @ (first > 0.0) + each @ first for once, each in loads)
            most = max(lowest, max(lowest, busy_s) + first @ paid - self.count * paid.min())
        thresholds = np.unique(table[(table >= lowest) & (table <= most)])
        slots = _slots(table, thresholds)
        taken = self._cheapest_slots(slots, paid, reserved)
        sums = thresholds + taken @ paid
        for once, each in loads:
            # The fixed cost of a device is divided among its slots: with n in use it pays at least n parts of it.
            price = once / np.maximum(slots, 1.0) + each + paid
            busy = self._cheapest_slots(slots, price, reserved)
            longer = (busy * price).sum(axis=1)
            taken = np.where((longer > sums)[:, None], busy, taken)
            sums = np.maximum(sums, longer)
        best = int(sums.argmin())
        return float(sums[best]), taken[best]

    def _loads(self, start: int, end: int) -> list[tuple[FloatArray, FloatArray]]:
        """Time of each shared resource that a device uses, once and for each block, shape (D,) each."""
        incoming, outgoing = self.seconds_per_byte[start], self.seconds_per_byte[:, end]
        once = self.in_bytes * incoming + self.out_bytes * outgoing
        each = self.out_bytes_each * outgoing
        shared = (once + each > 0.0).sum(axis=0) > 1
        return list(zip(once.T[shared], each.T[shared], strict=True))

    def _cheapest_slots(self, slots: FloatArray, price: FloatArray, reserved: FloatArray) -> FloatArray:
        """Number of blocks on each device at each threshold, at the least price, shape (thresholds, D).

        Args:
            slots: of each device, shape (thresholds, D).
            price: of a block on each device, shape (D,) or (thresholds, D).
            reserved: least number of blocks on each device, shape (D,).
        """
        order = np.argsort(np.broadcast_to(price, slots.shape), axis=1, kind="stable")
        free = np.take_along_axis(slots - reserved, order, axis=1)
        filled = np.minimum(np.cumsum(free, axis=1), self.count - reserved.sum())
        taken: FloatArray = np.empty_like(filled)
        np.put_along_axis(taken, order, np.diff(filled, axis=1, prepend=0.0), axis=1)
        taken += reserved
        return taken


def _slots(table: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Number of blocks that each device can hold at each threshold, shape (thresholds, D)."""
    slots = np.stack([np.searchsorted(row, thresholds, side="right") for row in table], axis=1)
    return slots.astype(np.float64)


def _side_by_side(observation: Observation, stage: Stage) -> _SideBySide:
    """A stage of the horizon, summed over its steps."""
    devices = observation.devices
    once, each, sizes = np.zeros((devices, devices, devices)), np.zeros((devices, devices)), np.zeros(3)
    for number, step in enumerate(observation.steps):
        step_once, step_each = branches(observation, stage, number)
        once += step.count * step_once
        each += step.count * step_each
        incoming = float(step.cost.message_bytes[stage.input])
        sizes += step.count * np.array([incoming, *output_bytes(stage, step.cost)])
    per_byte = shared_seconds_per_byte(observation)
    if per_byte is None:
        per_byte = np.empty((devices, devices, 0))
    in_bytes, out_bytes, out_bytes_each = sizes.tolist()
    return _SideBySide(len(stage.rows), once, each, in_bytes, out_bytes, out_bytes_each, per_byte)
