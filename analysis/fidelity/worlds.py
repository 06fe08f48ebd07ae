"""The world of a row: its model, devices, links and engine as a scenario.

Values that a row does not state come from the library of devices and links, from the presets of models and from the
engine profiles. Nothing is fitted to a single row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headway.analysis.fidelity.engines import Engine, engine_of
from headway.analysis.fidelity.interpret import Interpretation
from headway.analysis.fidelity.known import Known
from headway.analysis.fidelity.networks import Network
from headway.analysis.fidelity.rows import Row
from headway.simcore import Cluster, DecodeCost, Device, IntArray, Link, MemoryOptions, Request, Scenario
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.library import DeviceEntry, Library, LinkEntry
from headway.simcore.world.link import Medium
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import ControllerOptions
from headway.simcore.world.presets import model_named, preset_entry
from headway.simcore.world.profile import Profile
from headway.traces import Trace

ASSUMED_WEIGHT_BYTES = 4.85 / 8
"""Bytes per weight where a row does not state the format: Q4_K_M of llama.cpp."""

SHORT_CONTEXT = 4096
"""Up to this context the cache of a device without a measured rate hardly counts."""

ALIKE = 1.5
"""Devices whose rates differ by less than this factor have equally many layers, unless llama.cpp places them."""

_ENOUGH_BYTES = 1e15
_CLIENT = "desktop-cpu"


class MissingError(Exception):
    """A row lacks values for a prediction; the message says which."""


@dataclass
class World:
    """What a row describes, with remarks.

    Attributes:
        model: with the row's number formats.
        profile: of the engine.
        devices: of the cluster; the first one is the source, the root of the engine.
        links: of the cluster.
        relays: its switches and access points.
        media: its shared channels.
        placement: device of each block, shape (blocks,).
        cost: of the blocks.
        execution: pattern of the steps.
        entries: name of each device in the library.
        kv_context: largest calibrated number of positions in the cache.
        swap: whether weights are read from disk.
        notes: assumptions.
        end_to_end: whether tokens per second count the prefill too.
        extrapolated: reasons why the row lies outside the calibrated range.
    """

    model: ModelSpec
    profile: Profile
    devices: tuple[Device, ...] = ()
    links: tuple[Link, ...] = ()
    relays: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()
    placement: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    cost: DecodeCost | None = None
    execution: Pattern | None = None
    entries: tuple[str, ...] = ()
    kv_context: int = SHORT_CONTEXT
    swap: bool = False
    end_to_end: bool = False
    notes: list[str] = field(default_factory=list)
    extrapolated: list[str] = field(default_factory=list)

    def scenario(self, prompt: int, output: int) -> Scenario:
        """The scenario of one request."""
        assert self.cost is not None
        return Scenario(
            name="row",
            model=self.model,
            cost=self.cost,
            cluster=Cluster(self.devices, self.links, self.devices[0].name, self.relays, self.media),
            requests=(Request(prompt=prompt, output=output),),
            execution=self.execution,
            executor="events",
            memory=MemoryOptions(overflow="swap", swap="prefetch") if self.swap else MemoryOptions(),
            controller=ControllerOptions(interval=max(1, output)),
            placement=self.placement,
        )


def world_of(row: Row, values: Interpretation, known: Known) -> World:
    """The world of a row.

    Raises:
        MissingError: the row does not say enough.
    """
    engine = engine_of(row, values.execution, values.network.name)
    used, library = known.profiles[engine.profile], known.library
    world = World(_model(row, values, used), used)
    world.end_to_end = engine.end_to_end
    if engine.note:
        world.notes.append(engine.note)
    _weights(row, values, world)
    world.swap = "offload" in values.work.flags
    entries = _entries(row, values, library, world)
    world.entries = tuple(entry.name for entry in entries)
    world.kv_context = min(entry.kv_context or SHORT_CONTEXT for entry in entries)
    alone = len(entries) == 1
    if used.quality == "guessed" and not alone:
        world.extrapolated.append(f"no row calibrates the messages of the profile {used.name}")
    _engine(values, engine, used, world, len(entries))
    _devices(values, used, entries, world)
    if not alone:
        _network(row, values, library, world)
    _place(values, engine, entries, world)
    return world


def _model(row: Row, values: Interpretation, used: Profile) -> ModelSpec:
    name = model_named(values.model)
    if name is None:
        raise MissingError(f"the model {row.model!r} has no preset")
    model = preset_entry(name).model
    size = values.weights.bytes_per_number or ASSUMED_WEIGHT_BYTES
    if values.weights.total_bytes is not None:
        size = values.weights.total_bytes / model.parameters
    kv = values.kv.bytes_per_number or used.bytes_per_kv or 2.0
    return replace(model, bytes_per_weight=size, bytes_per_kv=kv, bytes_per_activation=2.0)


def _weights(row: Row, values: Interpretation, world: World) -> None:
    name = model_named(values.model)
    assert name is not None
    if preset_entry(name).quality == "guessed":
        world.extrapolated.append(f"the shape of {name} is guessed")
    if values.weights.bytes_per_number is None and values.weights.total_bytes is None:
        world.extrapolated.append("the format of the weights is not stated; 4.85 bits per weight are assumed")


def _entries(row: Row, values: Interpretation, library: Library, world: World) -> list[DeviceEntry]:
    """The library's entry of each device, in the order of the row."""
    entries = []
    for part in values.devices.parts:
        entry = library.devices.named(part.name)
        if entry is None:
            raise MissingError(f"the device {part.name!r} is not in the library")
        entry = _with_threads(entry, values.work.threads, library)
        entries += part.count * [entry]
    if not entries:
        raise MissingError("the devices are not stated")
    if values.execution.kind == "single":
        entries = entries[:1]
    for entry in dict.fromkeys(entries):
        if entry.memory_bandwidth.quality == "guessed":
            world.extrapolated.append(f"the speed of {entry.name} is guessed")
    return entries


def _with_threads(entry: DeviceEntry, threads: int | None, library: Library) -> DeviceEntry:
    """The entry of the same device with the row's number of threads, such as `epyc-7763-2t`, if there is one."""
    name = re.sub(r"-\d+t$", f"-{threads}t", entry.name)
    return library.devices.entries.get(name, entry)


def _engine(values: Interpretation, engine: Engine, used: Profile, world: World, count: int) -> None:
    """The pattern and the cost model."""
    pattern = used.execution
    if isinstance(pattern, Pipeline) and values.execution.micro_batch:
        pattern = replace(pattern, micro_batch=values.execution.micro_batch)
    world.execution = pattern  # type: ignore[assignment]
    tensor = not isinstance(pattern, Pipeline)
    if tensor:
        world.model = split_evenly(world.model, count)
    wire = used.wire
    if values.wire.bytes_per_number is not None:
        size = values.wire.bytes_per_number
        wire = replace(wire, hidden=size, partial_sum=None if wire.partial_sum is None else size)
    world.cost = DecodeCost(
        world.model,
        ffn_shards=count if tensor else 1,
        projection="sharded" if tensor else "gathered",
        wire=wire,
        engine=used.work,
    )


def split_evenly(model: ModelSpec, devices: int) -> ModelSpec:
    """A model whose heads can be split evenly over devices, with the same weights and attention work in all.

    A model with fewer key/value heads than devices, such as one with a compressed cache, has one per device instead;
    each then holds a whole cache, as in engines that replicate it.
    """
    if model.kv_heads % devices == 0:
        return model
    size = max(1, round(model.heads * model.head_size / devices))
    cache = model.cache_numbers * max(1.0, model.kv_heads / devices) * model.bytes_per_kv
    return replace(
        model,
        heads=devices,
        kv_heads=devices,
        head_size=size,
        input_weights=round(model.layers * model.kv_heads * model.head_weights),
        bytes_per_kv=cache / (2 * size),
        latent=None,
    )


def _devices(values: Interpretation, used: Profile, entries: Sequence[DeviceEntry], world: World) -> None:
    threads = values.work.threads
    devices = []
    for number, entry in enumerate(entries):
        # Formats with tables of values need more work per weight (rows sparkpair-glm53-1 and strix1-mm27-tg128).
        tables = re.search("IQ|UD-Q3", values.weights.name) is not None
        pi = entry.name.startswith(("raspberry", "turing"))
        # Two of the four cores of a Raspberry Pi do not fill its memory bandwidth; three do (row
        # spec-raspberrypi5sustainedweight-readra).
        share = (min(1.0, 0.4 * threads) if pi and threads else 1.0) * (0.7 if tables else 1.0)
        rate = (
            entry.memory_bandwidth.amount * used.efficiency * used.efficiency_on.get(entry.name, 1.0) * share
        )
        kv = (entry.kv_bandwidth or entry.memory_bandwidth).amount * used.kv_efficiency
        if number > 0:
            rate, kv = rate / (1.0 + used.skew), kv / (1.0 + used.kv_skew)
        devices.append(
            Device(
                name=f"d{number}",
                memory_bytes=entry.memory.amount if world.swap else _ENOUGH_BYTES,
                flops=entry.compute.amount,
                memory_bandwidth=rate,
                kv_bandwidth=kv,
                overhead_s=entry.overhead.amount if entry.overhead else 0.0,
                sync_s=used.sync_on(entry.sync.amount if entry.sync else 0.0),
                disk_bandwidth=entry.disk.amount if entry.disk else 1e9,
            )
        )
    if world.swap:
        world.extrapolated.append("no row calibrates reading weights from disk")
    world.devices = tuple(devices)


def _network(row: Row, values: Interpretation, library: Library, world: World) -> None:
    """Every device has a link to a switch, or to an access point; two groups of devices have a switch each."""
    net = values.network
    entry = _link(row, net, library)
    if entry is None:
        entry = library.links.find("ethernet-1g")
        world.extrapolated.append("the network is not stated; Ethernet of 1 Gbit/s is assumed")
    elif net.is_assumed:
        world.extrapolated.extend(net.notes)
    world.notes.extend(note for note in net.notes if note not in world.extrapolated)
    nominal = net.name is not None and net.name.startswith("ethernet") and net.uplink_bit_s is None
    rate = entry.bandwidth.amount
    if net.rate_bit_s is not None and not (nominal and entry.name == net.name):
        rate = net.rate_bit_s / 8
    delay = (entry.latency.amount if net.delay_s is None else net.delay_s) * world.profile.delay_share
    overhead = entry.overhead.amount if entry.overhead else 0.0
    groups = ("switch", "far switch") if net.uplink_bit_s is not None else ("switch",)
    world.relays = groups
    medium = "air" if entry.shared else None
    if medium:
        world.media = (Medium(name=medium, bandwidth=Trace.constant(rate)),)
    own = [part for part in values.devices.parts for _ in range(part.count)]
    links = []
    for number, device in enumerate(world.devices):
        part = own[number] if number < len(own) else None
        own_rate = part.rate_bit_s / 8 if part and part.rate_bit_s else rate
        own_delay = part.delay_s if part and part.delay_s is not None else delay / 2
        links.append(
            Link(
                name=f"to {device.name}",
                ends=(device.name, groups[number * len(groups) // len(world.devices)]),
                bandwidth=None if medium and own_rate == rate else Trace.constant(own_rate),
                latency_s=own_delay,
                overhead_s=overhead / 2,
                medium=medium,
            )
        )
    if net.uplink_bit_s is not None:
        links.append(Link(name="uplink", ends=groups, bandwidth=Trace.constant(net.uplink_bit_s / 8)))  # type: ignore[arg-type]
    world.links = tuple(links)
    if net.injected_s:
        _inject(net, world)


def _link(row: Row, net: Network, library: Library) -> LinkEntry | None:
    if net.name is None:
        return library.links.named(row.network)
    return (
        library.links.entries.get(net.name)
        or library.links.named(row.network)
        or library.links.named(net.name)
    )


def _inject(net: Network, world: World) -> None:
    """Add a delay of the network to the link of the last device, or a sleep of workers to the messages they send."""
    if not net.injected_on.startswith("before"):
        last = len(world.devices) - 1
        link = world.links[last]
        assert not isinstance(link.latency_s, Trace)
        # One way has the delay; a round trip takes it once.
        delayed = replace(link, latency_s=link.latency_s + net.injected_s / 2)
        world.links = (*world.links[:last], delayed, *world.links[last + 1 :])
        return
    world.devices = tuple(
        replace(device, sync_s=device.sync_s + net.injected_s) if number > 0 else device
        for number, device in enumerate(world.devices)
    )


def _place(values: Interpretation, engine: Engine, entries: Sequence[DeviceEntry], world: World) -> None:
    assert world.cost is not None
    scenario = world.scenario(1, 1) if world.placement.size else replace(world, placement=None).scenario(1, 1)  # type: ignore[arg-type]
    blocks, devices = scenario.block_table, len(world.devices)
    placement = np.zeros(len(blocks), dtype=np.int64)
    if not isinstance(world.execution, Pipeline):
        placement[blocks.heads] = np.arange(blocks.heads.shape[1]) * devices // blocks.heads.shape[1]
        placement[blocks.shards] = np.arange(blocks.shards.shape[1])
        world.placement = placement
        return
    order = [*range(1, devices), 0] if engine.source_last else list(range(devices))
    last = 0
    rates = [entry.memory_bandwidth.amount for entry in entries]
    by_memory = engine.source_last or max(rates) > ALIKE * min(rates)
    split = _stated_layers(values, len(entries))
    if split is None and engine.fastest_first:
        split = _fastest_first(entries, world.model)
    if split is None:
        split = [entry.memory.amount if by_memory else 1.0 for entry in entries]
    layers = _whole([split[device] for device in order], blocks.layers)
    for device, count in zip(order, layers, strict=True):
        placement[(blocks.layer >= last) & (blocks.layer < last + count)] = device
        last += count
    if blocks.lm_head is not None:
        placement[blocks.lm_head] = 0 if engine.output == "source" else placement[blocks.ffn[-1]]
    world.placement = placement


def _stated_layers(values: Interpretation, devices: int) -> list[float] | None:
    """The split of the layers that the row states, by device; None if it states none."""
    own = [part.layers for part in values.devices.parts for _ in range(part.count)]
    if all(own) and len(own) == devices:
        return [float(one or 0) for one in own]
    stated = values.execution.split or values.execution.shares
    return [float(share) for share in stated] if len(stated) == devices else None


def _fastest_first(entries: Sequence[DeviceEntry], model: ModelSpec) -> list[float]:
    """Layers of each device: the fastest gets as many as fit into its memory, then the next; each has at least one."""
    layer_bytes = model.weight_bytes / model.layers
    layers, left = [1.0] * len(entries), model.layers - len(entries)
    for device in sorted(range(len(entries)), key=lambda i: -entries[i].memory_bandwidth.amount):
        more = max(0, min(left, int(entries[device].memory.amount // layer_bytes) - 1))
        layers[device] += more
        left -= more
    if left > 0:  # What fits nowhere is read from disk, by all in proportion to their memory.
        total = sum(entry.memory.amount for entry in entries)
        layers = [n + left * entry.memory.amount / total for n, entry in zip(layers, entries, strict=True)]
    return layers


def _whole(shares: Sequence[float], layers: int) -> list[int]:
    """Whole numbers of layers in proportion to shares."""
    ends = np.cumsum(shares)
    bounds = np.round(layers * ends / ends[-1]).astype(int)
    counts: list[int] = np.diff(bounds, prepend=0).tolist()
    return counts
