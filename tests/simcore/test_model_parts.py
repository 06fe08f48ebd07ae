"""Experts, latent attention and windows: what they cost, and the configs that have them.

Expected parameter counts are the published ones of the named repositories on huggingface.co, without layers that
predict several tokens. Where only a rounded number is published, the test says how many digits agree.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_model import GEMMA_2_2B, MISTRAL_7B, PHI_3_MINI, QWEN_2_5_7B, TINY, Config, decoder

from headway.simcore.files.importers.huggingface import from_config
from headway.simcore.world.batch import (
    Batch,
    Totals,
    Windows,
    later,
    one_sequence,
    totals,
    totals_of_stretch,
    without_work,
)
from headway.simcore.world.blocks import Kind
from headway.simcore.world.decode_cost import DecodeCost
from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.presets import PRESETS, preset
from headway.simcore.world.shape import from_shape, shape_of

MIXTRAL_8X7B = decoder(layers=32, width=4096, heads=32, kv_heads=8, ffn=14336, vocabulary=32000) | {
    "model_type": "mixtral",
    "max_position_embeddings": 32768,
    "num_experts_per_tok": 2,
    "num_local_experts": 8,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN_1_5_MOE = decoder(layers=24, width=2048, heads=16, kv_heads=16, ffn=5632, vocabulary=151936) | {
    "model_type": "qwen2_moe",
    "decoder_sparse_step": 1,
    "moe_intermediate_size": 1408,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "shared_expert_intermediate_size": 5632,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
}
QWEN_3_MOE = decoder(
    layers=48, width=2048, heads=32, kv_heads=4, head_size=128, ffn=6144, vocabulary=151936
) | {
    "model_type": "qwen3_moe",
    "max_position_embeddings": 40960,
    "attention_bias": False,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
}
QWEN_3_235B = QWEN_3_MOE | {
    "hidden_size": 4096,
    "moe_intermediate_size": 1536,
    "num_attention_heads": 64,
    "num_hidden_layers": 94,
}
QWEN_3_NEXT = QWEN_3_MOE | {
    "model_type": "qwen3_next",
    "full_attention_interval": 4,
    "head_dim": 256,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "max_position_embeddings": 262144,
    "moe_intermediate_size": 512,
    "num_attention_heads": 16,
    "num_experts": 512,
    "num_experts_per_tok": 10,
    "num_key_value_heads": 2,
    "shared_expert_intermediate_size": 512,
}
DEEPSEEK_V2_LITE = decoder(layers=27, width=2048, heads=16, kv_heads=16, ffn=10944, vocabulary=102400) | {
    "model_type": "deepseek_v2",
    "first_k_dense_replace": 1,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 1408,
    "moe_layer_freq": 1,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "tie_word_embeddings": False,
    "v_head_dim": 128,
}
DEEPSEEK_V3 = DEEPSEEK_V2_LITE | {
    "model_type": "deepseek_v3",
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "vocab_size": 129280,
}
KIMI_K2 = DEEPSEEK_V3 | {
    "model_type": "kimi_k2",
    "first_k_dense_replace": 1,
    "max_position_embeddings": 131072,
    "n_routed_experts": 384,
    "num_attention_heads": 64,
    "vocab_size": 163840,
}
GLM_4_7 = decoder(
    layers=92, width=5120, heads=96, kv_heads=8, head_size=128, ffn=12288, vocabulary=151552
) | {
    "model_type": "glm4_moe",
    "attention_bias": True,
    "first_k_dense_replace": 3,
    "max_position_embeddings": 202752,
    "moe_intermediate_size": 1536,
    "n_routed_experts": 160,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "use_qk_norm": True,
}
GLM_4_7_FLASH = DEEPSEEK_V3 | {
    "model_type": "glm4_moe_lite",
    "first_k_dense_replace": 1,
    "hidden_size": 2048,
    "intermediate_size": 10240,
    "max_position_embeddings": 202752,
    "moe_intermediate_size": 1536,
    "n_routed_experts": 64,
    "num_attention_heads": 20,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 47,
    "q_lora_rank": 768,
    "qk_nope_head_dim": 192,
    "v_head_dim": 256,
    "vocab_size": 154880,
}
MINIMAX_M2 = decoder(
    layers=62, width=3072, heads=48, kv_heads=8, head_size=128, ffn=1536, vocabulary=200064
) | {
    "model_type": "minimax_m2",
    "max_position_embeddings": 196608,
    "num_experts_per_tok": 8,
    "num_local_experts": 256,
    "use_qk_norm": True,
}
GPT_OSS_20B = decoder(
    layers=24, width=2880, heads=64, kv_heads=8, head_size=64, ffn=2880, vocabulary=201088
) | {
    "model_type": "gpt_oss",
    "attention_bias": True,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "num_experts_per_tok": 4,
    "num_local_experts": 32,
    "sliding_window": 128,
    "tie_word_embeddings": False,
}
GPT_OSS_120B = GPT_OSS_20B | {
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "num_hidden_layers": 36,
    "num_local_experts": 128,
}
GEMMA_3_4B: Config = {
    "model_type": "gemma3_text",
    "hidden_size": 2560,
    "intermediate_size": 10240,
    "max_position_embeddings": 131072,
    "num_hidden_layers": 34,
    "sliding_window": 1024,
}
BLOOM_7B1: Config = {
    "model_type": "bloom",
    "hidden_size": 4096,
    "n_head": 32,
    "n_inner": None,
    "n_layer": 30,
    "vocab_size": 250880,
}
BLOOM: Config = {
    "model_type": "bloom",
    "n_embed": 14336,
    "n_layer": 70,
    "num_attention_heads": 112,
    "vocab_size": 250880,
}

# Repository on huggingface.co, its config, its published number of parameters.
PUBLISHED: dict[str, tuple[Config, int]] = {
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

# The same with a number that is published in billions, and that of the parameters that a token uses.
ROUNDED: dict[str, tuple[Config, float, float]] = {
    "moonshotai/Kimi-K2-Instruct": (KIMI_K2, 1026, 32),
    "zai-org/GLM-4.7": (GLM_4_7, 353, 32),
    "zai-org/GLM-4.7-Flash": (GLM_4_7_FLASH, 30, 3),
    "MiniMaxAI/MiniMax-M2": (MINIMAX_M2, 229, 10),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (QWEN_3_NEXT, 80, 3),
}

RELEASED: dict[str, Config] = {
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


def tiny(**changes: object) -> ModelSpec:
    return ModelSpec(**(TINY | changes))  # type: ignore[arg-type]


@st.composite
def mixtures(draw: st.DrawFn) -> ModelSpec:
    count = draw(st.integers(1, 300))
    experts = Experts(
        count=count,
        active=draw(st.integers(1, count)),
        width=draw(st.integers(1, 99)),
        shared=draw(st.integers(0, 2)),
        dense_layers=draw(st.integers(0, 1)),
    )
    return tiny(experts=experts)


class TestExperts:
    @given(mixtures())
    def test_one_token_reads_its_active_experts(self, model: ModelSpec) -> None:
        assert model.ffn_read_weights(1.0) == pytest.approx(model.ffn_active_weights, rel=1e-12)

    @given(mixtures(), st.lists(st.integers(0, 10_000), min_size=2, max_size=9))
    def test_more_tokens_read_more_weights_and_never_more_than_all(
        self, model: ModelSpec, tokens: list[int]
    ) -> None:
        reads = model.ffn_read_weights(np.sort(np.array(tokens, dtype=float)))
        assert np.all(np.diff(reads) >= 0.0)
        assert reads[-1] <= model.ffn_weights * (1 + 1e-12)

    @given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 1000))
    def test_a_mixture_with_all_experts_active_is_a_dense_model(
        self, count: int, width: int, tokens: int
    ) -> None:
        dense = tiny(ffn_width=count * width)
        mixture = tiny(experts=Experts(count=count, active=count, width=width))
        assert mixture.ffn_weights == mixture.ffn_active_weights == dense.ffn_weights
        assert mixture.ffn_read_weights(tokens) == dense.ffn_read_weights(tokens)
        assert mixture.parameters == dense.parameters == mixture.active_parameters

    def test_layers_have_the_mean_of_dense_layers_and_layers_with_experts(self) -> None:
        """Two layers of width 8: one dense with 16 columns, one with 6 experts of 5 columns and a shared one."""
        model = tiny(experts=Experts(count=6, active=2, width=5, shared=1, dense_layers=1))
        assert model.ffn_weights == 3 * 8 * (16 + 7 * 5) / 2
        assert model.ffn_active_weights == 3 * 8 * (16 + 3 * 5) / 2
        assert model.parameters - model.active_parameters == 3 * 8 * 4 * 5

    @pytest.mark.parametrize(
        ("field", "value"), [("active", 7), ("active", 0), ("count", 2.0), ("width", 0), ("shared", -1)]
    )
    def test_impossible_experts_are_refused(self, field: str, value: object) -> None:
        with pytest.raises(ValueError, match=field):
            Experts(**({"count": 6, "active": 2, "width": 5} | {field: value}))  # type: ignore[arg-type]

    def test_a_model_has_at_least_one_layer_with_experts(self) -> None:
        with pytest.raises(ValueError, match="dense_layers"):
            tiny(experts=Experts(count=6, active=2, width=5, dense_layers=2))


class TestLatentAttention:
    def test_the_cache_of_deepseek_v3_has_576_numbers_per_layer(self) -> None:
        """61 layers x (512 + 64) numbers x 2 bytes; the 128 heads of a dense model would have 57 times as many."""
        assert preset("deepseek-v3").kv_bytes_per_token == 61 * 576 * 2 == 70_272

    def test_the_weights_of_one_layer_of_deepseek_v3_are_those_of_its_matrices(self) -> None:
        model = preset("deepseek-v3")
        queries = 7168 * 1536 + 1536 * 128 * (128 + 64)
        keys_and_values = 7168 * (512 + 64) + 512 * 128 * (128 + 128)
        assert model.head_weights == queries + keys_and_values
        assert model.out_weights == 128 * 128 * 7168

    def test_scores_are_computed_in_the_compressed_space(self) -> None:
        assert preset("deepseek-v3").score_flop == 128 * 2 * (576 + 512)

    def test_all_heads_of_a_layer_are_one_block(self) -> None:
        latent = LatentAttention(kv_rank=4, rope_size=2, nope_size=3)
        assert tiny(latent=latent, kv_heads=1).group == 4
        with pytest.raises(ValueError, match="kv_heads must be 1"):
            tiny(latent=latent)


class TestWindow:
    def test_a_window_changes_neither_weights_nor_the_growth_of_a_short_cache(self) -> None:
        windowed = tiny(window=Window(size=5, layers=1))
        assert windowed.parameters == tiny().parameters
        assert windowed.kv_bytes_per_token == tiny().kv_bytes_per_token
        assert windowed.windows == (5.0, 0.5)

    def test_layers_with_linear_attention_cache_nothing(self) -> None:
        assert tiny(window=Window(size=0, layers=1)).kv_bytes_per_token == tiny().kv_bytes_per_token / 2

    def test_only_layers_of_the_model_have_a_window(self) -> None:
        with pytest.raises(ValueError, match="at most the 2 layers, not 3"):
            tiny(window=Window(size=5, layers=3))


class TestConfigs:
    @pytest.mark.parametrize(("config", "parameters"), PUBLISHED.values(), ids=PUBLISHED)
    def test_parameters_equal_the_published_count(self, config: Config, parameters: int) -> None:
        assert from_config(config).parameters == parameters

    @pytest.mark.parametrize(("config", "billions", "active"), ROUNDED.values(), ids=ROUNDED)
    def test_parameters_round_to_the_published_size(
        self, config: Config, billions: float, active: float
    ) -> None:
        model = from_config(config)
        assert round(model.parameters / 1e9) == billions
        vocabulary = model.vocabulary * model.width / 1e9
        assert active - 0.6 < model.active_parameters / 1e9 - vocabulary < active + 1.1

    @pytest.mark.parametrize(("name", "config"), RELEASED.items())
    def test_presets_equal_the_import_of_their_published_config(self, name: str, config: Config) -> None:
        assert preset(name) == from_config(config, name=name)

    @pytest.mark.parametrize(
        ("config", "window"),
        [
            (MISTRAL_7B, Window(size=4096, layers=32)),
            (MISTRAL_7B | {"sliding_window": None}, None),
            (PHI_3_MINI, Window(size=2047, layers=32)),
            (GEMMA_2_2B, Window(size=4096, layers=13)),
            (GEMMA_3_4B, Window(size=1024, layers=29)),
            (GPT_OSS_20B, Window(size=128, layers=12)),
            (QWEN_2_5_7B | {"sliding_window": 131072, "max_window_layers": 28}, None),
            (
                QWEN_2_5_7B | {"sliding_window": 4096, "max_window_layers": 20, "use_sliding_window": True},
                Window(size=4096, layers=8),
            ),
            (QWEN_3_NEXT, Window(size=0, layers=36)),
        ],
    )
    def test_layers_with_a_window_are_those_of_the_config(
        self, config: Config, window: Window | None
    ) -> None:
        assert from_config(config).window == window

    def test_a_model_with_images_is_its_text_decoder(self) -> None:
        assert from_config({"model_type": "gemma3", "text_config": GEMMA_3_4B}, "x") == from_config(
            GEMMA_3_4B, "x"
        )

    @pytest.mark.parametrize(("method", "expected"), [("fp8", 1.0), ("mxfp4", 17 / 32)])
    def test_weights_published_in_a_small_format_take_its_bytes(self, method: str, expected: float) -> None:
        model = from_config(DEEPSEEK_V3 | {"quantization_config": {"quant_method": method}})
        assert model.bytes_per_weight == expected
        assert model.bytes_per_kv == 2.0
        assert model.parameters == 671_026_419_200


@pytest.mark.parametrize("name", PRESETS)
def test_a_shape_has_all_that_decides_the_matrices(name: str) -> None:
    model = preset(name)
    again = from_shape(name, shape_of(model))
    assert shape_of(again) == shape_of(model)
    assert (again.head_weights, again.ffn_weights, again.cache_numbers) == (
        model.head_weights,
        model.ffn_weights,
        model.cache_numbers,
    )


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Sequences that are decoded, prefilled or only kept."""
    sequences = draw(
        st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30), st.booleans()), min_size=1, max_size=4)
    )
    batch = tuple(
        one_sequence(prompt, generated, request)[0]
        for request, (prompt, generated, _) in enumerate(sequences)
    )
    works = [works for _, _, works in sequences]
    if not any(works):
        return batch
    return tuple(
        one if at_work else without_work((one,))[0] for one, at_work in zip(batch, works, strict=True)
    )


class TestSumsWithinWindows:
    @given(batches(), st.integers(0, 40), st.integers(1, 9), st.floats(0.01, 1.0))
    def test_the_sums_of_a_stretch_are_those_of_its_steps(
        self, batch: Batch, size: int, steps: int, share: float
    ) -> None:
        windows = Windows(size, share)
        arrays = totals_of_stretch(batch, steps, windows)
        each = [totals(later(batch, step), windows) for step in range(steps)]
        for field in Totals._fields:
            assert getattr(arrays, field).tolist() == [getattr(one, field) for one in each]

    @given(batches(), st.floats(0.0, 1.0))
    def test_a_window_as_long_as_every_sequence_changes_nothing(self, batch: Batch, share: float) -> None:
        longest = max(one.length for one in batch)
        assert totals(batch, Windows(longest, share)) == totals(batch)

    @given(batches(), st.integers(0, 40))
    def test_a_larger_window_holds_reads_and_scores_no_less(self, batch: Batch, size: int) -> None:
        smaller, larger = (totals(batch, Windows(each, 1.0)) for each in (size, size + 1))
        assert smaller[-3:] <= larger[-3:]
        assert smaller.mean_cached == sum(min(one.length, size) for one in batch)

    def test_a_prefill_scores_a_triangle_and_then_a_band(self) -> None:
        """Of 10 positions with a window of 4: 4^2 / 2 pairs, then 6 positions with 4 each."""
        assert totals(one_sequence(prompt=10, generated=0), Windows(4.0, 1.0)).mean_pairs == 8 + 24

    def test_a_decode_step_of_gpt_oss_reads_half_of_its_layers_within_the_window(self) -> None:
        """Position 1000: 18 layers read 1000 positions, 18 read 128, of 2 x 8 heads x 64 numbers of 2 bytes."""
        model = preset("gpt-oss-120b")
        cost = DecodeCost(model).step(one_sequence(prompt=999, generated=1))
        read = cost.kv_bytes[Kind.HEAD] * model.layers * model.kv_heads
        assert read == pytest.approx(18 * (1000 + 128) * 2 * 8 * 64 * 2, rel=1e-12)

    def test_linear_attention_reads_no_cache(self) -> None:
        model = tiny(window=Window(size=0, layers=2))
        cost = DecodeCost(model).step(one_sequence(prompt=9, generated=3))
        assert cost.kv_bytes[Kind.HEAD] == 0.0
        assert cost.memory_bytes[Kind.HEAD] == model.head_weights * model.bytes_per_weight


class TestCosts:
    def test_a_decode_step_of_a_mixture_reads_its_active_experts_and_holds_all(self) -> None:
        model = preset("mixtral-8x7b")
        cost = DecodeCost(model).step(one_sequence(prompt=9, generated=1))
        expert = 3 * 4096 * 14336
        assert cost.weight_bytes[Kind.FFN] == pytest.approx(2 * 2 * expert, rel=1e-12)
        assert cost.work_flop[Kind.FFN] == 2 * 2 * expert
        assert cost.memory_bytes[Kind.FFN] == 2 * 8 * expert

    def test_a_prefill_of_a_mixture_reads_nearly_all_experts(self) -> None:
        cost = DecodeCost(preset("mixtral-8x7b")).step(one_sequence(prompt=16, generated=0))
        assert cost.weight_bytes[Kind.FFN] == pytest.approx(
            2 * 8 * 3 * 4096 * 14336 * (1 - 0.75**16), rel=1e-12
        )
        assert cost.work_flop[Kind.FFN] == 16 * 2 * 2 * 3 * 4096 * 14336
