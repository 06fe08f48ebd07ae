"""What every section of a file of ours has in common."""

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from headway.traces.errors import one_of, shown


def mistake(got: str, expected: str, *key: str | int) -> PydanticCustomError:
    """A mistake in the words of an `InputError`; `mistakes.py` adds the file and the line.

    Args:
        got: what the file has.
        expected: what would be accepted instead.
        key: from the section that is validated to the value that is wrong.
    """
    return PydanticCustomError("headway", "{expected}", {"got": got, "expected": expected, "key": key})


class Section(BaseModel):
    """Keys with values, checked strictly: no key too many, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, values: object) -> object:
        """Refuse an unknown key with the known ones; pydantic's own message does not name them."""
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                expected = one_of(str(key), cls.model_fields)
                raise mistake(f"the unknown key {shown(key)}", expected, key)
        return values
