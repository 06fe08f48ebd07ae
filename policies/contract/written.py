"""A scenario of Python as the text of a scenario file."""

import math
from typing import Any

import yaml

from headway.simcore import DecodeCost, Device, Link, Medium, NetworkOptions, PaperCost, Scenario, Tcp
from headway.simcore.registry import name_of
from headway.traces import Trace


def scenario_yaml(scenario: Scenario) -> str:
    """The text of a scenario file that loads to the same world and requests, without its policies.

    Raises:
        ValueError: the scenario has a cost model of somebody else, which a file cannot name.
    """
    return yaml.safe_dump(_document(scenario), sort_keys=False, allow_unicode=True, width=110)


def _document(scenario: Scenario) -> dict[str, Any]:
    cluster = scenario.cluster
    document = {
        "headway": 1,
        "name": scenario.name,
        "seed": scenario.seed,
        "model": _model(scenario),
        "cost": _cost(scenario),
        "blocks": {"embed": scenario.blocks.embed, "lm_head": scenario.blocks.lm_head},
        "source": cluster.source,
        "devices": {device.name: _device(device) for device in cluster.devices},
        "relays": list(cluster.relays),
        "media": {medium.name: _medium(medium) for medium in cluster.media},
        "links": {link.name: _link(link) for link in cluster.links},
        "routes": [list(path) for path in cluster.pinned],
        "network": _network(scenario.network),
        "faults": [
            *({"device": d.name, "online": _online(d.up)} for d in cluster.devices if not _is(d.up, 1.0)),
            *({"link": x.name, "online": _online(x.up)} for x in cluster.links if not _is(x.up, 1.0)),
        ],
        "workload": [
            {"prompt": r.prompt, "output": r.output, "arrival": f"{r.arrival_s!r} s"}
            for r in scenario.requests
        ],
        "controller": _controller(scenario),
        "memory": {"overflow": scenario.memory.overflow, "swap": scenario.memory.swap},
    }
    return {key: value for key, value in document.items() if value not in ([], {})}


def _network(options: NetworkOptions) -> dict[str, Any]:
    transport = options.transport
    tcp = (
        {"connection": transport.connection, "idle_restart": transport.idle_restart}
        if isinstance(transport, Tcp)
        else {}
    )
    return {"sharing": name_of(options.sharing), "transport": name_of(transport)} | tcp


def _model(scenario: Scenario) -> dict[str, Any]:
    model = scenario.model
    keys = ("layers", "width", "heads", "kv_heads", "head_size", "ffn_width", "gated_ffn", "vocabulary")
    formats = ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")
    shape = {key: getattr(model, key) for key in keys}
    return {"shape": shape} | {key: getattr(model, key) for key in formats}


def _cost(scenario: Scenario) -> dict[str, Any]:
    cost = scenario.cost
    if isinstance(cost, PaperCost):
        own: dict[str, Any] = {"model": "paper", "ffn_factor": cost.ffn_factor}
    elif isinstance(cost, DecodeCost):
        own = {"model": "decode"}
    else:
        raise ValueError(f"a scenario file cannot name the cost model {type(cost).__name__}")
    return own | {"ffn_shards": cost.ffn_shards, "projection": cost.projection}


def _device(device: Device) -> dict[str, Any]:
    optional = {
        "memory_bandwidth": None
        if math.isinf(device.memory_bandwidth)
        else f"{device.memory_bandwidth!r} B/s",
        "runtime_memory": f"{device.runtime_bytes!r} B" if device.runtime_bytes > 0.0 else None,
        "disk": f"{device.disk_bandwidth!r} B/s" if device.disk_bandwidth > 0.0 else None,
        "nic_up": None if device.nic_up is None else _trace(device.nic_up, "B/s"),
        "nic_down": None if device.nic_down is None else _trace(device.nic_down, "B/s"),
        "availability": None if _is(device.availability, 1.0) else _trace(device.availability, ""),
        "memory_used": None if _is(device.used_bytes, 0.0) else _trace(device.used_bytes, "B"),
    }
    return {
        "memory": f"{float(device.memory_bytes)!r} B",
        "compute": f"{float(device.flops)!r} FLOP/s",
        "overhead": f"{device.overhead_s!r} s",
        "discipline": name_of(device.discipline),
    } | {key: value for key, value in optional.items() if value is not None}


def _medium(medium: Medium) -> dict[str, Any]:
    frame = {"size": f"{medium.frame.size_bytes!r} B", "overhead": f"{medium.frame.overhead_s!r} s"}
    return {"bandwidth": _trace(medium.bandwidth, "B/s"), "frame": frame}


def _link(link: Link) -> dict[str, Any]:
    written: dict[str, Any] = {"connect": [list(link.ends)]}
    if link.bandwidth is not None:
        written["bandwidth"] = _trace(link.bandwidth, "B/s")
    if link.medium is not None:
        written["medium"] = link.medium
    latency = link.latency_s
    written["latency"] = _trace(latency, "s") if isinstance(latency, Trace) else f"{latency!r} s"
    return written | {"overhead": f"{link.overhead_s!r} s"}


def _controller(scenario: Scenario) -> dict[str, Any]:
    time = scenario.controller.decision_time
    return {
        "interval": scenario.controller.interval,
        "window": f"{scenario.controller.window_s!r} s",
        "migration": scenario.controller.migration,
        "weights_on_disk": scenario.controller.weights_on_disk,
        "on_infeasible": scenario.controller.on_infeasible,
        "decision_time": time if isinstance(time, str) else f"{time!r} s",
    }


def _trace(trace: Trace, unit: str) -> Any:
    if len(trace.values) == 1 and trace.end == "hold":
        return _value(float(trace.values[0]), unit)
    return _steps(trace, unit)


def _online(up: Trace) -> dict[str, Any]:
    return _steps(up, "")


def _steps(trace: Trace, unit: str) -> dict[str, Any]:
    pairs = [
        [f"{t!r} s", _value(v, unit)]
        for t, v in zip(trace.times.tolist(), trace.values.tolist(), strict=True)
    ]
    ends = {} if trace.duration is None else {"end": trace.end, "duration": f"{trace.duration!r} s"}
    return {"steps": pairs} | ends


def _value(value: float, unit: str) -> Any:
    return f"{value!r} {unit}" if unit else value


def _is(trace: Trace, value: float) -> bool:
    return trace.end == "hold" and bool((trace.values == value).all())
