"""The optimal placement of a model with one layer, by branch and bound.

The devices of the single blocks are tried in the order of their lower bounds, until the bound exceeds the best
placement so far. For each choice, `head_assignment` computes the best devices of the heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.optimal.head_assignment import Assignment, HeadStage
from headway.policies.optimal.single_layer import (
    EMBED,
    FFN,
    LM_HEAD,
    PROJ,
    OneLayer,
    blocks_on,
    one_layer,
    unsupported,
)
from headway.policies.optimal.solution import NO_PLACEMENT, Solution, decision, fits, no_solution, solution
from headway.simcore import Decision, FloatArray, IntArray, Observation, predict


@dataclass(frozen=True)
class Exact:
    """The optimum of a model with one layer: no placement that fits has less predicted delay, migration included.

    The result is exact to twelve digits, for one layer with or without embedding and output head, with a gathered or a
    sharded projection, for intervals of any number of steps, and with or without a placement in force. If no placement
    takes a finite time, it is any placement that fits into memory.

    It returns `Infeasible` for several layers and for a feed-forward network in several shards; `exact-milp` solves
    small models of this kind, and `lower_bound` bounds all. Under `swap` it treats memory as a limit: it never plans to
    swap, but stays if that is better than any placement without swapping. Moves count one after another. Where the
    moves of the optimum would wait for each other forever (`live`), it adopts the moves that find room, or stays.
    """

    name: ClassVar[str] = "exact"
    declares: ClassVar[Mapping[str, str]] = {
        "finds-room": "it solves only models of one layer with one feed-forward block",
        "stable": "it optimises each decision alone, and two moves may cost less than one",
    }

    def decide(self, observation: Observation) -> Decision:
        """The best placement, or `Keep` if the placement in force is as good."""
        return decision(observation, solve(observation))


def solve(observation: Observation) -> Solution:
    """The placement of one layer that minimises `predict.objective`."""
    if reason := unsupported(observation):
        return no_solution(f"exact {reason}")
    with np.errstate(invalid="ignore"):
        devices = _optimum(observation, one_layer(observation))
    if devices is None:
        return no_solution(NO_PLACEMENT)
    return solution(observation, devices)


def _optimum(observation: Observation, layer: OneLayer) -> IntArray | None:
    staying, limit = None, layer.ceiling
    if observation.placement is not None and fits(observation, observation.placement):
        staying = observation.placement
        # A difference due to rounding is no improvement.
        limit = min(limit, predict.horizon_delay(observation, staying) * (1.0 - 1e-12))
    optimum = _Search(layer, limit).run()
    if optimum is None and staying is not None:
        return staying
    if optimum is None:
        timeless = layer.timeless()
        optimum = _Search(timeless, timeless.ceiling).run()
    return None if optimum is None else blocks_on(observation, *optimum)


class _Search:
    """Searches the devices of the single blocks for placements that take less than `limit` seconds."""

    def __init__(self, layer: OneLayer, limit: float) -> None:
        self._layer = layer
        self._stage = HeadStage(layer)
        self._limit = limit
        self._best: tuple[IntArray, int, int, int, int] | None = None

    def run(self) -> tuple[IntArray, int, int, int, int] | None:
        """Devices of the heads, the embedding, the projection, the feed-forward network, the output head."""
        layer = self._layer
        alone = layer.proj + (layer.between + (layer.ffn + layer.tail.min(axis=1))).min(axis=1)
        least = float(alone.min())
        if len(layer.holders) > 1:
            # At best, each device receives the input from the place from which it arrives first.
            soonest = layer.arrive.min(axis=1)
            least = float((alone + self._stage.bounds(soonest, self._room_beside_proj(0))).min())
        for embed in np.argsort(layer.embed, kind="stable").tolist():
            if layer.embed[embed] + least >= self._limit:
                break
            self._with_embed(embed, alone)
        return self._best

    def _with_embed(self, embed: int, alone: FloatArray) -> None:
        layer = self._layer
        held = np.zeros(len(layer.proj), dtype=np.int64)
        held[layer.holders[embed]] = EMBED
        room = self._room_beside_proj(held)
        bounds = layer.embed[embed] + alone + self._stage.bounds(layer.arrive[:, embed], room)
        for proj in np.argsort(bounds, kind="stable").tolist():
            if bounds[proj] >= self._limit:
                break
            beside = held.copy()
            beside[proj] |= PROJ
            self._with_proj(embed, proj, beside)

    def _with_proj(self, embed: int, proj: int, held: IntArray) -> None:
        """Place the heads as if the last two blocks needed no memory, and again if they do not fit beside these."""
        layer, stage = self._layer, self._stage
        before = float(layer.embed[embed] + layer.proj[proj])
        # From the projection to the source, for each pair of places of the last two blocks.
        after = (layer.between[proj] + layer.ffn)[:, None] + layer.tail
        ends = before + np.where(self._total_room(held) >= layer.heads, after, np.inf)
        index = np.arange(len(held))
        tables = stage.within(stage.tables(embed, proj), layer.room[held, index])
        free = stage.best(tables, self._limit - float(ends.min()))
        if free is None:
            return
        least, heads = free
        count = np.bincount(heads, minlength=len(held))
        for place in np.argsort(ends, axis=None, kind="stable").tolist():
            ffn, lm_head = divmod(place, ends.shape[1])
            seconds = float(ends[ffn, lm_head])
            if seconds + least >= self._limit:
                break
            room = self._room(held, ffn, lm_head)
            assignment: Assignment = free
            if (count > room).any():
                assignment = stage.best(stage.within(tables, room), self._limit - seconds)
            if assignment is not None:
                self._limit = seconds + assignment[0]
                self._best = assignment[1], int(layer.holders[embed]), proj, ffn, lm_head

    def _room_beside_proj(self, held: IntArray | int) -> IntArray:
        """Number of heads that fit on each device beside the blocks `held`, by place of the projection, (D, D)."""
        everywhere = np.arange(len(self._layer.proj))
        sets = np.where(np.eye(len(everywhere), dtype=bool), held | PROJ, held)
        return self._layer.room[sets, everywhere]

    def _room(self, held: IntArray, ffn: int, lm_head: int) -> IntArray:
        """Number of heads that fit on each device beside the single blocks, shape (D,)."""
        held = held.copy()
        held[ffn] |= FFN
        held[lm_head] |= LM_HEAD
        return self._layer.room[held, np.arange(len(held))]

    def _total_room(self, held: IntArray) -> IntArray:
        """Total number of heads that fit for each place of the last two blocks, beside those `held`, shape (D, L)."""
        layer, index = self._layer, np.arange(len(held))
        room = layer.room[held, index]
        less_ffn = room - layer.room[held | FFN, index]
        less_lm_head = room - layer.room[held | LM_HEAD, index]
        less_both = room - layer.room[held | FFN | LM_HEAD, index]
        places = layer.tail.shape[1]
        less = less_ffn[:, None] + less_lm_head[:places]
        less[index[:places], index[:places]] = less_both[:places]
        total: IntArray = room.sum() - less
        return total
