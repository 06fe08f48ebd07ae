"""The placement problem of a model with one layer, as arrays, for the policies that solve it to the optimum.

The heads of a layer are interchangeable except for where they are now. So a placement is: the device of the embedding
(the layer's input is with the source if that is no block), of the projection, of the feed-forward network and of the
output head, and for each head, told apart by its present device only, a device. What it costs is a sum of terms of one
or two of the single blocks, plus for each step the slowest branch of the heads, plus the moves of the heads.

Memory is as `predict` counts it, to the last bit: the sums are taken in the same order. Where blocks need room at both
ends while they move, what comes to a device must find room beside all that is there now; so there a second limit, on
the heads that come, stands beside the one on all heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.policies.common.transfer_times import carried, message, output_bytes, over_horizon
from headway.simcore import (
    Decision,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Kind,
    Observation,
    Payload,
    Placement,
    predict,
)

EMBED, PROJ, FFN, LM_HEAD = 1, 2, 4, 8
"""The single blocks as bits: sets of them index `OneLayer.room`."""

NO_ROOM = -(2**40)
"""Stands for the number of heads that fit where already the single blocks do not; sums of it stay below 0."""

NO_PLACEMENT = "no placement fits into memory (proven)"


@dataclass(frozen=True, eq=False)
class OneLayer:
    """One horizon of a model with one layer of `H` heads on `D` devices, in `S` steps.

    All times are in seconds and for all tokens of their step; infinite where something cannot be done. `E` and `L` are
    the numbers of places for the embedding and the output head: D where they are blocks, else 1.

    Attributes:
        origin: group of each head, that is its device now; all 0 before the first placement, shape (H,).
        moves: time to move each head to each device, shape (H, D).
        holders: device that holds the layer's input, for each place of the embedding, shape (E,).
        arrive: from each holder to each device with heads, shape (S, E, D).
        leave: from a device with heads to the projection, what does not depend on their number, shape (S, D, D).
        each: computing one head on a device and sending its output to the projection, shape (S, D, D).
        embed: what the place of the embedding costs by itself, shape (E,).
        proj: what the place of the projection costs by itself, shape (D,).
        between: from the projection to the feed-forward network, shape (D, D).
        ffn: what the place of the feed-forward network costs by itself, shape (D,).
        tail: from the feed-forward network through the output head to the source, shape (D, L).
        room: how many heads fit on each device beside each set of single blocks, shape (16, D).
        guests: how many of them may come from other devices, shape (16, D).
    """

    origin: IntArray
    moves: FloatArray
    holders: IntArray
    arrive: FloatArray
    leave: FloatArray
    each: FloatArray
    embed: FloatArray
    proj: FloatArray
    between: FloatArray
    ffn: FloatArray
    tail: FloatArray
    room: IntArray
    guests: IntArray

    @property
    def heads(self) -> int:
        """Number of heads, H."""
        return len(self.origin)

    @cached_property
    def ceiling(self) -> float:
        """More than any placement takes that takes a finite time."""
        steps = len(self.each) * (_largest(self.arrive) + _largest(self.leave))
        heads = self.heads * (_largest(self.moves) + len(self.each) * _largest(self.each))
        singles = (self.embed, self.proj, self.between, self.ffn, self.tail)
        return 1.0 + steps + heads + sum(_largest(seconds) for seconds in singles)

    def timeless(self) -> "OneLayer":
        """The same memory in a world where nothing takes time: any placement that fits is optimal."""
        times = [field.name for field in fields(self) if getattr(self, field.name).dtype == np.float64]
        return replace(self, **{name: np.zeros_like(getattr(self, name)) for name in times})


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found.

    Attributes:
        devices: device of each block, shape (B,); None when there is none.
        objective_s: `predict.objective` of it; infinite when there is none, or when no finite one fits.
        gap: how far below `objective_s` the optimum may be, as a share of it; 0 is a proof.
        status: `optimal`, `time limit`, `infeasible` (proven), or why the solver does not apply.
    """

    devices: IntArray | None
    objective_s: float
    gap: float
    status: str


def decision(observation: Observation, solution: Solution) -> Decision:
    """The answer of a policy that has found `solution`: stay if that is as good."""
    if solution.devices is None:
        return Infeasible(solution.status)
    swaps = observation.overflow == "swap" and predict.can_stay(observation)
    if observation.placement is not None and (swaps or fits(observation, observation.placement)):
        staying = predict.horizon_delay(observation, observation.placement)
        if staying <= solution.objective_s or np.array_equal(observation.placement, solution.devices):
            return Keep()
    return Placement(solution.devices)


def fits(observation: Observation, devices: IntArray) -> bool:
    """Whether a placement is on devices that are up and fits.

    Under `swap`, whether it needs no swapping at all.
    """
    excess = predict.held_bytes(observation, devices) - observation.available_bytes
    return bool(observation.up[devices].all() and np.all(excess <= _tolerance(observation)))


def beyond(observation: Observation) -> str:
    """Why this is not the problem that is solved here; empty if it is."""
    if observation.blocks.layers > 1:
        return "solves models of one layer; memory couples the layers of this one"
    if observation.blocks.shards.shape[1] > 1:
        return "solves models whose feed-forward network is one block; this one has several"
    return ""


def one_layer(observation: Observation) -> OneLayer:
    """The problem that an observation of a model with one layer poses; there must be nothing `beyond` it."""
    blocks, devices = observation.blocks, np.arange(observation.devices)
    move = predict.move_seconds(observation)
    heads = blocks.heads[0]
    holders = devices if blocks.embed is not None else np.array([observation.source])
    room, guests = _room(observation)
    with np.errstate(invalid="ignore"):
        heads_of = next(stage for stage in observation.step_graphs.chain.stages if stage.kind == Kind.HEAD)
        messages = np.stack(
            [
                message(observation, float(step.cost.message_bytes[heads_of.input])) * step.count
                for step in observation.steps
            ]
        )
        leaving = [output_bytes(heads_of, step.cost) for step in observation.steps]
        return OneLayer(
            origin=np.zeros(len(heads), np.int64)
            if observation.placement is None
            else observation.placement[heads],
            moves=move[heads],
            holders=holders,
            arrive=messages[:, holders],
            leave=_each_device(observation, [once for once, _ in leaving]),
            each=_each_head(observation, [each for _, each in leaving]),
            embed=_embed_cost(observation, move),
            proj=observation.kind_seconds[Kind.PROJ] + move[blocks.proj[0]],
            between=over_horizon(observation, Payload.HIDDEN),
            ffn=observation.kind_seconds[Kind.FFN] + move[blocks.ffn[0]],
            tail=_tail_cost(observation, move),
            room=room,
            guests=guests,
        )


def blocks_on(
    observation: Observation, heads: IntArray, embed: int, proj: int, ffn: int, lm_head: int
) -> IntArray:
    """A placement, shape (B,), from the devices of its parts; those that are no blocks are ignored."""
    blocks = observation.blocks
    devices = np.empty(len(blocks), dtype=np.int64)
    devices[blocks.heads[0]] = heads
    devices[blocks.proj[0]], devices[blocks.ffn[0]] = proj, ffn
    if blocks.embed is not None:
        devices[blocks.embed] = embed
    if blocks.lm_head is not None:
        devices[blocks.lm_head] = lm_head
    return devices


def _largest(seconds: FloatArray) -> float:
    """The largest finite one."""
    return float(seconds[np.isfinite(seconds)].max(initial=0.0))


def _tolerance(observation: Observation) -> float:
    # Under `swap` a byte too many is read from disk at every step, so there it is no rounding.
    return predict.TOLERANCE_BYTES if observation.overflow == "fail" else 0.0


def _each_device(observation: Observation, sizes: Sequence[float]) -> FloatArray:
    """The overhead of a device's task, and its message of `sizes` bytes in each step, shape (S, D, D)."""
    leave = [
        step.count * (times.task_s[Kind.HEAD][:, None] + message(observation, size))
        for step, times, size in zip(observation.steps, observation.step_times, sizes, strict=True)
    ]
    return np.stack(leave)


def _each_head(observation: Observation, sizes: Sequence[float]) -> FloatArray:
    """Computing a head and sending on `sizes` bytes of it in each step, shape (S, D, D)."""
    each = [
        step.count * (times.block_s[Kind.HEAD][:, None] + carried(observation, size))
        for step, times, size in zip(observation.steps, observation.step_times, sizes, strict=True)
    ]
    return np.stack(each)


def _embed_cost(observation: Observation, move: FloatArray) -> FloatArray:
    if observation.blocks.embed is None:
        return np.zeros(1)
    cost: FloatArray = observation.kind_seconds[Kind.EMBED] + move[observation.blocks.embed]
    for step in observation.steps:
        cost = (
            cost
            + step.count
            * message(observation, float(step.cost.message_bytes[Payload.PROMPT]))[observation.source]
        )
    return cost


def _tail_cost(observation: Observation, move: FloatArray) -> FloatArray:
    home = over_horizon(observation, observation.step_graphs.chain.result)[:, observation.source]
    if observation.blocks.lm_head is None:
        return home[:, None]
    out = over_horizon(observation, Payload.LAST_HIDDEN)
    out += observation.kind_seconds[Kind.LM_HEAD] + move[observation.blocks.lm_head]
    out += home
    return out


def _room(observation: Observation) -> tuple[IntArray, IntArray]:
    """`OneLayer.room` and `OneLayer.guests`."""
    blocks, everywhere = observation.blocks, np.arange(observation.devices)
    bits = {EMBED: blocks.embed, PROJ: blocks.proj[0], FFN: blocks.ffn[0], LM_HEAD: blocks.lm_head}
    now = None if observation.migration == "blocking" or observation.lost.any() else observation.placement
    before = np.zeros(observation.devices) if now is None else predict.held_bytes(observation, now)
    room = np.empty((16, observation.devices), dtype=np.int64)
    guests = np.full_like(room, blocks.heads.shape[1])
    for held in range(16):
        singles = [block for bit, block in bits.items() if held & bit and block is not None]
        then = _sums(observation, {block: np.ones(observation.devices) for block in singles})
        room[held] = _most(then - observation.available_bytes <= _tolerance(observation))
        if singles:
            room[held] = np.where(observation.up, room[held], NO_ROOM)
        if now is not None:
            coming = _sums(observation, {block: now[block] != everywhere for block in singles})
            most = _most(
                (coming == 0.0) | (before + coming - observation.available_bytes <= _tolerance(observation))
            )
            guests[held] = np.maximum(most, 0)
            room[held] = np.where(most < 0, NO_ROOM, room[held])
    return room, guests


def _sums(observation: Observation, singles: Mapping[int, NDArray[Any]]) -> FloatArray:
    """Bytes of single blocks on the devices where they count, and of 0, 1, ..., H heads, shape (H + 1, D).

    Added up in the order of the block table, as `predict` does.
    """
    heads = observation.blocks.heads[0]
    parts = np.zeros((len(heads) + 1, observation.devices))
    parts[1:] = observation.memory_bytes[heads[0]]
    parts[0] += sum(
        observation.memory_bytes[block] * counts for block, counts in singles.items() if block < heads[0]
    )
    total = np.cumsum(parts, axis=0)
    for block, counts in singles.items():
        if block > heads[0]:
            total += observation.memory_bytes[block] * counts
    return total


def _most(possible: NDArray[np.bool_]) -> IntArray:
    """How many heads are possible on each device, from shape (H + 1, D) for 0, 1, ..., H; `NO_ROOM` if not even 0."""
    count = possible.sum(axis=0)
    return np.where(count > 0, count - 1, NO_ROOM)
