"""Read scenario files and shipped scenarios."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.scenario import scenario_of
from headway.simcore.files.library_keys import with_library
from headway.simcore.files.mistakes import validated
from headway.simcore.files.overrides.changes import Change, Scale, parse_change, parts_of
from headway.simcore.files.overrides.edit import apply_changes
from headway.simcore.files.yaml_document import Document, document_of, read_document
from headway.simcore.scenario import Scenario
from headway.simcore.world.library import LibraryUse
from headway.traces import InputError
from headway.traces.errors import nearest, one_of, quoted


def load_scenario(
    path: str | os.PathLike[str],
    *,
    seed: int | None = None,
    changes: Sequence[Change | str] = (),
    origin: str | os.PathLike[str] | None = None,
) -> Scenario:
    """Read a scenario file.

    Args:
        path: of the YAML file (`shipped_scenario` returns that of a shipped scenario). Paths of traces and model
            configurations in the file are relative to its folder.
        seed: replaces the seed in the file.
        changes: of the content of the file, applied in order; as text, or as results of `parse_change`.
        origin: path of the original if this file is a copy; paths in the file are then relative to the original.

    Raises:
        InputError: a value in the file, or a file that it names, cannot be used.
    """
    return open_scenario(path, changes=changes, origin=origin)(seed)


def open_scenario(
    path: str | os.PathLike[str],
    *,
    changes: Sequence[Change | str] = (),
    origin: str | os.PathLike[str] | None = None,
) -> Callable[[int | None], Scenario]:
    """Read a scenario file once for many seeds: returns `load_scenario` as a function of the seed."""
    name = os.fspath(path)
    near = "" if os.path.exists(name) else nearest(name, shipped_scenarios())
    if near:
        got = "a shipped scenario" if near == name else "no such file"
        raise InputError(name, got, f"the path of a scenario file, such as shipped_scenario({near!r})")
    document = read_document(path)
    if origin is not None:
        document = replace(document, path=os.fspath(origin))
    return _open(document, changes)


def build_scenario(values: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".") -> Scenario:
    """Build a scenario from the keys and values of a scenario file.

    Args:
        values: plain Python values: mappings, sequences, text, numbers, true and false.
        folder: to which paths of traces and model configurations are relative.

    Raises:
        InputError: a value, or a file that is named, cannot be used.
    """
    return _open(document_of(values, folder), ())(None)


def _open(document: Document, changes: Sequence[Change | str]) -> Callable[[int | None], Scenario]:
    parsed = [parse_change(change) if isinstance(change, str) else change for change in changes]
    document, uses = _changed(document, parsed)
    file = validated(document, schema.ScenarioFile)

    def scenario(seed: int | None) -> Scenario:
        if seed is not None and not 0 <= seed < bounds.MOST_SEEDS:
            raise InputError("seed", quoted(seed), f"a whole number from 0 to {bounds.MOST_SEEDS - 1}")
        world = scenario_of(Context(document, file, file.seed if seed is None else seed))
        return replace(world, changes=tuple(change.text for change in parsed), provenance=uses)

    return scenario


def _changed(document: Document, changes: Sequence[Change]) -> tuple[Document, tuple[LibraryUse, ...]]:
    """The document after all changes with the values of the library, and the list of these values."""
    uses: tuple[LibraryUse, ...] = ()
    for change in changes:
        if isinstance(change, Scale):  # The factor may be for a value that the library gives.
            path = parts_of(change.path, change.place or f"change {quoted(change.text)}")
            document, scaled = with_library(document, tuple(path))
            uses += scaled
        document = apply_changes(document, [change])
    document, others = with_library(document)
    return document, uses + others


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with Headway, sorted."""
    folder = resources.files("headway.simcore") / "scenarios"
    names = (item.name for item in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def shipped_scenario(name: str) -> Path:
    """The file of a scenario that comes with Headway.

    Raises:
        InputError: no shipped scenario has this name.
    """
    if name not in shipped_scenarios():
        raise InputError("scenario", quoted(name), one_of(name, shipped_scenarios()))
    return Path(str(resources.files("headway.simcore") / "scenarios" / f"{name}.yaml"))


def scenario_path(name: str, folder: str | os.PathLike[str] = "") -> Path:
    """The file of the shipped scenario `name`, otherwise the path `name` in a folder, which may not exist."""
    return shipped_scenario(name) if name in shipped_scenarios() else Path(folder) / name
