"""Experts, latent attention and windows: what they cost, and the configs that have them."""

import numpy as np
import pytest
from configs import (
    DEEPSEEK_V3,
    GEMMA_2_2B,
    GEMMA_3_4B,
    GPT_OSS_20B,
    MISTRAL_7B,
    PHI_3_MINI,
    QWEN_2_5_7B,
    QWEN_3_NEXT,
    Config,
)
from hypothesis import given
from hypothesis import strategies as st
from test_model import TINY

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
