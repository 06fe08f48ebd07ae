"""Build the devices of a scenario."""

from collections.abc import Iterator

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.options import memory_options
from headway.simcore.files.builders.traces import Traces
from headway.simcore.files.yaml_document import KeyPath
from headway.simcore.world.device import Device
from headway.simcore.world.device_time import Roofline
from headway.traces import Trace
from headway.traces.errors import one_of, quoted
from headway.traces.transform import clipped
from headway.traces.units import ACCEPTED


def device_groups(context: Context, traces: Traces) -> dict[str, list[Device]]:
    """All devices by the name of their section.

    Raises:
        InputError: there are too many devices, two have the same name, or one lacks a key that another section needs.
    """
    sections = context.file.devices
    total = sum(section.count for section in sections.values())
    if total > bounds.MOST_DEVICES:
        context.fail(("devices",), f"{total} devices", f"at most {bounds.MOST_DEVICES}")
    groups = {}
    for name, section in sections.items():
        _check_needs(context, ("devices", name), section)
        groups[name] = list(_group(context, traces, name, section))
    _check_names(context, groups)
    return groups


def members(name: str, count: int) -> list[str]:
    """The names of the devices of a section."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


def _check_names(context: Context, groups: dict[str, list[Device]]) -> None:
    names: set[str] = set()
    for group, devices in groups.items():
        for device in devices:
            if device.name in names:
                context.fail(
                    ("devices", group), f"two devices called {quoted(device.name)}", "distinct names"
                )
            names.add(device.name)
    # A relay with the name of a section would replace the section in `connect`.
    names.update(groups)
    for number, relay in enumerate(context.file.relays):
        if relay in names:
            context.fail(("relays", number), f"a second node called {quoted(relay)}", "distinct names")
        names.add(relay)


def _check_needs(context: Context, key: KeyPath, section: schema.DeviceSection) -> None:
    """Refuse a device without a key that other sections of the file need."""
    memory = memory_options(context)
    needs = {
        "memory.overflow is swap": memory.overflow == "swap",
        "controller.weights_on_disk is true": context.file.controller.weights_on_disk,
    }
    for reason, needed in needs.items():
        if needed and section.disk is None:
            context.fail((*key, "disk"), "no disk", f"{ACCEPTED['rate']}, because {reason}")
    roofline = context.file.cost.model == "decode" and context.file.device_time == Roofline.name
    if roofline and section.memory_bandwidth is None:
        expected = (
            'a rate with its unit, such as "20 GB/s", because decoding reads the weights from memory for every token; '
            "or unlimited, to count only compute"
        )
        context.fail((*key, "memory_bandwidth"), "no memory bandwidth", expected)
    if memory.prefetch and DISCIPLINES.find(section.discipline).prefetching is None:
        able = [name for name in DISCIPLINES.names() if DISCIPLINES.find(name).prefetching is not None]
        got = f"{quoted(section.discipline)}, under which tasks cannot read while they compute"
        context.fail((*key, "discipline"), got, f"{one_of('', able)}, because memory.swap is prefetch")


def _group(context: Context, traces: Traces, name: str, section: schema.DeviceSection) -> Iterator[Device]:
    key: KeyPath = ("devices", name)
    for member in members(name, section.count):
        yield Device(
            name=member,
            memory_bytes=section.memory,
            runtime_bytes=section.runtime_memory,
            flops=section.compute,
            memory_bandwidth=section.memory_bandwidth or float("inf"),
            kv_bandwidth=section.kv_bandwidth,
            overhead_s=section.overhead,
            sync_s=section.sync,
            disk_bandwidth=section.disk or 0.0,
            availability=_availability(context, traces, member, (*key, "availability"), section),
            used_bytes=traces.trace(member, (*key, "memory_used"), section.memory_used, "size"),
            discipline=section.discipline,
            nic_up=traces.rate(member, key, section, "nic_up"),
            nic_down=traces.rate(member, key, section, "nic_down"),
        )


def _availability(
    context: Context, traces: Traces, member: str, key: KeyPath, section: schema.DeviceSection
) -> Trace:
    trace = traces.trace(member, key, section.availability, "fraction")
    if isinstance(section.availability, schema.SyntheticTrace):
        # Most kinds of synthetic traces have no maximum.
        return clipped(trace, most=1.0)
    largest = trace.values.max()
    if largest > 1.0:
        context.fail(key, f"the value {largest:.6g}", "a share of the device, at most 1 (or 100 %)")
    return trace
