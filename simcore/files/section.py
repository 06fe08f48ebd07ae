"""The base class of the sections in scenario and campaign files."""

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from headway.traces.errors import one_of, quoted


def mistake(got: str, expected: str, *key: str | int) -> PydanticCustomError:
    """An error with the texts of an `InputError`; `mistakes.py` adds the file and the line.

    Args:
        got: the value in the file.
        expected: accepted values.
        key: path from the validated section to the wrong value.
    """
    return PydanticCustomError("headway", "{expected}", {"got": got, "expected": expected, "key": key})


class Section(BaseModel):
    """Keys with values, checked strictly: an unknown key or another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, values: object) -> object:
        """Refuse an unknown key; unlike the message of pydantic, this one lists the known keys."""
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                expected = one_of(str(key), cls.model_fields)
                raise mistake(f"the unknown key {quoted(key)}", expected, key)
        return values
