"""Malformed model configs of Hugging Face: each is refused with one sentence that names the file and the key.

A config that Hypothesis damages is a model or is refused, and a scenario with such a model can be run.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from configs import (
    BLOOM_7B1,
    DEEPSEEK_V3,
    GEMMA_2_2B,
    GEMMA_2B,
    GEMMA_3_4B,
    GPT2,
    GPT_OSS_20B,
    LLAMA_2_7B,
    LLAMA_3_8B,
    MINIMAX_M2,
    MISTRAL_7B,
    MIXTRAL_8X7B,
    OPT_1_3B,
    PHI_3_MINI,
    QWEN_1_5_MOE,
    QWEN_2_5_7B,
    QWEN_3_8B,
    QWEN_3_MOE,
    QWEN_3_NEXT,
    Config,
    keys,
    without,
)
from fuzzing import Some, attempt, broken, damaged, examine, small_world, try_out, yaml_of
from hypothesis import given

from headway.simcore import load_scenario
from headway.simcore.files.importers.huggingface import from_config
from headway.traces import InputError

_SHARED_KEYS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size")
REQUIRED: list[tuple[Config, tuple[str, ...]]] = [
    (LLAMA_3_8B, _SHARED_KEYS),
    (MISTRAL_7B, (*_SHARED_KEYS, "num_key_value_heads")),
    (QWEN_2_5_7B, (*_SHARED_KEYS, "num_key_value_heads")),
    (QWEN_3_8B, (*_SHARED_KEYS, "num_key_value_heads", "head_dim")),
    (GEMMA_2B, (*_SHARED_KEYS, "num_key_value_heads", "head_dim")),
    (GEMMA_2_2B, (*_SHARED_KEYS, "num_key_value_heads", "head_dim")),
    (PHI_3_MINI, _SHARED_KEYS),
    (GPT2, ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")),
    (BLOOM_7B1, ("n_layer", "hidden_size", "n_head", "vocab_size")),
    (MIXTRAL_8X7B, (*_SHARED_KEYS, "num_local_experts", "num_experts_per_tok")),
    (QWEN_3_MOE, ("num_experts", "num_experts_per_tok", "moe_intermediate_size", "head_dim")),
    (
        DEEPSEEK_V3,
        ("kv_lora_rank", "qk_nope_head_dim", "v_head_dim", "n_routed_experts", "intermediate_size"),
    ),
    (MINIMAX_M2, ("num_local_experts", "intermediate_size")),
    (QWEN_3_NEXT, ("linear_num_key_heads", "linear_value_head_dim", "linear_conv_kernel_dim")),
    (OPT_1_3B, (*_SHARED_KEYS[:3], "ffn_dim", "max_position_embeddings", "vocab_size")),
]
EACH_REQUIRED = [
    pytest.param(config, key, id=f"{config['model_type']}-{key}") for config, keys in REQUIRED for key in keys
]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes text as a config file and tells where."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "config.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(source: Path | Config) -> InputError:
    with pytest.raises(InputError) as caught:
        from_config(source)
    return caught.value


@pytest.mark.parametrize(("config", "key"), EACH_REQUIRED)
def test_a_missing_or_null_key_is_named_with_the_file(
    config: Config, key: str, written: Callable[[str], Path]
) -> None:
    for wrong in (without(config, key), config | {key: None}):
        path = written(json.dumps(wrong))
        error = refused(path)
        assert error.where == str(path)
        assert error.got == f"no {key}"


@pytest.mark.parametrize("value", ["4096", True, 4096.0, -1, 0, [4096], {"a": 1}, 2**31, 10**30])
@pytest.mark.parametrize(("config", "key"), EACH_REQUIRED)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key(config: Config, key: str, value: object) -> None:
    error = refused(config | {key: value})
    assert error.where == f"config: {key}"
    assert error.got in (repr(value), f"a value of type {type(value).__name__}")


SLIDING = QWEN_2_5_7B | {"use_sliding_window": True, "sliding_window": 4096}
MISTAKES: list[tuple[Config, str, object, str]] = [
    (LLAMA_3_8B, "num_key_value_heads", 5, "5"),
    (GPT2, "n_head", 7, "7"),
    (GPT2, "n_embd", 10**6000, ""),
    (LLAMA_3_8B, "attention_bias", "no", "no"),
    (LLAMA_3_8B, "tie_word_embeddings", 0, "0"),
    (LLAMA_3_8B, "torch_dtype", "float8_e4m3fn", "float8_e4m3fn"),
    (LLAMA_3_8B, "dtype", 16, "16"),
    (GPT2, "add_cross_attention", True, "true"),
    (OPT_1_3B, "do_layer_norm_before", False, "false"),
    (OPT_1_3B, "word_embed_proj_dim", 512, "512"),
    (LLAMA_3_8B, "num_local_experts", 8, "mixture of experts"),
    (QWEN_3_MOE, "num_experts_per_tok", 129, ""),
    (QWEN_3_MOE, "num_experts_per_tok", 0, ""),
    (QWEN_3_MOE, "decoder_sparse_step", 2, ""),
    (QWEN_3_MOE, "mlp_only_layers", [0], ""),
    (QWEN_1_5_MOE, "shared_expert_intermediate_size", 5000, ""),
    (DEEPSEEK_V3, "first_k_dense_replace", 61, ""),
    (DEEPSEEK_V3, "moe_layer_freq", 2, ""),
    (DEEPSEEK_V3, "attention_bias", True, ""),
    (DEEPSEEK_V3, "quantization_config", "fp8", ""),
    (GPT_OSS_20B, "layer_types", ["sliding_attention"], ""),
    (GPT_OSS_20B, "layer_types", ["sliding_attention", "chunked_attention"] * 12, ""),
    (SLIDING, "max_window_layers", 29, ""),
    (QWEN_3_NEXT, "linear_num_value_heads", True, ""),
    (LLAMA_2_7B, "quantization_config", {"bits": 4, "quant_method": "gptq"}, "bytes_per_weight"),
    (LLAMA_2_7B, "model_type", "lama", "gpt2"),
    (LLAMA_2_7B, "model_type", "lama", "did you mean 'llama'?"),
    (LLAMA_2_7B, "model_type", 7, "llama"),
]
"""A config, a key, its value, and a part of the message in lower case."""


@pytest.mark.parametrize(("config", "key", "value", "says"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_value_that_the_model_cannot_have_is_refused_with_its_key(
    config: Config, key: str, value: object, says: str
) -> None:
    error = refused(config | {key: value})
    assert error.where == f"config: {key}"
    assert says in f"{error.got}; {error.expected}".lower()


def test_the_key_of_a_nested_text_config_is_named_with_its_place() -> None:
    error = refused({"model_type": "gemma3", "text_config": GEMMA_3_4B | {"hidden_size": 0}})
    assert error.where == "config: text_config.hidden_size"


@pytest.mark.parametrize("config", [without(LLAMA_2_7B, "model_type"), {}])
def test_the_message_for_a_config_without_a_family_lists_all_families(config: Config) -> None:
    assert "llama" in refused(config).expected


@pytest.mark.parametrize("name", ["absent.json", ".", "\0"])
def test_a_path_that_is_no_readable_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert refused(path).where == str(path)


def test_invalid_json_is_refused_with_its_line(written: Callable[[str], Path]) -> None:
    path = written('{\n  "model_type": "gpt2",\n  "n_layer": ,\n}')
    assert refused(path).where == f"{path}:3"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "invalid JSON"),
        (b"[1, 2]", "[1, 2]"),
        (b"null", "None"),
        (b'"llama"', "'llama'"),
        (b'{"model_type": "gpt2", "n_layer": 1, "n_layer": 2}', "'n_layer' more than once"),
        (b'{"model_type": "gpt2", "inner": {"a": 1, "a": 1}}', "'a' more than once"),
        (b'{"n_layer": 1' + b"0" * 5000 + b"}", "an unusable number"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 400_000, "nested too deeply"),
        (b'{"a":' * 150_000, "nested too deeply"),
        (b" " * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_plain_config_is_refused(
    written: Callable[[bytes], Path], content: bytes, found: str
) -> None:
    path = written(content)
    error = refused(path)
    assert error.where.startswith(str(path))
    assert found in error.got


def test_a_megabyte_of_distinct_keys_before_a_duplicate_is_read_in_linear_time(
    written: Callable[[str], Path],
) -> None:
    """A quadratic search would take minutes here, far beyond any patience of a test run."""
    keys = ",".join(f'"{i:x}":1' for i in range(90_000))
    assert "'a' more than once" in refused(written("{" + keys + ',"a":1}')).got


CONFIG = keys(
    model_type="llama", width=64, layers=2, heads=4, vocabulary=10, kv_heads=2, head_size=16, ffn=99,
    tie_word_embeddings=False, torch_dtype="float16", attention_bias=False, mlp_bias=False,
)  # fmt: skip
OPT = keys(
    model_type="opt", width=64, layers=2, heads=4, vocabulary=10, positions=20, ffn_dim=99, word_embed_proj_dim=64,
    do_layer_norm_before=True,
)  # fmt: skip

WORLD = small_world(model={"config": "config.json"})


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
def test_a_damaged_config_is_a_model_or_is_refused(times: int, tmp_path: Path) -> None:
    path, world = tmp_path / "config.json", tmp_path / "lab.yaml"
    world.write_text(yaml_of(WORLD))
    configs = [CONFIG, OPT, *(config for config, _ in REQUIRED)]

    @given(
        data=damaged(Some(configs)).map(json.dumps).map(str.encode)
        | broken(Some(json.dumps(config).encode() for config in configs))
    )
    def check(data: bytes) -> None:
        path.write_bytes(data)
        model = attempt(lambda: from_config(path), str(path))
        if model is not None:
            assert model.parameters > 0
            assert model.weight_bytes < float("inf")
            try_out(attempt(lambda: load_scenario(world), str(tmp_path)))

    examine(check, 100 * times, at_random=times > 1)
