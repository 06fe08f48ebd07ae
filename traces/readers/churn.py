"""Times at which telephones were online: `user 0|1 start zone d1 d2 ...`, at most a week of a telephone per line.

Gossip-Learning-Framework publishes the traces of the STUNner app in this form (Berta, Bilicki & Jelasity 2014,
"Modeling and understanding smartphone churn over the Internet"). The second field is 1 if the telephone was online at
the start (milliseconds since 1970). d1, d2, ... are the times from one change to the next [ms]. The time zone is not
used.

`select` chooses a line by its number, or all lines of a user by name or end of name; the default is the first line.
Missing weeks of a user count as offline. The trace repeats after the last change.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from headway.traces.errors import InputError, quoted
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "churn"
_LINE = re.compile(r"\S+ [01] \d{1,15} -?\d{1,2}( \d{1,15})+")
_FORM = "user, 0 or 1, start [ms], time zone and at least one duration [ms], all whole numbers but the first"
_LONGEST = 1 << 20

Piece = tuple[int, bool, list[int]]
"""Start [ms], whether online then, durations [ms]."""


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its first line."""
    return quantity in (None, "fraction") and _LINE.fullmatch(head[0]) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """An availability, 0 or 1."""
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "select")
    pieces = sorted(_pieces(path, options.select))
    if not pieces:
        expected = "the number of a line, or a user in it"
        raise InputError(f"{path} (option select)", quoted(options.select), expected)
    edges, states, repairs = _join(pieces)
    if not states:
        raise InputError(path, "no time between start and end", "durations above 0")
    times, online = (np.array(edges) - edges[0]) / 1000, np.array(states, dtype=np.float64)
    return recording_of(
        path, times, online, options, NAME, "fraction", rows=len(pieces), repairs=repairs, sampled=False
    )


def _pieces(path: str, select: str | None) -> Iterator[Piece]:
    wanted = "1" if select is None else select
    for number, line in lines(path, _LONGEST):
        user = line.partition(" ")[0]
        if wanted.isdecimal() and str(number) != wanted:
            continue
        if not wanted.isdecimal() and user != wanted and not user.endswith(f"/{wanted}"):
            continue
        if _LINE.fullmatch(line) is None or not line.isascii():
            raise InputError(f"{path}:{number}", quoted(line), _FORM)
        _, state, start, _, *spans = line.split(" ")
        yield int(start), state == "1", [int(span) for span in spans]
        if wanted.isdecimal():
            return


def _join(pieces: list[Piece]) -> tuple[list[int], list[bool], Counter[str]]:
    """The edges [ms] of all pieces one after another, and the states between them."""
    edges, states, repairs = [pieces[0][0]], list[bool](), Counter[str]()
    for start, online, spans in pieces:
        if start > edges[-1]:
            edges.append(start)
            states.append(False)
            repairs["times without record"] += 1
        for position, edge in enumerate(accumulate(spans, initial=start)):
            if edge > edges[-1]:
                edges.append(edge)
                states.append(online == (position % 2 == 1))
    return edges, states, +repairs
