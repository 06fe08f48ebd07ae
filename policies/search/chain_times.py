"""Times of the stages of a step, for many variations of a placement at once.

Under a fork-join pattern the delay of a step is the sum of its stages. A stage depends on the device that holds its
input, the number of its blocks on each device, and the device that gathers its outputs. So a change of a placement is
evaluated from the few stages that it touches.

Messages of one stage that cross a common resource share it: each takes as long as all their bytes together. That is
exact for inputs, which are equal and sent at once, and an upper bound for outputs.
"""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from headway.policies.common.transfer_times import (
    branches,
    finite,
    output_bytes,
    over_horizon,
    shared_seconds_per_byte,
)
from headway.simcore import FloatArray, IntArray, Observation

_KEY_BITS = 62.0
"""Number of bits into which the arguments of a time have to fit, so that an integer can stand for them."""


_KNOWN = 1 << 15
"""Number of times that compiled code remembers."""


@dataclass(frozen=True, eq=False)
class State:
    """A placement, stage by stage, for S stages and D devices.

    Attributes:
        devices: of each block, shape (B,).
        counts: blocks of each stage on each device, shape (S, D).
        starts: the device that holds the input of each stage, and at last the device that holds the result, shape
            (S + 1,).
        seconds: of each stage over the horizon, shape (S,).
        back_s: time of the result on its way to the source over the horizon.
    """

    devices: IntArray
    counts: IntArray
    starts: IntArray
    seconds: FloatArray
    back_s: float

    @property
    def delay_s(self) -> float:
        """Delay of the horizon."""
        return float(self.seconds.sum()) + self.back_s


@dataclass(frozen=True, eq=False)
class _StepTables:
    """Times and bytes of the branches of one step, by variant of stage.

    Attributes:
        count: number of such steps in the horizon.
        once: seconds of a branch whatever the number of its blocks, by start, device and end, shape (V, D, D, D).
        each: seconds for each of its blocks, by device and end, shape (V, D, D).
        in_bytes: of the input of a branch, shape (V,).
        out_bytes: of the output of a branch whatever the number of its blocks, shape (V,).
        out_bytes_each: of the output for each of its blocks, shape (V,).
    """

    count: int
    once: FloatArray
    each: FloatArray
    in_bytes: FloatArray
    out_bytes: FloatArray
    out_bytes_each: FloatArray


class ChainTimes:
    """The stages of the steps of an observation, without swapping.

    Args:
        observation: the observation.
        compiled: whether compiled code computes times; otherwise array code does.

    Attributes:
        stage_of: the stage of each block, shape (B,).
        gathers: the block whose device gathers the outputs of each stage, shape (S,).
        back: time of the result from each device to the source over the horizon, shape (D,).
    """

    def __init__(self, observation: Observation, compiled: bool = False) -> None:
        chain = observation.step_graphs.chain
        self._observation = observation
        self._kernels = importlib.import_module("headway.policies.search.kernels") if compiled else None
        self._stages = chain.stages
        self.stage_of: IntArray = chain.arrays.stage_of
        self.gathers: IntArray = chain.arrays.gathers
        keys = [(stage.kind, stage.input, stage.output) for stage in chain.stages]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        variants = list(first)
        self._variant = np.array([variants.index(key) for key in keys])
        self._steps = [
            self._tables(number, [first[key] for key in variants]) for number in range(len(observation.steps))
        ]
        self._per_byte = finite(observation.per_byte_s)
        self._shared = shared_seconds_per_byte(observation)
        self.back = finite(over_horizon(observation, chain.result)[:, observation.source])
        self._counts = self._different_counts(len(variants))
        # The times computed so far, by a key of their arguments; the largest key marks the end.
        self._known: IntArray = np.array([np.iinfo(np.int64).max])
        self._seconds: FloatArray = np.zeros(1)

    def _different_counts(self, variants: int) -> int | None:
        """Number of different counts of blocks on a device; None if the arguments of a time do not fit into a key."""
        devices, most = self._observation.devices, max(len(stage.rows) for stage in self._stages) + 1
        bits = math.log2(variants * devices**2) + devices * math.log2(most)
        return most if bits <= _KEY_BITS else None

    def _tables(self, number: int, examples: Sequence[int]) -> _StepTables:
        step = self._observation.steps[number]
        once: list[FloatArray] = []
        each: list[FloatArray] = []
        sizes = []
        for stage in (self._stages[example] for example in examples):
            for tables, table in zip((once, each), branches(self._observation, stage, number), strict=True):
                tables.append(finite(table))
            sizes.append((float(step.cost.message_bytes[stage.input]), *output_bytes(stage, step.cost)))
        return _StepTables(step.count, np.array(once), np.array(each), *np.array(sizes).T)

    def seconds(self, stages: IntArray, starts: IntArray, counts: IntArray, ends: IntArray) -> FloatArray:
        """Times of stages over the horizon, shape (n,).

        Args:
            stages: numbers of the stages, shape (n,).
            starts: devices that hold their inputs, shape (n,).
            counts: their blocks on each device, shape (n, D).
            ends: devices that gather their outputs, shape (n,).
        """
        if self._kernels is not None:
            compiled: FloatArray = self._kernels.stage_seconds(self.tables, stages, starts, counts, ends)
            return compiled
        variant = self._variant[stages]
        if self._counts is None:
            return self._computed(variant, starts, counts, ends)
        # Layers with the same placement have the same times, and a change leaves most stages as they were.
        key = (variant * self._observation.devices + starts) * self._observation.devices + ends
        for column in counts.T:
            key = key * self._counts + column
        distinct, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        new = first[self._known[np.searchsorted(self._known, distinct)] != distinct]
        if len(new):
            known = np.concatenate((self._known, key[new]))
            order = np.argsort(known)
            computed = self._computed(variant[new], starts[new], counts[new], ends[new])
            self._known, self._seconds = known[order], np.concatenate((self._seconds, computed))[order]
        seconds: FloatArray = self._seconds[np.searchsorted(self._known, distinct)]
        return seconds[inverse]

    def _computed(self, variant: IntArray, starts: IntArray, counts: IntArray, ends: IntArray) -> FloatArray:
        used = counts > 0
        total = np.zeros(len(variant))
        several = np.flatnonzero(used.sum(axis=1) > 1) if self._shared is not None else np.empty(0, np.int64)
        for step in self._steps:
            branch = step.once[variant, starts, :, ends] + counts * step.each[variant, :, ends]
            if len(several):
                branch[several] += self._waiting(
                    step, variant[several], starts[several], counts[several], ends[several]
                )
            total += step.count * np.where(used, branch, 0.0).max(axis=1)
        return total

    def _waiting(
        self, step: _StepTables, variant: IntArray, starts: IntArray, counts: IntArray, ends: IntArray
    ) -> FloatArray:
        """By how much the messages of each branch take longer because they share resources, shape (n, D)."""
        assert self._shared is not None
        used = counts > 0
        into, out = self._shared[starts], self._shared[:, ends].swapaxes(0, 1)
        load = _summed(into * used[:, :, None])
        shared_s = np.where(into > 0.0, load[:, None, :], 0.0).max(axis=2)
        waiting: FloatArray = (
            np.maximum(shared_s - self._per_byte[starts], 0.0) * step.in_bytes[variant, None]
        )
        size = used * (step.out_bytes[variant, None] + counts * step.out_bytes_each[variant, None])
        load = _summed(size[:, :, None] * out)
        shared_s = np.where(out > 0.0, load[:, None, :], 0.0).max(axis=2)
        waiting += np.maximum(shared_s - size * self._per_byte[:, ends].T, 0.0)
        return waiting

    @cached_property
    def tables(self) -> Any:
        """The `kernels.Tables` of the observation."""
        assert self._kernels is not None
        shared, devices = self._shared, self._observation.devices
        step_fields = ("count", "once", "each", "in_bytes", "out_bytes", "out_bytes_each")
        known = np.recarray(_KNOWN, self._kernels.KNOWN)
        known.key = -1
        return self._kernels.Tables(
            self._variant,
            *(
                np.array([getattr(step, name) for step in self._steps], dtype=np.float64)
                for name in step_fields
            ),
            self._per_byte.copy(),
            np.zeros((devices, devices, 0)) if shared is None else shared.copy(),
            self.back.copy(),
            self._counts or 0,
            known,
        )

    def state(self, devices: IntArray) -> State:
        """A placement, shape (B,), stage by stage."""
        count, stages = self._observation.devices, len(self._stages)
        counts = np.bincount(self.stage_of * count + devices, minlength=stages * count)
        counts = counts.reshape(stages, count)
        starts = np.concatenate(([self._observation.source], devices[self.gathers]))
        seconds = self.seconds(np.arange(stages), starts[:-1], counts, starts[1:])
        return State(devices, counts, starts, seconds, float(self.back[starts[-1]]))

    @cached_property
    def whole(self) -> FloatArray:
        """Times of each stage with its input, its blocks and its outputs on one device, shape (S, D)."""
        count, stages = self._observation.devices, len(self._stages)
        number, device = (axis.ravel() for axis in np.mgrid[:stages, :count])
        counts = np.zeros((stages * count, count), dtype=np.int64)
        counts[np.arange(len(number)), device] = [len(self._stages[i].rows) for i in number.tolist()]
        return self.seconds(number, device, counts, device).reshape(stages, count)


def _summed(loads: FloatArray) -> FloatArray:
    """The sums over devices, shape (n, R), of loads of shape (n, D, R).

    One device after another: the order in which `sum` adds depends on n and R.
    """
    return reduce(np.add, np.moveaxis(loads, 1, 0))
