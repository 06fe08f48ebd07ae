"""Times of the stages of a step, for many variations of a placement at once.

Under a fork-join pattern the delay of a step is the sum of its stages. A stage depends on the device that holds its
input, the number of its blocks on each device, and the device that gathers its outputs. So a change of a placement is
evaluated from the few stages that it touches.

Messages of one stage that cross a common resource share it: each takes as long as all their bytes together. That is
exact for inputs, which are equal and sent at once, and an upper bound for outputs.
"""

import importlib
import math
from functools import cached_property, reduce

import numpy as np

from headway.policies.common.transfer_times import (
    branches,
    finite,
    output_bytes,
    over_horizon,
    shared_seconds_per_byte,
)
from headway.policies.search.stages import State, Tables
from headway.simcore import FloatArray, IntArray, Observation, predict

_KEY_BITS = 62.0
"""Number of bits into which the arguments of a time have to fit, so that an integer can stand for them."""


class ChainTimes:
    """The stages of the steps of an observation, without swapping.

    Args:
        observation: the observation.
        compiled: whether compiled code computes times; otherwise array code does.

    Attributes:
        stage_of: the stage of each block, shape (B,).
        gathers: the block whose device gathers the outputs of each stage, shape (S,).
        tables: times of the branches of the stages.
    """

    def __init__(self, observation: Observation, compiled: bool = False) -> None:
        chain = observation.step_graphs.chain
        self._observation = observation
        self._kernels = importlib.import_module("headway.policies.search.kernels") if compiled else None
        self._stages = chain.stages
        self.stage_of: IntArray = chain.arrays.stage_of
        self.gathers: IntArray = chain.arrays.gathers
        self.tables = self._tables()
        # The times computed so far by array code, by a key of their arguments; the largest key marks the end.
        self._known: IntArray = np.array([np.iinfo(np.int64).max])
        self._seconds: FloatArray = np.zeros(1)

    def _tables(self) -> Tables:
        observation, devices = self._observation, self._observation.devices
        kinds = [(stage.kind, stage.input, stage.output) for stage in self._stages]
        examples = dict(zip(kinds, self._stages, strict=True))
        variants = list(examples)
        once, each, sizes = [], [], []
        for number, step in enumerate(observation.steps):
            times = [branches(observation, stage, number) for stage in examples.values()]
            once.append([table for table, _ in times])
            each.append([table for _, table in times])
            inputs = step.cost.message_bytes[[stage.input for stage in examples.values()]]
            outputs = [output_bytes(stage, step.cost) for stage in examples.values()]
            sizes.append((inputs, *np.array(outputs).T))
        shared = shared_seconds_per_byte(observation)
        back = over_horizon(observation, observation.step_graphs.chain.result)[:, observation.source]
        in_bytes, out_bytes, out_bytes_each = np.array(sizes, dtype=np.float64).swapaxes(0, 1).copy()
        return Tables(
            variant=np.array([variants.index(kind) for kind in kinds]),
            repeats=np.array([step.count for step in observation.steps], dtype=np.float64),
            once=finite(np.array(once)),
            each=finite(np.array(each)),
            in_bytes=in_bytes,
            out_bytes=out_bytes,
            out_bytes_each=out_bytes_each,
            per_byte=finite(observation.per_byte_s).copy(),
            shared=np.zeros((devices, devices, 0)) if shared is None else shared.copy(),
            back=finite(back).copy(),
        )

    @cached_property
    def _different(self) -> int:
        """Number of different counts of blocks on a device; 0 if the arguments of a time do not fit into a key."""
        devices, most = self._observation.devices, max(len(stage.rows) for stage in self._stages) + 1
        variants = int(self.tables.variant.max()) + 1
        bits = math.log2(variants * devices**2) + devices * math.log2(most)
        return most if bits <= _KEY_BITS else 0

    def seconds(self, stages: IntArray, starts: IntArray, counts: IntArray, ends: IntArray) -> FloatArray:
        """Times of stages over the horizon, shape (n,).

        Args:
            stages: numbers of the stages, shape (n,).
            starts: devices that hold their inputs, shape (n,).
            counts: their blocks on each device, shape (n, D).
            ends: devices that gather their outputs, shape (n,).
        """
        if self._kernels is not None:
            times = np.empty(len(stages))
            self._kernels.set_times(self.tables, stages, starts, counts, ends, times)
            return times
        variant, different = self.tables.variant[stages], self._different
        if not different:
            return self._computed(variant, starts, counts, ends)
        # Layers with the same placement have the same times, and a change leaves most stages as they were.
        key = (variant * self._observation.devices + starts) * self._observation.devices + ends
        for column in counts.T:
            key = key * different + column
        place = np.searchsorted(self._known, key)
        new = np.flatnonzero(self._known[place] != key)
        if len(new):
            added, first = np.unique(key[new], return_index=True)
            first = new[first]
            computed = self._computed(variant[first], starts[first], counts[first], ends[first])
            where = np.searchsorted(self._known, added)
            self._known = np.insert(self._known, where, added)
            self._seconds = np.insert(self._seconds, where, computed)
            place = np.searchsorted(self._known, key)
        return self._seconds[place]

    def _computed(self, variant: IntArray, starts: IntArray, counts: IntArray, ends: IntArray) -> FloatArray:
        tables, used = self.tables, counts > 0
        total = np.zeros(len(variant))
        several = np.flatnonzero(used.sum(axis=1) > 1) if tables.shared.size else np.empty(0, np.int64)
        for step, repeats in enumerate(tables.repeats):
            branch = (
                tables.once[step][variant, starts, :, ends] + counts * tables.each[step][variant, :, ends]
            )
            if len(several):
                branch[several] += self._waiting(
                    step, variant[several], starts[several], counts[several], ends[several]
                )
            total += repeats * np.where(used, branch, 0.0).max(axis=1)
        return total

    def _waiting(
        self, step: int, variant: IntArray, starts: IntArray, counts: IntArray, ends: IntArray
    ) -> FloatArray:
        """By how much the messages of each branch take longer because they share resources, shape (n, D)."""
        tables, used = self.tables, counts > 0
        into, out = tables.shared[starts], tables.shared[:, ends].swapaxes(0, 1)
        load = _summed(into * used[:, :, None])
        shared_s = np.where(into > 0.0, load[:, None, :], 0.0).max(axis=2)
        in_bytes = tables.in_bytes[step, variant][:, None]
        waiting: FloatArray = np.maximum(shared_s - tables.per_byte[starts], 0.0) * in_bytes
        out_bytes, each = tables.out_bytes[step, variant], tables.out_bytes_each[step, variant]
        size = used * (out_bytes[:, None] + counts * each[:, None])
        load = _summed(size[:, :, None] * out)
        shared_s = np.where(out > 0.0, load[:, None, :], 0.0).max(axis=2)
        waiting += np.maximum(shared_s - size * tables.per_byte[:, ends].T, 0.0)
        return waiting

    def state(self, devices: IntArray) -> State:
        """A placement, shape (B,), stage by stage."""
        count, stages = self._observation.devices, len(self._stages)
        counts = np.bincount(self.stage_of * count + devices, minlength=stages * count)
        counts = counts.reshape(stages, count)
        starts = np.concatenate(([self._observation.source], devices[self.gathers]))
        seconds = self.seconds(np.arange(stages), starts[:-1], counts, starts[1:])
        back_s = float(self.tables.back[starts[-1]])
        used = predict.held_bytes(self._observation, devices)
        return State(devices, used, counts, starts, seconds, back_s, float(seconds.sum()) + back_s)

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
