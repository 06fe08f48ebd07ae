"""Fork-join graphs: stages run one after another, and devices work in parallel within each stage.

A stage begins on the device that holds its input. That device sends the input once to every device with blocks of the
stage; each computes its blocks as one task and sends its output to the device that gathers the outputs. The stage ends
when the last output has arrived.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from headway.simcore.arrays import BoolArray, IntArray, immutable
from headway.simcore.steps.graph import NONE, Branches, StepGraph
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import PER_BLOCK, Payload

SOURCE = -1
"""Denotes the source where a row of the block table is expected."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind and layer that work in parallel.

    Attributes:
        kind: of the blocks.
        layer: of the blocks; -1 before the first layer, the number of layers after the last one.
        rows: of the blocks in the block table.
        input: payload that every device with blocks of the stage receives.
        output: payload that each of them sends to the gathering device.
        gathers: row of the block whose device gathers the outputs and holds the input of the next stage.
    """

    kind: Kind
    layer: int
    rows: tuple[int, ...]
    input: Payload
    output: Payload
    gathers: int


@dataclass(frozen=True)
class Chain:
    """Consecutive stages, from the source and back to it.

    Attributes:
        stages: at least one, in order; every block belongs to one of them.
        result: payload that returns to the source at the end.
    """

    stages: tuple[Stage, ...]
    result: Payload

    @cached_property
    def stage_of(self) -> Mapping[int, int]:
        """The number of the stage of each block, by its row in the block table."""
        return {row: number for number, stage in enumerate(self.stages) for row in stage.rows}

    @cached_property
    def receivers(self) -> Mapping[int, tuple[Payload, tuple[int, ...]]]:
        """The payload that each block sends, by row, and the blocks of its layer that receive it, the nearest first.

        `SOURCE` denotes the source. A block whose output stays on its device until the next layer has no receivers.
        """
        return {row: self._receivers(number, row) for row, number in self.stage_of.items()}

    @cached_property
    def columns(self) -> "Stages":
        """The stages as arrays."""
        columns = [(one.gathers, one.kind, one.layer, one.input, one.output) for one in self.stages]
        gathers, kind, layer, incoming, outgoing = np.array(columns, np.int64).T.copy()
        return Stages(
            begin=np.cumsum([0, *(len(stage.rows) for stage in self.stages)]),
            rows=np.array([row for stage in self.stages for row in stage.rows], dtype=np.int64),
            gathers=gathers,
            kind=kind,
            layer=layer,
            input=incoming,
            output=outgoing,
            per_block=np.isin(outgoing, list(PER_BLOCK)),
            result=int(self.result),
        )

    @cached_property
    def lists(self) -> "FlatChain":
        """The chain as lists."""
        of = self.columns
        sends = [self.receivers[row] for row in range(len(self.receivers))]
        return FlatChain(
            stage_of=[self.stage_of[row] for row in range(len(sends))],
            layer=of.layer.tolist(),
            input=of.input.tolist(),
            output=of.output.tolist(),
            gathers=of.gathers.tolist(),
            apart=[int(stage.gathers not in stage.rows) for stage in self.stages],
            begin=of.begin.tolist(),
            rows=of.rows.tolist(),
            embeds=(of.kind == Kind.EMBED).astype(np.int64).tolist(),
            sends=[int(payload) for payload, _ in sends],
            first=[0, *accumulate(len(receivers) for _, receivers in sends)],
            receivers=[receiver for _, receivers in sends for receiver in receivers],
        )

    @cached_property
    def arrays(self) -> "FlatChain":
        """The chain as arrays."""
        return FlatChain(*(np.array(column, dtype=np.int64) for column in self.lists))

    def _receivers(self, number: int, row: int) -> tuple[Payload, tuple[int, ...]]:
        stage = self.stages[number]
        if row != stage.gathers and stage.gathers in stage.rows:
            return stage.output, (stage.gathers,)
        later = [after.gathers for after in self.stages[number + 1 :] if after.layer == stage.layer]
        if row != stage.gathers:
            return stage.output, (stage.gathers, *later)
        if number == len(self.stages) - 1:
            return self.result, (SOURCE,)
        return self.stages[number + 1].input, tuple(later)


class FlatChain(NamedTuple):
    """A chain as arrays of integers, or as lists of them, for S stages and B blocks.

    Attributes:
        stage_of: of each block, shape (B,).
        layer: of each stage, shape (S,).
        input: payload of each stage, shape (S,).
        output: payload of each stage, shape (S,).
        gathers: the block that gathers its outputs, shape (S,).
        apart: 1 if this block is not part of the stage, shape (S,).
        begin: the rows of stage s are `rows[begin[s]:begin[s + 1]]`, shape (S + 1,).
        rows: shape (B,).
        embeds: 1 if the stage is the embedding, shape (S,).
        sends: payload that each block sends, shape (B,).
        first: the receivers of block i are `receivers[first[i]:first[i + 1]]`, shape (B + 1,).
        receivers: -1 for the source.
    """

    stage_of: Any
    layer: Any
    input: Any
    output: Any
    gathers: Any
    apart: Any
    begin: Any
    rows: Any
    embeds: Any
    sends: Any
    first: Any
    receivers: Any


class Stages(NamedTuple):
    """The stages of a `Chain` as arrays, for S stages and B blocks.

    Attributes:
        begin: the blocks of stage s are `rows[begin[s]:begin[s + 1]]`, shape (S + 1,).
        rows: of the blocks in the block table, shape (B,).
        gathers: as in `Stage`; so are the next four, shape (S,) each.
        kind: `Kind` as a number.
        layer: of the blocks.
        input: `Payload` as a number.
        output: `Payload` as a number.
        per_block: whether the output has the payload once for each block, shape (S,).
        result: as in `Chain`, a number.
    """

    begin: IntArray
    rows: IntArray
    gathers: IntArray
    kind: IntArray
    layer: IntArray
    input: IntArray
    output: IntArray
    per_block: BoolArray
    result: int


class ForkJoin:
    """Builds the graphs of a chain, one for each placement.

    Attributes:
        stages: of the chain.
    """

    def __init__(self, chain: Chain) -> None:
        self.stages = chain.columns
        self._stage_of_row = np.repeat(np.arange(len(chain.stages)), np.diff(self.stages.begin))
        self._kind_before = np.concatenate(([NONE], self.stages.kind[:-1]))
        self._layer_before = np.concatenate(([NONE], self.stages.layer[:-1]))

    def __call__(self, placement: IntArray, source: int) -> StepGraph:
        """The graph of a placement, shape (blocks,), with the prompt on device `source`.

        The nodes of all branches come first, stage by stage, then a join for each stage, then the returning message.
        """
        parts = self.stages
        stages = len(parts.gathers)
        end = placement[parts.gathers]
        start = np.concatenate(([source], end[:-1]))
        devices = int(placement.max()) + 1
        counts = np.bincount(self._stage_of_row * devices + placement[parts.rows])
        branch = np.flatnonzero(counts)
        blocks, (stage, device) = counts[branch], np.divmod(branch, devices)
        width = np.bincount(stage, minlength=stages)
        first_join = 3 * len(branch)
        nodes = first_join + stages + 1
        number = 3 * np.arange(len(branch))
        first_branch = np.cumsum(width) - width
        after_joins = first_join + np.append(np.cumsum(width[1:]), len(branch) - width[0] + 1)
        kind, layer = parts.kind[stage], parts.layer[stage]
        carried = np.where(parts.per_block[stage], blocks, 1)
        columns = _columns(
            (self._kind_before[stage], kind, kind, NONE, int(parts.kind[-1])),
            (parts.input[stage], NONE, parts.output[stage], NONE, parts.result),
            (start[stage], device, device, end, int(end[-1])),
            (device, device, end[stage], end, source),
            (1, blocks, carried, 0, 1),
            (self._layer_before[stage], layer, layer, parts.layer, int(parts.layer[-1])),
            (stage, stage, stage, np.arange(stages), stages - 1),
            shape=(first_join, nodes),
        )
        kinds, payload, sender, receiver, count, layers, numbers = columns
        return StepGraph(
            kind=kinds,
            payload=payload,
            device=sender,
            receiver=receiver,
            count=immutable(count.astype(np.float64)),
            layer=layers,
            stage=numbers,
            # Each node of a branch has one successor; a join has all branches of the next stage.
            first_successor=immutable(
                np.concatenate((np.arange(first_join + 1), after_joins, after_joins[-1:]))
            ),
            successor=immutable(
                np.concatenate(
                    (
                        np.stack((number + 1, number + 2, first_join + stage), axis=1).ravel(),
                        number[width[0] :],
                        [nodes - 1],
                    )
                )
            ),
            branches=Branches(immutable(first_branch), len(branch)),
        )


_Column: TypeAlias = tuple[IntArray | int, IntArray | int, IntArray | int, IntArray | int, int]
"""Values of the three nodes of each branch, of the joins, and of the last message."""


def _columns(*columns: _Column, shape: tuple[int, int]) -> IntArray:
    """Columns of `StepGraph` for all nodes, shape (columns, nodes), with the first join and the number of nodes."""
    first_join, nodes = shape
    table = np.empty((len(columns), nodes), dtype=np.int64)
    for row, (incoming, task, outgoing, join, back) in zip(table, columns, strict=True):
        branches = row[:first_join].reshape(-1, 3)
        branches[:, 0], branches[:, 1], branches[:, 2] = incoming, task, outgoing
        row[first_join:-1], row[-1] = join, back
    return immutable(table)
