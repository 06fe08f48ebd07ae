"""Campaign files in YAML."""

import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from headway import simcore
from headway.analysis.experiments.design import (
    KEEP,
    MOST_RUNS,
    Axis,
    Campaign,
    factors,
    values,
    variants,
)
from headway.simcore.files.bounds import MOST_SEEDS
from headway.simcore.files.load import scenario_path
from headway.simcore.files.mistakes import validated
from headway.simcore.files.overrides.changes import Change, parse_change
from headway.simcore.files.schema import FileName, Name, Policies
from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import Document, KeyPath, name_of_file, read_document
from headway.simcore.scenario import PolicyChoice
from headway.traces.errors import InputError, one_of, quoted


class AxisSection(Section):
    """One axis: `path` with `values` or `factors`, or `variants`."""

    path: str | list[str] | None = Field(
        None, description="key to change, or several keys that get the same change"
    )
    values: list[Any] | None = Field(None, min_length=1, description="values of the key")
    factors: list[Annotated[float, Field(ge=0)]] | None = Field(
        None, min_length=1, description="factors by which the value of the key is multiplied"
    )
    variants: dict[str, list[str]] | None = Field(None, min_length=1, description="lists of changes by label")


class AxesSection(Section):
    """The axes by name."""

    product: dict[Name, AxisSection] = Field(
        default_factory=dict, description="every level is combined with every level of the other axes"
    )
    zip: dict[Name, AxisSection] = Field(default_factory=dict, description="axes that advance together")


class CampaignFile(Section):
    """A campaign file."""

    campaign: Literal[1] = Field(1, description="version of this format")
    name: FileName | None = Field(None, description="the name of the file by default")
    description: str = Field("", description="free text")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a path relative to this file")
    changes: list[str] = Field(
        default_factory=list, description="changes to the scenario in all runs, made first"
    )
    axes: AxesSection = AxesSection()
    policies: Policies = Field(
        default_factory=list, description="policies with parameters; those of the scenario by default"
    )
    seeds: list[Annotated[int, Field(ge=0, lt=MOST_SEEDS)]] | None = Field(
        None, min_length=1, description="seeds of the worlds"
    )
    replications: int | None = Field(
        None, ge=1, le=MOST_RUNS, description="number of worlds, in place of `seeds`"
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=MOST_SEEDS,
        description="seed of the first replication; that of the scenario by default",
    )
    keep: list[str] = Field(list(KEEP), description="tables to keep of every run, see docs/results.md")


def shipped_campaigns() -> tuple[str, ...]:
    """The names of the campaigns that come with Headway."""
    folder = resources.files(__package__) / "shipped"
    names = [item.name for item in folder.iterdir()]
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def shipped_campaign(name: str) -> Path:
    """The file of a campaign that comes with Headway.

    Raises:
        InputError: no campaign has this name.
    """
    if name not in shipped_campaigns():
        raise InputError("campaign", quoted(name), one_of(name, shipped_campaigns()))
    return Path(str(resources.files(__package__) / "shipped" / f"{name}.yaml"))


def read_campaign(path: str | os.PathLike[str]) -> Campaign:
    """Read a campaign file.

    Raises:
        InputError: the file is invalid; the message names file, line and key.
    """
    document = read_document(path)
    file = validated(document, CampaignFile)
    scenario = _scenario(document, file.scenario)
    return Campaign(
        name=file.name or name_of_file(document.path),
        scenario=scenario,
        seeds=_seeds(document, file, scenario),
        changes=_changes(document, ("changes",), file.changes),
        product={
            name: _axis(document, ("axes", "product", name), a) for name, a in file.axes.product.items()
        },
        zipped={name: _axis(document, ("axes", "zip", name), a) for name, a in file.axes.zip.items()},
        policies=_policies(document, file),
        keep=tuple(file.keep),
        text=document.text,
    )


def _scenario(document: Document, name: str) -> Path:
    """The shipped scenario with a name, or the file at a path relative to the campaign file."""
    path = scenario_path(name, Path(document.path).parent)
    if not path.exists():
        known = ", ".join(simcore.shipped_scenarios())
        raise InputError(
            document.where(("scenario",)), quoted(name), f"the path of a scenario, or one of {known}"
        )
    return path


def _seeds(document: Document, file: CampaignFile, scenario: Path) -> tuple[int, ...]:
    if (file.seeds is None) == (file.replications is None):
        got = "neither seeds nor replications" if file.seeds is None else "both seeds and replications"
        raise InputError(document.where(()), got, "either seeds (a list) or replications (a number)")
    if file.seeds is not None:
        if file.seed is not None:
            raise InputError(
                document.where(("seed",)), "both seed and seeds", "seeds alone, or seed with replications"
            )
        return tuple(file.seeds)
    first = simcore.load_scenario(scenario).seed if file.seed is None else file.seed
    return tuple(range(first, first + (file.replications or 0)))


def _changes(document: Document, key: KeyPath, texts: list[str]) -> tuple[Change, ...]:
    return tuple(parse_change(text, document.where((*key, i))) for i, text in enumerate(texts))


def _axis(document: Document, key: KeyPath, axis: AxisSection) -> Axis:
    given = {name for name in ("values", "factors", "variants") if getattr(axis, name) is not None}
    place = document.where(key)
    if len(given) != 1 or (axis.path is None) != (given == {"variants"}):
        keys = [name for name in ("path", *sorted(given)) if name in given or axis.path is not None]
        expected = "path with values, path with factors, or variants"
        raise InputError(place, f"the keys {', '.join(keys) or '(none)'}", expected)
    if axis.path is None:
        levels = {
            label: _changes(document, (*key, "variants", label), texts)
            for label, texts in (axis.variants or {}).items()
        }
        return variants(levels, place)
    if axis.values is not None:
        return values(axis.path, axis.values, place)
    return factors(axis.path, axis.factors or (), place)


def _policies(document: Document, file: CampaignFile) -> tuple[PolicyChoice, ...]:
    choices: dict[str, PolicyChoice] = {}
    for number, section in enumerate(file.policies):
        label = section.label or section.name
        where = document.where(("policies", number))
        if label in choices:
            raise InputError(where, f"a second policy labelled {quoted(label)}", "distinct labels")
        choices[label] = PolicyChoice(
            name=section.name, label=label, parameters=section.parameters, where=where
        )
    return tuple(choices.values())
