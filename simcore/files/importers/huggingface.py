"""Model shapes from Hugging Face `config.json` files.

Key names, defaults of absent keys, and the projections and norms with weights follow the configuration and
modelling classes of the `transformers` library, with one table row per `model_type`. Values that determine the
cost of a model are never guessed: an absent key has a default only if the library derives it from other keys
(for instance a head size from the width), or if the library documents a default.

Number formats follow `dtype` (or its older name `torch_dtype`): float32 is 4 bytes, float16 and bfloat16 are
2, for weights, key/value cache and activations. Without a format, numbers take 2 bytes. Weights that are published
in FP8 or MXFP4 take 1 byte and 17/32 bytes each, although a few layers keep a larger format.

Of a model with images, the config in `text_config` is read: its decoder of text.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from headway.simcore.files.bounds import MOST_CONFIG_BYTES
from headway.simcore.files.importers.huggingface_config import Config
from headway.simcore.files.importers.huggingface_families import FAMILIES, Family
from headway.simcore.files.importers.huggingface_parts import (
    expert_extras,
    experts_of,
    input_weights_of,
    latent_of,
    linear_extras,
    window_of,
)
from headway.simcore.world.model import ModelSpec
from headway.traces.errors import InputError, did_you_mean, quoted
from headway.traces.files import json_object, read_text

_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
_EXPERT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts")
_QUANTISED_BYTES = {"fp8": 1.0, "mxfp4": 17 / 32}


def from_config(source: str | Path | Mapping[str, object], name: str | None = None) -> ModelSpec:
    """The model of a Hugging Face `config.json`.

    Args:
        source: path of the file, or its parsed content.
        name: of the model. By default the name of the folder of a `config.json`, the stem of another file, or
            the `model_type` of parsed content.

    Raises:
        InputError: the file cannot be read, the family is unknown, the weights are quantised after publication, or a
            key is missing or invalid.
    """
    config = Config(source, "config") if isinstance(source, Mapping) else _read(Path(source))
    if name is None:
        name = None if isinstance(source, Mapping) else _file_name(Path(source))
    model_type, family, config = _family(config)
    spec = _shape(config, family, name or model_type)
    spec = replace(spec, input_weights=input_weights_of(config, family, spec))
    return replace(spec, extra_parameters=_extra_parameters(config, family, spec))


def _file_name(path: Path) -> str:
    return path.absolute().parent.name if path.name == "config.json" else path.stem


def _read(path: Path) -> Config:
    expected = "a Hugging Face config.json, which is a JSON object"
    return Config(json_object(read_text(path, MOST_CONFIG_BYTES, expected), str(path), expected), str(path))


def _family(config: Config) -> tuple[str, Family, Config]:
    """The name and the keys of the family, and the config of the text decoder with the defaults of the family."""
    expected = f"model_type as one of {', '.join(FAMILIES)}"
    if not config.has("model_type"):
        raise InputError(config.where, "no model_type", expected)
    model_type = config.values["model_type"]
    if not isinstance(model_type, str):
        raise InputError(config.at("model_type"), quoted(model_type), expected)
    text = config.values.get("text_config")
    if model_type not in FAMILIES and isinstance(text, dict) and "text_config" not in text:
        return _family(Config(text, config.file, (*config.path, "text_config")))
    if model_type not in FAMILIES:
        expected += did_you_mean(model_type, FAMILIES)
        raise InputError(config.at("model_type"), quoted(model_type), expected)
    family = FAMILIES[model_type]
    others = {attribute: key for attribute, key in family.other_keys.items() if config.has(key)}
    values = dict(family.defaults) | {key: value for key, value in config.values.items() if value is not None}
    family = replace(family, **others)  # type: ignore[arg-type]
    return model_type, family, Config(values, config.file, config.path)


def _shape(config: Config, family: Family, name: str) -> ModelSpec:
    _check_architecture(config, family)
    layers, width = config.whole_number(family.layers), config.whole_number(family.width)
    heads = config.whole_number(family.heads)
    number_bytes = _number_bytes(config)
    experts = None if family.experts is None else experts_of(config, family.experts, layers)
    if experts is not None and experts.dense_layers == 0:
        ffn_width = (experts.active + experts.shared) * experts.width
    elif _derived(config, family, family.ffn_width):
        ffn_width = 4 * width
    else:
        ffn_width = config.whole_number(family.ffn_width)
    return ModelSpec(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=1 if family.latent else _kv_heads(config, family, heads),
        head_size=_head_size(config, family, width, heads),
        ffn_width=ffn_width,
        gated_ffn=family.gated_ffn,
        vocabulary=config.whole_number("vocab_size"),
        tied_embeddings=config.switch(family.tied),
        bytes_per_weight=_quantised_bytes(config) or number_bytes,
        bytes_per_kv=number_bytes,
        bytes_per_activation=number_bytes,
        context_length=_context_length(config, family),
        experts=experts,
        latent=latent_of(config) if family.latent else None,
        window=window_of(config, family, layers),
    )


def _context_length(config: Config, family: Family) -> int | None:
    key = family.positions or "max_position_embeddings"
    return config.whole_number(key) if config.has(key) else None


def _check_architecture(config: Config, family: Family) -> None:
    for switch in family.only:
        if config.switch(switch) != switch.default:
            got = str(not switch.default).lower()
            raise InputError(config.at(switch.key), got, f"{str(switch.default).lower()} or no such key")
    for key, only in family.only_numbers.items():
        if config.has(key) and config.whole_number(key) != only:
            raise InputError(config.at(key), quoted(config.values[key]), f"{only} or no such key")
    experts = [key for key in _EXPERT_KEYS if config.values.get(key)]
    if experts and family.experts is None:
        raise InputError(config.at(experts[0]), "a mixture of experts", "a model_type that has experts")
    if config.values.get("mlp_only_layers"):
        got = quoted(config.values["mlp_only_layers"])
        raise InputError(config.at("mlp_only_layers"), got, "an empty list or no such key")
    width_key = family.embedding_width
    if width_key is not None and config.has(width_key):
        given, width = config.whole_number(width_key), config.whole_number(family.width)
        if given != width:
            got = f"{given}, but {family.width} {width}"
            raise InputError(config.at(width_key), got, "embeddings as wide as the hidden state")


def _derived(config: Config, family: Family, key: str | None) -> bool:
    return key is None or (key in family.derivable and not config.has(key))


def _kv_heads(config: Config, family: Family, heads: int) -> int:
    key = family.kv_heads
    if key is None or _derived(config, family, key):
        return heads
    kv_heads = config.whole_number(key)
    if heads % kv_heads:
        raise InputError(config.at(key), f"{kv_heads}", f"a divisor of {family.heads} ({heads})")
    return kv_heads


def _head_size(config: Config, family: Family, width: int, heads: int) -> int:
    key = family.head_size
    if key is not None and not _derived(config, family, key):
        return config.whole_number(key)
    if width % heads:
        raise InputError(config.at(family.heads), f"{heads}", f"a divisor of {family.width} ({width})")
    return width // heads


def _number_bytes(config: Config) -> float:
    key = "dtype" if config.has("dtype") else "torch_dtype"
    if not config.has(key):
        return 2.0
    dtype = config.values[key]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise InputError(
            config.at(key), quoted(dtype), f"{key} as one of {', '.join(_BYTES)}, or no such key"
        )
    return _BYTES[dtype]


def _quantised_bytes(config: Config) -> float | None:
    """Bytes of a weight in a model that is published with quantised weights; None for other models."""
    if not config.has("quantization_config"):
        return None
    section = config.values["quantization_config"]
    method = section.get("quant_method") if isinstance(section, dict) else None
    if not isinstance(method, str) or method not in _QUANTISED_BYTES:
        got = "a quantised model" if method is None else f"a model quantised by {quoted(method)}"
        expected = "the config of the unquantised model, with bytes_per_weight set in the scenario"
        raise InputError(config.at("quantization_config"), got, expected)
    return _QUANTISED_BYTES[method]


def _extra_parameters(config: Config, family: Family, spec: ModelSpec) -> int:
    """Weights outside the matrices: norms, biases, routers and learned positions."""
    norm = spec.width * (2 if family.norm_has_bias else 1)
    linear = spec.window.layers if family.linear and spec.window is not None else 0
    attention = spec.heads if family.sinks else 0
    if spec.latent is not None:
        attention += spec.latent.kv_rank + spec.latent.query_rank
    if config.switch(family.query_key_norms):
        attention += (spec.heads + spec.kv_heads if family.norms_of_all_heads else 2) * spec.head_size
    if config.switch(family.qkv_bias):
        attention += (spec.heads + 2 * spec.kv_heads) * spec.head_size
    if config.switch(family.output_bias):
        attention += spec.width
    total = (spec.layers - linear) * attention + (linear * linear_extras(config) if linear else 0)
    if config.switch(family.ffn_bias):
        total += spec.layers * ((2 if spec.gated_ffn else 1) * spec.ffn_width + spec.width)
    if family.experts is not None and spec.experts is not None:
        total += (spec.layers - spec.experts.dense_layers) * expert_extras(
            family.experts, spec.experts, spec.width
        )
    positions = config.whole_number(family.positions) + family.spare_positions if family.positions else 0
    norms = spec.layers * family.norms_per_layer + family.norms_outside
    return total + norms * norm + positions * spec.width
