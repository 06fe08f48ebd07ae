"""CPU loads from AWS CloudWatch, as in the Numenta Anomaly Benchmark: `timestamp,value` every 300 seconds.

Times are like `2014-02-14 14:30:00`, values per cent of one instance (Lavin & Ahmad 2015, "Evaluating real-time anomaly
detection algorithms"). A row holds until the next. The benchmark has other metrics in the same form: a file with a
value above 100 is refused as one of those.
"""

from collections.abc import Sequence

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.clock import ISO
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout, read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "cloudwatch"
_HEADER = "timestamp,value"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format: its header, then a date."""
    other = options.unit or options.time_unit or quantity not in (None, "fraction")
    dated = len(head) > 1 and ISO.nanoseconds(head[1].split(",")[0]) is not None
    return not other and head[0] == _HEADER and dated


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A load."""
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "load", "max_gap_s")
    layout = Layout(",", 2, (1,), f"two columns under {_HEADER}", header=1, clock=ISO)
    times, percent = read_table(path, layout)
    if percent.size and percent.max() > 100:
        expected = 'loads of at most 100 %; anything else as format="csv" with its unit'
        raise InputError(path, f"a value of {percent.max():g}", expected)
    return recording_of(
        path, times, percent, options, NAME, "fraction", unit=0.01, disordered=True, is_load=True
    )
