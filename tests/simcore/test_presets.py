"""Presets by the texts that mention them, and what is known about each."""

import pytest

from headway.simcore.world.presets import PRESETS, model_named, preset, preset_entry


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Llama 3 8B", "llama-3-8b"),
        ("Llama 3-8B", "llama-3-8b"),
        ("llama3 8b", "llama-3-8b"),
        ("Llama 3 8B (label conflict: 7B?)", "llama-3-8b"),
        ("Llama 3.1 8B + draft Llama 3.2 1B", "llama-3.1-8b"),
        ("Llama 3.1/3.3 70B", "llama-3.1-70b"),
        ("LLaMA 30B", "llama-1-30b"),
        ("Meta-Llama-3-8B-Instruct", "llama-3-8b"),
        ("DeepSeek-R1-Distill-Llama-8B", "deepseek-r1-distill-llama-8b"),
        ("DeepSeek V3 671B (37B active)", "deepseek-v3"),
        ("DeepSeek V3.1 671B", "deepseek-v3.1"),
        ("Qwen-2.5-14B", "qwen2.5-14b"),
        ("Qwen-2.5-32B / QwQ-32B", "qwen2.5-32b"),
        ("Qwen2.5 32B + draft 0.5B", "qwen2.5-32b"),
        ("Qwen3-30B-A3B (MoE, 8 of 128 experts)", "qwen3-30b-a3b"),
        ("Qwen3-Coder-Next 80B", "qwen3-next-80b-a3b"),
        ("28-layer dim-3072 model (bytes match Llama 3.2 3B; not named in the text)", "llama-3.2-3b"),
        ("GLM-4.7-Flash (deepseek2 arch, 30B-A3B, 47 layers)", "glm-4.7-flash"),
        ("GLM-4.6 355B-A32B", "glm-4.6"),
        ("MiniMax-M2.7 230B-A10B", "minimax-m2.7"),
        ("Kimi K2 Thinking 1T A32B", "kimi-k2"),
        ("gpt-oss-120b (117B-A5B)", "gpt-oss-120b"),
        ("BLOOM-176B", "bloom-176b"),
        ("paper-8x512", "paper-8x512"),
    ],
)
def test_a_text_names_its_first_model(text: str, name: str) -> None:
    assert model_named(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "(36 layers)", "8B (name and quantisation in the log)", "Llama 3.1 80B", "MyQwen3 8B", "GPT 5"],
)
def test_a_text_without_a_known_model_names_none(text: str) -> None:
    assert model_named(text) is None


@pytest.mark.parametrize("name", PRESETS)
def test_every_name_and_alias_names_its_preset(name: str) -> None:
    assert [model_named(alias) for alias in (name, *preset_entry(name).aliases)] == [name] * (
        1 + len(preset_entry(name).aliases)
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_states_a_source_and_how_well_its_shape_is_known(name: str) -> None:
    entry = preset_entry(name)
    assert entry.source
    assert entry.quality in ("published", "derived", "guessed")
    assert entry.model is preset(name)
    assert entry.model.extra_parameters >= 0


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("deepseek-v4-flash", 284e9, 13.9e9),
        ("glm-5.2", 744e9, 40e9),
        ("glm-5.3-flash", 313e9, 18e9),
        ("laguna-s-2.1", 118e9, 8e9),
        ("qwen3.8-flash-next-177b", 177e9, 6e9),
        ("minimax-m2.7", 229e9, 10e9),
        ("qwen3.6-27b", 27e9, 27e9),
    ],
)
def test_a_shape_that_is_not_published_has_the_published_sizes(
    name: str, total: float, active: float
) -> None:
    assert preset(name).parameters == pytest.approx(total, rel=0.01)
    assert preset(name).active_parameters == pytest.approx(active, rel=0.12)
