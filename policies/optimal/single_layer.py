"""The placement problem of a model with one layer, as arrays, for the policies that solve it to the optimum.

The heads of a layer are interchangeable except for where they are now. So a placement is: the device of the embedding
(the layer's input is with the source if that is no block), of the projection, of the feed-forward network and of the
output head, and a device for each head; heads on one device are interchangeable. Its cost is a sum of terms of one or
two of the single blocks, plus for each step the slowest branch of the heads, plus the moves of the heads.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from headway.policies.common.transfer_times import branches, message, over_horizon
from headway.policies.optimal.solution import limit_bytes
from headway.simcore import FloatArray, IntArray, Kind, Observation, Payload, predict

EMBED, PROJ, FFN, LM_HEAD = 1, 2, 4, 8
"""The single blocks as bits: sets of them index `OneLayer.room`."""

NO_ROOM = -(2**40)
"""Number of heads that fit where the single blocks alone do not fit; sums that contain it are negative."""


@dataclass(frozen=True, eq=False)
class OneLayer:
    """One horizon of a model with one layer of `H` heads on `D` devices, in `S` steps.

    All times are in seconds and for all tokens of their step; infinite if a device or a link is down. `E` and `L` are
    the numbers of places for the embedding and the output head: D if they are blocks, else 1.

    Attributes:
        origin: group of each head, that is its device now; all 0 before the first placement, shape (H,).
        moves: time to move each head to each device, shape (H, D).
        holders: device that holds the layer's input, for each place of the embedding, shape (E,).
        arrive: from each holder to each device with heads, shape (S, E, D).
        leave: from a device with heads to the projection, without the time for each head, shape (S, D, D).
        each: computing one head on a device and sending its output to the projection, shape (S, D, D).
        embed: cost of each place of the embedding alone, shape (E,).
        proj: cost of each place of the projection alone, shape (D,).
        between: from the projection to the feed-forward network, shape (D, D).
        ffn: cost of each place of the feed-forward network alone, shape (D,).
        tail: from the feed-forward network through the output head to the source, shape (D, L).
        room: how many heads fit on each device beside each set of single blocks, shape (16, D).
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

    @property
    def heads(self) -> int:
        """Number of heads, H."""
        return len(self.origin)

    @cached_property
    def ceiling(self) -> float:
        """An upper bound on all finite times of placements [s]."""
        steps = len(self.each) * (_largest(self.arrive) + _largest(self.leave))
        heads = self.heads * (_largest(self.moves) + len(self.each) * _largest(self.each))
        singles = (self.embed, self.proj, self.between, self.ffn, self.tail)
        return 1.0 + steps + heads + sum(_largest(seconds) for seconds in singles)

    def timeless(self) -> "OneLayer":
        """The same memory in a world where nothing takes time: any placement that fits is optimal."""
        times = [field.name for field in fields(self) if getattr(self, field.name).dtype == np.float64]
        return replace(self, **{name: np.zeros_like(getattr(self, name)) for name in times})


def unsupported(observation: Observation) -> str:
    """Why an observation is no problem of this kind; empty if it is one."""
    if observation.blocks.layers > 1:
        return "solves models of one layer; memory couples the layers of this one"
    if observation.blocks.shards.shape[1] > 1:
        return "solves models whose feed-forward network is one block; this one has several"
    return ""


def one_layer(observation: Observation) -> OneLayer:
    """The problem of an observation of a model with one layer; see `unsupported`."""
    blocks, devices = observation.blocks, np.arange(observation.devices)
    move = predict.move_seconds(observation)
    heads = blocks.heads[0]
    holders = devices if blocks.embed is not None else np.array([observation.source])
    with np.errstate(invalid="ignore"):
        heads_of = next(stage for stage in observation.step_graphs.chain.stages if stage.kind == Kind.HEAD)
        inputs = [(step.count, float(step.cost.message_bytes[heads_of.input])) for step in observation.steps]
        messages = np.stack([message(observation, size) * count for count, size in inputs])
        tables = [branches(observation, heads_of, number) for number in range(len(observation.steps))]
        counts = [step.count for step in observation.steps]
        placement = observation.placement
        return OneLayer(
            origin=np.zeros(len(heads), np.int64) if placement is None else placement[heads],
            moves=move[heads],
            holders=holders,
            arrive=messages[:, holders],
            # A device sends no input to itself.
            leave=np.stack([n * once[devices, devices] for n, (once, _) in zip(counts, tables, strict=True)]),
            each=np.stack([n * each for n, (_, each) in zip(counts, tables, strict=True)]),
            embed=_embed_cost(observation, move),
            proj=observation.kind_seconds[Kind.PROJ] + move[blocks.proj[0]],
            between=over_horizon(observation, Payload.HIDDEN),
            ffn=observation.kind_seconds[Kind.FFN] + move[blocks.ffn[0]],
            tail=_tail_cost(observation, move),
            room=_room(observation),
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
    """The largest finite time [s]."""
    return float(seconds[np.isfinite(seconds)].max(initial=0.0))


def _embed_cost(observation: Observation, move: FloatArray) -> FloatArray:
    if observation.blocks.embed is None:
        return np.zeros(1)
    cost: FloatArray = observation.kind_seconds[Kind.EMBED] + move[observation.blocks.embed]
    for step in observation.steps:
        prompt = message(observation, float(step.cost.message_bytes[Payload.PROMPT]))
        cost = cost + step.count * prompt[observation.source]
    return cost


def _tail_cost(observation: Observation, move: FloatArray) -> FloatArray:
    home = over_horizon(observation, observation.step_graphs.chain.result)[:, observation.source]
    if observation.blocks.lm_head is None:
        return home[:, None]
    out = over_horizon(observation, Payload.LAST_HIDDEN)
    out += observation.kind_seconds[Kind.LM_HEAD] + move[observation.blocks.lm_head]
    out += home
    return out


def _room(observation: Observation) -> IntArray:
    """`OneLayer.room`."""
    blocks, limit = observation.blocks, limit_bytes(observation)
    bits = {EMBED: blocks.embed, PROJ: blocks.proj[0], FFN: blocks.ffn[0], LM_HEAD: blocks.lm_head}
    heads = np.concatenate(([0.0], np.cumsum(observation.memory_bytes[blocks.heads[0]])))
    room = np.empty((16, observation.devices), dtype=np.int64)
    for held in range(16):
        singles = [block for bit, block in bits.items() if held & bit and block is not None]
        number = np.searchsorted(heads + observation.memory_bytes[singles].sum(), limit, side="right")
        room[held] = np.where((number > 0) & (observation.up | (not singles)), number - 1, NO_ROOM)
    return room
