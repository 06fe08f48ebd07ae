"""Shapes of decoders as flat keys: those of `model.shape` in a scenario file and of the presets."""

from collections.abc import Mapping
from typing import Any

from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window
from headway.simcore.world.model import ModelSpec

_PLAIN = (
    *("layers", "width", "heads", "kv_heads", "head_size", "ffn_width"),
    *("gated_ffn", "vocabulary", "context_length", "input_weights"),
)
_PARTS: Mapping[str, tuple[type, Mapping[str, str]]] = {
    "experts": (
        Experts,
        {
            "experts": "count",
            "active_experts": "active",
            "expert_width": "width",
            "shared_experts": "shared",
            "dense_layers": "dense_layers",
        },
    ),
    "latent": (
        LatentAttention,
        {key: key for key in ("kv_rank", "rope_size", "nope_size", "query_rank")},
    ),
    "window": (Window, {"window": "size", "window_layers": "layers"}),
}
"""The fields of `ModelSpec` that are dataclasses: their class, and the field of it that each key sets."""


def from_shape(name: str, shape: Mapping[str, Any]) -> ModelSpec:
    """The model with these keys.

    Keys may be absent or None. The defaults are: as many key/value heads as heads, or 1 with `kv_rank`; heads of size
    width / heads; an FFN of four times the width, or as wide as the experts of one token; all layers have the window.

    Raises:
        ValueError: the values do not describe a model.
    """
    values = {key: value for key, value in shape.items() if value is not None}
    heads, width = values["heads"], values["width"]
    if "window" in values:
        values.setdefault("window_layers", values["layers"])
    parts = {field: _part(field, values) for field in _PARTS}
    experts = parts["experts"]
    default_width = 4 * width if experts is None else (experts.active + experts.shared) * experts.width
    defaults = {
        "kv_heads": heads if parts["latent"] is None else 1,
        "head_size": width // heads,
        "ffn_width": default_width,
        "gated_ffn": False,
        "vocabulary": 0,
    }
    plain = {key: values[key] for key in _PLAIN if key in values}
    return ModelSpec(name=name, **(defaults | plain | parts))


def shape_of(model: ModelSpec) -> dict[str, Any]:
    """The keys of a model, without those that are None. `from_shape` makes an equal model of them."""
    shape = {key: getattr(model, key) for key in _PLAIN}
    for field, (_, keys) in _PARTS.items():
        part = getattr(model, field)
        if part is not None:
            shape |= {key: getattr(part, attribute) for key, attribute in keys.items()}
    return {key: value for key, value in shape.items() if value is not None}


def _part(field: str, values: Mapping[str, Any]) -> Any:
    kind, keys = _PARTS[field]
    arguments = {attribute: values[key] for key, attribute in keys.items() if key in values}
    return kind(**arguments) if next(iter(keys)) in values else None
