"""The world as functions of time: link rates, device availability, memory taken by others."""

from traces.errors import InputError
from traces.trace import Trace

__all__ = ["InputError", "Trace"]
