"""What is asked: a scenario, its variants, policies, and in how many worlds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import yaml
from pydantic import Field

from headway.analysis.statistics import SMALLEST, smallest_difference
from headway.simcore.files.bounds import MOST_SEEDS
from headway.simcore.files.load import scenario_path
from headway.simcore.files.mistakes import validated
from headway.simcore.files.overrides.changes import (
    Change,
    Scale,
    Set,
    parse_change,
    parse_settings,
    settings_text,
)
from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import Document, KeyPath
from headway.traces.errors import InputError, quoted

BASE = "base"
"""What the scenario without the changes of a variant is called."""

REPLICATIONS = 10
_MOST_REPLICATIONS = 10_000

Kind: TypeAlias = Literal["variants", "policies", "sweep"]
Replications: TypeAlias = Annotated[int, Field(ge=1, le=_MOST_REPLICATIONS)]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, complete.

    Attributes:
        scenario: path of the scenario file.
        changes: made to the scenario before everything else, so that they hold for the base too.
        variants: changes by label.
        knob: the values of a sweep, in place of variants.
        policies: names; those of the scenario if empty.
        replications: worlds, each of another seed.
        seed: of the first world; that of the scenario if None.
        smallest: smallest interesting difference, as a share.
    """

    scenario: Path
    changes: tuple[Change, ...] = ()
    variants: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    knob: tuple[Set | Scale, ...] = ()
    policies: tuple[str, ...] = ()
    replications: int = REPLICATIONS
    seed: int | None = None
    smallest: float = SMALLEST

    def __post_init__(self) -> None:
        if not 1 <= self.replications <= _MOST_REPLICATIONS:
            expected = f"a whole number from 1 to {_MOST_REPLICATIONS}"
            raise InputError("replications", quoted(self.replications), expected)
        if self.knob and self.variants:
            raise InputError("sweep", "both variants and a sweep", "only one of them")
        for label, changes in self.variants.items():
            if label == BASE or not label.strip() or not label.isprintable():
                raise InputError(
                    "variants", f"the label {quoted(label)}", f"printable text other than {BASE!r}"
                )
            if not changes:
                raise InputError(
                    "variants", f"the variant {quoted(label)} without a change", "at least one change"
                )

    @property
    def kind(self) -> Kind:
        """What is compared: variants with the base, the values of a knob, or policies in the base."""
        if self.knob:
            return "sweep"
        return "variants" if self.variants else "policies"

    @property
    def cases(self) -> dict[str, tuple[Change, ...]]:
        """Whatever is to be run, by label, with all its changes."""
        if self.knob:
            return {change.text: (*self.changes, change) for change in self.knob}
        variants = {label: (*self.changes, *changes) for label, changes in self.variants.items()}
        return {BASE: self.changes, **variants}


class StudyFile(Section):
    """A study as a YAML file."""

    base: Annotated[str, Field(min_length=1)]
    changes: list[str] = Field(default_factory=list)
    variants: dict[str, list[str]] = Field(default_factory=dict)
    sweep: str | None = None
    policies: list[str] = Field(default_factory=list)
    replications: Replications = REPLICATIONS
    seed: Annotated[int, Field(ge=0, lt=MOST_SEEDS)] | None = None
    smallest_difference: str | float = SMALLEST


def is_study(document: Document) -> bool:
    """Whether a YAML file is a study and no scenario."""
    return "base" in document.values and "model" not in document.values


def read_study(document: Document) -> Study:
    """The study that a YAML file describes.

    Raises:
        InputError: it cannot be used; with file, line and key.
    """
    file = validated(document, StudyFile)

    def parsed(key: KeyPath, texts: list[str]) -> tuple[Change, ...]:
        return tuple(parse_change(text, document.where((*key, i))) for i, text in enumerate(texts))

    return Study(
        scenario=_base(document, file.base),
        changes=parsed(("changes",), file.changes),
        variants={label: parsed(("variants", label), texts) for label, texts in file.variants.items()},
        knob=() if file.sweep is None else parse_settings(file.sweep, document.where(("sweep",))),
        policies=tuple(file.policies),
        replications=file.replications,
        seed=file.seed,
        smallest=smallest_difference(file.smallest_difference, document.where(("smallest_difference",))),
    )


def study_text(study: Study) -> str:
    """The text of a study file for the copy of the scenario in the same folder, `scenario.yaml`."""
    keys = {
        "base": "scenario.yaml",
        "changes": _texts(study.changes),
        "variants": {label: _texts(changes) for label, changes in study.variants.items()},
        "sweep": settings_text(study.knob) if study.knob else None,
        "policies": list(study.policies),
        "replications": study.replications,
        "seed": study.seed,
        "smallest_difference": study.smallest,
    }
    present = {key: value for key, value in keys.items() if value not in ([], {}, None)}
    return yaml.safe_dump(present, sort_keys=False, allow_unicode=True, width=100)


def _texts(changes: Iterable[Change]) -> list[str]:
    return [change.text for change in changes]


def _base(document: Document, name: str) -> Path:
    """The shipped scenario of this name, else the file at this path from the study."""
    return scenario_path(name, Path(document.path).parent)


def parse_variant(text: str) -> tuple[str, tuple[Change, ...]]:
    """A variant as the command line has it, `label: change; change`.

    Raises:
        InputError: it has no label, or a change is none.
    """
    label, colon, changes = text.partition(":")
    label = label.strip()
    if not colon or not label:
        expected = 'a label and changes, such as "slow: links.wifi.bandwidth*0.5; drop devices.pi"'
        raise InputError("--variant", quoted(text), expected)
    parts = [part.strip() for part in _between_semicolons(changes)]
    return label, tuple(parse_change(part, f"--variant {label}: {part}") for part in parts)


def _between_semicolons(text: str) -> Iterable[str]:
    """The parts of a text; a semicolon in quotes does not end one."""
    begin, quote = 0, ""
    for i, letter in enumerate(text):
        if letter == ";" and not quote:
            yield text[begin:i]
            begin = i + 1
        elif letter in "\"'" and quote in ("", letter):
            quote = "" if quote else letter
    yield text[begin:]
