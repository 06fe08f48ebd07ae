"""What every section of a file of ours has in common."""

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from headway.traces.errors import one_of, shown


class Section(BaseModel):
    """Keys with values, checked strictly: no key too many, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, values: object) -> object:
        """Refuse an unknown key with the known ones; pydantic's own message does not name them."""
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                problem = {"key": key, "found": f"the unknown key {shown(key)}"}
                raise PydanticCustomError(
                    "told", "{accepted}", problem | {"accepted": one_of(str(key), cls.model_fields)}
                )
        return values
