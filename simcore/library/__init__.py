"""Named models, devices, links and engine profiles: data files, and the function that reads them."""

from importlib import resources
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def library_values(name: str) -> Any:
    """The values of a YAML file in this folder.

    This parser is ten times faster than that of scenario files, but it has no limits and no line numbers for messages.
    """
    return _Loader((resources.files(__package__) / name).read_text(encoding="utf-8")).get_single_data()
