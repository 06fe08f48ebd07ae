"""The world as functions of time: link rates, device availability, memory used by others.

- `Trace`: the value of a quantity over time, with integral and inverse. `constant`, `steps` and `on_off` make traces
  from numbers and outages.
- `read` loads a trace from a file, in many formats. `record`, with `Options`, returns a `Recording`, which also has the
  repairs. `shipped` finds the traces that come with Headway. `write_csv`, `write_parquet` and `write_mahimahi` save a
  trace.
- `walk`, `ornstein_uhlenbeck`, `gilbert_elliott`, `diurnal` and `fading` draw synthetic traces. `fit` estimates their
  parameters from a recorded trace, as a `Fit`, and `fit_all` ranks all kinds.
- `averaged`, `clipped`, `complement`, `multiplied`, `scaled`, `shifted` and `spliced` make traces from traces.
- `parse` turns "100 Mbit/s" into a number. `InputError` is the exception for all mistakes of a user.
"""

from headway.traces.constructors import on_off, steps
from headway.traces.data import shipped, shipped_names
from headway.traces.errors import InputError
from headway.traces.fit import Fit, fit, fit_all
from headway.traces.readers import Options, Recording, read, record
from headway.traces.synthesis.diurnal import diurnal
from headway.traces.synthesis.fading import fading
from headway.traces.synthesis.gilbert_elliott import gilbert_elliott
from headway.traces.synthesis.ornstein_uhlenbeck import ornstein_uhlenbeck
from headway.traces.synthesis.walk import walk
from headway.traces.trace import EndRule, Trace
from headway.traces.transform import (
    averaged,
    clipped,
    complement,
    multiplied,
    scaled,
    shifted,
    spliced,
)
from headway.traces.units import Quantity, parse
from headway.traces.write import write_csv, write_mahimahi, write_parquet

constant = Trace.constant

__all__ = [
    "EndRule",
    "Fit",
    "InputError",
    "Options",
    "Quantity",
    "Recording",
    "Trace",
    "averaged",
    "clipped",
    "complement",
    "constant",
    "diurnal",
    "fading",
    "fit",
    "fit_all",
    "gilbert_elliott",
    "multiplied",
    "on_off",
    "ornstein_uhlenbeck",
    "parse",
    "read",
    "record",
    "scaled",
    "shifted",
    "shipped",
    "shipped_names",
    "spliced",
    "steps",
    "walk",
    "write_csv",
    "write_mahimahi",
    "write_parquet",
]
