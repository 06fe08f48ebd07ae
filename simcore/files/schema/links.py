"""Links and media in a scenario file, routes over them, and how messages share them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from headway.simcore.engine.network.network import SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS
from headway.simcore.files.schema.traces import RateTrace, TimeTrace
from headway.simcore.files.schema.values import Seconds, SomeBytes, part
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import shown


def _connect(value: object) -> object:
    if value == "all":
        return value
    if isinstance(value, list) and value and all(_is_pair(pair) for pair in value):
        return value
    raise mistake(
        shown(value), '"all", or a list of pairs of device names such as [[laptop, pi], [pi, phone]]'
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def as_routes(value: object) -> object:
    """What `routes` may be: lists of names of nodes."""
    if isinstance(value, list) and all(_is_path(path) for path in value):
        return value
    raise mistake(shown(value), "a list of lists of node names such as [[laptop, switch, pi]]")


def _is_path(value: object) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(name, str) for name in value)


class FrameSection(Section):
    """What a frame carries, and the airtime that it takes beside its bytes; for `sharing: airtime` only."""

    size: SomeBytes = Field("1500 B", validate_default=True, description="payload")
    overhead: Seconds = Field(
        "98 us",
        validate_default=True,
        description="airtime per frame beside that of its payload; by default that of 802.11g without back-off",
    )


class MediumSection(Section):
    """A half-duplex medium, such as a Wi-Fi cell: all links on it, in both directions, have one budget together."""

    bandwidth: RateTrace = Field(
        description="the budget; under `sharing: airtime` the highest PHY rate, that of links without `bandwidth`"
    )
    frame: FrameSection = FrameSection()


class LinkSection(Section):
    """A link between two nodes (devices or relays), or links of one kind between several pairs."""

    connect: Annotated[Literal["all"] | list[list[str]], BeforeValidator(_connect)] = Field(
        description='"all" for every pair of devices, or a list of pairs; a device with a count stands for all of them'
    )
    bandwidth: RateTrace = Field(
        None, description="rate in each direction; may only be left out where `medium` gives one"
    )
    medium: str | None = Field(
        None, description="what it shares with all links that name the same medium, one of `media`"
    )
    latency: TimeTrace = Field(
        "0 s", validate_default=True, description="one-way; a message pays what it is when it is sent"
    )
    overhead: Seconds = Field(0.0, description="fixed time per message")


class NetworkSection(Section):
    """How messages share links."""

    sharing: Annotated[str, part(SHARING_RULES)] = Field(
        "fair",
        description="`fair`: messages share what they meet, max-min fair; `airtime`: likewise, but media share their "
        "airtime and not bytes; `dedicated`: each message has its whole way for itself",
    )
    transport: Annotated[str, part(TRANSPORTS)] = Field(
        "ideal", description="latency and bytes over rate, or also handshake, headers and slow start"
    )
    connection: Literal["fresh", "persistent"] = Field(
        "fresh", description="`tcp` only: one for every message, or one that is kept for each pair of devices"
    )
    idle_restart: bool = Field(
        True, description="a `persistent` connection that was idle starts again with a small window"
    )
