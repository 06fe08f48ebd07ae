"""From the section `faults` of a scenario file to devices and links that fail or are slowed down."""

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
from headway.traces.errors import one_of, shown

_MANY_VALUES = 100_000
"""So many values a product that has no end is followed for at least, where that is longer than needed."""

_VALUES_OF_A_FAULT = 5000  # even the shortest trace takes as long as so many values of a long one

_Built = TypeVar("_Built", Device, Link)


def with_faults(
    context: Context, traces: Traces, cluster: Cluster, groups: Mapping[str, Sequence[Device]]
) -> Cluster:
    """The cluster with what happens to its devices and links.

    Args:
        context: the file and the seed.
        traces: of the same context.
        cluster: without faults.
        groups: every device, by the name under which the file describes it.

    Raises:
        InputError: a fault cannot be used.
    """
    damage = _Damage(context, traces, cluster, groups)
    for number, section in enumerate(context.file.faults):
        damage.add(("faults", number), section)
    return damage.cluster() if context.file.faults else cluster


class _Damage:
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
        """The cluster with all faults that were added."""
        return replace(
            self._cluster, devices=tuple(self._devices.values()), links=tuple(self._links.values())
        )

    def add(self, key: KeyPath, section: schema.FaultSection) -> None:
        """Apply one fault."""
        self._only_one(key, section, "device", "link")
        what = self._only_one(key, section, "down", "slowed_to", "online")
        self._belongs(key, section, "up", to="down")
        self._belongs(key, section, "since", to="slowed_to")
        self._belongs(key, section, "until", to="slowed_to")
        slowed = what == "slowed_to"
        if section.device is not None:
            for name in self._members(key, section.device):
                device = self._devices[name]
                self._devices[name] = (self._slowed_device if slowed else self._switched)(
                    key, section, device
                )
        else:
            for name in self._wires(key, str(section.link)):
                link = self._links[name]
                self._links[name] = (self._slowed_link if slowed else self._switched)(key, section, link)

    def _switched(self, key: KeyPath, section: schema.FaultSection, one: _Built) -> _Built:
        up = self._online(key, section, one.name) if section.down is None else self._outage(key, section)
        return replace(one, up=self._product(key, one.up, up))

    def _slowed_device(self, key: KeyPath, section: schema.FaultSection, device: Device) -> Device:
        left = self._left(key, section)
        return replace(device, availability=self._product(key, device.availability, left))

    def _slowed_link(self, key: KeyPath, section: schema.FaultSection, link: Link) -> Link:
        if link.bandwidth is None:
            got = f"{shown(link.name)}, whose rate is that of its medium"
            self._context.fail((*key, "link"), got, "a link with a bandwidth")
        return replace(link, bandwidth=self._product(key, link.bandwidth, self._left(key, section)))

    def _outage(self, key: KeyPath, section: schema.FaultSection) -> Trace:
        begin, end = section.down or 0.0, math.inf if section.up is None else section.up
        if not begin < end:
            self._context.fail((*key, "up"), f"{end:g} s", f"a time after it goes down at {begin:g} s")
        return on_off([(begin, end)])

    def _left(self, key: KeyPath, section: schema.FaultSection) -> Trace:
        begin, end = section.since, math.inf if section.until is None else section.until
        if not begin < end:
            self._context.fail((*key, "until"), f"{end:g} s", f"a time after it begins at {begin:g} s")
        away, share = on_off([(begin, end)]), cast("float", section.slowed_to)
        return Trace(away.times, np.where(away.values > 0.0, 1.0, share))

    def _online(self, key: KeyPath, section: schema.FaultSection, owner: str) -> Trace:
        trace = self._traces.trace(owner, (*key, "online"), section.online, "fraction")
        odd = trace.values[(trace.values != 0.0) & (trace.values != 1.0)]
        if len(odd):
            self._context.fail(
                (*key, "online"), f"the value {odd[0]:.6g}", "a trace of ones (up) and zeros (down)"
            )
        return trace

    def _members(self, key: KeyPath, name: str) -> Sequence[str]:
        known = self._groups | {device: [device] for device in self._devices}
        if name not in known:
            self._context.fail((*key, "device"), shown(name), one_of(name, known))
        return known[name]

    def _wires(self, key: KeyPath, name: str) -> Sequence[str]:
        """The links of one name; one that stands for several is the part of theirs before the colon."""
        found = [link for link in self._links if link == name or link.partition(":")[0] == name]
        if not found:
            known = dict.fromkeys(part for link in self._links for part in (link.partition(":")[0], link))
            self._context.fail((*key, "link"), shown(name), one_of(name, known))
        return found

    def _only_one(self, key: KeyPath, section: schema.FaultSection, *names: str) -> str:
        given = [name for name in names if getattr(section, name) is not None]
        if len(given) != 1:
            self._context.fail(
                key, f"{' and '.join(given) or 'none'} of {', '.join(names)}", "exactly one of them"
            )
        return given[0]

    def _belongs(self, key: KeyPath, section: schema.FaultSection, name: str, *, to: str) -> None:
        if name in section.model_fields_set and getattr(section, to) is None:
            self._context.fail((*key, name), f"{name} without {to}", f"{name} together with {to}")

    def _product(self, key: KeyPath, trace: Trace, factor: Trace) -> Trace:
        with self._context.located(key, "a shorter trace, or fewer faults"):
            combined = product(trace, factor)
        self._values += len(combined.times) + _VALUES_OF_A_FAULT
        if self._values > bounds.MOST_FAULT_VALUES:
            got = f"faults that make more than {bounds.MOST_FAULT_VALUES:,} values of traces"
            self._context.fail(
                key, got, "fewer faults, shorter traces, or fewer devices and links that they meet"
            )
        return combined


def product(trace: Trace, factor: Trace) -> Trace:
    """The product of two traces, where it must be exact for long enough to be followed.

    A looping trace that fails once does not repeat any more. Its product is written out until long after the last
    change of what does not loop, and then repeats as a whole.
    """
    loops = [one for one in (trace, factor) if one.end == "loop" and one.duration]
    rest = [float(one.times[-1]) for one in (trace, factor) if one.end != "loop"]
    density = sum(len(one.times) / (one.duration or 1.0) for one in loops)
    horizon_s = max([2.0 * last_s for last_s in rest] + [_MANY_VALUES / density]) if loops else None
    return multiplied(trace, factor, horizon_s=horizon_s)
