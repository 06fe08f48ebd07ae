"""Devices in a scenario file, and the overflow of their memory."""

from typing import Annotated, Literal

from pydantic import Field

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.files.bounds import MOST_DEVICES
from headway.simcore.files.schema.traces import RateTrace, ShareTrace, SizeTrace
from headway.simcore.files.schema.values import (
    RateOrUnlimited,
    Seconds,
    SomeBytes,
    SomeCompute,
    SomeRate,
    part,
)
from headway.simcore.files.section import Section


class DeviceSection(Section):
    """A device, or several equal devices."""

    count: int = Field(
        1,
        ge=1,
        le=MOST_DEVICES,
        description="number of devices; if above 1, their names are NAME-1, NAME-2, ...",
    )
    device: str | None = Field(
        None,
        description="name of a device of the [library](devices.md), which gives `memory`, `compute` and all other "
        "speeds that are missing here",
    )
    memory: SomeBytes = Field(description="memory capacity; optional with `device`")
    compute: SomeCompute = Field(description="peak speed; optional with `device`")
    memory_bandwidth: RateOrUnlimited | None = Field(
        None,
        description="rate of reading weights, or `unlimited`; required with the cost model `decode`",
    )
    kv_bandwidth: RateOrUnlimited | None = Field(
        None,
        description="rate of reading the K/V cache, or `unlimited`; by default that of `memory_bandwidth`",
    )
    sync: Seconds = Field(
        0.0,
        description="time of the inference engine to send one message, under execution patterns that have "
        "such tasks",
    )
    overhead: Seconds = Field(
        0.0, description="fixed time per task; a task is all blocks of one kind and layer on the device"
    )
    disk: SomeRate | None = Field(
        None,
        description="read bandwidth of the disk; required with `overflow: swap` and with `weights_on_disk`",
    )
    runtime_memory: SomeBytes = Field(
        0.0, description="memory of the inference engine itself, used if the device has blocks"
    )
    availability: ShareTrace = Field(
        1.0,
        description="share of the device that the model can use, 0 to 1 or in %; synthetic traces are limited to 1",
    )
    memory_used: SizeTrace = Field("0 B", validate_default=True, description="memory that other programs use")
    discipline: Annotated[str, part(DISCIPLINES)] = Field(
        "fifo", description="`fifo`: tasks run one after another; `ps`: all at once with equal shares"
    )
    nic_up: RateTrace = Field(
        None, description="maximum rate of sending over all links together; unlimited by default"
    )
    nic_down: RateTrace = Field(
        None, description="maximum rate of receiving over all links together; unlimited by default"
    )


class MemorySection(Section):
    """What happens if the blocks on a device need more than its memory."""

    overflow: Literal["fail", "swap"] = Field("fail", description="end the run, or read from disk")
    swap: Literal["pinned", "lru", "prefetch"] = Field(
        "pinned",
        description="bytes that a step reads: `pinned`: those that do not fit; `lru`: all, like memory-mapped files; "
        "`prefetch`: those that do not fit, read while the device computes",
    )
