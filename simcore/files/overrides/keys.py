"""What the schema knows of a key path: which sections may stand there, which keys they have."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from headway.simcore.files.schema import ScenarioFile, SyntheticTrace, TraceForm, synthetic_sections
from headway.simcore.files.yaml_document import KeyPath


def sections(key: KeyPath) -> tuple[type[BaseModel], ...]:
    """The kinds of section that may stand at a key path; none where a single value, a list or free names belong."""
    kinds: list[Any] = [ScenarioFile]
    for part in key:
        kinds = [below for kind in kinds for below in _below(kind, part)]
    return tuple(kind for kind in kinds if _is_section(kind))


def names(key: KeyPath) -> tuple[str, ...]:
    """The keys that the section at a key path may have; none where there is no section, or names are free."""
    return tuple(dict.fromkeys(name for section in sections(key) for name in section.model_fields))


def is_trace(key: KeyPath, value: object) -> bool:
    """Whether a value at a key path describes a trace that varies, in whatever form."""
    return isinstance(value, dict) and any(issubclass(section, TraceForm) for section in sections(key))


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """The annotations, plain ones, of what stands at `part` in a value of an annotation."""
    if _is_section(kind):
        if part in kind.model_fields:
            yield from _plain(kind.model_fields[part].annotation)
    elif get_origin(kind) is dict:
        yield from _plain(get_args(kind)[1])
    elif get_origin(kind) is list:
        yield from _plain(get_args(kind)[0])


def _plain(kind: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without what is said about them."""
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
