"""Models by name.

Released models are in `simcore/library/models.yaml`, each with its source, and take 2 bytes per number: the precision
they are commonly run at. The file is read when the first model is needed.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from headway.simcore.library import library_values
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.shape import from_shape
from headway.traces.errors import InputError, did_you_mean, quoted

Quality: TypeAlias = Literal["published", "derived", "guessed"]
"""How well the shape of a preset is known; `simcore/library/models.yaml` explains the words."""

_PAPER = ((8, 512), (16, 1024), (32, 2048), (64, 4096))


@dataclass(frozen=True)
class Preset:
    """A model with the source and the quality of its shape.

    Attributes:
        model: the decoder.
        source: where its shape is published, or the basis of the guess.
        quality: how well the shape is known.
        aliases: other names of the model, see `model_named`.
    """

    model: ModelSpec
    source: str
    quality: Quality
    aliases: tuple[str, ...] = ()


def preset(name: str) -> ModelSpec:
    """The preset called `name`.

    Raises:
        InputError: there is no such preset; the message lists all presets and the most similar one.
    """
    return preset_entry(name).model


def preset_entry(name: str) -> Preset:
    """The preset called `name`, with its source and quality.

    Raises:
        InputError: as `preset`.
    """
    entries = _entries()
    if name in entries:
        return entries[name]
    expected = f"one of {', '.join(entries)}{did_you_mean(name, entries)}"
    raise InputError("model preset", quoted(name), expected)


def model_named(text: str) -> str | None:
    """The name of the preset that a text mentions, such as `DeepSeek-R1-Distill-Llama-8B (8-bit)`.

    The text may have any case, spaces or hyphens. If it mentions several models, the first one counts, and of several
    names that begin at the same place the longest: a draft model usually follows the model that it drafts for.

    Returns:
        None if it mentions no preset.
    """
    places = [
        (match.start(), match.start() - match.end(), name)
        for pattern, name in _patterns()
        if (match := pattern.search(text.lower()))
    ]
    return min(places)[2] if places else None


class _Models(Mapping[str, ModelSpec]):
    """The models of all presets by name."""

    def __getitem__(self, name: str) -> ModelSpec:
        return _entries()[name].model

    def __iter__(self) -> Iterator[str]:
        return iter(_entries())

    def __len__(self) -> int:
        return len(_entries())


PRESETS: Mapping[str, ModelSpec] = _Models()
"""All presets by name."""


@functools.cache
def _entries() -> Mapping[str, Preset]:
    released = {name: _entry(name, values) for name, values in library_values("models.yaml").items()}
    return released | {f"paper-{heads}x{width}": _paper(heads, width) for heads, width in _PAPER}


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """A pattern for each alias and name, with the name of its preset."""
    entries = _entries().items()
    return tuple((_pattern(alias), name) for name, entry in entries for alias in (name, *entry.aliases))


def _pattern(alias: str) -> re.Pattern[str]:
    """Finds an alias as whole words, with any separator between words, which may be absent before a digit."""
    words = re.sub(r"[\s_-]+", " ", alias.lower())
    words = re.sub(r"(?<=[a-z]) ?(?=\d)", "~", words)
    separators = {" ": r"[\s_-]+", "~": r"[\s_-]*"}
    words = "".join(separators.get(letter) or re.escape(letter) for letter in words)
    return re.compile(rf"(?<![\w.]){words}(?![\w.])")


def _entry(name: str, values: Mapping[str, Any]) -> Preset:
    tied = values["shape"].pop("tied_embeddings", False)
    matrices = replace(from_shape(name, values["shape"]), tied_embeddings=tied)
    model = replace(matrices, extra_parameters=values["parameters"] - matrices.parameters)
    return Preset(model, values["source"], values["quality"], tuple(values["aliases"]))


def _paper(heads: int, width: int) -> Preset:
    """One float32 decoder layer as the paper simulates it: FFN four times the width, no vocabulary."""
    model = from_shape(f"paper-{heads}x{width}", {"layers": 1, "width": width, "heads": heads})
    model = replace(model, bytes_per_weight=4.0, bytes_per_kv=4.0, bytes_per_activation=4.0)
    return Preset(model, "arXiv 2505.02533", "published")
