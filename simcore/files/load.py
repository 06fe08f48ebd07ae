"""From a scenario file to a `Scenario`: names are resolved, traces read, random worlds drawn, mistakes told."""

import functools
import inspect
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.engine.network.transport import Tcp
from headway.simcore.errors import DoesNotFitError
from headway.simcore.files import bounds, schema
from headway.simcore.files.changes import Change, parse_change
from headway.simcore.files.document import Document, KeyPath, document_of, name_of_file, read_document
from headway.simcore.files.edit import apply_changes
from headway.simcore.files.huggingface import from_config
from headway.simcore.files.load_faults import with_faults
from headway.simcore.files.load_topology import Topologies
from headway.simcore.files.mistakes import validated
from headway.simcore.files.placement import placement_file, read_placement
from headway.simcore.files.tracefiles import read_trace
from headway.simcore.files.workload import logged_requests, poisson_requests
from headway.simcore.registry import Named
from headway.simcore.rng import stream
from headway.simcore.scenario import PolicyChoice, Request, Scenario
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.airtime import Frame
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.cost import COST_MODELS, CostModel, Projection
from headway.simcore.world.device import Device
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import (
    BlockOptions,
    ControllerOptions,
    MemoryOptions,
    NetworkOptions,
)
from headway.simcore.world.presets import preset
from headway.traces import InputError, Trace, shipped
from headway.traces.errors import one_of, shown
from headway.traces.generate import KINDS
from headway.traces.transform import clipped, scaled, shifted
from headway.traces.units import ACCEPTED, Quantity

_ENOUGH = bounds.MOST_LINKS + 1
_Built = TypeVar("_Built")


def load_scenario(
    path: str | os.PathLike[str],
    *,
    seed: int | None = None,
    changes: Sequence[Change | str] = (),
    origin: str | os.PathLike[str] | None = None,
) -> Scenario:
    """Read a scenario file.

    Args:
        path: of the YAML file (`shipped_scenario` gives that of a shipped one); the traces and model configurations it
            names are looked for beside it.
        seed: takes the place of the seed in the file.
        changes: made to what the file says, one after another; as text, or as `parse_change` reads it.
        origin: of what this file is a copy; what it names is then looked for beside that one.

    Raises:
        InputError: anything in it, or in a file it names, cannot be used.
    """
    return open_scenario(path, changes=changes, origin=origin)(seed)


def open_scenario(
    path: str | os.PathLike[str],
    *,
    changes: Sequence[Change | str] = (),
    origin: str | os.PathLike[str] | None = None,
) -> Callable[[int | None], Scenario]:
    """Read a scenario file for many seeds: as `load_scenario`, which this gives but for the seed."""
    name = os.fspath(path)
    if not os.path.exists(name) and name in shipped_scenarios():
        raise InputError(name, "the name of a shipped scenario", f"a path; shipped_scenario({name!r}) is its")
    document = read_document(path)
    if origin is not None:
        document = replace(document, path=os.fspath(origin))
    return _open(document, changes)


def build_scenario(values: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".") -> Scenario:
    """A scenario from the keys and values that its file would have.

    Args:
        values: plain Python values: mappings, sequences, text, numbers, true and false.
        folder: where the traces and model configurations that they name are looked for.

    Raises:
        InputError: anything in them, or in a file they name, cannot be used.
    """
    return _open(document_of(values, folder), ())(None)


def _open(document: Document, changes: Sequence[Change | str]) -> Callable[[int | None], Scenario]:
    parsed = [parse_change(change) if isinstance(change, str) else change for change in changes]
    document = apply_changes(document, parsed)
    file = validated(document, schema.ScenarioFile)

    def world(seed: int | None) -> Scenario:
        if seed is not None and not 0 <= seed < bounds.MOST_SEEDS:
            raise InputError("seed", shown(seed), f"a whole number from 0 to {bounds.MOST_SEEDS - 1}")
        scenario = _Builder(document, file, file.seed if seed is None else seed).scenario()
        return replace(scenario, changes=tuple(change.text for change in parsed))

    return world


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with Headway."""
    folder = resources.files("headway.simcore") / "scenarios"
    return tuple(
        sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    )


def shipped_scenario(name: str) -> Path:
    """The file of a scenario that comes with Headway.

    Raises:
        InputError: there is none of this name.
    """
    if name not in shipped_scenarios():
        raise InputError("scenario", shown(name), one_of(name, shipped_scenarios()))
    return Path(str(resources.files("headway.simcore") / "scenarios" / f"{name}.yaml"))


# The same few numbers stand in every world of a campaign.
_constant = functools.lru_cache(maxsize=1024)(Trace.constant)


class _Builder:
    """Turns one validated file into one scenario."""

    def __init__(self, document: Document, file: schema.ScenarioFile, seed: int) -> None:
        self._document = document
        self._file = file
        self._seed = seed
        self._folder = Path(document.path).parent
        # One file may drive hundreds of links: it is read once, and they share the trace.
        self._read = functools.cache(read_trace)
        self._fixed: dict[KeyPath, Trace] = {}
        self._walked = 0

    def scenario(self) -> Scenario:
        file = self._file
        model = self._model()
        cost = self._cost(model)
        default = file.cost.model == "decode" and model.vocabulary > 0
        embed = default if file.blocks.embed is None else file.blocks.embed
        lm_head = default if file.blocks.lm_head is None else file.blocks.lm_head
        per_layer = model.kv_heads + 1 + cost.ffn_shards
        if model.layers * per_layer > bounds.MOST_BLOCKS:
            found = f"{model.layers} layers of {per_layer} blocks"
            self._fail(("model",), found, f"at most {bounds.MOST_BLOCKS} blocks")
        devices = self._devices()
        count = sum(map(len, devices.values()))
        if model.layers * per_layer * count > bounds.MOST_PAIRS:
            found = f"{model.layers * per_layer:,} blocks for {count:,} devices"
            self._fail(("model",), found, f"at most {bounds.MOST_PAIRS:,} pairs of them")
        requests = tuple(self._requests())
        tokens = sum(request.output for request in requests)
        if tokens * count > bounds.MOST_PAIRS:
            found = f"{tokens:,} tokens on {count:,} devices"
            self._fail(("workload",), found, f"at most {bounds.MOST_PAIRS:,} pairs of them")
        self._check_projection(cost)
        scenario = Scenario(
            name=file.name or name_of_file(self._document.path),
            model=model,
            cost=cost,
            cluster=self._cluster(devices),
            requests=requests,
            execution=file.execution,
            device_time=file.device_time,
            scheduler=file.scheduler,
            blocks=BlockOptions(embed=embed, lm_head=lm_head),
            network=self._network(),
            controller=self._controller(),
            memory=self._memory,
            seed=self._seed,
            policies=tuple(self._policies()),
            text=self._document.text,
        )
        self._check_size(scenario)
        return self._with_placement(scenario)

    def _with_placement(self, scenario: Scenario) -> Scenario:
        """With the placement that the file pins, if it does."""
        written, where = self._file.placement, self._document.where(("placement",))
        if written is None:
            return scenario
        blocks, names = scenario.block_table, scenario.cluster.names
        if isinstance(written, dict) and not (written.keys() <= {"file", "run"} and "file" not in names):
            return replace(scenario, placement=read_placement(written, blocks, names, where))
        reference = {"file": written} if isinstance(written, str) else written
        path, run = self._folder / str(reference.get("file", "")), reference.get("run")
        placement = placement_file(path, None if run is None else str(run), where)
        return replace(scenario, placement=read_placement(placement, blocks, names, str(path)))

    def _check_projection(self, cost: CostModel) -> None:
        if self._file.execution is not None and cost.projection != self._projection():
            accepted = f"{self._projection()}, as the execution {self._file.execution} needs it, or no projection here"
            self._fail(("cost", "projection"), cost.projection, accepted)

    def _network(self) -> NetworkOptions:
        section = self._file.network
        return NetworkOptions(
            sharing=section.sharing,
            transport=self._transport(section),
        )

    def _transport(self, section: schema.NetworkSection) -> Named | str:
        if section.transport == Tcp.name:
            return Tcp(section.connection, section.idle_restart)
        return section.transport

    def _controller(self) -> ControllerOptions:
        section = self._file.controller
        return ControllerOptions(
            interval=section.interval,
            window_s=section.window,
            migration=section.migration,
            weights_on_disk=section.weights_on_disk,
            on_infeasible=section.on_infeasible,
            decision_time=section.decision_time,
        )

    def _requests(self) -> Iterator[Request]:
        workload = self._file.workload
        if isinstance(workload, schema.FileWorkload):
            with self._told_of(("workload", "file")):
                yield from logged_requests(workload, self._folder / workload.file)
            return
        if not isinstance(workload, schema.PoissonWorkload):
            yield from (Request(prompt=r.prompt, output=r.output, arrival_s=r.arrival) for r in workload)
            return
        for side in ("prompt", "output"):
            section = getattr(workload, side)
            if isinstance(section, schema.UniformLength) and section.uniform[0] > section.uniform[1]:
                key = ("workload", side, "uniform")
                self._fail(key, shown(section.uniform), "the least number of tokens and then the most")
        yield from poisson_requests(workload, self._seed)

    def _cost(self, model: ModelSpec) -> CostModel:
        section = self._file.cost
        if section.ffn_shards > model.ffn_width:
            accepted = f"at most the feed-forward width {model.ffn_width}"
            self._fail(("cost", "ffn_shards"), str(section.ffn_shards), accepted)
        options = {
            "ffn_shards": section.ffn_shards,
            "projection": section.projection or self._projection(),
            "ffn_factor": section.ffn_factor,
        }
        kind = COST_MODELS.find(section.model, self._document.where(("cost", "model")))
        takes = inspect.signature(kind).parameters
        cost: CostModel = kind(model, **{key: value for key, value in options.items() if key in takes})
        return cost

    def _projection(self) -> Projection:
        """Where the execution pattern wants W_O."""
        name = self._file.execution
        where = self._document.where(("execution",))
        return "gathered" if name is None else PATTERNS.find(name, where).projection

    def _model(self) -> ModelSpec:
        section = self._file.model
        given = [key for key in ("preset", "config", "shape") if getattr(section, key) is not None]
        if len(given) != 1:
            self._fail(
                ("model",),
                f"{' and '.join(given) or 'none'} of preset, config and shape",
                "exactly one of them",
            )
        if section.preset is not None:
            name = section.preset
            model = _Located(self._document, ("model", "preset")).call(lambda: preset(name))
        elif section.config is not None:
            model = from_config(self._folder / section.config)
        else:
            model = self._shape()
        formats = {
            key: value
            for key in ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")
            if (value := getattr(section, key)) is not None
        }
        return replace(model, **formats)

    def _shape(self) -> ModelSpec:
        shape = self._file.model.shape
        assert shape is not None
        head_size = shape.head_size
        if head_size is None:
            if shape.width % shape.heads:
                found = f"width {shape.width} that {shape.heads} heads do not divide"
                self._fail(("model", "shape", "width"), found, "a multiple of heads, or a head_size")
            head_size = shape.width // shape.heads
        kv_heads = shape.kv_heads or shape.heads
        if shape.heads % kv_heads:
            self._fail(("model", "shape", "kv_heads"), str(kv_heads), f"a divisor of heads ({shape.heads})")
        return ModelSpec(
            name=self._file.name or name_of_file(self._document.path),
            layers=shape.layers,
            width=shape.width,
            heads=shape.heads,
            kv_heads=kv_heads,
            head_size=head_size,
            ffn_width=shape.ffn_width or 4 * shape.width,
            gated_ffn=shape.gated_ffn,
            vocabulary=shape.vocabulary,
        )

    def _devices(self) -> dict[str, list[Device]]:
        """Every device, by the name under which the file describes it."""
        sections = self._file.devices
        total = sum(section.count for section in sections.values())
        if total > bounds.MOST_DEVICES:
            self._fail(("devices",), f"{total} devices", f"at most {bounds.MOST_DEVICES}")
        groups = {name: list(self._device_group(name, section)) for name, section in sections.items()}
        met: set[str] = set()
        for group, device in (
            (group, device.name) for group, members in groups.items() for device in members
        ):
            if device in met:
                self._fail(("devices", group), f"two devices called {shown(device)}", "distinct names")
            met.add(device)
        # A relay with the name of a group would take the group's place in `connect`.
        met.update(groups)
        for number, relay in enumerate(self._file.relays):
            if relay in met:
                self._fail(("relays", number), f"a second node called {shown(relay)}", "distinct names")
            met.add(relay)
        return groups

    @property
    def _memory(self) -> MemoryOptions:
        return MemoryOptions(overflow=self._file.memory.overflow, swap=self._file.memory.swap)

    def _device_group(self, name: str, section: schema.DeviceSection) -> Iterator[Device]:
        key: KeyPath = ("devices", name)
        needing = {
            "memory.overflow is swap": self._file.memory.overflow == "swap",
            "controller.weights_on_disk is true": self._file.controller.weights_on_disk,
        }
        for why, needed in needing.items():
            if needed and section.disk is None:
                self._fail((*key, "disk"), "no disk", f"{ACCEPTED['rate']}, because {why}")
        if self._memory.prefetch and DISCIPLINES.find(section.discipline).prefetching is None:
            able = [one for one in DISCIPLINES.names() if DISCIPLINES.find(one).prefetching is not None]
            found = f"{shown(section.discipline)}, under which tasks cannot read while they compute"
            self._fail((*key, "discipline"), found, f"{one_of('', able)}, because memory.swap is prefetch")
        for member in _members(name, section.count):
            yield Device(
                name=member,
                memory_bytes=section.memory,
                runtime_bytes=section.runtime_memory,
                flops=section.compute,
                memory_bandwidth=section.memory_bandwidth or float("inf"),
                overhead_s=section.overhead,
                disk_bandwidth=section.disk or 0.0,
                availability=self._availability(member, (*key, "availability"), section.availability),
                used_bytes=self._trace(member, (*key, "memory_used"), section.memory_used, "size"),
                discipline=section.discipline,
                nic_up=self._rate(member, key, section, "nic_up"),
                nic_down=self._rate(member, key, section, "nic_down"),
            )

    def _availability(self, member: str, key: KeyPath, section: Any) -> Trace:
        trace = self._trace(member, key, section, "fraction")
        if isinstance(section, schema.Generated):
            # Most synthetic traces have no upper end, a device has.
            return clipped(trace, most=1.0)
        if trace.values.max() > 1.0:
            self._fail(
                key, f"the value {trace.values.max():.6g}", "a share of the device, at most 1 (or 100 %)"
            )
        return trace

    def _cluster(self, groups: Mapping[str, list[Device]]) -> Cluster:
        devices = tuple(device for members in groups.values() for device in members)
        names = [device.name for device in devices]
        source = self._file.source or names[0]
        if source not in names:
            self._fail(("source",), shown(source), one_of(source, names))
        media = tuple(
            Medium(
                name=name,
                bandwidth=self._trace(name, ("media", name, "bandwidth"), medium.bandwidth, "rate"),
                frame=Frame(medium.frame.size, medium.frame.overhead),
            )
            for name, medium in self._file.media.items()
        )
        topologies = self._topologies(groups)
        links = list(topologies.links)
        for name, section in self._file.links.items():
            pairs = list(itertools.islice(self._pairs(("links", name), section.connect, topologies), _ENOUGH))
            if len(links) + len(pairs) > bounds.MOST_LINKS:
                found = f"more than {bounds.MOST_LINKS} links with those of {name}"
                self._fail(("links", name), found, f"at most {bounds.MOST_LINKS} links in all")
            topologies.check_rate(("links", name), section)
            links.extend(self._link_group(name, section, pairs))
        relays = tuple(topologies.relays)
        what = "nodes" if relays else "devices"
        located = _Located(self._document, ("links",), f"links that connect all {what}, each named once")
        cluster = located.call(
            lambda: Cluster(devices, tuple(links), source, relays, (*media, *topologies.media))
        )
        cluster = self._with_pinned(cluster)
        return with_faults(cluster, self._file.faults, groups, self._document, self._trace)

    def _topologies(self, groups: Mapping[str, list[Device]]) -> Topologies:
        devices = {name: [device.name for device in members] for name, members in groups.items()}
        topologies = Topologies(self._document, self._file, self._seed, self._trace, devices)
        topologies.build()
        return topologies

    def _with_pinned(self, cluster: Cluster) -> Cluster:
        if not self._file.routes:
            return cluster
        nodes = dict.fromkeys((*cluster.names, *cluster.relays))
        for number, path in enumerate(self._file.routes):
            for place, name in enumerate(path):
                if name not in nodes:
                    self._fail(("routes", number, place), shown(name), one_of(name, nodes))
        located = _Located(self._document, ("routes",), "paths of linked nodes between two devices")
        return located.call(lambda: replace(cluster, pinned=tuple(map(tuple, self._file.routes))))

    def _link_group(
        self, name: str, section: schema.LinkSection, pairs: list[tuple[str, str]]
    ) -> Iterator[Link]:
        key: KeyPath = ("links", name)
        for a, b in pairs:
            member = name if len(pairs) == 1 else f"{name}:{a}-{b}"
            yield Link(
                name=member,
                ends=(a, b),
                bandwidth=self._rate(member, key, section, "bandwidth"),
                latency_s=self._trace(member, (*key, "latency"), section.latency, "time"),
                overhead_s=section.overhead,
                medium=section.medium,
            )

    def _pairs(
        self, key: KeyPath, connect: str | list[list[str]], topologies: Topologies
    ) -> Iterator[tuple[str, str]]:
        """The pairs of nodes that a link section joins."""
        if isinstance(connect, str):
            yield from itertools.combinations(topologies.devices, 2)
            return
        known = topologies.nodes
        for number, pair in enumerate(connect):
            for side, name in enumerate(pair):
                if name not in known:
                    self._fail((*key, "connect", number, side), shown(name), one_of(name, known))
            if pair[0] == pair[1]:
                section = self._file.devices.get(pair[0])
                # A group that somebody has made as small as one stays a group; it has no pairs.
                if section is None or "count" not in section.model_fields_set:
                    found = f"a link from {shown(pair[0])} to itself"
                    self._fail((*key, "connect", number), found, "pairs of two different devices")
                yield from itertools.combinations(known[pair[0]], 2)
            else:
                yield from ((a, b) for a in known[pair[0]] for b in known[pair[1]] if a != b)

    def _rate(self, owner: str, key: KeyPath, section: Any, name: str) -> Trace | None:
        """The rate under a key that may be left out."""
        if name not in section.model_fields_set:
            return None
        return self._trace(owner, (*key, name), getattr(section, name), "rate")

    def _trace(self, owner: str, key: KeyPath, section: Any, quantity: Quantity) -> Trace:
        """The trace that a section describes, for one link or device."""
        if isinstance(section, schema.Generated):
            return self._adjusted(key, section, quantity, self._generated(owner, key, section, quantity))
        if key not in self._fixed:
            self._fixed[key] = self._adjusted(
                key, section, quantity, self._fixed_trace(key, section, quantity)
            )
            if quantity == "time" and self._fixed[key].end == "zero":
                self._fail(key, "a latency that becomes 0 after its last value", "end: hold or end: loop")
        return self._fixed[key]

    def _adjusted(self, key: KeyPath, section: Any, quantity: Quantity, trace: Trace) -> Trace:
        """The trace as `scale` and `shift` of its section make it."""
        if not isinstance(section, schema.TraceForm) or (section.scale, section.shift) == (1.0, 0.0):
            return trace
        located = _Located(self._document, key, "a scale and a shift that leave all values finite")
        return self._bounded(
            key, quantity, located.call(lambda: scaled(shifted(trace, section.shift), section.scale))
        )

    def _fixed_trace(self, key: KeyPath, section: Any, quantity: Quantity) -> Trace:
        """A trace that is the same for all links or devices of its section."""
        if isinstance(section, schema.FileTrace):
            return self._bounded(key, quantity, self._file_trace(key, section, quantity))
        if isinstance(section, schema.ShippedTrace):
            located = _Located(self._document, (*key, "shipped"))
            return located.call(lambda: self._read(shipped(section.shipped), quantity, end=section.end))
        if isinstance(section, schema.StepsTrace):
            return self._steps(key, section, quantity)
        return _constant(schema.bounded(section, quantity, self._document.where(key)))

    def _file_trace(self, key: KeyPath, section: schema.FileTrace, quantity: Quantity) -> Trace:
        path = self._folder / section.file
        with self._told_of((*key, "file")):
            return self._read(
                path,
                quantity,
                format=section.format,
                unit=section.unit,
                time_unit=section.time_unit,
                end=section.end,
                column=section.column,
                time_column=section.time_column,
                load=section.load,
                repair=section.repair,
                max_gap_s=section.max_gap,
                select=section.select,
                where=None if section.where is None else tuple(section.where.items()),
                merge=section.merge,
                step_s=section.step,
            )

    @contextmanager
    def _told_of(self, key: KeyPath) -> Iterator[None]:
        """Say of a mistake in a file which key names that file."""
        try:
            yield
        except InputError as error:
            where = f"{self._document.where(key)}: {error.where}"
            raise InputError(where, error.found, error.accepted) from error

    def _bounded(self, key: KeyPath, quantity: Quantity, trace: Trace) -> Trace:
        largest = trace.values.max()
        if largest > bounds.LARGEST:
            accepted = f"values of at most {bounds.LARGEST:g} in SI units"
            self._fail(key, f"a {quantity} of {largest:g}", accepted)
        return trace

    def _generated(self, owner: str, key: KeyPath, section: schema.Generated, quantity: Quantity) -> Trace:
        """The synthetic trace of one link or device."""
        kind = KINDS[section.kind]
        parameters = {"duration_s": section.duration}
        if not isinstance(section, schema.TwoStateTrace):
            parameters["step_s"] = section.step
        for name, measure in kind.parameters.items():
            at = schema.generated_key(type(section), name)
            value = getattr(section, at)
            if measure == "value":
                value = schema.bounded(value, quantity, self._document.where((*key, at)))
            parameters[name] = value
        self._count_values(key, section)
        rng = stream(self._seed, f"{'.'.join(map(str, key))}/{owner}")
        return _Located(self._document, key, section.needs).call(lambda: kind.make(rng, **parameters))

    def _count_values(self, key: KeyPath, section: schema.Generated) -> None:
        """Refuse a world of too many random values before they are drawn."""
        spacing = _spacing(section)
        if spacing > 0.0:
            values = section.duration / spacing
            self._walked += math.ceil(min(values, bounds.MOST_DRAWN + 1))
            if self._walked > bounds.MOST_DRAWN:
                most = bounds.MOST_DRAWN
                found = f"a walk of {values:.4g} values, which makes more than {most} of all walks together"
                self._fail(key, found, "a shorter duration or a longer step")

    def _steps(self, key: KeyPath, section: schema.StepsTrace, quantity: Quantity) -> Trace:
        times, values = [], []
        for number, (time, value) in enumerate(section.steps):
            times.append(schema.bounded(time, "time", self._document.where((*key, "steps", number, 0))))
            values.append(schema.bounded(value, quantity, self._document.where((*key, "steps", number, 1))))
        accepted = "times that rise from 0, and a duration after the last of them with the ends loop and zero"
        return _Located(self._document, key, accepted).call(
            lambda: Trace(times, values, end=section.end, duration=section.duration)
        )

    def _policies(self) -> Iterator[PolicyChoice]:
        met: set[str] = set()
        for number, section in enumerate(self._file.policies):
            label = section.label or section.name
            if label in met:
                self._fail(
                    ("policies", number), f"a second policy labelled {shown(label)}", "distinct labels"
                )
            met.add(label)
            where = self._document.where(("policies", number))
            yield PolicyChoice(name=section.name, label=label, parameters=section.parameters, where=where)

    def _check_size(self, scenario: Scenario) -> None:
        """Refuse a model that no placement could ever hold."""
        if scenario.memory.overflow == "swap":
            return
        first = min(scenario.requests, key=lambda request: request.prompt)
        step = scenario.cost.step(one_sequence(first.prompt, 0))
        per_block = step.memory_bytes[scenario.block_table.kind]
        needed = float(per_block.sum())
        cluster = scenario.cluster
        capacity = np.maximum(cluster.memory_bytes - cluster.runtime_bytes - step.activation_bytes, 0.0)
        where = self._document.where(("model",))
        if needed > capacity.sum():
            found = f"a model of {needed / 1e9:.4g} GB"
            raise DoesNotFitError(
                where, found, f"at most the {capacity.sum() / 1e9:.4g} GB that all devices have for it"
            )
        largest = int(per_block.argmax())
        if per_block[largest] > capacity.max():
            found = f"the block {scenario.block_table.names[largest]} of {per_block[largest] / 1e9:.4g} GB"
            accepted = f"at most the {capacity.max() / 1e9:.4g} GB that the largest device has for it"
            raise DoesNotFitError(where, found, accepted)

    def _fail(self, key: KeyPath, found: str, accepted: str) -> NoReturn:
        raise InputError(self._document.where(key), found, accepted)


class _Located:
    """Tells a mistake that a deeper room found as one of the scenario file."""

    def __init__(self, document: Document, key: KeyPath, accepted: str = "") -> None:
        self._where = document.where(key)
        self._accepted = accepted

    def call(self, build: Callable[[], _Built]) -> _Built:
        try:
            return build()
        except InputError as error:
            raise InputError(self._where, error.found, error.accepted) from error
        except ValueError as error:
            raise InputError(self._where, str(error), self._accepted) from error


def _spacing(section: schema.Generated) -> float:
    """The mean time between two values of a synthetic trace [s]."""
    if isinstance(section, schema.TwoStateTrace):
        return (section.good_time + section.bad_time) / 2
    return section.step


def _members(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
