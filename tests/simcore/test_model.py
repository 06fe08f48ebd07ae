"""Model shapes: what they imply, and how configs become them."""

import dataclasses
import json
from pathlib import Path

import pytest
from configs import (
    GPT2,
    LLAMA_2_7B,
    LLAMA_3_8B,
    MISTRAL_7B,
    OPT_1_3B,
    PHI_3_MINI,
    PUBLISHED,
    RELEASED,
    ROUNDED,
    Config,
    without,
)
from hypothesis import given
from hypothesis import strategies as st

from headway.simcore.files.importers.huggingface import from_config
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.presets import PRESETS, preset
from headway.traces.errors import InputError

TINY = {
    "name": "tiny",
    "layers": 2,
    "width": 8,
    "heads": 4,
    "kv_heads": 2,
    "head_size": 3,
    "ffn_width": 16,
    "gated_ffn": True,
    "vocabulary": 10,
}


class TestModelSpec:
    def test_parameters_are_the_sum_over_matrices_written_out(self) -> None:
        spec = ModelSpec(**TINY, extra_parameters=7)  # type: ignore[arg-type]
        query, key, value, output = 8 * 4 * 3, 8 * 2 * 3, 8 * 2 * 3, 4 * 3 * 8
        gate, up, down = 8 * 16, 8 * 16, 16 * 8
        embedding, head = 10 * 8, 10 * 8
        assert spec.parameters == 2 * (query + key + value + output + gate + up + down) + embedding + head + 7

    def test_tying_saves_one_vocabulary_matrix_and_a_gate_costs_one_ffn_matrix_per_layer(self) -> None:
        spec = ModelSpec(**TINY)  # type: ignore[arg-type]
        assert spec.parameters - dataclasses.replace(spec, tied_embeddings=True).parameters == 10 * 8
        assert spec.parameters - dataclasses.replace(spec, gated_ffn=False).parameters == 2 * 8 * 16

    def test_a_model_without_vocabulary_has_layers_only(self) -> None:
        spec = dataclasses.replace(PRESETS["paper-8x512"], layers=3)
        assert spec.vocabulary == 0
        assert spec.parameters == 3 * PRESETS["paper-8x512"].parameters == 3 * 12 * 512**2

    def test_four_bit_groups_with_scales_take_their_fraction_of_a_byte_per_weight(self) -> None:
        """A group of 32 four-bit weights with one 16-bit scale is 18 bytes."""
        spec = dataclasses.replace(preset("llama-2-7b"), bytes_per_weight=0.5625)
        assert spec.weight_bytes == pytest.approx(6_738_415_616 / 32 * 18, rel=1e-12)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[(f, 0) for f in ("layers", "width", "heads", "kv_heads", "head_size", "ffn_width")],
            ("vocabulary", -1),
            ("extra_parameters", -5),
            ("layers", 2.5),
            ("width", True),
            ("kv_heads", 3),
            ("bytes_per_weight", 0.0),
            ("bytes_per_weight", float("inf")),
            ("bytes_per_kv", float("nan")),
            ("bytes_per_activation", -2.0),
        ],
    )
    def test_an_impossible_value_is_refused_by_field_and_value(self, field: str, value: object) -> None:
        with pytest.raises(ValueError, match=field) as caught:
            ModelSpec(**(TINY | {field: value}))  # type: ignore[arg-type]
        assert str(value) in str(caught.value)

    @given(kv_heads=st.integers(1, 16), group=st.integers(1, 16), head_size=st.integers(1, 256))
    def test_cache_grows_with_key_value_heads_and_not_with_query_heads(
        self, kv_heads: int, group: int, head_size: int
    ) -> None:
        shape = TINY | {"heads": kv_heads * group, "kv_heads": kv_heads, "head_size": head_size}
        spec = ModelSpec(**shape)  # type: ignore[arg-type]
        assert spec.group == group
        assert spec.kv_bytes_per_token == 2 * 2 * kv_heads * head_size * 2.0


class TestPresets:
    @pytest.mark.parametrize(("name", "config"), RELEASED.items())
    def test_released_models_equal_the_import_of_their_published_config(
        self, name: str, config: Config
    ) -> None:
        assert preset(name) == from_config(config, name=name)

    @pytest.mark.parametrize(
        ("name", "bytes_per_token"),
        [
            ("tinyllama-1.1b", 22_528),
            ("llama-2-7b", 524_288),
            ("llama-2-13b", 819_200),
            ("llama-3-8b", 131_072),
            ("mistral-7b", 131_072),
            ("qwen2.5-7b", 57_344),
            ("qwen3-8b", 147_456),
            ("gpt2", 36_864),
            ("opt-1.3b", 196_608),
            ("paper-8x512", 4_096),
        ],
    )
    def test_cache_bytes_per_token_are_exact(self, name: str, bytes_per_token: int) -> None:
        """2 (key and value) x layers x key/value heads x head size x bytes per number, multiplied by hand."""
        assert preset(name).kv_bytes_per_token == bytes_per_token

    @pytest.mark.parametrize(("heads", "width"), [(8, 512), (16, 1024), (32, 2048), (64, 4096)])
    def test_paper_shapes_are_one_float32_layer_whose_heads_tile_the_width(
        self, heads: int, width: int
    ) -> None:
        spec = preset(f"paper-{heads}x{width}")
        assert spec.heads == spec.kv_heads == heads
        assert spec.heads * spec.head_size == width
        assert (spec.layers, spec.ffn_width, spec.gated_ffn, spec.vocabulary) == (1, 4 * width, False, 0)
        assert spec.weight_bytes == 4 * 12 * width**2
        assert spec.bytes_per_kv == spec.bytes_per_activation == 4.0

    def test_every_preset_is_found_under_the_name_it_carries(self) -> None:
        assert set(RELEASED) < set(PRESETS)
        assert all(preset(name).name == name for name in PRESETS)

    def test_a_misspelt_name_is_told_the_closest(self) -> None:
        with pytest.raises(InputError, match=r"'lama-3-8b'.*did you mean 'llama-3-8b'\?"):
            preset("lama-3-8b")

    def test_a_name_like_none_is_told_all(self) -> None:
        with pytest.raises(InputError, match=r"tinyllama-1\.1b") as caught:
            preset("zzz" * 1000)
        assert "did you mean" not in str(caught.value)


class TestFamilies:
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

    def test_biases_of_a_llama_follow_its_switches(self) -> None:
        plain = from_config(LLAMA_3_8B).parameters
        attention = from_config(LLAMA_3_8B | {"attention_bias": True}).parameters
        ffn = from_config(LLAMA_3_8B | {"mlp_bias": True}).parameters
        assert attention - plain == 32 * (4096 + 1024 + 1024 + 4096)
        assert ffn - plain == 32 * (14336 + 14336 + 4096)

    def test_opt_without_biases_keeps_those_of_its_norms(self) -> None:
        difference = (
            from_config(OPT_1_3B).parameters - from_config(OPT_1_3B | {"enable_bias": False}).parameters
        )
        assert difference == 24 * (5 * 2048 + 8192)

    def test_a_head_size_that_is_given_wins_over_width_by_heads(self) -> None:
        """Mistral Nemo (mistralai/Mistral-Nemo-Base-2407): width 5120, 32 heads of 128."""
        spec = from_config(MISTRAL_7B | {"hidden_size": 5120, "head_dim": 128})
        assert (spec.head_size, spec.width) == (128, 5120)

    @pytest.mark.parametrize("config", [LLAMA_2_7B, PHI_3_MINI])
    def test_without_key_value_heads_a_llama_or_phi_is_multi_head(self, config: Config) -> None:
        assert from_config(without(config, "num_key_value_heads")) == from_config(config)
        assert from_config(config | {"num_key_value_heads": None}) == from_config(config)

    def test_the_ffn_of_gpt2_is_four_widths_unless_given(self) -> None:
        assert from_config(GPT2 | {"n_inner": None}).ffn_width == 3072
        assert from_config(GPT2 | {"n_inner": 1000}).ffn_width == 1000

    @pytest.mark.parametrize(
        ("key", "dtype", "expected"),
        [
            ("dtype", "float32", 4.0),
            ("torch_dtype", "float32", 4.0),
            ("dtype", "bfloat16", 2.0),
            ("torch_dtype", "float16", 2.0),
            ("torch_dtype", None, 2.0),
        ],
    )
    def test_every_number_takes_the_bytes_of_the_named_format(
        self, key: str, dtype: str | None, expected: float
    ) -> None:
        spec = from_config(GPT2 | {key: dtype})
        assert spec.bytes_per_weight == spec.bytes_per_kv == spec.bytes_per_activation == expected

    def test_the_newer_name_of_the_format_wins(self) -> None:
        assert from_config(GPT2 | {"dtype": "float32", "torch_dtype": "float16"}).bytes_per_weight == 4.0


class TestFiles:
    def test_a_file_reads_as_its_contents_do_and_lends_its_folder_name(self, tmp_path: Path) -> None:
        (tmp_path / "llama-2-7b").mkdir()
        path = tmp_path / "llama-2-7b" / "config.json"
        path.write_text(json.dumps(LLAMA_2_7B))
        assert from_config(path) == from_config(str(path)) == preset("llama-2-7b")
        assert from_config(path, name="mine").name == "mine"

    def test_a_file_of_another_name_lends_its_stem(self, tmp_path: Path) -> None:
        path = tmp_path / "small.json"
        path.write_text(json.dumps(GPT2))
        assert from_config(path).name == "small"

    def test_a_config_already_parsed_is_called_by_its_family(self) -> None:
        assert from_config(GPT2).name == "gpt2"
