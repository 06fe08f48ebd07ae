"""The world of a row: its model, devices, links and engine as a scenario.

Values that a row does not state come from the library of devices and links, from the presets of models and from the
engine profiles. Nothing is fitted to a single row.
"""

from dataclasses import dataclass, field, replace

from headway.analysis.fidelity.engines import engine_of
from headway.analysis.fidelity.interpret import Interpretation, MissingError, Remarks
from headway.analysis.fidelity.known import Known
from headway.analysis.fidelity.row_devices import consecutive_layers, devices_of_row, entries_of, even_parts
from headway.analysis.fidelity.row_network import cluster_of_row, with_injected_delay
from headway.analysis.fidelity.rows import Row
from headway.simcore import (
    Cluster,
    ControllerOptions,
    DecodeCost,
    IntArray,
    MemoryOptions,
    ModelSpec,
    Request,
    Scenario,
)
from headway.simcore.registry import Named
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.blocks import block_table
from headway.simcore.world.presets import model_named, preset_entry
from headway.simcore.world.profile import Profile

ASSUMED_WEIGHT_BYTES = 4.85 / 8
"""Bytes per weight where a row does not state the format: Q4_K_M of llama.cpp."""

SHORT_CONTEXT = 4096
"""Up to this context the cache of a device without a measured rate hardly counts."""

_ONE_PLACEMENT = 1_000_000
"""Tokens between decisions: the placement stays."""


@dataclass(frozen=True)
class World:
    """What a row describes, with remarks.

    Attributes:
        profile: of the engine.
        cluster: its first device is the source, the root of the engine.
        cost: of the blocks of the model.
        execution: pattern of the steps.
        placement: device of each block, shape (blocks,).
        entries: name of each device in the library.
        kv_context: largest calibrated number of positions in the cache.
        swap: whether weights are read from disk.
        end_to_end: whether tokens per second count the prefill too.
        remarks: on the prediction.
    """

    profile: Profile
    cluster: Cluster
    cost: DecodeCost
    execution: Named
    placement: IntArray
    entries: tuple[str, ...]
    kv_context: int
    swap: bool
    end_to_end: bool
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def model(self) -> ModelSpec:
        """The model, with the row's number formats."""
        return self.cost.model

    def scenario(self, prompt: int, output: int) -> Scenario:
        """The scenario of one request."""
        return Scenario(
            name="row",
            model=self.model,
            cost=self.cost,
            cluster=self.cluster,
            requests=(Request(prompt=prompt, output=output),),
            execution=self.execution,
            executor="events",
            memory=MemoryOptions(overflow="swap", swap="prefetch") if self.swap else MemoryOptions(),
            controller=ControllerOptions(interval=_ONE_PLACEMENT),
            placement=self.placement,
        )


def world_of(row: Row, values: Interpretation, known: Known) -> World:
    """The world of a row.

    Raises:
        MissingError: the row does not say enough.
    """
    remarks, engine = Remarks(), engine_of(row, values.execution, values.network.name)
    used = known.profiles[engine.profile]
    model = _model(values, used, remarks)
    entries = entries_of(values, known, remarks)
    if engine.note:
        remarks.notes.append(engine.note)
    if used.quality == "guessed" and len(entries) > 1:
        remarks.extrapolated.append(f"no row calibrates the messages of the profile {used.name}")
    swap = "offload" in values.work.flags
    if swap:
        remarks.extrapolated.append("no row calibrates reading weights from disk")
    devices = devices_of_row(values, entries)
    plain = cluster_of_row(row, values, devices, known, remarks)
    names = {device.name: entry.name for device, entry in zip(devices, entries, strict=True)}
    cost = _cost(values, used, model, len(entries))
    blocks = block_table(cost.model, ffn_shards=cost.ffn_shards)
    pattern, placement = used.execution, even_parts(blocks, len(entries))
    if isinstance(pattern, Pipeline):
        pattern = replace(pattern, micro_batch=values.execution.micro_batch or pattern.micro_batch)
        placement = consecutive_layers(values, engine, entries, blocks, cost.model)
    return World(
        profile=used,
        cluster=with_injected_delay(used.applied(plain, names), values.network),
        cost=cost,
        execution=pattern,
        placement=placement,
        entries=tuple(entry.name for entry in entries),
        kv_context=min(entry.kv_context or SHORT_CONTEXT for entry in entries),
        swap=swap,
        end_to_end=engine.end_to_end,
        remarks=remarks,
    )


def _model(values: Interpretation, used: Profile, remarks: Remarks) -> ModelSpec:
    name = model_named(values.model)
    if name is None:
        raise MissingError(f"the model {values.model!r} has no preset")
    entry = preset_entry(name)
    if entry.quality == "guessed":
        remarks.extrapolated.append(f"the shape of {name} is guessed")
    size = values.weights.bytes_per_number
    if values.weights.total_bytes is not None:
        size = values.weights.total_bytes / entry.model.parameters
    if size is None:
        size = ASSUMED_WEIGHT_BYTES
        remarks.extrapolated.append(
            "the format of the weights is not stated; 4.85 bits per weight are assumed"
        )
    kv = values.kv.bytes_per_number or used.bytes_per_kv or 2.0
    return replace(entry.model, bytes_per_weight=size, bytes_per_kv=kv, bytes_per_activation=2.0)


def _cost(values: Interpretation, used: Profile, model: ModelSpec, devices: int) -> DecodeCost:
    wire, size = used.wire, values.wire.bytes_per_number
    if size is not None:
        wire = replace(wire, hidden=size, partial_sum=None if wire.partial_sum is None else size)
    if isinstance(used.execution, Pipeline):
        return DecodeCost(model, wire=wire, engine=used.work)
    split = split_evenly(model, devices)
    return DecodeCost(split, ffn_shards=devices, projection="sharded", wire=wire, engine=used.work)


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
