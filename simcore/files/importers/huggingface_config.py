"""Checked values of a Hugging Face `config.json`."""

from typing import NamedTuple

from headway.simcore.files.importers.jsonobject import JsonObject
from headway.traces.errors import InputError, quoted

_LARGEST_NUMBER = 2**31 - 1


class Switch(NamedTuple):
    """A yes/no key, and its default in the configuration class of the family."""

    key: str
    default: bool


class Config(JsonObject):
    """The values of one config."""

    def has(self, key: str) -> bool:
        """Whether the key is present and not null."""
        return self.values.get(key) is not None

    def whole_number(self, key: str, least: int = 1) -> int:
        """The value of a key that must be a whole number.

        Raises:
            InputError: the key is missing, or its value is something else or below `least`.
        """
        expected = f"{key} as a whole number from {least} to {_LARGEST_NUMBER}"
        if not self.has(key):
            raise InputError(self.where, f"no {key}", expected)
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST_NUMBER:
            raise InputError(self.at(key), quoted(value), expected)
        return value

    def at_most(self, key: str, most: int, of: str, least: int = 1) -> int:
        """The value of a key that must be a whole number and not above another value.

        Raises:
            InputError: it is not.
        """
        value = self.whole_number(key, least)
        if value > most:
            raise InputError(self.at(key), f"{value}", f"at most {of} ({most})")
        return value

    def switch(self, switch: bool | Switch) -> bool:
        """Whether a switch is on, by its default if the key is absent or null.

        Raises:
            InputError: the value is neither true nor false.
        """
        if isinstance(switch, bool):
            return switch
        if not self.has(switch.key):
            return switch.default
        value = self.values[switch.key]
        if not isinstance(value, bool):
            raise InputError(self.at(switch.key), quoted(value), f"{switch.key} as true or false")
        return value
