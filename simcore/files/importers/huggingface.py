"""Model shapes from Hugging Face `config.json` files.

Key names, defaults of absent keys, and the projections and norms with weights follow the configuration and
modelling classes of the `transformers` library, with one table row per `model_type`. Values that determine the
cost of a model are never guessed: an absent key has a default only if the library derives it from other keys
(for instance a head size from the width), or if the library documents a default of a yes/no switch.

Number formats follow `dtype` (or its older name `torch_dtype`): float32 is 4 bytes, float16 and bfloat16 are
2, for weights, key/value cache and activations. Without a format, numbers take 2 bytes.

Sliding attention windows (Mistral 7B v0.1, Phi-3, Gemma 2) are not modelled: every layer attends to the whole
sequence and caches it. Cache and attention work are exact up to the window and an upper bound beyond it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headway.simcore.files.bounds import MOST_CONFIG_BYTES
from headway.simcore.files.importers.jsonfile import parse_json, read_text
from headway.simcore.world.model import ModelSpec
from headway.traces.errors import InputError, nearest, quoted

_LARGEST_NUMBER = 2**31 - 1
_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
_EXPERT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts", "num_experts_per_tok")


class _Switch(NamedTuple):
    """A yes/no key, and its default in the configuration class of the family."""

    key: str
    default: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Family:
    """The keys and constants of the configs of one `model_type`.

    The first six attributes name keys; `None` if the family has no such key. A key in `derivable` may be absent
    or null: there are then as many key/value heads as query heads, the head size is width / heads, and the FFN
    width is four times the width.
    """

    layers: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    kv_heads: str | None = "num_key_value_heads"
    head_size: str | None = "head_dim"
    ffn_width: str = "intermediate_size"
    derivable: frozenset[str] = frozenset()
    tied: _Switch
    gated_ffn: bool = True
    qkv_bias: bool | _Switch = False
    output_bias: bool | _Switch = False
    ffn_bias: bool | _Switch = False
    norms_per_layer: int = 2
    norm_has_bias: bool = False
    query_key_norms: bool = False
    positions: str | None = None
    spare_positions: int = 0
    only: tuple[_Switch, ...] = ()
    """Switches that must have their default, because the other value is another architecture."""
    embedding_width: str | None = None
    """Key whose value must equal the width, if it is present."""


_UNTIED = _Switch("tie_word_embeddings", default=False)
_TIED = _Switch("tie_word_embeddings", default=True)
_ATTENTION_BIAS = _Switch("attention_bias", default=False)
_OPT_BIAS = _Switch("enable_bias", default=True)

_FAMILIES: Mapping[str, _Family] = {
    "llama": _Family(
        derivable=frozenset({"num_key_value_heads", "head_dim"}),
        tied=_UNTIED,
        qkv_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        ffn_bias=_Switch("mlp_bias", default=False),
    ),
    "mistral": _Family(derivable=frozenset({"head_dim"}), tied=_UNTIED),
    "qwen2": _Family(derivable=frozenset({"head_dim"}), tied=_UNTIED, qkv_bias=True),
    "qwen3": _Family(
        tied=_UNTIED, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, query_key_norms=True
    ),
    "gemma": _Family(tied=_TIED, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS),
    "gemma2": _Family(tied=_TIED, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, norms_per_layer=4),
    "phi3": _Family(derivable=frozenset({"num_key_value_heads", "head_dim"}), tied=_UNTIED),
    "gpt2": _Family(
        layers="n_layer",
        width="n_embd",
        heads="n_head",
        kv_heads=None,
        head_size=None,
        ffn_width="n_inner",
        derivable=frozenset({"n_inner"}),
        tied=_TIED,
        gated_ffn=False,
        qkv_bias=True,
        output_bias=True,
        ffn_bias=True,
        norm_has_bias=True,
        positions="n_positions",
        only=(_Switch("add_cross_attention", default=False),),
    ),
    "opt": _Family(
        kv_heads=None,
        head_size=None,
        ffn_width="ffn_dim",
        tied=_TIED,
        gated_ffn=False,
        qkv_bias=_OPT_BIAS,
        output_bias=_OPT_BIAS,
        ffn_bias=_OPT_BIAS,
        norm_has_bias=True,
        positions="max_position_embeddings",
        spare_positions=2,  # the first two rows of the table stand for padding
        only=(
            _Switch("do_layer_norm_before", default=True),
            _Switch("layer_norm_elementwise_affine", default=True),
            _Switch("_remove_final_layer_norm", default=False),
        ),
        embedding_width="word_embed_proj_dim",
    ),
}


@dataclass(frozen=True, slots=True)
class _Config:
    """The values of one config, and its place for messages."""

    values: Mapping[str, object]
    where: str

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def whole_number(self, key: str) -> int:
        expected = f"{key} as a whole number from 1 to {_LARGEST_NUMBER}"
        if not self.has(key):
            raise InputError(self.where, f"no {key}", expected)
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_NUMBER:
            raise InputError(self.at(key), quoted(value), expected)
        return value

    def switch(self, switch: bool | _Switch) -> bool:
        if isinstance(switch, bool):
            return switch
        if not self.has(switch.key):
            return switch.default
        value = self.values[switch.key]
        if not isinstance(value, bool):
            raise InputError(self.at(switch.key), quoted(value), f"{switch.key} as true or false")
        return value

    def at(self, key: str) -> str:
        return f"{self.where}: {key}"


def from_config(source: str | Path | Mapping[str, object], name: str | None = None) -> ModelSpec:
    """The model of a Hugging Face `config.json`.

    Args:
        source: path of the file, or its parsed content.
        name: of the model. By default the name of the folder of a `config.json`, the stem of another file, or
            the `model_type` of parsed content.

    Raises:
        InputError: the file cannot be read, the family is unknown or not a dense decoder, the weights are
            quantised, or a key is missing or invalid.
    """
    config = _Config(source, "config") if isinstance(source, Mapping) else _read(Path(source))
    _refuse_other_architectures(config)
    model_type, family = _family(config)
    if name is None:
        name = model_type if isinstance(source, Mapping) else _file_name(Path(source))
    spec = _shape(config, family, name)
    return dataclasses.replace(spec, extra_parameters=_extra_parameters(config, family, spec))


def _file_name(path: Path) -> str:
    return path.absolute().parent.name if path.name == "config.json" else path.stem


def _read(path: Path) -> _Config:
    text = read_text(path, MOST_CONFIG_BYTES, "a Hugging Face config.json")
    return _Config(parse_json(text, str(path), "a Hugging Face config.json"), str(path))


def _refuse_other_architectures(config: _Config) -> None:
    model_type = config.values.get("model_type")
    experts = [key for key in _EXPERT_KEYS if config.values.get(key)]
    if experts or (isinstance(model_type, str) and ("moe" in model_type or model_type == "mixtral")):
        got = f"a mixture of experts ({experts[0] if experts else model_type})"
        raise InputError(config.where, got, "dense decoders only")
    if isinstance(model_type, str) and model_type.startswith("gemma3"):
        expected = "models whose layers are alike; most layers of Gemma 3 cache only a short window"
        raise InputError(config.at("model_type"), quoted(model_type), expected)
    if config.has("quantization_config"):
        expected = "the config of the unquantised model, with bytes_per_weight set in the scenario"
        raise InputError(config.at("quantization_config"), "a quantised model", expected)


def _family(config: _Config) -> tuple[str, _Family]:
    expected = f"model_type as one of {', '.join(_FAMILIES)}"
    if not config.has("model_type"):
        raise InputError(config.where, "no model_type", expected)
    model_type = config.values["model_type"]
    if not isinstance(model_type, str):
        raise InputError(config.at("model_type"), quoted(model_type), expected)
    if model_type not in _FAMILIES:
        near = nearest(model_type, _FAMILIES)
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(config.at("model_type"), quoted(model_type), expected + hint)
    return model_type, _FAMILIES[model_type]


def _shape(config: _Config, family: _Family, name: str) -> ModelSpec:
    _check_architecture(config, family)
    width, heads = config.whole_number(family.width), config.whole_number(family.heads)
    number_bytes = _number_bytes(config)
    return ModelSpec(
        name=name,
        layers=config.whole_number(family.layers),
        width=width,
        heads=heads,
        kv_heads=_kv_heads(config, family, heads),
        head_size=_head_size(config, family, width, heads),
        ffn_width=4 * width
        if _derived(config, family, family.ffn_width)
        else config.whole_number(family.ffn_width),
        gated_ffn=family.gated_ffn,
        vocabulary=config.whole_number("vocab_size"),
        tied_embeddings=config.switch(family.tied),
        bytes_per_weight=number_bytes,
        bytes_per_kv=number_bytes,
        bytes_per_activation=number_bytes,
        context_length=_context_length(config, family),
    )


def _context_length(config: _Config, family: _Family) -> int | None:
    key = family.positions or "max_position_embeddings"
    return config.whole_number(key) if config.has(key) else None


def _check_architecture(config: _Config, family: _Family) -> None:
    for switch in family.only:
        if config.switch(switch) != switch.default:
            got = str(not switch.default).lower()
            raise InputError(config.at(switch.key), got, f"{str(switch.default).lower()} or no such key")
    key = family.embedding_width
    if key is not None and config.has(key) and config.whole_number(key) != config.whole_number(family.width):
        got = f"{config.whole_number(key)}, but {family.width} {config.whole_number(family.width)}"
        raise InputError(config.at(key), got, "embeddings as wide as the hidden state")


def _derived(config: _Config, family: _Family, key: str | None) -> bool:
    return key is None or (key in family.derivable and not config.has(key))


def _kv_heads(config: _Config, family: _Family, heads: int) -> int:
    key = family.kv_heads
    if key is None or _derived(config, family, key):
        return heads
    kv_heads = config.whole_number(key)
    if heads % kv_heads:
        raise InputError(config.at(key), f"{kv_heads}", f"a divisor of {family.heads} ({heads})")
    return kv_heads


def _head_size(config: _Config, family: _Family, width: int, heads: int) -> int:
    key = family.head_size
    if key is not None and not _derived(config, family, key):
        return config.whole_number(key)
    if width % heads:
        raise InputError(config.at(family.heads), f"{heads}", f"a divisor of {family.width} ({width})")
    return width // heads


def _number_bytes(config: _Config) -> float:
    key = "dtype" if config.has("dtype") else "torch_dtype"
    if not config.has(key):
        return 2.0
    dtype = config.values[key]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise InputError(
            config.at(key), quoted(dtype), f"{key} as one of {', '.join(_BYTES)}, or no such key"
        )
    return _BYTES[dtype]


def _extra_parameters(config: _Config, family: _Family, spec: ModelSpec) -> int:
    """Weights outside the matrices: norms, biases and learned positions."""
    norm = spec.width * (2 if family.norm_has_bias else 1)
    per_layer = family.norms_per_layer * norm
    if family.query_key_norms:
        per_layer += 2 * spec.head_size
    if config.switch(family.qkv_bias):
        per_layer += (spec.heads + 2 * spec.kv_heads) * spec.head_size
    if config.switch(family.output_bias):
        per_layer += spec.width
    if config.switch(family.ffn_bias):
        per_layer += (2 if spec.gated_ffn else 1) * spec.ffn_width + spec.width
    positions = config.whole_number(family.positions) + family.spare_positions if family.positions else 0
    return spec.layers * per_layer + norm + positions * spec.width
