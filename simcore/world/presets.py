"""Models by name.

Released models have the shape and the context length (`max_position_embeddings`, `n_positions` of GPT-2) in the
`config.json` of the repository on huggingface.co that is named beside each, with its published number of parameters,
and take 2 bytes per number: the precision they are commonly run at.
"""

from collections.abc import Mapping
from types import MappingProxyType

from headway.simcore.world.model import ModelSpec
from headway.traces.errors import InputError, nearest, quoted


def preset(name: str) -> ModelSpec:
    """The preset called `name`.

    Raises:
        InputError: there is no such preset; the message lists all presets and the most similar one.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = nearest(name, PRESETS)
    hint = f" (did you mean {near}?)" if near else ""
    raise InputError("model preset", quoted(name), f"one of {', '.join(PRESETS)}{hint}")


def _paper(heads: int, width: int) -> ModelSpec:
    """One float32 decoder layer as the paper simulates it: FFN four times the width, no vocabulary."""
    return ModelSpec(
        name=f"paper-{heads}x{width}",
        layers=1,
        width=width,
        heads=heads,
        kv_heads=heads,
        head_size=width // heads,
        ffn_width=4 * width,
        gated_ffn=False,
        vocabulary=0,
        bytes_per_weight=4.0,
        bytes_per_kv=4.0,
        bytes_per_activation=4.0,
    )


def _llama(
    name: str,
    *,
    layers: int,
    width: int,
    heads: int,
    kv_heads: int,
    ffn_width: int,
    vocabulary: int,
    context_length: int,
    extra_per_layer: int = 0,
) -> ModelSpec:
    """A model like Llama: a gated FFN, heads of size width / heads, two norms in each layer and one after the last."""
    return ModelSpec(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_size=width // heads,
        ffn_width=ffn_width,
        gated_ffn=True,
        vocabulary=vocabulary,
        context_length=context_length,
        extra_parameters=(2 * layers + 1) * width + layers * extra_per_layer,
    )


_MODELS = (
    # TinyLlama/TinyLlama-1.1B-Chat-v1.0: 1,100,048,384 parameters.
    _llama(
        "tinyllama-1.1b",
        layers=22,
        width=2048,
        heads=32,
        kv_heads=4,
        ffn_width=5632,
        vocabulary=32000,
        context_length=2048,
    ),
    # meta-llama/Llama-2-7b-hf: 6,738,415,616 parameters.
    _llama(
        "llama-2-7b",
        layers=32,
        width=4096,
        heads=32,
        kv_heads=32,
        ffn_width=11008,
        vocabulary=32000,
        context_length=4096,
    ),
    # meta-llama/Llama-2-13b-hf: 13,015,864,320 parameters.
    _llama(
        "llama-2-13b",
        layers=40,
        width=5120,
        heads=40,
        kv_heads=40,
        ffn_width=13824,
        vocabulary=32000,
        context_length=4096,
    ),
    # meta-llama/Meta-Llama-3-8B: 8,030,261,248 parameters.
    _llama(
        "llama-3-8b",
        layers=32,
        width=4096,
        heads=32,
        kv_heads=8,
        ffn_width=14336,
        vocabulary=128256,
        context_length=8192,
    ),
    # mistralai/Mistral-7B-v0.1: 7,241,732,096 parameters. Its window of 4096 tokens is not represented.
    _llama(
        "mistral-7b",
        layers=32,
        width=4096,
        heads=32,
        kv_heads=8,
        ffn_width=14336,
        vocabulary=32000,
        context_length=32768,
    ),
    # Qwen/Qwen2.5-7B: 7,615,616,512 parameters, with biases of query, key and value.
    _llama(
        "qwen2.5-7b",
        layers=28,
        width=3584,
        heads=28,
        kv_heads=4,
        ffn_width=18944,
        vocabulary=152064,
        context_length=131072,
        extra_per_layer=(28 + 2 * 4) * 128,
    ),
    # Qwen/Qwen3-8B: 8,190,735,360 parameters, with norms of query and key.
    _llama(
        "qwen3-8b",
        layers=36,
        width=4096,
        heads=32,
        kv_heads=8,
        ffn_width=12288,
        vocabulary=151936,
        context_length=40960,
        extra_per_layer=2 * 128,
    ),
    # openai-community/gpt2: 124,439,808 parameters.
    ModelSpec(
        name="gpt2",
        layers=12,
        width=768,
        heads=12,
        kv_heads=12,
        head_size=64,
        ffn_width=3072,
        gated_ffn=False,
        vocabulary=50257,
        context_length=1024,
        tied_embeddings=True,
        # positions; norms with bias; biases of query, key, value, output, FFN down and FFN up
        extra_parameters=1024 * 768 + (2 * 12 + 1) * 2 * 768 + 12 * (5 * 768 + 3072),
    ),
    # facebook/opt-1.3b: 1,315,758,080 parameters.
    ModelSpec(
        name="opt-1.3b",
        layers=24,
        width=2048,
        heads=32,
        kv_heads=32,
        head_size=64,
        ffn_width=8192,
        gated_ffn=False,
        vocabulary=50272,
        context_length=2048,
        tied_embeddings=True,
        # positions, of which 2 stand for padding; norms with bias; biases as in GPT-2
        extra_parameters=(2048 + 2) * 2048 + (2 * 24 + 1) * 2 * 2048 + 24 * (5 * 2048 + 8192),
    ),
    _paper(heads=8, width=512),
    _paper(heads=16, width=1024),
    _paper(heads=32, width=2048),
    _paper(heads=64, width=4096),
)

PRESETS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _MODELS})
"""All presets by name."""
