"""A YAML file as plain values that know on which line they stand.

Scenarios travel between people, so a file is read as data and nothing else: no tags, no aliases (which let a small file
unfold into a huge one), no repeated keys (of which plain YAML silently takes the last), bounded size and depth.
"""

import os
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from traces.errors import InputError, shown

KeyPath: TypeAlias = tuple[str | int, ...]

_MOST_BYTES = 1_000_000
_MOST_DEPTH = 20


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Attributes:
        path: as the user named it.
        text: as it stands in the file.
        values: the mapping at its top.
        lines: line number of every key path.
    """

    path: str
    text: str
    values: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, key: KeyPath) -> int:
        """The line of a key path, or of the nearest one above it that stands in the file."""
        while key not in self.lines:
            key = key[:-1]
        return self.lines[key]

    def where(self, key: KeyPath) -> str:
        """File, line and key path, for a message."""
        dotted = ".".join(str(part) for part in key)
        return f"{self.path}:{self.line(key)}" + (f": {dotted}" if dotted else "")


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises:
        InputError: it cannot be read, is too large, or is not plain YAML.
    """
    name = os.fspath(path)
    text = _read_text(name)
    try:
        _check_events(name, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.SafeLoader("").construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise InputError(f"{name}:{line}", error.problem or "a YAML error", "valid YAML") from error
    except yaml.YAMLError as error:
        raise InputError(name, shown(" ".join(str(error).split())), "valid YAML") from error
    except ValueError as error:
        raise InputError(name, str(error), "values that Python can read") from error
    if root is None or not isinstance(values, dict):
        raise InputError(name, "no mapping of keys to values", "a scenario, see docs/scenario.md")
    return Document(name, text, values, dict(_lines(name, root, ())))


def _read_text(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(name, (error.strerror or str(error)).lower(), "a readable YAML file") from error
    if len(raw) > _MOST_BYTES:
        raise InputError(name, f"more than {_MOST_BYTES} bytes", "a smaller YAML file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}", "bytes that are not UTF-8 text", "a YAML file in UTF-8") from error


def _check_events(name: str, text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{name}:{event.start_mark.line + 1}" if event.start_mark else name
        if isinstance(event, yaml.AliasEvent):
            raise InputError(where, f"the alias *{event.anchor}", "the value itself, written out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag not in (None, "!"):
            raise InputError(where, f"the tag {shown(event.tag)}", "plain values without tags")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InputError(where, "a second document", "one document per file")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH:
            raise InputError(where, f"more than {_MOST_DEPTH} levels of nesting", "a flatter file")


def _lines(name: str, node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """The line of every key path below a node.

    Raises:
        InputError: a key repeats or is not text.
    """
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _lines(name, item, (*path, number))
    elif isinstance(node, yaml.MappingNode):
        met: set[Hashable] = set()
        for key, item in node.value:
            where = f"{name}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise InputError(where, f"the key {shown(key.value)}", "keys that are text (quote it)")
            if key.value in met:
                raise InputError(where, f"the key {shown(key.value)} a second time", "each key once")
            met.add(key.value)
            yield from _lines(name, item, (*path, key.value))
            # A value may begin on a later line than its key; a message should lead to the key.
            yield (*path, key.value), key.start_mark.line + 1
