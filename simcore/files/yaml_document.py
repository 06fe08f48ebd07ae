"""A YAML file as plain values that know on which line they stand.

Scenarios travel between people, so a file is read as data and nothing else: no tags, no aliases (which let a small file
unfold into a huge one), no repeated keys (of which plain YAML silently takes the last), bounded size, depth and number
of values. Plain scalars mean what the core schema of YAML 1.2 says, in decimal notation: `no`, `on`, `1:30`, `010` and
2024-01-31 are text and not, as in YAML 1.1, false, true, 90, 8 and a date; and 1e9 is a number.
"""

import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import yaml

from headway.simcore.files.bounds import MOST_BYTES, MOST_DEPTH, MOST_VALUES
from headway.simcore.files.nearby import hint
from headway.traces.errors import InputError, shown
from headway.traces.files import read_input

KeyPath: TypeAlias = tuple[str | int, ...]

_LONGEST_NAME = 64
_SIMPLE_KEY = re.compile(r"[\w-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # A longer one is text: Python takes time quadratic in the digits to read it, and no key wants it.
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,99})", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
)


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Attributes:
        path: as the user named it.
        text: as it stands in the file.
        values: the mapping at its top.
        lines: line number of every key path.
        places: for key paths that come from elsewhere, what to say instead of file and line.
    """

    path: str
    text: str
    values: dict[str, Any]
    lines: dict[KeyPath, int]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def knows(self, key: KeyPath) -> bool:
        """Whether something stands at a key path."""
        return key in self.lines or key in self.places

    def line(self, key: KeyPath) -> int:
        """The line of a key path, or of the nearest one above it; 0 if that does not come from the file."""
        nearest = self._nearest(key)
        return 0 if nearest in self.places else self.lines[nearest]

    def where(self, key: KeyPath) -> str:
        """File and line, or what else a key path comes from, and the path itself, for a message."""
        nearest = self._nearest(key)
        place = self.places.get(nearest) or f"{self.path}:{self.lines[nearest]}"
        return f"{place}: {spelled(key)}" if key else place

    def _nearest(self, key: KeyPath) -> KeyPath:
        while not self.knows(key):
            key = key[:-1]
        return key


def spelled(key: KeyPath) -> str:
    """A key path as messages show it and changes are given it: dots between keys, and quotes about odd ones."""
    return ".".join(str(part) if _SIMPLE_KEY.fullmatch(str(part)) else _quoted(str(part)) for part in key)


def _quoted(key: str) -> str:
    return '"' + key.replace('"', '""') + '"' if len(key) <= 64 and key.isprintable() else shown(key)


def name_of_file(path: str) -> str:
    """What a file without a name of its own is called: as the file is, but fit to be the name of a folder, too."""
    stem = re.sub(r"[^\w .()+,=@-]", "-", Path(path).stem).strip(" .")
    return stem[:_LONGEST_NAME] or "unnamed"


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises:
        InputError: it cannot be read, is too large, or is not plain YAML.
    """
    name = os.fspath(path)
    text = _read_text(name)
    root, lines = _composed(name, text)
    values = _constructed(name, text, root)
    if not isinstance(values, dict):
        raise InputError(name, "no mapping of keys to values", "a scenario, see docs/scenario.md")
    return Document(name, text, values, dict(lines))


def document_of(values: Mapping[str, Any], folder: str | os.PathLike[str]) -> Document:
    """The file that these values would make in a folder; messages name their keys and no lines.

    Raises:
        InputError: there are values that a file cannot have.
    """
    try:
        text = yaml_text(values)
    except yaml.YAMLError as error:
        raise InputError("scenario", str(error).partition("\n")[0], "plain Python values") from error
    root, lines = _composed("scenario", text)
    places = dict.fromkeys(lines, "scenario")
    path = os.path.join(folder, "scenario.yaml")
    return Document(path, text, _constructed("scenario", text, root), {}, places)


def yaml_text(values: Mapping[str, Any]) -> str:
    """Values as the text of a file, which has no aliases.

    Raises:
        yaml.YAMLError: a value has a type that files do not have.
    """
    text: str = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Files have none."""
        return True


def read_value(text: str, where: str) -> Any:
    """The value that a text would have in a file.

    Args:
        text: YAML.
        where: it comes from, for messages.

    Raises:
        InputError: it is not plain YAML.
    """
    try:
        value = _constructed(where, text, _compose(where, text)[0])
    except InputError as error:
        # One line in one place needs no line number.
        raise InputError(where, error.got, error.expected) from error
    return value


def _compose(name: str, text: str) -> tuple[yaml.Node | None, dict[KeyPath, int]]:
    """The nodes of a text, and the lines of its keys."""
    with _told(name, text):
        root: yaml.Node | None = _Loader(name, text).get_single_node()
        return root, {} if root is None else dict(_lines(name, root, ()))


_composed = functools.lru_cache(maxsize=1)(_compose)
"""Who makes thousands of variants of one file reads it as often, and reading text is what takes longest."""


def _constructed(name: str, text: str, root: yaml.Node | None) -> Any:
    """The values of nodes, new ones each time."""
    with _told(name, text):
        return None if root is None else _Loader(name, "").construct_document(root)


@contextmanager
def _told(name: str, text: str) -> Iterator[None]:
    """Tell a user what is wrong with the YAML of theirs."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        if "'\\t' that cannot start any token" in (error.problem or ""):
            raise InputError(
                f"{name}:{line}", "a tab", "spaces: YAML allows no tabs as indentation"
            ) from error
        problem = (error.problem or "a YAML error").removeprefix("but ").removeprefix("found ")
        raise InputError(f"{name}:{line}", problem, "valid YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        got = f"the character {shown(text[error.position])}"
        raise InputError(f"{name}:{line}", got, "text without control characters") from error


class _Loader(yaml.SafeLoader):
    """The safe loader of PyYAML, cut down to what a scenario may hold."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self._name = name
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next value, unless it is of a kind that a scenario may not hold."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        where = f"{self._name}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise InputError(where, f"the alias {shown(event.anchor)}", "the value itself, written out")
        if event.tag is not None:
            raise InputError(where, f"the tag {shown(event.tag)}", "plain values without tags")
        if self._depth == MOST_DEPTH:
            raise InputError(where, f"more than {MOST_DEPTH} levels of nesting", "a flatter file")
        self._values += 1
        if self._values > MOST_VALUES:
            raise InputError(where, f"more than {MOST_VALUES} keys and values", "a smaller file")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first))


def _read_text(name: str) -> str:
    try:
        raw = read_input(name, MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = error.strerror if isinstance(error, OSError) else None
        got = "a folder" if isinstance(error, IsADirectoryError) else (reason or str(error)).lower()
        near = hint(name) if isinstance(error, FileNotFoundError) else ""
        raise InputError(name, got, f"a readable YAML file{near}") from error
    if len(raw) > MOST_BYTES:
        raise InputError(name, f"more than {MOST_BYTES} bytes", "a smaller YAML file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}", "bytes that are not UTF-8 text", "a YAML file in UTF-8") from error


def _lines(name: str, node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """The line of every key path below a node.

    Raises:
        InputError: a key repeats or is not text, or a text holds a control character.
    """
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        _check_text(name, node)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _lines(name, item, (*path, number))
    elif isinstance(node, yaml.MappingNode):
        met: set[str] = set()
        for key, item in node.value:
            where = f"{name}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(where, f"a {key.id} as a key", "keys that are text")
            _check_text(name, key)
            if key.tag != "tag:yaml.org,2002:str":
                raise InputError(where, f"the key {shown(key.value)}", "keys that are text (quote it)")
            if key.value in met:
                raise InputError(where, f"the key {shown(key.value)} a second time", "each key once")
            met.add(key.value)
            yield from _lines(name, item, (*path, key.value))
            # A value may begin on a later line than its key; a message should lead to the key.
            yield (*path, key.value), key.start_mark.line + 1


def _check_text(name: str, node: yaml.ScalarNode) -> None:
    """Refuse what only an escape sequence can bring into a text, and no terminal or file name can take."""
    if met := _CONTROL.search(node.value):
        where = f"{name}:{node.start_mark.line + 1}"
        raise InputError(where, f"the character {shown(met[0])}", "text without control characters")
