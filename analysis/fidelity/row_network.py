"""The network of a row: a link from each device to a switch or an access point."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from headway.analysis.fidelity.interpret import Interpretation, Remarks
from headway.analysis.fidelity.networks import Network
from headway.analysis.fidelity.rows import Row
from headway.simcore import Cluster, Device, Link
from headway.simcore.world.library import Library, LinkEntry
from headway.simcore.world.link import Medium
from headway.traces import Trace


def cluster_of_row(
    row: Row, values: Interpretation, devices: Sequence[Device], library: Library, remarks: Remarks
) -> Cluster:
    """The devices with their network; the first one is the source. Two groups of devices have a switch each."""
    if len(devices) == 1:
        return Cluster(tuple(devices), (), devices[0].name)
    net = values.network
    entry = _entry(row, net, library)
    if entry is None:
        entry = library.links.find("ethernet-1g")
        remarks.extrapolated.append("the network is not stated; Ethernet of 1 Gbit/s is assumed")
    elif net.is_assumed:
        remarks.extrapolated.extend(net.notes)
    remarks.notes.extend(note for note in net.notes if note not in remarks.extrapolated)
    rate, delay_s = _rate_and_delay(net, entry)
    switches = ("switch", "far switch") if net.uplink_bit_s is not None else ("switch",)
    media = (Medium(name="air", bandwidth=Trace.constant(rate)),) if entry.shared else ()
    links = _links(values, devices, switches, entry, rate, delay_s)
    if net.uplink_bit_s is not None:
        uplink = Trace.constant(net.uplink_bit_s / 8)
        links.append(Link(name="uplink", ends=("switch", "far switch"), bandwidth=uplink))
    return Cluster(tuple(devices), tuple(links), devices[0].name, switches, media)


def with_injected_delay(cluster: Cluster, net: Network) -> Cluster:
    """Add a delay of the network to the link of the last device, or a sleep of workers to each message they send."""
    if not net.injected_s or len(cluster.devices) == 1:
        return cluster
    if net.injected_on.startswith("before"):
        root, *workers = cluster.devices
        asleep = (replace(device, sync_s=device.sync_s + net.injected_s) for device in workers)
        return replace(cluster, devices=(root, *asleep))
    links = list(cluster.links)
    last = len(cluster.devices) - 1
    latency_s = links[last].latency_s
    assert not isinstance(latency_s, Trace), "rows have constant delays"
    # A round trip takes the delay once.
    links[last] = replace(links[last], latency_s=latency_s + net.injected_s / 2)
    return replace(cluster, links=tuple(links))


def _entry(row: Row, net: Network, library: Library) -> LinkEntry | None:
    if net.name is None:
        return library.links.named(row.network)
    known = library.links.entries.get(net.name)
    return known or library.links.named(row.network) or library.links.named(net.name)


def _rate_and_delay(net: Network, entry: LinkEntry) -> tuple[float, float]:
    """Rate [bytes/s] and one-way delay [s] between two devices: as stated, else of the library.

    A nominal rate of Ethernet is no stated one.
    """
    is_nominal = entry.name == net.name and net.name.startswith("ethernet") and net.uplink_bit_s is None
    rate = entry.bandwidth.amount if net.rate_bit_s is None or is_nominal else net.rate_bit_s / 8
    return rate, entry.latency.amount if net.delay_s is None else net.delay_s


def _links(
    values: Interpretation, devices: Sequence[Device], switches: Sequence[str], entry: LinkEntry, rate: float,
    delay_s: float,
) -> list[Link]:  # fmt: skip
    """A link from each device to its switch, with half of the delay; a device may have a rate and delay of its own."""
    parts = [part for part in values.devices.parts for _ in range(part.count)]
    links = []
    for number, (device, part) in enumerate(zip_longest(devices, parts[: len(devices)])):
        own_rate = part.rate_bit_s / 8 if part and part.rate_bit_s else rate
        links.append(
            Link(
                name=f"to {device.name}",
                ends=(device.name, switches[number * len(switches) // len(devices)]),
                bandwidth=None if entry.shared and own_rate == rate else Trace.constant(own_rate),
                latency_s=part.delay_s if part and part.delay_s is not None else delay_s / 2,
                overhead_s=entry.overhead.amount / 2 if entry.overhead else 0.0,
                medium="air" if entry.shared else None,
            )
        )
    return links
