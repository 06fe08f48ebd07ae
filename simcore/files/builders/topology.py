"""Build the topologies of a scenario: relays, links and media."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.traces import Traces, is_individual
from headway.simcore.files.importers.graphfile import read_graph
from headway.simcore.files.importers.graphs import GraphOptions, wiring
from headway.simcore.files.yaml_document import KeyPath
from headway.simcore.rng import stream
from headway.simcore.world import topology
from headway.simcore.world.airtime import Frame
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.topology import Pair, Wire, Wiring
from headway.traces import Trace
from headway.traces.errors import one_of, quoted
from headway.traces.units import Quantity

_SHAPES: Mapping[str, Callable[[Sequence[str]], list[Pair]]] = {
    "mesh": topology.mesh,
    "line": topology.line,
    "ring": topology.ring,
}


class Topologies:
    """Builds the topologies of one file in order, so that each can use the relays of earlier ones.

    Attributes:
        devices: names of all devices.
        nodes: the devices, or the relay, of each name in the file; relays of topologies built so far.
        relays: names of relays: those in `relays`, then those of topologies.
        links: of the topologies.
        media: of the topologies.
    """

    def __init__(self, context: Context, traces: Traces, devices: Mapping[str, Sequence[str]]) -> None:
        self._context = context
        self._traces = traces
        self.devices = tuple(name for members in devices.values() for name in members)
        self.relays = list(context.file.relays)
        self.links: list[Link] = []
        self.media: list[Medium] = []
        each = {name: [name] for name in (*self.devices, *self.relays)}
        self.nodes: dict[str, Sequence[str]] = {**devices, **each}

    def build(self) -> None:
        """Build all topologies.

        Raises:
            InputError: a topology is invalid.
        """
        for name, section in self._context.file.topology.items():
            network = self._wiring(name, section)
            self._add_relays(("topology", name), network.relays)
            self.links.extend(network.links)
            self.media.extend(network.media)

    def check_rate(self, key: KeyPath, section: Any) -> None:
        """Refuse links that are on an unknown medium, or have neither a medium nor a bandwidth."""
        self._check_medium(key, section.medium)
        if section.medium is None and "bandwidth" not in section.model_fields_set:
            self._context.fail(key, "no key 'bandwidth'", "the key bandwidth here, or a medium")

    def check_room(self, key: KeyPath, count: int) -> None:
        """Refuse too many links before they are created."""
        if len(self.links) + count > bounds.MOST_LINKS:
            others = f" in addition to {len(self.links)} others" if self.links else ""
            self._context.fail(key, f"{count} links{others}", f"at most {bounds.MOST_LINKS} links in all")

    def _check_medium(self, key: KeyPath, name: str | None) -> None:
        if name is not None and name not in self._media:
            self._context.fail((*key, "medium"), quoted(name), one_of(name, self._media))

    def _add_relays(self, key: KeyPath, names: Sequence[str]) -> None:
        """Add new relays; topologies with the same relay are joined there."""
        for name in names:
            if name in self.nodes and name not in self.relays:
                self._context.fail(key, f"a relay called {quoted(name)}, like a device", "distinct names")
            if name not in self.nodes:
                self.nodes[name] = [name]
                self.relays.append(name)

    def _wiring(self, name: str, section: Any) -> Wiring:
        if isinstance(section, schema.FileTopology):
            return self._graph(name, section)
        if isinstance(section, schema.CellsTopology):
            return self._cells(name, section)
        key: KeyPath = ("topology", name)
        self.check_rate(key, section)
        pairs = self._pairs(name, section, self._members((*key, "members"), section.members))
        self.check_room(key, len(pairs))
        relays = (section.relay or name,) if isinstance(section, schema.StarTopology) else ()
        return Wiring(relays, topology.join(name, pairs, self._wire(key, section, section.medium)))

    def _pairs(self, name: str, section: Any, members: Sequence[str]) -> list[Pair]:
        match section:
            case schema.StarTopology():
                return topology.star(section.relay or name, members)
            case schema.TreeTopology():
                return topology.tree(members, section.branching)
            case schema.GeometricTopology():
                places = stream(self._context.seed, f"topology.{name}/places")
                return topology.geometric(members, section.radius, places)
        return _SHAPES[section.kind](members)

    def _cells(self, name: str, section: schema.CellsTopology) -> Wiring:
        key: KeyPath = ("topology", name)
        members = [self._members((*key, "cells", i), cell) for i, cell in enumerate(section.cells)]
        self.check_room(key, sum(map(len, members)) + len(members))
        backbone = self._wire((*key, "backbone"), section.backbone, None)
        frame = Frame(section.frame.size, section.frame.overhead)
        network = topology.cells(name, members, self._wire(key, section, None), backbone, frame)
        for medium in network.media:
            if medium.name in self._media:
                self._context.fail(key, f"a second medium called {quoted(medium.name)}", "distinct names")
        return network

    def _graph(self, name: str, section: schema.FileTopology) -> Wiring:
        key: KeyPath = ("topology", name)
        self._check_medium(key, section.medium)
        path = self._context.path((*key, "file"), section.file)
        with self._context.document.naming((*key, "file")):
            graph = read_graph(path)
        self.check_room(key, len(graph.edges))
        if len(graph.nodes) > bounds.MOST_LINKS:
            self._context.fail((*key, "file"), f"{len(graph.nodes)} nodes", f"at most {bounds.MOST_LINKS}")
        wire = self._wire(key, section, section.medium)
        options = GraphOptions(devices=self.devices, media=self._media, wire=wire, ignore=section.ignore)
        with self._context.document.naming((*key, "file")):
            return wiring(name, graph, options)

    def _wire(self, key: KeyPath, section: Any, medium: str | None) -> Wire:
        def trace(name: str, quantity: Quantity) -> Callable[[str], Trace]:
            return lambda owner: self._traces.trace(owner, (*key, name), getattr(section, name), quantity)

        latency_s = trace("latency", "time")
        return Wire(
            bandwidth=trace("bandwidth", "rate") if "bandwidth" in section.model_fields_set else None,
            latency_s=latency_s if is_individual(section.latency) else latency_s(""),
            overhead_s=section.overhead,
            medium=medium,
        )

    def _members(self, key: KeyPath, names: Sequence[str] | None) -> Sequence[str]:
        """The nodes of a list of names, each once."""
        if names is None:
            return self.devices
        members: dict[str, None] = {}
        for number, name in enumerate(names):
            if name not in self.nodes:
                self._context.fail((*key, number), quoted(name), one_of(name, self.nodes))
            for node in self.nodes[name]:
                if node in members:
                    self._context.fail((*key, number), f"{quoted(node)} a second time", "each member once")
                members[node] = None
        return tuple(members)

    @property
    def _media(self) -> list[str]:
        """Names of all media so far."""
        return [*self._context.file.media, *(medium.name for medium in self.media)]
