"""Faults in a scenario file."""

from pydantic import Field

from headway.simcore.files.schema.traces import ShareTrace
from headway.simcore.files.schema.values import Seconds, Share
from headway.simcore.files.section import Section


class FaultSection(Section):
    """A fault of a device or a link: give exactly one of `down`, `slowed_to` and `online`."""

    device: str | None = Field(
        None, description="name of the device; the name of a section with a count means all its devices"
    )
    link: str | None = Field(
        None, description="name of the link; the name of a section with several links means all of them"
    )
    down: Seconds | None = Field(None, description="time at which it goes down; a device loses its blocks")
    up: Seconds | None = Field(None, description="time at which it comes back; never by default")
    slowed_to: Share | None = Field(None, description="remaining share of speed or bandwidth, 0 to 1 or in %")
    since: Seconds = Field(0.0, description="time at which the slowdown begins")
    until: Seconds | None = Field(None, description="time at which the slowdown ends; never by default")
    online: ShareTrace | None = Field(None, description="trace of 1 (up) and 0 (down)")
