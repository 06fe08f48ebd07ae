"""A device: memory and computing that vary with time."""

import math
from dataclasses import dataclass
from numbers import Real

from headway.simcore.registry import Named
from headway.traces import Trace

ALWAYS_ON = Trace.constant(1.0)
_NOTHING = Trace.constant(0.0)
_NOT_NEGATIVE = (
    *("memory_bytes", "runtime_bytes", "flops", "memory_bandwidth"),
    *("overhead_s", "sync_s", "disk_bandwidth"),
)


@dataclass(frozen=True, kw_only=True)
class Device:
    """A machine that holds and computes blocks.

    Attributes:
        name: unique in its cluster.
        memory_bytes: capacity.
        runtime_bytes: memory of the inference engine itself, on a device that has blocks.
        flops: peak speed [FLOP/s].
        memory_bandwidth: rate of reading weights [bytes/s]; infinite if only the peak speed counts.
        kv_bandwidth: rate of reading the K/V cache [bytes/s]; None if it is as for weights.
        overhead_s: fixed time per task, which is all blocks of one kind and layer on the device.
        sync_s: time of the inference engine to send one message, under execution patterns with such tasks.
        disk_bandwidth: rate at which swapped data is read [bytes/s]; 0 without a disk.
        availability: share of the device that is free for the model over time, in [0, 1].
        used_bytes: memory that other programs use over time.
        discipline: tasks run one after another (`fifo`) or all at once, each on an equal share (`ps`); by name, or as a
            `Discipline`.
        nic_up: rate at which its network interface sends over time [bytes/s], over all its links together; None if
            only the links limit it. Forwarded messages count too.
        nic_down: rate at which its network interface receives, as `nic_up`.
        up: 1 while the device is up and 0 while it is down. When it goes down, it loses its blocks and caches; while it
            is down, it neither computes nor sends, receives or forwards.

    Raises:
        ValueError: a number is negative, or none.
    """

    name: str
    memory_bytes: float
    flops: float
    memory_bandwidth: float = math.inf
    kv_bandwidth: float | None = None
    overhead_s: float = 0.0
    sync_s: float = 0.0
    disk_bandwidth: float = 0.0
    runtime_bytes: float = 0.0
    availability: Trace = ALWAYS_ON
    used_bytes: Trace = _NOTHING
    discipline: Named | str = "fifo"
    nic_up: Trace | None = None
    nic_down: Trace | None = None
    up: Trace = ALWAYS_ON

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            not_negative(f"{name} of the device {self.name!r}", getattr(self, name))
        if self.kv_bandwidth is not None:
            not_negative(f"kv_bandwidth of the device {self.name!r}", self.kv_bandwidth)


def not_negative(what: str, value: object) -> None:
    """Refuse invalid numbers of a world built in Python; scenario files are checked before."""
    if not isinstance(value, Real) or not float(value) >= 0.0:
        raise ValueError(f"{what} must be a number that is not negative, not {value!r}")
