"""Build the cluster of a scenario: devices, links, topologies, routes and faults."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.faults import with_faults
from headway.simcore.files.builders.topology import Topologies
from headway.simcore.files.builders.traces import Traces
from headway.simcore.files.yaml_document import KeyPath
from headway.simcore.world.airtime import Frame
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.device import Device
from headway.simcore.world.link import Link, Medium
from headway.traces.errors import one_of, quoted

_ENOUGH = bounds.MOST_LINKS + 1


def cluster_of(context: Context, traces: Traces, groups: Mapping[str, Sequence[Device]]) -> Cluster:
    """Build the cluster, with faults; `groups` has all devices by the name of their section.

    Raises:
        InputError: a name is unknown, there are too many links, or they do not connect all devices.
    """
    devices = tuple(device for members in groups.values() for device in members)
    names = [device.name for device in devices]
    source = context.file.source or names[0]
    if source not in names:
        context.fail(("source",), quoted(source), one_of(source, names))
    media = tuple(
        Medium(
            name=name,
            bandwidth=traces.trace(name, ("media", name, "bandwidth"), medium.bandwidth, "rate"),
            frame=Frame(medium.frame.size, medium.frame.overhead),
        )
        for name, medium in context.file.media.items()
    )
    device_names = {name: [device.name for device in members] for name, members in groups.items()}
    topologies = Topologies(context, traces, device_names)
    topologies.build()
    links = (*topologies.links, *_links(context, traces, topologies))
    relays = tuple(topologies.relays)
    nodes = "nodes" if relays else "devices"
    with context.located(("links",), f"links that connect all {nodes}, each named once"):
        cluster = Cluster(devices, links, source, relays, (*media, *topologies.media))
    return with_faults(context, traces, _with_routes(context, cluster), groups)


def _links(context: Context, traces: Traces, topologies: Topologies) -> Iterator[Link]:
    """The links of the section `links`."""
    count = len(topologies.links)
    for name, section in context.file.links.items():
        key: KeyPath = ("links", name)
        pairs = list(itertools.islice(_pairs(context, key, section.connect, topologies), _ENOUGH))
        count += len(pairs)
        if count > bounds.MOST_LINKS:
            got = f"more than {bounds.MOST_LINKS} links with those of {name}"
            context.fail(key, got, f"at most {bounds.MOST_LINKS} links in all")
        topologies.check_rate(key, section)
        for a, b in pairs:
            member = name if len(pairs) == 1 else f"{name}:{a}-{b}"
            yield Link(
                name=member,
                ends=(a, b),
                bandwidth=traces.rate(member, key, section, "bandwidth"),
                latency_s=traces.trace(member, (*key, "latency"), section.latency, "time"),
                overhead_s=section.overhead,
                medium=section.medium,
            )


def _pairs(
    context: Context, key: KeyPath, connect: str | list[list[str]], topologies: Topologies
) -> Iterator[tuple[str, str]]:
    """The pairs of nodes that a link section joins."""
    if isinstance(connect, str):
        yield from itertools.combinations(topologies.devices, 2)
        return
    nodes = topologies.nodes
    for number, pair in enumerate(connect):
        for side, name in enumerate(pair):
            if name not in nodes:
                context.fail((*key, "connect", number, side), quoted(name), one_of(name, nodes))
        a, b = pair
        if a != b:
            yield from ((one, other) for one in nodes[a] for other in nodes[b] if one != other)
            continue
        section: schema.DeviceSection | None = context.file.devices.get(a)
        # A section with `count: 1` is still a group; it has no pairs.
        if section is None or "count" not in section.model_fields_set:
            got = f"a link from {quoted(a)} to itself"
            context.fail((*key, "connect", number), got, "pairs of two different devices")
        yield from itertools.combinations(nodes[a], 2)


def _with_routes(context: Context, cluster: Cluster) -> Cluster:
    """The cluster with the pinned routes of the file."""
    if not context.file.routes:
        return cluster
    nodes = dict.fromkeys((*cluster.names, *cluster.relays))
    for number, path in enumerate(context.file.routes):
        for place, name in enumerate(path):
            if name not in nodes:
                context.fail(("routes", number, place), quoted(name), one_of(name, nodes))
    with context.located(("routes",), "paths of linked nodes between two devices"):
        return replace(cluster, pinned=tuple(map(tuple, context.file.routes)))
