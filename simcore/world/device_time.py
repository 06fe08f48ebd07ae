"""Durations of tasks on idle devices.

A *device-time model* returns two tables by kind of block and device: the seconds of one block, and the fixed seconds of
a task. A task of n blocks takes `n * block_s + task_s`. The roofline computes both from data sheets; a model of your
own may look them up in measurements.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from headway.simcore.arrays import FloatArray, sealed
from headway.simcore.registry import Registry
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import StepCost


class Machines(Protocol):
    """The devices as data sheets describe them, such as a `Cluster` or an `Observation`; arrays of shape (devices,)."""

    @property
    def flops(self) -> FloatArray:
        """Peak speed [FLOP/s]."""
        ...

    @property
    def memory_bandwidth(self) -> FloatArray:
        """Rate of reading weights [bytes/s]."""
        ...

    @property
    def kv_bandwidth(self) -> FloatArray:
        """Rate of reading the K/V cache [bytes/s]."""
        ...

    @property
    def overhead_s(self) -> FloatArray:
        """Fixed time of a task."""
        ...

    @property
    def sync_s(self) -> FloatArray:
        """Time of the inference engine to send one message."""
        ...


class TaskTimes(NamedTuple):
    """Seconds on each fully available device, both of shape (kinds, devices), indexed by `Kind` and device.

    Attributes:
        block_s: of one block.
        task_s: fixed seconds of a task, independent of its number of blocks.
    """

    block_s: FloatArray
    task_s: FloatArray


class DeviceTime(Protocol):
    """A device-time model."""

    @property
    def name(self) -> str:
        """The name in scenarios."""
        ...

    def times(self, cost: StepCost, machines: Machines) -> TaskTimes:
        """The times of the tasks of a step that costs `cost`."""
        ...


@dataclass(frozen=True)
class Roofline:
    """The longer of computing at peak speed and reading from memory, plus the device's overhead for each task.

    See Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009. Weights and the K/V cache are read at
    rates of their own: real engines read the two at different rates. A task is what an engine launches at once, with
    any number of blocks. Kinds without work and without bytes take no time, except `SYNC`, which takes `sync_s`.
    """

    name: ClassVar[str] = "roofline"

    def times(self, cost: StepCost, machines: Machines) -> TaskTimes:
        """See `DeviceTime.times`."""
        block_s = cost.work_flop[..., None] / machines.flops
        np.maximum(block_s, _reading(cost, machines), out=block_s)
        something = ((cost.work_flop > 0.0) | (cost.read_bytes > 0.0))[..., None]
        task_s = np.where(something, machines.overhead_s, 0.0)
        block_s[..., Kind.SYNC, :] = machines.sync_s
        return TaskTimes(sealed(block_s), sealed(task_s))


def _reading(cost: StepCost, machines: Machines) -> FloatArray:
    """Seconds to read what a block of each kind needs on each device."""
    if np.array_equal(machines.memory_bandwidth, machines.kv_bandwidth):
        return cost.read_bytes[..., None] / machines.memory_bandwidth
    weights: FloatArray = cost.weight_bytes[..., None] / machines.memory_bandwidth
    return weights + cost.kv_bytes[..., None] / machines.kv_bandwidth


def times_of_stretch(model: DeviceTime, costs: StepCost, machines: Machines) -> TaskTimes:
    """The times of several steps, both of shape (steps, kinds, devices), see `costs_of_stretch`."""
    if isinstance(model, Roofline):
        return model.times(costs, machines)
    each = [model.times(costs.at(step), machines) for step in range(len(costs.memory_bytes))]
    return TaskTimes(*(np.array(column) for column in zip(*each, strict=True)))


DEVICE_TIMES: Registry[DeviceTime] = Registry(
    "device_time", "headway.device_times", {Roofline.name: Roofline()}
)
"""Every device-time model by name."""
