"""Build faults: devices and links that fail or become slower."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.traces import Traces
from headway.simcore.files.yaml_document import KeyPath
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.device import Device
from headway.simcore.world.link import Link
from headway.traces import Trace, multiplied, on_off
from headway.traces.errors import one_of, quoted

_MANY_VALUES = 100_000
"""Minimum number of values in the product of a looping trace and another trace."""

_VALUES_OF_A_FAULT = 5000  # fixed cost of a fault, in values of a trace that take as long

_Node = TypeVar("_Node", Device, Link)


def with_faults(
    context: Context, traces: Traces, cluster: Cluster, groups: Mapping[str, Sequence[Device]]
) -> Cluster:
    """Add the faults of a scenario to its cluster; `groups` has all devices by the name of their section.

    Raises:
        InputError: a fault is invalid.
    """
    faults = _Faults(context, traces, cluster, groups)
    for number, section in enumerate(context.file.faults):
        faults.add(("faults", number), section)
    return faults.cluster() if context.file.faults else cluster


class _Faults:
    """Applies faults one after another."""

    def __init__(
        self, context: Context, traces: Traces, cluster: Cluster, groups: Mapping[str, Sequence[Device]]
    ) -> None:
        self._context = context
        self._traces = traces
        self._cluster = cluster
        self._groups = {name: [device.name for device in members] for name, members in groups.items()}
        self._devices = {device.name: device for device in cluster.devices}
        self._links = {link.name: link for link in cluster.links}
        self._values = 0

    def cluster(self) -> Cluster:
        """The cluster with all faults added so far."""
        devices, links = tuple(self._devices.values()), tuple(self._links.values())
        return replace(self._cluster, devices=devices, links=links)

    def add(self, key: KeyPath, section: schema.FaultSection) -> None:
        """Apply one fault."""
        self._check_one(key, section, "device", "link")
        kind = self._check_one(key, section, "down", "slowed_to", "online")
        self._check_together(key, section, "up", "down")
        self._check_together(key, section, "since", "slowed_to")
        self._check_together(key, section, "until", "slowed_to")
        slowed = kind == "slowed_to"
        if section.device is not None:
            for name in self._members(key, section.device):
                device = self._devices[name]
                fault = self._slowed_device if slowed else self._down_node
                self._devices[name] = fault(key, section, device)
        else:
            for name in self._link_names(key, str(section.link)):
                link = self._links[name]
                self._links[name] = (self._slowed_link if slowed else self._down_node)(key, section, link)

    def _down_node(self, key: KeyPath, section: schema.FaultSection, one: _Node) -> _Node:
        up = self._online(key, section, one.name) if section.down is None else self._outage(key, section)
        return replace(one, up=self._product(key, one.up, up))

    def _slowed_device(self, key: KeyPath, section: schema.FaultSection, device: Device) -> Device:
        share = self._share(key, section)
        return replace(device, availability=self._product(key, device.availability, share))

    def _slowed_link(self, key: KeyPath, section: schema.FaultSection, link: Link) -> Link:
        if link.bandwidth is None:
            got = f"{quoted(link.name)}, whose rate is that of its medium"
            self._context.fail((*key, "link"), got, "a link with a bandwidth")
        return replace(link, bandwidth=self._product(key, link.bandwidth, self._share(key, section)))

    def _outage(self, key: KeyPath, section: schema.FaultSection) -> Trace:
        begin, end = section.down or 0.0, math.inf if section.up is None else section.up
        if not begin < end:
            self._context.fail((*key, "up"), f"{end:g} s", f"a time after it goes down at {begin:g} s")
        return on_off([(begin, end)])

    def _share(self, key: KeyPath, section: schema.FaultSection) -> Trace:
        begin, end = section.since, math.inf if section.until is None else section.until
        if not begin < end:
            self._context.fail((*key, "until"), f"{end:g} s", f"a time after it begins at {begin:g} s")
        outside, share = on_off([(begin, end)]), cast("float", section.slowed_to)
        return Trace(outside.times, np.where(outside.values > 0.0, 1.0, share))

    def _online(self, key: KeyPath, section: schema.FaultSection, owner: str) -> Trace:
        trace = self._traces.trace(owner, (*key, "online"), section.online, "fraction")
        others = trace.values[(trace.values != 0.0) & (trace.values != 1.0)]
        if len(others):
            self._context.fail(
                (*key, "online"), f"the value {others[0]:.6g}", "a trace of ones (up) and zeros (down)"
            )
        return trace

    def _members(self, key: KeyPath, name: str) -> Sequence[str]:
        groups = self._groups | {device: [device] for device in self._devices}
        if name not in groups:
            self._context.fail((*key, "device"), quoted(name), one_of(name, groups))
        return groups[name]

    def _link_names(self, key: KeyPath, name: str) -> Sequence[str]:
        """The links of a name; the name of several links is the part of their names before the colon."""
        links = [link for link in self._links if link == name or link.partition(":")[0] == name]
        if not links:
            names = dict.fromkeys(part for link in self._links for part in (link.partition(":")[0], link))
            self._context.fail((*key, "link"), quoted(name), one_of(name, names))
        return links

    def _check_one(self, key: KeyPath, section: schema.FaultSection, *names: str) -> str:
        given = [name for name in names if getattr(section, name) is not None]
        if len(given) != 1:
            self._context.fail(
                key, f"{' and '.join(given) or 'none'} of {', '.join(names)}", "exactly one of them"
            )
        return given[0]

    def _check_together(self, key: KeyPath, section: schema.FaultSection, name: str, other: str) -> None:
        if name in section.model_fields_set and getattr(section, other) is None:
            self._context.fail((*key, name), f"{name} without {other}", f"{name} together with {other}")

    def _product(self, key: KeyPath, trace: Trace, factor: Trace) -> Trace:
        with self._context.located(key, "a shorter trace, or fewer faults"):
            combined = product(trace, factor)
        self._values += len(combined.times) + _VALUES_OF_A_FAULT
        if self._values > bounds.MOST_FAULT_VALUES:
            got = f"faults that change more than {bounds.MOST_FAULT_VALUES:,} values of traces"
            self._context.fail(
                key, got, "fewer faults, shorter traces, or fewer devices and links with faults"
            )
        return combined


def product(trace: Trace, factor: Trace) -> Trace:
    """The product of two traces, exact up to a horizon.

    The product of a looping trace and one that does not loop does not repeat. It is computed up to a time long after
    the last change of the other trace, and repeats from there.
    """
    loops = [one for one in (trace, factor) if one.end == "loop" and one.duration]
    last_changes_s = [float(one.times[-1]) for one in (trace, factor) if one.end != "loop"]
    density = sum(len(one.times) / (one.duration or 1.0) for one in loops)
    horizon_s = max([2.0 * last_s for last_s in last_changes_s] + [_MANY_VALUES / density]) if loops else None
    return multiplied(trace, factor, horizon_s=horizon_s)
