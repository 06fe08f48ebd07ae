"""The schema by key path: allowed sections and their keys."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from headway.simcore.files.schema import ScenarioFile, SyntheticTrace, TraceForm, synthetic_sections
from headway.simcore.files.yaml_document import KeyPath


def sections(key: KeyPath) -> tuple[type[BaseModel], ...]:
    """The section classes allowed at a key path; none for a single value, a list or a mapping of free names."""
    kinds: list[Any] = [ScenarioFile]
    for part in key:
        kinds = [below for kind in kinds for below in _below(kind, part)]
    return tuple(kind for kind in kinds if _is_section(kind))


def names(key: KeyPath) -> tuple[str, ...]:
    """The keys allowed at a key path; none without a section, or in a mapping of free names."""
    return tuple(dict.fromkeys(name for section in sections(key) for name in section.model_fields))


def is_trace(key: KeyPath, value: object) -> bool:
    """Whether the value at a key path is a trace of any form, but not a constant."""
    return isinstance(value, dict) and any(issubclass(section, TraceForm) for section in sections(key))


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """The plain annotations of `part` of a value with the annotation `kind`."""
    if _is_section(kind):
        if part in kind.model_fields:
            yield from _plain(kind.model_fields[part].annotation)
    elif get_origin(kind) is dict:
        yield from _plain(get_args(kind)[1])
    elif get_origin(kind) is list:
        yield from _plain(get_args(kind)[0])


def _plain(kind: Any) -> Iterator[Any]:
    """The members of a union, without metadata."""
    if get_origin(kind) is Annotated:
        yield from _plain(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for alternative in get_args(kind):
            yield from _plain(alternative)
    elif kind is SyntheticTrace:
        yield from synthetic_sections()
    else:
        yield kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
