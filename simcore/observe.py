"""The only words that the simulator and the policies share.

A policy is any object with a `decide` method that takes an `Observation` and returns a `Placement`, `Keep` or
`Infeasible`. It sees the world as read-only arrays at one instant and nothing of the future.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray, sealed
from headway.simcore.steps.step_graphs import StepGraphs
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import DeviceTime, TaskTimes
from headway.simcore.world.options import Migration, Overflow, Swap


@dataclass(frozen=True, eq=False)
class Step:
    """A run of `count` steps that cost the same.

    An interval is described by at most two: the prefill, and the remaining tokens at their mean length.
    """

    cost: StepCost
    count: int


@dataclass(frozen=True, eq=False)
class Observation:
    """What a policy may see, for `D` devices and `B` blocks. All arrays are read-only.

    Attributes:
        time_s: simulated time.
        request: number of the request that is first in the batch.
        generated: tokens generated for it so far.
        blocks: the block table.
        step_graphs: what a step consists of: its stages, and the graph of any placement.
        device_time: how long tasks take on devices.
        device_names: shape (D,).
        source: index of the device that holds the prompt and receives each token.
        capacity_bytes: memory of each device, shape (D,).
        available_bytes: what blocks can take of it during the interval, whether they already do or not: what others do
            not take now, without the runtime and the activations of the step that has most, shape (D,).
        reserved_bytes: what those activations have of it, shape (D,).
        flops: peak speed [FLOP/s], shape (D,).
        memory_bandwidth: [bytes/s], shape (D,).
        overhead_s: fixed time per task (all blocks of one kind and layer on a device), shape (D,).
        disk_bandwidth: [bytes/s], 0 without a disk, shape (D,).
        availability: share of each device that has been free lately, in [0, 1], shape (D,).
        rate: bytes/s that have been possible between devices lately, infinite on the diagonal, shape (D, D).
            Lately means over the last `window_s` of the scenario.
        latency_s: latency and per-message overhead between devices lately, 0 on the diagonal, shape (D, D).
        steps: the costs of the interval that begins now.
        memory_bytes: m_i, what each block will hold by the end of the interval, shape (B,).
        moving_bytes: what a migration of each block sends now: what it holds, or its cache alone where weights are on
            disk, shape (B,).
        up: whether each device is there; nothing can be placed on one that is down, and it has no memory, no speed and
            no rates, shape (D,).
        lost: blocks that went down with their device: wherever they are placed, even where they were, they come from
            the source, shape (B,).
        load_seconds: time in which the weights of a block of each kind come from the disk of each device when it moves
            there, beside what is sent; 0 unless weights are on disk, shape (5, D).
        placement: device of each block now, of a lost one the last, shape (B,); None before the first placement.
        overflow: what happens to a device that holds more than it can: the run fails, or it swaps to disk.
        swap: what is read from disk then, and when.
        migration: decoding waits while blocks move (`blocking`), or goes on where they were (`live`), for which they
            need room at both ends.
        pinned: the placement that the scenario pins, which the policy `pinned` keeps, shape (B,); None if it pins none.
        batch: the sequences of the next step, and others that have a cache.
    """

    time_s: float
    request: int
    generated: int
    blocks: BlockTable
    step_graphs: StepGraphs
    device_time: DeviceTime
    device_names: tuple[str, ...]
    source: int
    capacity_bytes: FloatArray
    available_bytes: FloatArray
    reserved_bytes: FloatArray
    flops: FloatArray
    memory_bandwidth: FloatArray
    overhead_s: FloatArray
    disk_bandwidth: FloatArray
    availability: FloatArray
    rate: FloatArray
    latency_s: FloatArray
    steps: tuple[Step, ...]
    memory_bytes: FloatArray
    moving_bytes: FloatArray
    load_seconds: FloatArray
    up: BoolArray
    lost: BoolArray
    placement: IntArray | None
    overflow: Overflow
    swap: Swap
    migration: Migration
    pinned: IntArray | None = None
    batch: Batch = ()

    @cached_property
    def origin(self) -> IntArray | None:
        """The device from which each block comes when it moves, shape (B,); None before the first placement."""
        return None if self.placement is None else sealed(np.where(self.lost, self.source, self.placement))

    @property
    def devices(self) -> int:
        """Number of devices, D."""
        return len(self.device_names)

    @property
    def tokens(self) -> int:
        """Number of tokens in the interval."""
        return sum(step.count for step in self.steps)

    @cached_property
    def step_times(self) -> tuple[TaskTimes, ...]:
        """For each of `steps`, the times of tasks on each device as it is available now.

        Infinite on a device that is not available.
        """
        return tuple(self._times(step.cost) for step in self.steps)

    @cached_property
    def interval_times(self) -> TaskTimes:
        """The times of tasks on each device, summed over the interval."""
        block_s, task_s = (np.zeros((len(Kind), self.devices)) for _ in range(2))
        for step, times in zip(self.steps, self.step_times, strict=True):
            block_s += step.count * times.block_s
            task_s += step.count * times.task_s
        return TaskTimes(sealed(block_s), sealed(task_s))

    @cached_property
    def kind_seconds(self) -> FloatArray:
        """Seconds of a task of one block of each kind on each device, summed over the interval, shape (5, D)."""
        return sealed(self.interval_times.block_s + self.interval_times.task_s)

    def seconds_together(self, rows: IntArray) -> FloatArray:
        """Seconds of blocks over the interval if all of them are on one device, for each device, shape (D,).

        Args:
            rows: of the blocks in the block table, each once; those of one kind and layer are one task.
        """
        kind, layer = self.blocks.kind[rows], self.blocks.layer[rows]
        tasks = np.unique(kind + len(Kind) * layer) % len(Kind)
        block_s, task_s = self.interval_times
        together: FloatArray = block_s[kind].sum(axis=0) + task_s[tasks].sum(axis=0)
        return together

    @cached_property
    def per_byte_s(self) -> FloatArray:
        """Seconds per byte between devices, 0 on the diagonal, infinite where nothing flows, shape (D, D)."""
        with np.errstate(divide="ignore"):
            return sealed(1.0 / self.rate)

    def _times(self, cost: StepCost) -> TaskTimes:
        nominal = self.device_time.times(cost, self)
        with np.errstate(divide="ignore", invalid="ignore"):
            # A task of no length is over at once, also on a device that is down.
            block_s, task_s = (np.where(part > 0.0, part / self.availability, 0.0) for part in nominal)
        return TaskTimes(sealed(block_s), sealed(task_s))


@dataclass(frozen=True, eq=False)
class Placement:
    """A decision: block i shall be on device `devices[i]`; shape (B,), device indices."""

    devices: IntArray


@dataclass(frozen=True)
class Keep:
    """A decision: leave every block where it is."""


@dataclass(frozen=True)
class Infeasible:
    """A decision: the policy found no placement that fits, and says why."""

    reason: str


Decision: TypeAlias = Placement | Keep | Infeasible


class Policy(Protocol):
    """Decides where blocks live.

    A policy that is a dataclass has its fields recorded as its parameters in the results.
    """

    @property
    def name(self) -> str:
        """How the policy is called in results and figures."""
        ...

    def decide(self, seen: Observation) -> Decision:
        """Where each block shall be during the interval that begins now."""
        ...
