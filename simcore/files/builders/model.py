"""Build the model of a scenario, its cost model and its blocks."""

import inspect
from dataclasses import replace
from typing import Any, TypeVar

from headway.simcore.files import bounds
from headway.simcore.files.builders.context import Context
from headway.simcore.files.importers.huggingface import from_config
from headway.simcore.files.profiles import pipeline_of
from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import name_of_file
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.cost import CostModel, Projection
from headway.simcore.world.cost_models import COST_MODELS
from headway.simcore.world.decode_cost import EngineWork, WireFormat
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import BlockOptions
from headway.simcore.world.presets import preset
from headway.simcore.world.profile import Profile
from headway.simcore.world.shape import from_shape
from headway.traces.errors import one_of, quoted

Value = TypeVar("Value", WireFormat, EngineWork)


def model_of(context: Context) -> ModelSpec:
    """The decoder: a preset, a configuration or a shape.

    Raises:
        InputError: the preset does not exist, or the configuration cannot be used.
    """
    section = context.file.model
    if section.preset is not None:
        if "/" in section.preset:
            expected = "a preset, or config: PATH with the config.json of the model from Hugging Face"
            context.fail(("model", "preset"), quoted(section.preset), expected)
        with context.located(("model", "preset")):
            model = preset(section.preset)
    elif section.config is not None:
        model = from_config(context.path(("model", "config"), section.config))
    else:
        assert section.shape is not None, "the schema requires one of the three"
        name = context.file.name or name_of_file(context.document.path)
        model = from_shape(name, section.shape.model_dump())
    formats = {
        key: value
        for key in ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")
        if (value := getattr(section, key)) is not None
    }
    used = profile_of(context)
    if used is not None and used.bytes_per_kv is not None:
        formats = {"bytes_per_kv": used.bytes_per_kv} | formats
    return replace(model, **formats)


def profile_of(context: Context) -> Profile | None:
    """The engine profile of the file.

    Raises:
        InputError: there is no such profile.
    """
    name = context.file.profile
    if name is None:
        return None
    if name not in context.library.profiles:
        context.fail(("profile",), quoted(name), one_of(name, context.library.profiles))
    return context.library.profiles[name]


def pattern_of(context: Context) -> Pattern | None:
    """The execution pattern that the file or its profile names; None if neither does.

    Raises:
        InputError: the file has options of a pipeline for another pattern.
    """
    used = profile_of(context)
    pattern: Pattern | None = None
    if context.file.execution is not None:
        pattern = PATTERNS.find(context.file.execution, context.where(("execution",)))
    elif used is not None:
        pattern = PATTERNS.find(used.execution)
    options = context.file.pipeline
    if options is None:
        return pattern
    if not isinstance(pattern, Pipeline):
        name = "no execution" if pattern is None else pattern.name
        context.fail(
            ("pipeline",), f"options of a pipeline for {name}", "execution: pipeline, or no key pipeline"
        )
    given = {key: getattr(pipeline_of(options), key) for key in options.model_fields_set}
    return replace(pattern, **given)


def cost_of(context: Context, model: ModelSpec, devices: int) -> CostModel:
    """The cost model; the number of devices is that of the shards if an engine profile cuts every layer.

    Raises:
        InputError: there are more shards than columns, or too many blocks, or the execution pattern needs another
            projection.
    """
    section = context.file.cost
    if section.ffn_shards > model.ffn_width:
        expected = f"at most the feed-forward width {model.ffn_width}"
        context.fail(("cost", "ffn_shards"), str(section.ffn_shards), expected)
    pattern, used = pattern_of(context), profile_of(context)
    needed: Projection = "gathered" if pattern is None else pattern.projection
    options: dict[str, Any] = {
        "ffn_shards": section.ffn_shards,
        "projection": section.projection or needed,
        "ffn_factor": section.ffn_factor,
    }
    wire, work = (WireFormat(), EngineWork()) if used is None else (used.wire, used.work)
    options |= {"wire": _changed(wire, section.wire), "engine": _changed(work, section.engine)}
    if used is not None and needed == "sharded" and "ffn_shards" not in section.model_fields_set:
        options["ffn_shards"] = min(devices, model.ffn_width)
    kind = COST_MODELS.find(section.model, context.where(("cost", "model")))
    parameters = inspect.signature(kind).parameters
    cost: CostModel = kind(model, **{key: value for key, value in options.items() if key in parameters})
    if pattern is not None and cost.projection != needed:
        expected = f"{needed}, as the execution {pattern.name} needs it, or no projection here"
        context.fail(("cost", "projection"), cost.projection, expected)
    per_layer = model.kv_heads + 1 + cost.ffn_shards
    if model.layers * per_layer > bounds.MOST_BLOCKS:
        got = f"{model.layers} layers of {per_layer} blocks"
        context.fail(("model",), got, f"at most {bounds.MOST_BLOCKS} blocks")
    return cost


def _changed(value: Value, section: Section) -> Value:
    """A value with those fields that the file gives."""
    return replace(value, **{key: getattr(section, key) for key in section.model_fields_set})


def blocks_of(context: Context, model: ModelSpec) -> BlockOptions:
    """The optional blocks."""
    section = context.file.blocks
    default = context.file.cost.model == "decode" and model.vocabulary > 0
    return BlockOptions(
        embed=default if section.embed is None else section.embed,
        lm_head=default if section.lm_head is None else section.lm_head,
    )
