"""Topologies in a scenario file: networks of a known shape, or from the file of a graph."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from headway.simcore.files.bounds import MOST_DEVICES
from headway.simcore.files.schema.links import FrameSection
from headway.simcore.files.schema.traces import RateTrace, TimeTrace
from headway.simcore.files.schema.values import Name, Seconds
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import one_of, shown


class _Topology(Section):
    """What all kinds of topology have in common."""

    kind: str
    members: list[str] | None = Field(
        None,
        min_length=1,
        description="names of devices, of devices with a count, and of relays; every device by default",
    )
    bandwidth: RateTrace = Field(
        None, description="rate of each link in each direction; may only be left out where `medium` gives one"
    )
    medium: str | None = Field(None, description="what all the links share, one of `media`")
    latency: TimeTrace = Field("0 s", validate_default=True, description="one-way, of each link")
    overhead: Seconds = Field(0.0, description="fixed time per message and link")


class PlainTopology(_Topology):
    """Each member linked with every other (`mesh`), with the next (`line`), or so in a circle (`ring`)."""

    kind: Literal["mesh", "line", "ring"] = Field(description="the shape")


class StarTopology(_Topology):
    """Each member linked with one relay, a switch or an access point."""

    kind: Literal["star"] = Field(description="the shape")
    relay: Name | None = Field(None, description="name of the relay; the name of the topology by default")


class TreeTopology(_Topology):
    """The first member is the root, the next ones are its children, and so on, level by level."""

    kind: Literal["tree"] = Field(description="the shape")
    branching: int = Field(2, ge=1, le=MOST_DEVICES, description="children of each member")


class GeometricTopology(_Topology):
    """Members at random places of a unit square, linked where they are near; parts are joined by the shortest links."""

    kind: Literal["geometric"] = Field(description="the shape")
    radius: float = Field(
        gt=0, le=2, description="longest distance over which two are linked; the square has side 1"
    )


class BackboneSection(Section):
    """The wired links between access points and their switch."""

    bandwidth: RateTrace = Field(description="rate in each direction")
    latency: TimeTrace = Field(
        "0 s", validate_default=True, description="one-way; a message pays what it is when it is sent"
    )
    overhead: Seconds = Field(0.0, description="fixed time per message")


class CellsTopology(Section):
    """Wi-Fi cells, each a star over an access point with a medium of its own; a switch wires the access points."""

    kind: Literal["cells"] = Field(description="the shape")
    cells: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="for each cell, names as in `members` above"
    )
    bandwidth: RateTrace = Field(description="rate of each medium, which its cell shares")
    frame: FrameSection = FrameSection()
    latency: TimeTrace = Field("0 s", validate_default=True, description="one-way, of each link in a cell")
    overhead: Seconds = Field(0.0, description="fixed time per message and link in a cell")
    backbone: BackboneSection


class FileTopology(Section):
    """A graph from a file, GraphML or node-link JSON."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    ignore: list[str] = Field(
        default_factory=list, description="attributes of nodes and edges that mean nothing here"
    )
    bandwidth: RateTrace = Field(None, description="of edges without the attribute")
    medium: str | None = Field(None, description="of edges without the attribute, one of `media`")
    latency: TimeTrace = Field("0 s", validate_default=True, description="of edges without the attribute")
    overhead: Seconds = Field(0.0, description="of edges without the attribute")


_TOPOLOGIES = {
    "mesh": "plain",
    "line": "plain",
    "ring": "plain",
    "star": "star",
    "tree": "tree",
    "geometric": "geometric",
    "cells": "cells",
}


def _topology_kind(value: object) -> str:
    if not isinstance(value, dict):
        return "(unknown)"
    if "file" in value:
        return "(file)"
    kind = value.get("kind")
    return f"({_TOPOLOGIES.get(kind, 'unknown')})" if isinstance(kind, str) else "(unknown)"


def _unknown_topology(value: object) -> object:
    if isinstance(value, dict) and "kind" in value:
        kind = value["kind"]
        raise mistake(shown(kind), one_of(str(kind), _TOPOLOGIES), "kind")
    got = f"the keys {shown(list(value))}" if isinstance(value, dict) else shown(value)
    raise mistake(got, f"a mapping with a file or a kind, {one_of('', _TOPOLOGIES)}")


TopologySection: TypeAlias = Annotated[
    Annotated[PlainTopology, Tag("(plain)")]
    | Annotated[StarTopology, Tag("(star)")]
    | Annotated[TreeTopology, Tag("(tree)")]
    | Annotated[GeometricTopology, Tag("(geometric)")]
    | Annotated[CellsTopology, Tag("(cells)")]
    | Annotated[FileTopology, Tag("(file)")]
    | Annotated[Any, BeforeValidator(_unknown_topology), Tag("(unknown)")],
    Discriminator(_topology_kind),
]
