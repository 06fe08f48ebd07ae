"""Families of Hugging Face models: the keys of their configs, and which projections and norms have weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from headway.simcore.files.importers.huggingface_config import Switch


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertKeys:
    """The keys of a mixture of experts. A router has one weight per expert and number of the hidden state.

    Attributes:
        count: key of the number of routed experts.
        width: key of the width of an expert.
        shared: key of the number of shared experts; None without.
        shared_width: key of the width of all shared experts together, in place of their number.
        shared_gate: the shared expert has a gate, a vector as wide as the hidden state.
        dense_layers: key of the number of dense layers at the start.
        numbers_per_expert: weights of each expert in the router and biases, in addition to the matrix of the router.
        output_biases: each expert has biases of its matrices.
    """

    count: str = "num_experts"
    width: str = "moe_intermediate_size"
    shared: str | None = None
    shared_width: str | None = None
    shared_gate: bool = False
    dense_layers: str | None = None
    numbers_per_expert: int = 0
    output_biases: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """The keys and constants of the configs of one `model_type`.

    The first six attributes name keys; `None` if the family has no such key. A key in `derivable` may be absent
    or null: there are then as many key/value heads as query heads, the head size is width / heads, and the FFN
    width is four times the width.

    Attributes:
        other_keys: keys in place of those that an attribute names, in some published configs.
        defaults: values of absent keys in the configuration class of the family.
        query_key_norms: a norm for queries and one for keys: of a head's size, or of the sizes of all heads together.
        only: switches that must have their default, because the other value is another architecture.
        only_numbers: keys that must have this value or be absent, for the same reason.
        embedding_width: key whose value must equal the width, if it is present.
        window: key of the size of an attention window.
        window_switch: switch that must be on for the window to be used.
        full_every: without `layer_types`, each of so many layers has no window, the first ones have it; 0 if all have.
        experts: keys of the mixture of experts.
        latent: multi-head latent attention.
        gated_queries: W_Q is twice as large, for a gate.
        linear: some layers have linear attention, see `layer_types`.
        sinks: each query head has one more number, the weight of an attention sink.
    """

    layers: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    kv_heads: str | None = "num_key_value_heads"
    head_size: str | None = "head_dim"
    ffn_width: str = "intermediate_size"
    derivable: frozenset[str] = frozenset()
    other_keys: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    tied: Switch
    gated_ffn: bool = True
    qkv_bias: bool | Switch = False
    output_bias: bool | Switch = False
    ffn_bias: bool | Switch = False
    norms_per_layer: int = 2
    norms_outside: int = 1
    norm_has_bias: bool = False
    query_key_norms: bool | Switch = False
    norms_of_all_heads: bool = False
    positions: str | None = None
    spare_positions: int = 0
    only: tuple[Switch, ...] = ()
    only_numbers: Mapping[str, int] = field(default_factory=dict)
    embedding_width: str | None = None
    window: str | None = None
    window_switch: Switch | None = None
    full_every: int = 0
    experts: ExpertKeys | None = None
    latent: bool = False
    gated_queries: bool = False
    linear: bool = False
    sinks: bool = False


_UNTIED = Switch("tie_word_embeddings", default=False)
_TIED = Switch("tie_word_embeddings", default=True)
_ATTENTION_BIAS = Switch("attention_bias", default=False)
_OPT_BIAS = Switch("enable_bias", default=True)
_WINDOW_SWITCH = Switch("use_sliding_window", default=False)

_LLAMA = Family(
    derivable=frozenset({"num_key_value_heads", "head_dim"}),
    tied=_UNTIED,
    qkv_bias=_ATTENTION_BIAS,
    output_bias=_ATTENTION_BIAS,
    ffn_bias=Switch("mlp_bias", default=False),
)
_MISTRAL = Family(derivable=frozenset({"head_dim"}), tied=_UNTIED, window="sliding_window")
_QWEN2 = Family(derivable=frozenset({"head_dim"}), tied=_UNTIED, qkv_bias=True, window_switch=_WINDOW_SWITCH)
_QWEN3 = Family(
    tied=_UNTIED,
    qkv_bias=_ATTENTION_BIAS,
    output_bias=_ATTENTION_BIAS,
    query_key_norms=True,
    window_switch=_WINDOW_SWITCH,
)
_GEMMA = Family(tied=_TIED, qkv_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS)
_GEMMA2 = replace(_GEMMA, norms_per_layer=4, window="sliding_window", full_every=2)
_GPT2 = Family(
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
    only=(Switch("add_cross_attention", default=False),),
)
_DEEPSEEK_EXPERTS = ExpertKeys(
    count="n_routed_experts", shared="n_shared_experts", dense_layers="first_k_dense_replace"
)
_DEEPSEEK_V2 = Family(
    kv_heads=None,
    head_size="v_head_dim",
    tied=_UNTIED,
    latent=True,
    only=(_ATTENTION_BIAS,),
    only_numbers={"moe_layer_freq": 1},
    experts=_DEEPSEEK_EXPERTS,
)
_DEEPSEEK_V3_EXPERTS = replace(_DEEPSEEK_EXPERTS, numbers_per_expert=1)
_DEEPSEEK_V3 = replace(_DEEPSEEK_V2, experts=_DEEPSEEK_V3_EXPERTS)
_QWEN_EXPERTS = {"decoder_sparse_step": 1}

FAMILIES: Mapping[str, Family] = {
    "llama": _LLAMA,
    "mistral": _MISTRAL,
    "mixtral": replace(_MISTRAL, experts=ExpertKeys(count="num_local_experts", width="intermediate_size")),
    "qwen2": _QWEN2,
    "qwen2_moe": replace(
        _QWEN2,
        only_numbers=_QWEN_EXPERTS,
        experts=ExpertKeys(shared_width="shared_expert_intermediate_size", shared_gate=True),
    ),
    "qwen3": _QWEN3,
    "qwen3_moe": replace(_QWEN3, only_numbers=_QWEN_EXPERTS, experts=ExpertKeys()),
    "qwen3_next": replace(
        _QWEN3,
        only_numbers=_QWEN_EXPERTS,
        window_switch=None,
        gated_queries=True,
        linear=True,
        full_every=4,
        experts=ExpertKeys(shared_width="shared_expert_intermediate_size", shared_gate=True),
    ),
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3_text": replace(
        _GEMMA2,
        query_key_norms=True,
        full_every=6,
        defaults={
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 262208,
            "sliding_window": 4096,
        },
    ),
    "phi3": replace(_LLAMA, qkv_bias=False, output_bias=False, ffn_bias=False, window="sliding_window"),
    "deepseek_v2": _DEEPSEEK_V2,
    "deepseek_v3": _DEEPSEEK_V3,
    "kimi_k2": _DEEPSEEK_V3,
    "glm4_moe": Family(
        tied=_UNTIED,
        qkv_bias=_ATTENTION_BIAS,
        query_key_norms=Switch("use_qk_norm", default=False),
        experts=_DEEPSEEK_V3_EXPERTS,
    ),
    "glm4_moe_lite": _DEEPSEEK_V3,
    "minimax_m2": Family(
        tied=_UNTIED,
        query_key_norms=Switch("use_qk_norm", default=True),
        norms_of_all_heads=True,
        experts=ExpertKeys(count="num_local_experts", width="intermediate_size", numbers_per_expert=1),
    ),
    "gpt_oss": Family(
        tied=_UNTIED,
        qkv_bias=Switch("attention_bias", default=True),
        output_bias=Switch("attention_bias", default=True),
        window="sliding_window",
        full_every=2,
        sinks=True,
        experts=ExpertKeys(
            count="num_local_experts", width="intermediate_size", numbers_per_expert=1, output_biases=True
        ),
    ),
    "gpt2": _GPT2,
    "bloom": replace(
        _GPT2,
        width="hidden_size",
        positions=None,
        norms_outside=2,  # one after the embedding, one after the last layer
        only=(),
        other_keys={"layers": "num_hidden_layers", "width": "n_embed", "heads": "num_attention_heads"},
    ),
    "opt": Family(
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
            Switch("do_layer_norm_before", default=True),
            Switch("layer_norm_elementwise_affine", default=True),
            Switch("_remove_final_layer_norm", default=False),
        ),
        embedding_width="word_embed_proj_dim",
    ),
}
"""Families by `model_type`."""
