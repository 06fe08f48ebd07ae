"""Write a scenario as the text of a scenario file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.engine.network.network import SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS, Tcp
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.files.bounds import MOST_VALUES
from headway.simcore.files.mistakes import validated
from headway.simcore.files.placement import write_placement
from headway.simcore.files.schema import ScenarioFile
from headway.simcore.files.yaml_document import Document, yaml_text
from headway.simcore.registry import Named, Registry, name_of
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.cost import CostModel
from headway.simcore.world.cost_models import COST_MODELS
from headway.simcore.world.decode_cost import DecodeCost, EngineWork, WireFormat
from headway.simcore.world.device import Device
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import ControllerOptions, ForecastOptions, NetworkOptions
from headway.simcore.world.presets import PRESETS
from headway.simcore.world.shape import shape_of
from headway.traces import InputError, Trace

_FORMATS = ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")


def dump_scenario(scenario: Scenario) -> str:
    """The text of a scenario file from which the same scenario is loaded.

    The file needs no other file: it has all steps of each trace and all requests. A model that is not a preset gets the
    name of the scenario when the file is loaded.

    Raises:
        ValueError: no scenario file can describe the scenario, because it has a part that is not registered, a model
            with tied embeddings or weights outside its matrices that is no preset, a name or a value that files do not
            allow, or more values than a file may have.
    """
    values = _values(scenario)
    size = _size(values)
    if size > MOST_VALUES:
        raise ValueError(
            f"a scenario file can have at most {MOST_VALUES:,} keys and values, not {size:,}: the traces are too long"
        )
    try:
        validated(Document("scenario", "", values, {}, {(): "scenario"}), ScenarioFile)
    except InputError as error:
        raise ValueError(f"no scenario file can describe this: {error}") from error
    return yaml_text(values)


def _size(value: Any) -> int:
    """The number of keys and values, counted as the reader of files does."""
    if isinstance(value, dict):
        return 1 + sum(1 + _size(item) for item in value.values())
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _values(scenario: Scenario) -> dict[str, Any]:
    cluster, execution = scenario.cluster, scenario.execution
    values = {
        "headway": 1,
        "name": scenario.name,
        "seed": scenario.seed,
        "model": _model(scenario.model),
        "cost": _cost(scenario.cost),
        "execution": [] if execution is None else _execution(execution),
        "pipeline": _pipeline(execution),
        "device_time": _part(DEVICE_TIMES, scenario.device_time),
        "scheduler": _part(SCHEDULERS, scenario.scheduler),
        "executor": scenario.executor,
        "blocks": {"embed": scenario.blocks.embed, "lm_head": scenario.blocks.lm_head},
        "source": cluster.source,
        "devices": {device.name: _device(device) for device in cluster.devices},
        "relays": list(cluster.relays),
        "media": {medium.name: _medium(medium) for medium in cluster.media},
        "links": {link.name: _link(link) for link in cluster.links},
        "routes": [list(path) for path in cluster.pinned],
        "network": _network(scenario.network),
        "faults": list(_faults(cluster)),
        "workload": [
            {"prompt": r.prompt, "output": r.output, "arrival": f"{r.arrival_s!r} s"}
            for r in scenario.requests
        ],
        "controller": _controller(scenario.controller),
        "memory": {"overflow": scenario.memory.overflow, "swap": scenario.memory.swap},
        "placement": {}
        if scenario.placement is None
        else write_placement(scenario.placement, scenario.block_table, cluster.names),
        "policies": _policies(scenario.policies),
    }
    return {key: value for key, value in values.items() if value not in ([], {})}


def _execution(pattern: Named | str) -> str:
    return pattern.name if isinstance(pattern, Pipeline) else _part(PATTERNS, pattern)


def _pipeline(pattern: Named | str | None) -> dict[str, Any]:
    """The options of a pipeline that are not as by default."""
    if not isinstance(pattern, Pipeline):
        return {}
    options = _differing(pattern, Pipeline())
    return options | ({"result": pattern.result.name.lower()} if "result" in options else {})


def _differing(value: Any, default: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from another value of it."""
    usual = asdict(default)
    return {key: item for key, item in asdict(value).items() if item != usual[key]}


def _part(registry: Registry[Any], part: Named | str) -> str:
    """The name of a part, which must be registered."""
    name = name_of(part)
    if name not in registry.names() or registry.find(name) != registry.find(part):
        raise ValueError(f"a scenario file needs registered parts, and {part!r} is not registered")
    return name


def _model(model: ModelSpec) -> dict[str, Any]:
    formats = {key: getattr(model, key) for key in _FORMATS}
    preset = PRESETS.get(model.name)
    if preset is not None and replace(preset, **formats) == model:
        return {"preset": model.name} | formats
    if model.tied_embeddings or model.extra_parameters:
        raise ValueError(
            f"no shape in a scenario file can describe {model.name!r}, which has tied embeddings or weights outside "
            "its matrices; use the config.json of the model"
        )
    return {"shape": shape_of(model)} | formats


def _cost(cost: CostModel) -> dict[str, Any]:
    names = (name for name in COST_MODELS.names() if COST_MODELS.find(name) is type(cost))
    name = next(names, None)
    if name is None:
        raise ValueError(
            f"a scenario file needs a registered cost model, and {type(cost).__name__} is not registered"
        )
    options: dict[str, Any] = {
        key: getattr(cost, key) for key in ("ffn_factor", "ffn_shards") if hasattr(cost, key)
    }
    options |= {"projection": cost.projection}
    if isinstance(cost, DecodeCost):
        parts = {
            "wire": _differing(cost.wire, WireFormat()),
            "engine": _differing(cost.engine, EngineWork()),
        }
        options |= {key: part for key, part in parts.items() if part}
    return {"model": name} | options


def _network(options: NetworkOptions) -> dict[str, Any]:
    sharing, transport = _part(SHARING_RULES, options.sharing), options.transport
    if isinstance(transport, Tcp):
        tcp = {"connection": transport.connection, "idle_restart": transport.idle_restart}
        return {"sharing": sharing, "transport": transport.name} | tcp
    return {"sharing": sharing, "transport": _part(TRANSPORTS, transport)}


def _device(device: Device) -> dict[str, Any]:
    optional = {
        "kv_bandwidth": None if device.kv_bandwidth is None else _rate(device.kv_bandwidth),
        "sync": _value(device.sync_s, "s") if device.sync_s > 0.0 else None,
        "runtime_memory": _value(device.runtime_bytes, "B") if device.runtime_bytes > 0.0 else None,
        "disk": _value(device.disk_bandwidth, "B/s") if device.disk_bandwidth > 0.0 else None,
        "nic_up": None if device.nic_up is None else _trace(device.nic_up, "B/s"),
        "nic_down": None if device.nic_down is None else _trace(device.nic_down, "B/s"),
        "availability": None if _is_constant(device.availability, 1.0) else _trace(device.availability, ""),
        "memory_used": None if _is_constant(device.used_bytes, 0.0) else _trace(device.used_bytes, "B"),
    }
    return {
        "memory": _value(device.memory_bytes, "B"),
        "compute": _value(device.flops, "FLOP/s"),
        "memory_bandwidth": _rate(device.memory_bandwidth),
        "overhead": _value(device.overhead_s, "s"),
        "discipline": _part(DISCIPLINES, device.discipline),
    } | {key: value for key, value in optional.items() if value is not None}


def _rate(rate: float) -> str:
    return "unlimited" if math.isinf(rate) else str(_value(rate, "B/s"))


def _medium(medium: Medium) -> dict[str, Any]:
    frame = {
        "size": _value(medium.frame.size_bytes, "B"),
        "overhead": _value(medium.frame.overhead_s, "s"),
    }
    return {"bandwidth": _trace(medium.bandwidth, "B/s"), "frame": frame}


def _link(link: Link) -> dict[str, Any]:
    values: dict[str, Any] = {"connect": [list(link.ends)]}
    if link.bandwidth is not None:
        values["bandwidth"] = _trace(link.bandwidth, "B/s")
    if link.medium is not None:
        values["medium"] = link.medium
    latency = link.latency_s
    values["latency"] = _trace(latency, "s") if isinstance(latency, Trace) else _value(latency, "s")
    return values | {"overhead": _value(link.overhead_s, "s")}


def _faults(cluster: Cluster) -> Iterator[dict[str, Any]]:
    for kind, parts in (("device", cluster.devices), ("link", cluster.links)):
        for part in parts:
            if not _is_constant(part.up, 1.0):
                yield {kind: part.name, "online": _steps(part.up, "")}


def _controller(options: ControllerOptions) -> dict[str, Any]:
    time, budget_s = options.decision_time, options.pause_budget_s
    budget = {} if budget_s is None else {"pause_budget": _value(budget_s, "s")}
    return budget | {
        "interval": options.interval,
        "horizon": options.horizon,
        "triggers": {name: value for name, value in asdict(options.triggers).items() if value is not None},
        "forecast": _forecast(options.forecast),
        "window": _value(options.window_s, "s"),
        "migration": options.migration,
        "moves": options.moves,
        "weights_on_disk": options.weights_on_disk,
        "warm_copies": options.warm_copies,
        "caches": options.caches,
        "on_infeasible": options.on_infeasible,
        "decision_time": time if isinstance(time, str) else _value(time, "s"),
    }


def _forecast(options: ForecastOptions) -> Any:
    times = {"span": options.span_s, "step": options.step_s, "season": options.season_s}
    given = {key: _value(time, "s") for key, time in times.items() if time is not None}
    return {**options.methods, **given} if options.methods else "none"


def _policies(choices: Sequence[PolicyChoice]) -> list[dict[str, Any]]:
    return [
        {"name": choice.name, "label": choice.label}
        | ({"parameters": dict(choice.parameters)} if choice.parameters else {})
        for choice in choices
    ]


def _trace(trace: Trace, unit: str) -> Any:
    if len(trace.values) == 1 and trace.end == "hold":
        return _value(float(trace.values[0]), unit)
    return _steps(trace, unit)


def _steps(trace: Trace, unit: str) -> dict[str, Any]:
    pairs = [
        [_value(time, "s"), _value(value, unit)]
        for time, value in zip(trace.times.tolist(), trace.values.tolist(), strict=True)
    ]
    ends = {} if trace.duration is None else {"end": trace.end, "duration": _value(trace.duration, "s")}
    return {"steps": pairs} | ends


def _value(value: float, unit: str) -> Any:
    """A number in its SI unit, with all digits."""
    return f"{float(value)!r} {unit}" if unit else value


def _is_constant(trace: Trace, value: float) -> bool:
    return trace.end == "hold" and bool((trace.values == value).all())
