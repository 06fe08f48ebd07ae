"""Types of values in a scenario file: quantities with units, names, and registered parts."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, TypeAlias, TypeGuard

from pydantic import AfterValidator, AllowInfNan, BeforeValidator, Discriminator, Field
from pydantic_core import PydanticCustomError

from headway.simcore.files.bounds import LARGEST, MOST_TOKENS
from headway.simcore.files.section import mistake
from headway.simcore.registry import Registry
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.units import ACCEPTED, UNITS, Quantity, parse

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""The pattern of names, without characters that are special in a shell or a path."""

RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
)
"""Names that Windows reserves for devices, also with a suffix after a dot."""


def bounded(value: object, quantity: Quantity, where: str) -> float:
    """Convert a quantity to SI units, and refuse one above `LARGEST`.

    Raises:
        InputError: the text is not a quantity, or it is too large.
    """
    number = parse(value, quantity, where)
    if number > LARGEST:
        expected = f"{ACCEPTED[quantity]}, at most {LARGEST:g} {_base(quantity)}".rstrip()
        raise InputError(where, quoted(value), expected)
    return number


def _base(quantity: Quantity) -> str:
    """The SI unit of a quantity."""
    return next(unit for unit, factor in UNITS[quantity].items() if factor == 1.0)


def _quantity(quantity: Quantity, least: float = 0.0, *, unlimited: bool = False) -> BeforeValidator:
    def read(value: object) -> float:
        if unlimited and value == "unlimited":
            return math.inf
        number = parsed(value, quantity)
        if number < least:
            raise mistake(quoted(value), f"{ACCEPTED[quantity]}, at least {least:g} {_base(quantity)}")
        return number

    return BeforeValidator(read, json_schema_input_type=str)


def parsed(value: object, quantity: Quantity, *key: str | int) -> float:
    """`bounded` for validators; `key` is the path from the validated section to the value."""
    try:
        return bounded(value, quantity, "")
    except InputError as error:
        raise mistake(error.got, error.expected, *key) from error


def _share(value: object) -> float:
    share = parsed(value, "fraction")
    if share > 1.0:
        raise mistake(quoted(value), "a share, at most 1 (or 100 %)")
    return share


def is_texts(value: object) -> TypeGuard[list[str]]:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def part(registry: Registry[Any]) -> AfterValidator:
    """A validator for the name of a part in a registry."""
    return AfterValidator(partial(_registered, registry=registry))


def _registered(name: str, *, registry: Registry[Any]) -> str:
    if name not in registry.names():
        raise mistake(quoted(name), one_of(name, registry.names()))
    return name


def _file_name(name: str) -> str:
    if name.endswith(".") or name.partition(".")[0].lower() in RESERVED:
        expected = "a file name that is valid on every system: not con or nul, no dot at its end"
        raise mistake(quoted(name), expected)
    return name


def keyed(keys: tuple[str, ...], otherwise: str) -> Discriminator:
    """Choose the type of a section by the key that only that type has; the tag `otherwise` is for other values."""

    def tag(value: object) -> str:
        if isinstance(value, dict):
            return next((f"({key})" for key in keys if key in value), "(unknown)")
        return otherwise

    return Discriminator(tag)


def unknown(what: str, keys: tuple[str, ...]) -> BeforeValidator:
    """A validator that refuses a mapping without any of the keys."""

    def refuse(value: dict[str, object]) -> object:
        raise no_known_key(value, what, keys)

    return BeforeValidator(refuse)


def no_known_key(value: Mapping[str, object], what: str, keys: Iterable[str]) -> PydanticCustomError:
    """The mistake of a mapping with none of the keys that select its form."""
    got = f"the keys {quoted(list(value))}" if value else "no keys"
    return mistake(got, f"{what} one of the keys {', '.join(keys)}")


Seconds: TypeAlias = Annotated[float, _quantity("time")]
SomeBytes: TypeAlias = Annotated[float, _quantity("size", least=1.0)]
SomeRate: TypeAlias = Annotated[float, _quantity("rate", least=1.0)]
RateOrUnlimited: TypeAlias = Annotated[float, AllowInfNan(), _quantity("rate", least=1.0, unlimited=True)]
Frequency: TypeAlias = Annotated[float, _quantity("frequency", least=1e-9)]
SomeCompute: TypeAlias = Annotated[float, _quantity("compute", least=1.0)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
Share: TypeAlias = Annotated[float, BeforeValidator(_share)]
Name: TypeAlias = Annotated[str, Field(pattern=f"^{NAME}$")]
LinkName: TypeAlias = Annotated[str, Field(pattern=f"^{NAME}(:[A-Za-z0-9._-]{{1,129}})?$")]
FileName: TypeAlias = Annotated[Name, AfterValidator(_file_name)]
