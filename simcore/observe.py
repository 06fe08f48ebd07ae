"""The interface between the simulator and the policies.

A policy is any object with a `decide` method that takes an `Observation` and returns a `Placement`, `Keep` or
`Infeasible`. It sees the world as read-only arrays at one instant and nothing of the future.
"""

from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np

from headway.simcore.arrays import BoolArray, FloatArray, IntArray, sealed
from headway.simcore.steps.step_graphs import StepGraphs
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import StepCost
from headway.simcore.world.crossings import NO_CROSSINGS, Crossings
from headway.simcore.world.device_time import DeviceTime, TaskTimes
from headway.simcore.world.options import Caches, Migration, Moves, Overflow, Swap


@dataclass(frozen=True, eq=False)
class Step:
    """`count` consecutive steps of equal cost.

    A horizon is described by at most two: the prefill, and the remaining tokens at their mean length.

    Attributes:
        cost: of each.
        count: their number.
        pieces: in which the execution pattern processes each.
    """

    cost: StepCost
    count: int
    pieces: int = 1


@dataclass(frozen=True, eq=False)
class Period:
    """What a forecast says of a period of time, for `D` devices. All arrays are read-only.

    Attributes:
        begin_s: its start, in simulated time.
        end_s: its end.
        available_bytes: the least memory for blocks during the period, as in `Observation`, shape (D,).
        availability: mean share of each device that is free, 0 if it is down at any time of the period, shape (D,).
        rate: mean rate between devices [bytes/s], 0 if a device or a link on the route is down at any time, shape
            (D, D).
        crossings: the shared resources that each route crosses, with mean rates.
        up: whether each device is up all the time, shape (D,).
    """

    begin_s: float
    end_s: float
    available_bytes: FloatArray
    availability: FloatArray
    rate: FloatArray
    crossings: Crossings
    up: BoolArray


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
        available_bytes: memory for blocks during the horizon, including what blocks use already: capacity less the
            use by others now, the runtime, and the largest activations of a step, shape (D,).
        reserved_bytes: memory that these activations take, shape (D,).
        flops: peak speed [FLOP/s], shape (D,).
        memory_bandwidth: rate of reading weights [bytes/s], shape (D,).
        kv_bandwidth: rate of reading the K/V cache [bytes/s], shape (D,).
        overhead_s: fixed time per task (all blocks of one kind and layer on a device), shape (D,).
        sync_s: time of the inference engine to send one message, shape (D,).
        disk_bandwidth: [bytes/s], 0 without a disk, shape (D,).
        availability: share of each device that is free, in [0, 1], shape (D,). This, `rate` and `latency_s` are
            means over the last `window_s` seconds of the scenario.
        rate: possible rate between devices [bytes/s], infinite on the diagonal, shape (D, D).
        latency_s: latency and per-message overhead between devices, 0 on the diagonal, shape (D, D).
        steps: the costs of the horizon, which are the tokens that a decision plans for (`controller.horizon`); the
            policy is asked again before they have all been generated.
        memory_bytes: m_i, what each block will hold by the end of the horizon, shape (B,).
        moving_bytes: bytes that a migration of each block sends now: all that it holds, or only its cache where weights
            are on disk, shape (B,).
        up: whether each device is up, shape (D,). A device that is down has no memory, speed or rates, and cannot hold
            blocks.
        lost: whether each block was lost with its device, shape (B,). A lost block comes from the source, wherever it
            is placed next.
        load_seconds: time to load the weights of a block of each kind from the disk of each device when it moves
            there, in addition to `moving_bytes`; 0 unless weights are on disk, shape (kinds, D).
        placement: device of each block now (of a lost block, its last one), shape (B,); None before the first
            placement.
        overflow: what happens if a device holds more than its memory: the run fails, or the device swaps to disk.
        swap: how a device swaps.
        migration: `blocking`: decoding waits while blocks move; `live`: decoding goes on under the old placement, and
            a moving block needs memory on both devices.
        pinned: the placement that the scenario gives for the policy `pinned`, shape (B,); None if it gives none.
        batch: the sequences of the next step, and other sequences that have a cache.
        moves: `parallel`: blocks move at the same time over routes that share nothing; `serial`: one after another.
        crossings: the shared resources that each route crosses.
        sharing: whether messages slow each other at these; otherwise each message has its route for itself.
        interval: tokens until the next decision, unless a trigger fires before.
        forecast: of the next seconds, period after period; empty unless the scenario grants one.
        warm_copies: whether devices keep the weights of blocks that leave them, and a first placement may ask for
            copies.
        copies: whether each device has a copy of the weights of each block that is not on it, shape (B, D). Copies use
            free memory only, so `available_bytes` ignores them.
        cache_bytes: bytes that a migration of each block sends now to a device with a copy, in place of `moving_bytes`;
            nothing is loaded from disk there, shape (B,).
        caches: whether blocks that move send their caches, or all caches are dropped and the next step computes them
            again; see `ControllerOptions`.
        next_cost: cost of the next step; None under `caches: send`.
        recompute_cost: cost of the next step if it computes all caches again; None under `caches: send`.
        pause_budget_s: a blocking migration with a longer pause is spread over several decisions; None: never.
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
    kv_bandwidth: FloatArray
    overhead_s: FloatArray
    sync_s: FloatArray
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
    moves: Moves = "serial"
    crossings: Crossings = NO_CROSSINGS
    sharing: bool = False
    interval: int = 1
    forecast: tuple[Period, ...] = ()
    warm_copies: bool = False
    copies: BoolArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    cache_bytes: FloatArray = field(default_factory=lambda: np.zeros(0))
    caches: Caches = "send"
    next_cost: StepCost | None = None
    recompute_cost: StepCost | None = None
    pause_budget_s: float | None = None

    @cached_property
    def origin(self) -> IntArray | None:
        """The device from which each block comes when it moves, shape (B,); None before the first placement."""
        return None if self.placement is None else sealed(np.where(self.lost, self.source, self.placement))

    def with_steps(self, steps: tuple[Step, ...]) -> "Observation":
        """The same observation of another horizon. It keeps the cached tables that do not depend on the horizon."""
        other = copy(self)
        values = vars(other)
        for name in ("step_times", "horizon_times", "kind_seconds", "seconds_of_all"):
            values.pop(name, None)
        values["steps"] = steps
        return other

    @property
    def devices(self) -> int:
        """Number of devices, D."""
        return len(self.device_names)

    @property
    def tokens(self) -> int:
        """Number of tokens in the horizon."""
        return sum(step.count for step in self.steps)

    @cached_property
    def step_times(self) -> tuple[TaskTimes, ...]:
        """For each of `steps`, the times of tasks on each device at its present availability.

        Infinite on a device that is not available.
        """
        return tuple(self._times(step.cost) for step in self.steps)

    @cached_property
    def horizon_times(self) -> TaskTimes:
        """The times of tasks on each device, summed over the horizon."""
        block_s, task_s = (np.zeros((len(Kind), self.devices)) for _ in range(2))
        for step, times in zip(self.steps, self.step_times, strict=True):
            block_s += step.count * times.block_s
            task_s += step.count * times.task_s
        return TaskTimes(sealed(block_s), sealed(task_s))

    @cached_property
    def kind_seconds(self) -> FloatArray:
        """Seconds of a task of one block of each kind on each device, summed over the horizon, shape (kinds, D)."""
        return sealed(self.horizon_times.block_s + self.horizon_times.task_s)

    def seconds_together(self, rows: IntArray) -> FloatArray:
        """Seconds over the horizon if all of these blocks were on one device, for each device, shape (D,).

        Args:
            rows: of the blocks in the block table, without repetition; blocks of one kind and layer form one task.
        """
        kind, layer = self.blocks.kind[rows], self.blocks.layer[rows]
        tasks = np.unique(kind + len(Kind) * layer) % len(Kind)
        block_s, task_s = self.horizon_times
        together: FloatArray = block_s[kind].sum(axis=0) + task_s[tasks].sum(axis=0)
        return together

    @cached_property
    def seconds_of_all(self) -> FloatArray:
        """`seconds_together` of all blocks, shape (D,)."""
        block_s, task_s = self.horizon_times
        seconds: FloatArray = block_s[self.blocks.kind].sum(axis=0) + task_s[self.blocks.tasks].sum(axis=0)
        return sealed(seconds)

    @cached_property
    def per_byte_s(self) -> FloatArray:
        """Seconds per byte between devices, 0 on the diagonal, infinite where the rate is 0, shape (D, D)."""
        with np.errstate(divide="ignore"):
            return sealed(1.0 / self.rate)

    def _times(self, cost: StepCost) -> TaskTimes:
        nominal = self.device_time.times(cost, self)
        with np.errstate(divide="ignore", invalid="ignore"):
            # A task of length 0 ends at once, even on a device that is down.
            block_s, task_s = (np.where(part > 0.0, part / self.availability, 0.0) for part in nominal)
        return TaskTimes(sealed(block_s), sealed(task_s))


@dataclass(frozen=True, eq=False)
class Placement:
    """A decision: put block i on device `devices[i]`.

    Attributes:
        devices: index of a device for each block, shape (B,).
        copies: on which other devices the first placement asks for warm copies of the weights of each block, shape
            (B, D); None: none. Copies that do not fit are dropped; those of later placements are ignored.
    """

    devices: IntArray
    copies: BoolArray | None = None


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

    A policy that is a dataclass has its fields recorded as its parameters in the results. A policy with the attribute
    `fixed = True` keeps the placement in force whenever it is asked: so it is asked only when there is no placement,
    and after the loss of a device in use (`is_fixed`). A policy with the attribute `prompt = True` promises that its
    decisions always end: after a short one it is called in the thread of the run (`is_prompt`).
    """

    @property
    def name(self) -> str:
        """Name of the policy in results and figures."""
        ...

    def decide(self, observation: Observation) -> Decision:
        """Decide where each block is from now on."""
        ...


def is_fixed(policy: Policy) -> bool:
    """Whether a policy keeps its first placement: neither intervals nor triggers ask it again."""
    return bool(getattr(policy, "fixed", False))


def is_prompt(policy: Policy) -> bool:
    """Whether a policy promises that its decisions always end."""
    return bool(getattr(policy, "prompt", False))
