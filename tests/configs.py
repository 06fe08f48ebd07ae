"""Configs of released models in the form of Hugging Face, their published sizes, and presets made from them.

Published numbers of parameters are those of the named repositories on huggingface.co: the Safetensors total of the
model page where there is one, else the sum over `model.parameters()` in the `transformers` library, which counts
shared tensors once; without layers that predict several tokens. The configs are those repositories' `config.json`,
shortened to the keys that are read and a few that are not.
"""

Config = dict[str, object]

SHORT = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_size": "head_dim",
    "ffn": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
}
"""Names of the keys that most families share, and what these are called in a config."""


def keys(**values: object) -> Config:
    """A config, or a part of one, by these names."""
    return {SHORT.get(name, name): value for name, value in values.items()}


def decoder(family: str, **values: object) -> Config:
    """A config with what most families share."""
    shared = {"use_cache": True, "rms_norm_eps": 1e-05, "rope_scaling": None, "positions": 4096}
    return keys(**shared | {"model_type": family} | values)


def without(config: Config, key: str) -> Config:
    return {k: v for k, v in config.items() if k != key}


LLAMA_2_7B = decoder("llama",
    layers=32, width=4096, heads=32, kv_heads=32, ffn=11008, vocabulary=32000,
    architectures=["LlamaForCausalLM"], tie_word_embeddings=False, torch_dtype="float16",
)  # fmt: skip
LLAMA_2_13B = decoder(
    "llama", layers=40, width=5120, heads=40, kv_heads=40, ffn=13824, vocabulary=32000, torch_dtype="float16"
)
LLAMA_3_8B = decoder("llama",
    layers=32, width=4096, heads=32, kv_heads=8, ffn=14336, vocabulary=128256, positions=8192,
    attention_bias=False, rope_theta=500000.0, torch_dtype="bfloat16",
)  # fmt: skip
TINYLLAMA = decoder("llama",
    layers=22, width=2048, heads=32, kv_heads=4, ffn=5632, vocabulary=32000, positions=2048,
    torch_dtype="bfloat16",
)  # fmt: skip
MISTRAL_7B = decoder("mistral",
    layers=32, width=4096, heads=32, kv_heads=8, ffn=14336, vocabulary=32000, positions=32768,
    sliding_window=4096, torch_dtype="bfloat16",
)  # fmt: skip
QWEN_2_5_7B = decoder("qwen2",
    layers=28, width=3584, heads=28, kv_heads=4, ffn=18944, vocabulary=152064, positions=131072,
    tie_word_embeddings=False, torch_dtype="bfloat16",
)  # fmt: skip
QWEN_2_5_0_5B = decoder("qwen2",
    layers=24, width=896, heads=14, kv_heads=2, ffn=4864, vocabulary=151936, tie_word_embeddings=True,
    torch_dtype="bfloat16",
)  # fmt: skip
QWEN_3_8B = decoder("qwen3",
    layers=36, width=4096, heads=32, kv_heads=8, head_size=128, ffn=12288, vocabulary=151936, positions=40960,
    attention_bias=False, tie_word_embeddings=False, torch_dtype="bfloat16",
)  # fmt: skip
GEMMA_2B = decoder("gemma",
    layers=18, width=2048, heads=8, kv_heads=1, head_size=256, ffn=16384, vocabulary=256000,
    torch_dtype="bfloat16",
)  # fmt: skip
GEMMA_2_2B = decoder("gemma2",
    layers=26, width=2304, heads=8, kv_heads=4, head_size=256, ffn=9216, vocabulary=256000, dtype="float32",
    sliding_window=4096,
)  # fmt: skip
PHI_3_MINI = decoder("phi3",
    layers=32, width=3072, heads=32, kv_heads=32, ffn=8192, vocabulary=32064, sliding_window=2047,
    tie_word_embeddings=False, torch_dtype="bfloat16",
)  # fmt: skip
GPT2 = keys(
    model_type="gpt2", vocabulary=50257, architectures=["GPT2LMHeadModel"], n_ctx=1024, n_embd=768, n_head=12,
    n_layer=12, n_positions=1024,
)  # fmt: skip
OPT_1_3B = keys(
    model_type="opt", layers=24, width=2048, heads=32, vocabulary=50272, positions=2048,
    _remove_final_layer_norm=False, do_layer_norm_before=True, ffn_dim=8192, torch_dtype="float16",
    word_embed_proj_dim=2048,
)  # fmt: skip
MIXTRAL_8X7B = decoder("mixtral",
    layers=32, width=4096, heads=32, kv_heads=8, ffn=14336, vocabulary=32000, positions=32768,
    num_experts_per_tok=2, num_local_experts=8, sliding_window=None, tie_word_embeddings=False,
    torch_dtype="bfloat16",
)  # fmt: skip
QWEN_1_5_MOE = decoder("qwen2_moe",
    layers=24, width=2048, heads=16, kv_heads=16, ffn=5632, vocabulary=151936, decoder_sparse_step=1,
    moe_intermediate_size=1408, num_experts=60, num_experts_per_tok=4, shared_expert_intermediate_size=5632,
    tie_word_embeddings=False, use_sliding_window=False,
)  # fmt: skip
QWEN_3_MOE = decoder("qwen3_moe",
    layers=48, width=2048, heads=32, kv_heads=4, head_size=128, ffn=6144, vocabulary=151936, positions=40960,
    attention_bias=False, decoder_sparse_step=1, mlp_only_layers=[], moe_intermediate_size=768,
    num_experts=128, num_experts_per_tok=8, sliding_window=None, tie_word_embeddings=False,
    use_sliding_window=False,
)  # fmt: skip
QWEN_3_235B = QWEN_3_MOE | keys(layers=94, width=4096, heads=64, moe_intermediate_size=1536)
QWEN_3_NEXT = QWEN_3_MOE | keys(
    model_type="qwen3_next", heads=16, kv_heads=2, head_size=256, positions=262144, full_attention_interval=4,
    linear_conv_kernel_dim=4, linear_key_head_dim=128, linear_num_key_heads=16, linear_num_value_heads=32,
    linear_value_head_dim=128, moe_intermediate_size=512, num_experts=512, num_experts_per_tok=10,
    shared_expert_intermediate_size=512,
)  # fmt: skip
DEEPSEEK_V2_LITE = decoder("deepseek_v2",
    layers=27, width=2048, heads=16, kv_heads=16, ffn=10944, vocabulary=102400, positions=163840,
    first_k_dense_replace=1, kv_lora_rank=512, moe_intermediate_size=1408, moe_layer_freq=1,
    n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6, q_lora_rank=None, qk_nope_head_dim=128,
    qk_rope_head_dim=64, tie_word_embeddings=False, v_head_dim=128,
)  # fmt: skip
DEEPSEEK_V3 = DEEPSEEK_V2_LITE | keys(
    model_type="deepseek_v3", layers=61, width=7168, heads=128, kv_heads=128, ffn=18432, vocabulary=129280,
    first_k_dense_replace=3, moe_intermediate_size=2048, n_routed_experts=256, n_shared_experts=1,
    num_experts_per_tok=8, num_nextn_predict_layers=1, q_lora_rank=1536,
)  # fmt: skip
KIMI_K2 = DEEPSEEK_V3 | keys(
    model_type="kimi_k2", heads=64, vocabulary=163840, positions=131072, first_k_dense_replace=1,
    n_routed_experts=384,
)  # fmt: skip
GLM_4_7 = decoder("glm4_moe",
    layers=92, width=5120, heads=96, kv_heads=8, head_size=128, ffn=12288, vocabulary=151552, positions=202752,
    attention_bias=True, first_k_dense_replace=3, moe_intermediate_size=1536, n_routed_experts=160,
    n_shared_experts=1, num_experts_per_tok=8, use_qk_norm=True,
)  # fmt: skip
GLM_4_7_FLASH = DEEPSEEK_V3 | keys(
    model_type="glm4_moe_lite", layers=47, width=2048, heads=20, ffn=10240, vocabulary=154880,
    positions=202752, first_k_dense_replace=1, moe_intermediate_size=1536, n_routed_experts=64,
    num_experts_per_tok=4, q_lora_rank=768, qk_nope_head_dim=192, v_head_dim=256,
)  # fmt: skip
MINIMAX_M2 = decoder("minimax_m2",
    layers=62, width=3072, heads=48, kv_heads=8, head_size=128, ffn=1536, vocabulary=200064, positions=196608,
    num_experts_per_tok=8, num_local_experts=256, use_qk_norm=True,
)  # fmt: skip
GPT_OSS_20B = decoder("gpt_oss",
    layers=24, width=2880, heads=64, kv_heads=8, head_size=64, ffn=2880, vocabulary=201088, positions=131072,
    attention_bias=True, layer_types=["sliding_attention", "full_attention"] * 12, num_experts_per_tok=4,
    num_local_experts=32, sliding_window=128, tie_word_embeddings=False,
)  # fmt: skip
GPT_OSS_120B = GPT_OSS_20B | keys(
    layers=36, layer_types=["sliding_attention", "full_attention"] * 18, num_local_experts=128
)
GEMMA_3_4B = keys(
    model_type="gemma3_text", layers=34, width=2560, ffn=10240, positions=131072, sliding_window=1024
)
BLOOM_7B1 = keys(model_type="bloom", width=4096, vocabulary=250880, n_head=32, n_inner=None, n_layer=30)
BLOOM = keys(model_type="bloom", heads=112, vocabulary=250880, n_embed=14336, n_layer=70)

PUBLISHED: dict[str, tuple[Config, int]] = {
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": (TINYLLAMA, 1_100_048_384),
    "meta-llama/Llama-2-7b-hf": (LLAMA_2_7B, 6_738_415_616),
    "meta-llama/Llama-2-13b-hf": (LLAMA_2_13B, 13_015_864_320),
    "meta-llama/Meta-Llama-3-8B": (LLAMA_3_8B, 8_030_261_248),
    "mistralai/Mistral-7B-v0.1": (MISTRAL_7B, 7_241_732_096),
    "Qwen/Qwen2.5-7B": (QWEN_2_5_7B, 7_615_616_512),
    "Qwen/Qwen2.5-0.5B": (QWEN_2_5_0_5B, 494_032_768),
    "Qwen/Qwen3-8B": (QWEN_3_8B, 8_190_735_360),
    "google/gemma-2b": (GEMMA_2B, 2_506_172_416),
    "google/gemma-2-2b": (GEMMA_2_2B, 2_614_341_888),
    "microsoft/Phi-3-mini-4k-instruct": (PHI_3_MINI, 3_821_079_552),
    "openai-community/gpt2": (GPT2, 124_439_808),
    "facebook/opt-1.3b": (OPT_1_3B, 1_315_758_080),
    "mistralai/Mixtral-8x7B-v0.1": (MIXTRAL_8X7B, 46_702_792_704),
    "Qwen/Qwen1.5-MoE-A2.7B": (QWEN_1_5_MOE, 14_315_784_192),
    "Qwen/Qwen3-30B-A3B": (QWEN_3_MOE, 30_532_122_624),
    "Qwen/Qwen3-235B-A22B": (QWEN_3_235B, 235_093_634_560),
    "deepseek-ai/DeepSeek-V2-Lite": (DEEPSEEK_V2_LITE, 15_706_484_224),
    "deepseek-ai/DeepSeek-V3": (DEEPSEEK_V3, 671_026_419_200),
    "openai/gpt-oss-20b": (GPT_OSS_20B, 20_914_757_184),
    "openai/gpt-oss-120b": (GPT_OSS_120B, 116_829_156_672),
    "google/gemma-3-4b-it, text": (GEMMA_3_4B, 3_880_263_168),
    "bigscience/bloom-7b1": (BLOOM_7B1, 7_069_016_064),
    "bigscience/bloom": (BLOOM, 176_247_271_424),
}
"""Repository on huggingface.co, its config, its published number of parameters."""

ROUNDED: dict[str, tuple[Config, float, float]] = {
    "moonshotai/Kimi-K2-Instruct": (KIMI_K2, 1026, 32),
    "zai-org/GLM-4.7": (GLM_4_7, 353, 32),
    "zai-org/GLM-4.7-Flash": (GLM_4_7_FLASH, 30, 3),
    "MiniMaxAI/MiniMax-M2": (MINIMAX_M2, 229, 10),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (QWEN_3_NEXT, 80, 3),
}
"""The same with a number that is published in billions, and that of the parameters that a token uses."""

RELEASED: dict[str, Config] = {
    "tinyllama-1.1b": TINYLLAMA,
    "llama-2-7b": LLAMA_2_7B,
    "llama-2-13b": LLAMA_2_13B,
    "llama-3-8b": LLAMA_3_8B,
    "mistral-7b": MISTRAL_7B,
    "qwen2.5-7b": QWEN_2_5_7B,
    "qwen3-8b": QWEN_3_8B,
    "gpt2": GPT2,
    "opt-1.3b": OPT_1_3B,
    "mixtral-8x7b": MIXTRAL_8X7B,
    "qwen3-30b-a3b": QWEN_3_MOE,
    "qwen3-235b-a22b": QWEN_3_235B,
    "qwen3-next-80b-a3b": QWEN_3_NEXT,
    "deepseek-v2-lite": DEEPSEEK_V2_LITE,
    "deepseek-v3": DEEPSEEK_V3,
    "kimi-k2": KIMI_K2,
    "glm-4.7": GLM_4_7,
    "glm-4.7-flash": GLM_4_7_FLASH,
    "minimax-m2": MINIMAX_M2,
    "gpt-oss-20b": GPT_OSS_20B,
    "gpt-oss-120b": GPT_OSS_120B,
    "gemma-3-4b": GEMMA_3_4B,
}
"""Presets, and the configs that they are made from."""
