"""Topologies in a scenario file: networks of a known shape, or from a graph file."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from headway.simcore.files.bounds import MOST_DEVICES
from headway.simcore.files.schema.links import FrameSection, LibraryLink
from headway.simcore.files.schema.traces import RateTrace, TimeTrace
from headway.simcore.files.schema.values import Name, Seconds
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import one_of, quoted


class _Topology(Section):
    """The common keys of the shapes."""

    kind: str
    members: list[str] | None = Field(
        None,
        min_length=1,
        description="names of devices, of sections with a count, and of relays; all devices by default",
    )
    link: LibraryLink = None
    bandwidth: RateTrace = Field(
        None, description="rate in each direction; optional with a `medium` or a `link`"
    )
    medium: str | None = Field(None, description="medium of all links, one of `media`")
    latency: TimeTrace = Field("0 s", validate_default=True, description="one-way latency of each link")
    overhead: Seconds = Field(0.0, description="fixed time per message and link")


class PlainTopology(_Topology):
    """`mesh`: links between all members; `line`: from each member to the next; `ring`: a closed line."""

    kind: Literal["mesh", "line", "ring"] = Field(description="the shape")


class StarTopology(_Topology):
    """Links from each member to one relay, such as a switch or an access point."""

    kind: Literal["star"] = Field(description="the shape")
    relay: Name | None = Field(None, description="name of the relay; by default that of the topology")


class TreeTopology(_Topology):
    """A tree that is filled level by level: the first member is the root, the next are its children."""

    kind: Literal["tree"] = Field(description="the shape")
    branching: int = Field(2, ge=1, le=MOST_DEVICES, description="children of each member")


class GeometricTopology(_Topology):
    """Members at random places of a unit square, with links up to a length; the shortest links join separate parts."""

    kind: Literal["geometric"] = Field(description="the shape")
    radius: float = Field(gt=0, le=2, description="maximum length of a link; the square has side 1")


class BackboneSection(Section):
    """The links between the access points and the switch."""

    link: LibraryLink = None
    bandwidth: RateTrace = Field(description="rate in each direction; optional with a `link`")
    latency: TimeTrace = Field(
        "0 s", validate_default=True, description="one-way latency; the value at the time of sending counts"
    )
    overhead: Seconds = Field(0.0, description="fixed time per message")


class CellsTopology(Section):
    """Wi-Fi cells: each cell is a star over an access point with its own medium; a switch joins the access points."""

    kind: Literal["cells"] = Field(description="the shape")
    cells: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="for each cell, a list of names as in `members` above"
    )
    link: LibraryLink = None
    bandwidth: RateTrace = Field(description="rate of the medium of each cell; optional with a `link`")
    frame: FrameSection = FrameSection()
    latency: TimeTrace = Field("0 s", validate_default=True, description="one-way latency of links in a cell")
    overhead: Seconds = Field(0.0, description="fixed time per message and link in a cell")
    backbone: BackboneSection


class FileTopology(Section):
    """A graph from a GraphML or node-link JSON file."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    ignore: list[str] = Field(default_factory=list, description="attributes of nodes and edges to ignore")
    link: str | None = Field(
        None,
        description="name of a link of the [library](devices.md), which gives the values of edges that have none",
    )
    bandwidth: RateTrace = Field(None, description="rate of edges without it, in each direction")
    medium: str | None = Field(None, description="medium of edges without it, one of `media`")
    latency: TimeTrace = Field("0 s", validate_default=True, description="latency of edges without it")
    overhead: Seconds = Field(0.0, description="overhead of edges without it")


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
        raise mistake(quoted(kind), one_of(str(kind), _TOPOLOGIES), "kind")
    got = f"the keys {quoted(list(value))}" if isinstance(value, dict) else quoted(value)
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
