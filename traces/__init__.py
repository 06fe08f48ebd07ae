"""The world as functions of time: link rates, device availability, memory taken by others.

`Trace` answers what a link carries and when; `read` loads one from a file and `write_csv` saves it; `constant`,
`steps` and `walk` make synthetic ones; `shipped` finds those that come with Headway. `parse` turns "100 Mbit/s"
into a number, and `InputError` is what every mistake of a user is raised as.
"""

from traces.data import shipped, shipped_names
from traces.errors import InputError
from traces.generate import constant, steps, walk
from traces.readers import read
from traces.trace import EndRule, Trace
from traces.units import Quantity, parse
from traces.write import write_csv

__all__ = [
    "EndRule",
    "InputError",
    "Quantity",
    "Trace",
    "constant",
    "parse",
    "read",
    "shipped",
    "shipped_names",
    "steps",
    "walk",
    "write_csv",
]
