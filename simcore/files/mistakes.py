"""The first mistake that a schema finds in a file, in our words."""

from typing import NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headway.simcore.files.section import Section
from headway.simcore.files.yaml_document import Document, KeyPath
from headway.traces.errors import InputError, shown

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
}
"""In our words, what pydantic tells in Python's."""


def validated(document: Document, file: type[_File]) -> _File:
    """What a schema makes of a document.

    Raises:
        InputError: the first thing, from top to bottom, that the schema does not accept.
    """
    try:
        return file.model_validate(document.values)
    except ValidationError as error:
        _tell(document, error)


def _tell(document: Document, error: ValidationError) -> NoReturn:
    """Turn the first mistake that the schema found into one message."""
    found = [(_key(document, details), details) for details in error.errors(include_url=False)]
    key, details = min(found, key=lambda pair: document.line(pair[0]))
    context = details.get("ctx", {})
    if details["type"] == "missing":
        raise InputError(document.where(key[:-1]), f"no key {shown(key[-1])}", f"the key {key[-1]} here")
    if details["type"] == "told":
        raise InputError(document.where(key), context["found"], context["accepted"])
    accepted = _ACCEPTED.get(details["type"])
    if accepted is None:
        message = details["msg"].removeprefix("Input should be ").removeprefix("Value should be ")
        accepted = message[0].lower() + message[1:]
    raise InputError(document.where(key), _written(details["input"]), accepted)


def _written(value: object) -> str:
    """A value as a user of YAML would write it."""
    plain = {None: "nothing", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else shown(value)


def _key(document: Document, details: ErrorDetails) -> KeyPath:
    """The key path of a mistake: pydantic's, without the alternatives of unions that it threads into it."""
    key: KeyPath = ()
    for part in details["loc"]:
        if document.knows((*key, part)):
            key = (*key, part)
    if details["type"] == "missing":
        return (*key, details["loc"][-1])
    return (*key, *details.get("ctx", {}).get("key", ()))
