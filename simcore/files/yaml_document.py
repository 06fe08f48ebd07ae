"""YAML files as plain values with line numbers.

People exchange scenario files, so a file is only data: it has no tags, no aliases (which can expand a small file to a
huge one) and no repeated keys (plain YAML silently takes the last one); size, depth and number of values are limited.
Plain scalars follow the core schema of YAML 1.2 in decimal notation: `no`, `on`, `1:30`, `010` and 2024-01-31 are text,
not false, true, 90, 8 and a date as in YAML 1.1; and 1e9 is a number.
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
from headway.traces.errors import InputError, quoted
from headway.traces.files import read_text

KeyPath: TypeAlias = tuple[str | int, ...]

_LONGEST_NAME = 64
_SIMPLE_KEY = re.compile(r"[\w-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # A longer number is text: Python needs quadratic time to convert it, and no key accepts it.
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,99})", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
)


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Attributes:
        path: as the user named it.
        text: content of the file.
        values: the mapping at the top level.
        lines: line number of every key path in the file.
        places: name of the origin of all other key paths, for messages.
    """

    path: str
    text: str
    values: dict[str, Any]
    lines: dict[KeyPath, int]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def knows(self, key: KeyPath) -> bool:
        """Whether there is a value at a key path."""
        return key in self.lines or key in self.places

    def line(self, key: KeyPath) -> int:
        """The line of a key path, or of its nearest parent in the document; 0 if that is not from the file."""
        nearest = self._nearest(key)
        return 0 if nearest in self.places else self.lines[nearest]

    def where(self, key: KeyPath) -> str:
        """The place of a key path for messages: file and line, or another origin, and the path itself."""
        nearest = self._nearest(key)
        place = self.places.get(nearest) or f"{self.path}:{self.lines[nearest]}"
        return f"{place}: {key_text(key)}" if key else place

    @contextmanager
    def naming(self, key: KeyPath) -> Iterator[None]:
        """Add to an error in another file the key that names the file.

        Raises:
            InputError: the code inside raised one; its place follows that of the key.
        """
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.where(key)}: {error.where}", error.got, error.expected) from error

    def _nearest(self, key: KeyPath) -> KeyPath:
        while not self.knows(key):
            key = key[:-1]
        return key


def key_text(key: KeyPath) -> str:
    """A key path as in messages and changes: dots between keys, quotes around keys with special characters."""
    return ".".join(str(part) if _SIMPLE_KEY.fullmatch(str(part)) else _quoted(str(part)) for part in key)


def _quoted(key: str) -> str:
    return '"' + key.replace('"', '""') + '"' if len(key) <= 64 and key.isprintable() else quoted(key)


def name_of_file(path: str) -> str:
    """The default name of a scenario or campaign: the stem of its file, limited to characters for folder names."""
    stem = re.sub(r"[^\w .()+,=@-]", "-", Path(path).stem).strip(" .")
    return stem[:_LONGEST_NAME] or "unnamed"


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file with a mapping at the top level.

    Raises:
        InputError: the file cannot be read, is too large, or is not plain YAML.
    """
    name = os.fspath(path)
    near = "" if os.path.exists(name) else hint(name)
    text = read_text(name, MOST_BYTES, f"a readable YAML file{near}")
    root, lines = _cached_nodes(name, text)
    values = _values(name, text, root)
    if not isinstance(values, dict):
        raise InputError(name, "no mapping of keys to values", "lines such as 'key: value'")
    return Document(name, text, values, dict(lines))


def document_of(values: Mapping[str, Any], folder: str | os.PathLike[str]) -> Document:
    """The document for a mapping, as if it were a file in a folder; messages have keys without lines.

    Raises:
        InputError: a value has a type that files do not have.
    """
    try:
        text = yaml_text(values)
    except yaml.YAMLError as error:
        raise InputError("scenario", str(error).partition("\n")[0], "plain Python values") from error
    root, lines = _cached_nodes("scenario", text)
    places = dict.fromkeys(lines, "scenario")
    path = os.path.join(folder, "scenario.yaml")
    return Document(path, text, _values("scenario", text, root), {}, places)


def yaml_text(values: Mapping[str, Any]) -> str:
    """A mapping as the text of a YAML file without aliases.

    Raises:
        yaml.YAMLError: a value has a type that files do not have.
    """
    text: str = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated objects in full."""
        return True


def read_value(text: str, where: str) -> Any:
    """Read one YAML value; `where` is its place, for messages.

    Raises:
        InputError: the text is not plain YAML.
    """
    try:
        return _values(where, text, _nodes(where, text)[0])
    except InputError as error:
        raise InputError(where, error.got, error.expected) from error  # without a line number


def _nodes(name: str, text: str) -> tuple[yaml.Node | None, dict[KeyPath, int]]:
    """The YAML nodes of a text, and the lines of its keys."""
    with _input_errors(name, text):
        root: yaml.Node | None = _Loader(name, text).get_single_node()
        return root, {} if root is None else dict(_lines(name, root, ()))


_cached_nodes = functools.lru_cache(maxsize=1)(_nodes)
"""Thousands of variants of a scenario read the same file, and parsing takes most of that time."""


def _values(name: str, text: str, root: yaml.Node | None) -> Any:
    """The values of nodes; each call creates new objects."""
    with _input_errors(name, text):
        return None if root is None else _Loader(name, "").construct_document(root)


@contextmanager
def _input_errors(name: str, text: str) -> Iterator[None]:
    """Convert errors of PyYAML to `InputError`."""
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
        got = f"the character {quoted(text[error.position])}"
        raise InputError(f"{name}:{line}", got, "text without control characters") from error


class _Loader(yaml.SafeLoader):
    """The safe loader of PyYAML, restricted to the values of scenario files."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self._name = name
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read the next value; refuse aliases, tags, and values beyond the limits."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        where = f"{self._name}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise InputError(where, f"the alias {quoted(event.anchor)}", "the value itself, written out")
        if event.tag is not None:
            raise InputError(where, f"the tag {quoted(event.tag)}", "plain values without tags")
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
    _resolver = f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first)
    _Loader.add_implicit_resolver(*_resolver)
    _Dumper.add_implicit_resolver(
        *_resolver
    )  # quotes texts such as 1e5, which are numbers here but not in YAML 1.1


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
        keys: set[str] = set()
        for key, item in node.value:
            where = f"{name}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(where, f"a {key.id} as a key", "keys that are text")
            _check_text(name, key)
            if key.tag != "tag:yaml.org,2002:str":
                raise InputError(where, f"the key {quoted(key.value)}", "keys that are text (quote it)")
            if key.value in keys:
                raise InputError(where, f"the key {quoted(key.value)} a second time", "each key once")
            keys.add(key.value)
            yield from _lines(name, item, (*path, key.value))
            # A value can begin on a later line than its key; messages give the line of the key.
            yield (*path, key.value), key.start_mark.line + 1


def _check_text(name: str, node: yaml.ScalarNode) -> None:
    """Refuse control characters: escape sequences can create them, but terminals and file names cannot use them."""
    if match := _CONTROL.search(node.value):
        where = f"{name}:{node.start_mark.line + 1}"
        raise InputError(where, f"the character {quoted(match[0])}", "text without control characters")
