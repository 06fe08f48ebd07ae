"""Links, media and routes in a scenario file, and the way in which messages share them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from headway.simcore.engine.network.network import SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS
from headway.simcore.files.schema.traces import RateTrace, TimeTrace
from headway.simcore.files.schema.values import Seconds, SomeBytes, is_texts, part
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import quoted


def _connect(value: object) -> object:
    if value == "all":
        return value
    if isinstance(value, list) and value and all(is_texts(pair) and len(pair) == 2 for pair in value):
        return value
    raise mistake(quoted(value), '"all", or a list of pairs of devices such as [[laptop, pi], [pi, phone]]')


def as_routes(value: object) -> object:
    """Check the value of `routes`: lists of names of nodes."""
    if isinstance(value, list) and all(is_texts(path) and len(path) >= 2 for path in value):
        return value
    raise mistake(quoted(value), "a list of lists of node names such as [[laptop, switch, pi]]")


class FrameSection(Section):
    """The payload and the fixed airtime of a frame; used only with `sharing: airtime`."""

    size: SomeBytes = Field("1500 B", validate_default=True, description="payload of a frame")
    overhead: Seconds = Field(
        "98 us",
        validate_default=True,
        description="airtime of a frame in addition to its payload; the default is 802.11g without back-off",
    )


LibraryLink: TypeAlias = Annotated[
    str | None,
    Field(description="name of a link of the [library](devices.md), which gives the missing keys"),
]


class MediumSection(Section):
    """A half-duplex medium, such as a Wi-Fi cell: its links share one bandwidth in both directions."""

    link: str | None = Field(
        None, description="name of a link of the [library](devices.md), which gives the bandwidth"
    )
    bandwidth: RateTrace = Field(
        description="shared bandwidth, optional with `link`; with `sharing: airtime` the highest PHY rate, used by "
        "links without `bandwidth`"
    )
    frame: FrameSection = FrameSection()


class LinkSection(Section):
    """A link between two nodes (devices or relays), or equal links between several pairs."""

    connect: Annotated[Literal["all"] | list[list[str]], BeforeValidator(_connect)] = Field(
        description='"all" for all pairs of devices, or a list of pairs; a device with a count means all its devices'
    )
    link: LibraryLink = None
    bandwidth: RateTrace = Field(
        None, description="rate in each direction; optional with a `medium` or a `link`"
    )
    medium: str | None = Field(None, description="name of its medium, one of `media`")
    latency: TimeTrace = Field(
        "0 s", validate_default=True, description="one-way latency; the value at the time of sending counts"
    )
    overhead: Seconds = Field(0.0, description="fixed time per message")


class NetworkSection(Section):
    """Bandwidth sharing and transport of messages."""

    sharing: Annotated[str, part(SHARING_RULES)] = Field(
        "fair",
        description="`fair`: max-min fair sharing of links, interfaces and media; `airtime`: the same, but messages "
        "share the airtime of a medium instead of its bytes; `dedicated`: messages do not slow each other",
    )
    transport: Annotated[str, part(TRANSPORTS)] = Field(
        "ideal",
        description="`ideal`: latency plus bytes divided by rate; `tcp`: also handshake, headers and slow start",
    )
    connection: Literal["fresh", "persistent"] = Field(
        "fresh",
        description="`tcp` only: a new connection for every message, or one connection per pair of devices",
    )
    idle_restart: bool = Field(
        True, description="`persistent` only: the window of an idle connection becomes small again"
    )
