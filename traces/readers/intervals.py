"""Intervals in which a device or a link is on, or is off: two columns, start and end.

    start [s],end [s]
    0,3600
    5400,7200

The first line names the columns `start` and `end`, with their units unless the caller gives one. The trace is 1
within intervals and 0 elsewhere; with `select="off"` the intervals are outages and it is 1 elsewhere. Times count
from 0 and are not shifted, since the record may begin before the first interval. Intervals may be in any order and
overlap. After the last interval, the value outside holds.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from headway.traces.constructors import trace_of_length
from headway.traces.errors import InputError, quoted
from headway.traces.readers.assemble import check_quantity, gaps_of
from headway.traces.readers.headings import split_header, unit_factor
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout, read_table, separator_of, splitter
from headway.traces.recording import Recording
from headway.traces.trace import EndRule, FloatArray
from headway.traces.units import Quantity, convert

NAME = "intervals"
_FORM = 'two columns, under a header such as "start [s],end [s]"'


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return [name.lower() for name, _ in _headings(head[0])] == ["start", "end"]


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """An availability, 0 or 1."""
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "time_unit", "select")
    if options.select not in (None, "on", "off"):
        raise InputError(f"{path} (option select)", quoted(options.select), '"on" or "off"')
    number, first = next(
        ((number, line) for number, line in lines(path) if line and not line.startswith("#")), (1, "")
    )
    if not recognises([first], None, options):
        raise InputError(f"{path}:{number}", quoted(first), _FORM)
    units = [options.time_unit or unit for _, unit in _headings(first)]
    factors = [unit_factor(unit, "time", f"{path}:{number}", "time_unit") for unit in units]
    layout = Layout(separator_of(first), 2, (1,), _FORM, header=number, time_factor=factors[0], absolute=True)
    starts, ends = read_table(path, layout)
    return _recording(path, starts, convert(ends, factors[1]), options)


def _recording(path: str, starts: FloatArray, ends: FloatArray, options: Options) -> Recording:
    if not len(starts) or not (ends > starts).all():
        got = (
            f"an interval from {starts[ends <= starts][0]:g} s to no later" if len(starts) else "no interval"
        )
        raise InputError(path, got, "intervals that end after they start")
    rows = len(starts)
    starts, ends = _union(starts, ends)
    inside = 0.0 if options.select == "off" else 1.0
    times = np.append(0.0, np.column_stack((starts, ends)).ravel())
    values = np.append(1 - inside, np.tile([inside, 1 - inside], len(starts)))
    if starts[0] == 0:
        times, values = times[1:], values[1:]
    end: EndRule = options.end or "hold"
    length = float(ends[-1])
    if end != "hold":
        times, values = times[:-1], values[:-1]
    trace = trace_of_length(times, values, length, end)
    step, _, longest = gaps_of(np.diff(times))
    repairs = Counter({"overlapping intervals": rows - len(starts)})
    return Recording(trace, NAME, "fraction", rows, length, step, 0, longest, +repairs)


def _union(starts: FloatArray, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The union of the intervals, as separate intervals in order."""
    order = np.argsort(starts, kind="stable")
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    first = np.append(True, starts[1:] > reached[:-1])
    return starts[first], reached[np.append(first[1:], True)]


def _headings(line: str) -> list[tuple[str, str]]:
    return [split_header(field) for field in splitter(separator_of(line))(line)]
