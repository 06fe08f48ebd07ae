"""Build a `Scenario` from a validated scenario file."""

from dataclasses import replace

import numpy as np

from headway.simcore.errors import DoesNotFitError
from headway.simcore.files import bounds
from headway.simcore.files.builders.cluster import cluster_of
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.devices import device_groups
from headway.simcore.files.builders.model import blocks_of, cost_of, model_of, pattern_of, profile_of
from headway.simcore.files.builders.options import (
    controller_options,
    memory_options,
    network_options,
    policies_of,
)
from headway.simcore.files.builders.traces import Traces
from headway.simcore.files.builders.workload import requests_of
from headway.simcore.files.placement import placement_file, read_placement
from headway.simcore.files.schema import DeviceSection
from headway.simcore.files.yaml_document import name_of_file
from headway.simcore.registry import Named
from headway.simcore.scenario import Scenario
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.device import Device


def scenario_of(context: Context) -> Scenario:
    """The scenario of a file.

    Raises:
        InputError: a name in the file is unknown, another file cannot be used, or the world is too large.
        DoesNotFitError: no placement can hold the model.
    """
    file = context.file
    model = model_of(context)
    traces = Traces(context)
    groups = device_groups(context, traces)
    count = sum(map(len, groups.values()))
    cost = cost_of(context, model, count)
    requests = requests_of(context)
    _check_pairs(context, "model", model.layers * (model.kv_heads + 1 + cost.ffn_shards), "blocks", count)
    _check_pairs(context, "workload", sum(request.output for request in requests), "tokens", count)
    scenario = Scenario(
        name=file.name or name_of_file(context.document.path),
        model=model,
        cost=cost,
        cluster=_cluster(context, traces, groups),
        requests=requests,
        execution=_by_name(pattern_of(context)),
        device_time=file.device_time,
        scheduler=file.scheduler,
        executor=file.executor,
        blocks=blocks_of(context, model),
        network=network_options(context),
        controller=controller_options(context),
        memory=memory_options(context),
        seed=context.seed,
        policies=policies_of(context),
        text=context.document.text,
    )
    _check_size(context, scenario)
    return _with_placement(context, scenario)


def _cluster(context: Context, traces: Traces, groups: dict[str, list[Device]]) -> Cluster:
    """The cluster, with the rates and times of the engine profile."""
    cluster, used = cluster_of(context, traces, groups), profile_of(context)
    if used is None:
        return cluster
    sections = {device.name: context.file.devices[name] for name, group in groups.items() for device in group}
    entries = {name: section.device or "" for name, section in sections.items()}
    applied = used.applied(cluster, entries)
    # A time per message that the file itself gives is that of the engine.
    devices = (
        replace(device, sync_s=section.sync) if _has_own_sync(context, section) else device
        for device, section in zip(applied.devices, sections.values(), strict=True)
    )
    return replace(applied, devices=tuple(devices))


def _has_own_sync(context: Context, section: DeviceSection) -> bool:
    """Whether the file gives the time per message of a device, and not the library."""
    known = None if section.device is None else context.library.devices.find(section.device).sync
    return section.sync > 0.0 and (known is None or known.amount != section.sync)


def _by_name(pattern: Pattern | None) -> Named | str | None:
    """The name of a registered pattern, or a pattern with options."""
    if pattern is None or PATTERNS.find(pattern.name) != pattern:
        return pattern
    return pattern.name


def _check_pairs(context: Context, key: str, number: int, what: str, devices: int) -> None:
    """Refuse more pairs of a block or token and a device than a run can keep in memory."""
    if number * devices > bounds.MOST_PAIRS:
        got = f"{number:,} {what} for {devices:,} devices"
        context.fail((key,), got, f"at most {bounds.MOST_PAIRS:,} pairs of them")


def _check_size(context: Context, scenario: Scenario) -> None:
    """Refuse a model that no placement can hold."""
    if scenario.memory.overflow == "swap":
        return
    first = min(scenario.requests, key=lambda request: request.prompt)
    step = scenario.cost.step(one_sequence(first.prompt, 0))
    per_block = step.memory_bytes[scenario.block_table.kind]
    needed = float(per_block.sum())
    cluster = scenario.cluster
    capacity = np.maximum(cluster.memory_bytes - cluster.runtime_bytes - step.activation_bytes, 0.0)
    where = context.where(("model",))
    if needed > capacity.sum():
        got = f"a model of {needed / 1e9:.4g} GB"
        expected = f"at most the {capacity.sum() / 1e9:.4g} GB that all devices have for it"
        raise DoesNotFitError(where, got, expected)
    largest = int(per_block.argmax())
    if per_block[largest] > capacity.max():
        got = f"the block {scenario.block_table.names[largest]} of {per_block[largest] / 1e9:.4g} GB"
        expected = f"at most the {capacity.max() / 1e9:.4g} GB that the largest device has for it"
        raise DoesNotFitError(where, got, expected)


def _with_placement(context: Context, scenario: Scenario) -> Scenario:
    """The scenario with the pinned placement of the file."""
    value, where = context.file.placement, context.where(("placement",))
    if value is None:
        return scenario
    blocks, names = scenario.block_table, scenario.cluster.names
    if isinstance(value, dict) and not (value.keys() <= {"file", "run"} and "file" not in names):
        return replace(scenario, placement=read_placement(value, blocks, names, where))
    reference = {"file": value} if isinstance(value, str) else value
    path, run = context.path(("placement",), str(reference.get("file", ""))), reference.get("run")
    placement = placement_file(path, None if run is None else str(run), where)
    return replace(scenario, placement=read_placement(placement, blocks, names, str(path)))
