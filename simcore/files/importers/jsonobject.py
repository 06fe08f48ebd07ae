"""Values of a JSON object of unknown origin, with their place for messages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headway.simcore.files.bounds import LARGEST
from headway.simcore.files.yaml_document import KeyPath, key_text
from headway.traces.errors import InputError, quoted
from headway.traces.files import is_number


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object; a missing key is the same as null.

    Each method reads the value of a key, and raises an `InputError` if the value has another type.

    Attributes:
        values: keys and values.
        file: path of the file, for messages.
        path: keys that lead to the object, for messages.
    """

    values: Mapping[str, object]
    file: str
    path: KeyPath = ()

    @property
    def where(self) -> str:
        """The place of the object: file and path of keys."""
        return f"{self.file}: {key_text(self.path)}" if self.path else self.file

    def at(self, *keys: str | int) -> str:
        """The place of a key, or of a key in its value."""
        return f"{self.file}: {key_text((*self.path, *keys))}"

    def value(self, key: str) -> object:
        """A value of any type, which must be there."""
        if key not in self.values:
            raise InputError(self.where, f"no {key}", f"the {key} here")
        return self.values[key]

    def text(self, key: str) -> str:
        """A text; empty if there is none."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise InputError(self.at(key), quoted(value), "a text")
        return value or ""

    def required(self, key: str) -> str:
        """A text that is not blank."""
        text = self.text(key)
        if not text.strip():
            raise InputError(self.where, f"no {key}", f"the {key} here")
        return text

    def number(self, key: str) -> float | None:
        """A number from 0 to the largest quantity of a scenario."""
        value = self.values.get(key)
        if value is None:
            return None
        if is_number(value) and 0 <= value <= LARGEST:
            return float(value)
        raise InputError(self.at(key), quoted(value), f"a number from 0 to {LARGEST:g}")

    def required_number(self, key: str) -> float:
        """A number as `number` gives it, which must be there."""
        value = self.number(key)
        if value is None:
            raise InputError(self.at(key), "no number", f"a number from 0 to {LARGEST:g}")
        return value

    def count(self, key: str) -> int:
        """A whole number, at least 1; 1 if there is none."""
        value = self.number(key)
        if value is not None and (value < 1 or not math.isclose(value, round(value))):
            raise InputError(self.at(key), quoted(self.values[key]), "a whole number, at least 1")
        return 1 if value is None else round(value)

    def child(self, key: str) -> "JsonObject":
        """An object; an empty one if there is none."""
        value = self.values.get(key)
        return self._object({} if value is None else value, key)

    def children(self, key: str) -> dict[str, "JsonObject"]:
        """The objects in an object, by key."""
        parent = self.child(key)
        return {name: parent._object(value, name) for name, value in parent.values.items()}

    def items(self, key: str) -> list["JsonObject"]:
        """The objects in a list; an empty list if there is none."""
        return [self._object(item, key, number) for number, item in enumerate(self._list(key))]

    def texts(self, key: str) -> list[str]:
        """The texts in a list; an empty list if there is none."""
        items = self._list(key)
        for number, item in enumerate(items):
            if not isinstance(item, str):
                raise InputError(self.at(key, number), quoted(item), "a text")
        return [str(item) for item in items]

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise InputError(self.at(key), quoted(value), "a list")
        return value or []

    def _object(self, value: object, *keys: str | int) -> "JsonObject":
        if not isinstance(value, dict):
            raise InputError(self.at(*keys), quoted(value), "an object")
        return JsonObject(value, self.file, (*self.path, *keys))
