"""Validation of a document against a schema, with errors as `InputError`."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import Document, KeyPath
from headway.traces.errors import InputError, quoted

_File = TypeVar("_File", bound=Section)
_ACCEPTED = {
    "string_type": "text; what YAML takes for something else needs quotes",
    "int_type": "a whole number, written in digits",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "string_pattern_mismatch": "letters, digits and ._- (at most 64, the first a letter or a digit)",
    "string_too_short": "a text that is not empty",
    "too_short": "a list or mapping of at least {min_length}",
    "too_long": "a list or mapping of at most {max_length}",
}
"""Texts for the error types of pydantic, with values from the context of the error in braces."""

_MOST_LINES = 10
"""Maximum number of errors in one message."""


class SeveralInputError(InputError):
    """Several errors in one file, one per line of the message; the attributes are those of the first.

    Attributes:
        mistakes: all errors, in the order of their lines.
    """

    def __init__(self, mistakes: Sequence[InputError]) -> None:
        self.mistakes = tuple(mistakes)
        first = self.mistakes[0]
        super().__init__(first.where, first.got, first.expected)

    def __str__(self) -> str:
        lines = [str(mistake) for mistake in self.mistakes[:_MOST_LINES]]
        more = len(self.mistakes) - len(lines)
        return "\n".join([*lines, f"... and {more} more"] if more else lines)

    def __reduce__(self) -> tuple[type["SeveralInputError"], tuple[tuple[InputError, ...]]]:  # type: ignore[override]
        """Let the exception be pickled, so that worker processes can return it."""
        return type(self), (self.mistakes,)


def validated(document: Document, file: type[_File]) -> _File:
    """Validate a document against a schema.

    Raises:
        InputError: one value is wrong.
        SeveralInputError: several values are wrong.
    """
    try:
        return file.model_validate(document.values)
    except ValidationError as error:
        errors = [(_key(document, details), details) for details in error.errors(include_url=False)]
        errors.sort(key=lambda pair: document.line(pair[0]))
        mistakes = [_mistake(document, key, details) for key, details in errors]
        raise (SeveralInputError(mistakes) if len(mistakes) > 1 else mistakes[0]) from error


def _mistake(document: Document, key: KeyPath, details: ErrorDetails) -> InputError:
    """The `InputError` for an error of pydantic."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return InputError(document.where(key[:-1]), f"no key {quoted(key[-1])}", f"the key {key[-1]} here")
    if kind == "headway":
        return InputError(document.where(key), context["got"], context["expected"])
    if kind in _ACCEPTED:
        expected = _ACCEPTED[kind].format(**context)
    else:
        message = details["msg"].removeprefix("Input should be ").removeprefix("Value should be ")
        expected = message[0].lower() + message[1:]
    return InputError(document.where(key), _yaml_text(details["input"]), expected)


def _yaml_text(value: object) -> str:
    """A value in YAML notation."""
    plain = {None: "nothing", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else quoted(value)


def _key(document: Document, details: ErrorDetails) -> KeyPath:
    """The key path of an error: that of pydantic without the tags of union members."""
    key: KeyPath = ()
    for part in details["loc"]:
        if document.knows((*key, part)):
            key = (*key, part)
    if details["type"] == "missing":
        return (*key, details["loc"][-1])
    return (*key, *details.get("ctx", {}).get("key", ()))
