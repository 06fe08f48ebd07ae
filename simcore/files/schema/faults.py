"""Faults in a scenario file."""

from pydantic import Field

from headway.simcore.files.schema.traces import ShareTrace
from headway.simcore.files.schema.values import Seconds, Share
from headway.simcore.files.section import Section


class FaultSection(Section):
    """Something that happens to a device or a link: one of `down`, `slowed_to` and `online`."""

    device: str | None = Field(None, description="which device; one with a count stands for all of them")
    link: str | None = Field(None, description="which link; one that stands for several, for all of them")
    down: Seconds | None = Field(None, description="when it goes down; a device loses all that it holds")
    up: Seconds | None = Field(None, description="when it is back; never by default")
    slowed_to: Share | None = Field(
        None, description="share of its speed or bandwidth that is left, 0 to 1 or in %"
    )
    since: Seconds = Field(0.0, description="when it is slowed down")
    until: Seconds | None = Field(None, description="when it no longer is; never by default")
    online: ShareTrace | None = Field(
        None, description="a trace that is 1 while it is up and 0 while it is down"
    )
