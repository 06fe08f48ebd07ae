"""Devices in a scenario file, and what happens when one holds more than it can."""

from typing import Annotated, Literal

from pydantic import Field

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.files.bounds import MOST_DEVICES
from headway.simcore.files.schema.traces import RateTrace, ShareTrace, SizeTrace
from headway.simcore.files.schema.values import Seconds, SomeBytes, SomeCompute, SomeRate, part
from headway.simcore.files.section import Section


class DeviceSection(Section):
    """A device, or several of a kind."""

    count: int = Field(1, ge=1, le=MOST_DEVICES, description="more than one are called NAME-1, NAME-2, ...")
    memory: SomeBytes = Field(description="capacity")
    compute: SomeCompute = Field(description="peak speed")
    memory_bandwidth: SomeRate | None = Field(None, description="unlimited by default")
    overhead: Seconds = Field(
        0.0, description="fixed time per task: all blocks of one kind and layer on the device"
    )
    disk: SomeRate | None = Field(
        None,
        description="rate at which swapped bytes and weights are read; needed where memory may swap or weights load",
    )
    runtime_memory: SomeBytes = Field(
        0.0, description="what the inference engine itself takes, beside the model, where there are blocks"
    )
    availability: ShareTrace = Field(
        1.0, description="share that is free for the model, 0 to 1 or in %; synthetic traces are cut off at 1"
    )
    memory_used: SizeTrace = Field("0 B", validate_default=True, description="memory taken by others")
    discipline: Annotated[str, part(DISCIPLINES)] = Field(
        "fifo", description="tasks run one after another, or all at once on equal shares"
    )
    nic_up: RateTrace = Field(
        None, description="rate at which it sends over all its links together; by default only they limit it"
    )
    nic_down: RateTrace = Field(None, description="rate at which it receives, likewise")


class MemorySection(Section):
    """What happens when a device holds more than it can."""

    overflow: Literal["fail", "swap"] = Field("fail", description="end the run, or read from disk every step")
    swap: Literal["pinned", "lru", "prefetch"] = Field(
        "pinned",
        description="what is read then: what does not fit; all, as of files that are mapped into memory; or what does "
        "not fit, while the device computes",
    )
