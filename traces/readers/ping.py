"""The output of `ping` of Linux (iputils), macOS and BusyBox: the round-trip time of each answer.

    64 bytes from 192.0.2.1: icmp_seq=3 ttl=57 time=12.3 ms

With `ping -D` each line begins with its time since 1970 in brackets, such as `[1700000000.123456]`. Otherwise requests
count as `step_s` apart, by default a second, and `icmp_seq` (`seq` in BusyBox), which starts again after 65535, gives
the number of a request. A value holds until the next answer. Requests without an answer are gaps. Duplicates (`DUP!`)
and all other lines are skipped. Half of a round trip is the latency of one way if both ways are equal: `scale: 0.5` in
a scenario.
"""

import re
from array import array
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "ping"
_ANSWER = re.compile(
    r"(?:\[(?P<stamp>\d{1,12}\.\d{1,9})\] )?\d{1,6} bytes from \S.*?[ :]"
    r"(?:icmp_)?seq=(?P<number>\d{1,6}) .*?time=(?P<ms>\d{1,9}(?:\.\d{1,9})?) ms(?P<again> \(DUP!\))?",
    re.ASCII,
)
_FORM = "lines such as 64 bytes from 192.0.2.1: icmp_seq=3 ttl=57 time=12.3 ms"
_ASSUMED = "A second from one request to the next is assumed (option step)."
_ROUND = 1 << 16
_STEP_S = 1.0


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format: the first line of ping's output, or an answer."""
    return head[0].startswith("PING ") or _ANSWER.fullmatch(head[0]) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """Round-trip times [s]."""
    check_quantity(path, NAME, "time", quantity)
    options.allow(path, "end", "max_gap_s", "step_s")
    stamps, numbers, values = array("d"), array("q"), array("d")
    start: Decimal | None = None
    rounds = again = 0
    for _, line in lines(path):
        answer = _ANSWER.fullmatch(line)
        if answer is None:
            continue
        if answer["again"]:
            again += 1
            continue
        number = int(answer["number"]) + rounds * _ROUND
        if numbers and number < numbers[-1] - _ROUND // 2:
            rounds, number = rounds + 1, number + _ROUND
        numbers.append(number)
        values.append(float(answer["ms"]) / 1000)
        if answer["stamp"]:
            stamp = Decimal(answer["stamp"])
            start = stamp if start is None else start
            stamps.append(float(stamp - start))
    if not values:
        raise InputError(path, "no answer to a ping", _FORM)
    # If only some lines have a time, the log has several runs, and the numbers are used.
    stamped = len(stamps) == len(values) and options.step_s is None
    step_s = _STEP_S if options.step_s is None else options.step_s
    since = np.array(stamps) if stamped else (np.array(numbers) - numbers[0]) * step_s
    rows, repairs = len(values) + again, {"duplicate answers": again}
    notes = () if stamped or options.step_s else (_ASSUMED,)
    times_s = np.array(values)
    return recording_of(
        path, since, times_s, options, NAME, "time", disordered=True, rows=rows, repairs=repairs, notes=notes
    )
