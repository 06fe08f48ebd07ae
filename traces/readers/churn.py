"""When telephones were on line: `user 0|1 start zone d1 d2 ...`, each line at most one week of one telephone.

The form in which Gossip-Learning-Framework passes on the traces of the STUNner app (Berta, Bilicki & Jelasity 2014,
"Modeling and understanding smartphone churn over the Internet"). The second field tells whether the telephone was on
line at the start (milliseconds since 1970), and d1, d2, ... for how many milliseconds it stayed as it was before each
change. The time zone is not used.

`select` chooses a line by its number, or all lines of a user by name or end of name; the first line without it. Weeks
of a user that are missing count as off line. The trace repeats after the last change.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.assemble import assembled, check_quantity
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "churn"
_LINE = re.compile(r"\S+ [01] \d{1,15} -?\d{1,2}( \d{1,15})+")
_FORM = "user, 0 or 1, start [ms], time zone and at least one duration [ms], all whole numbers but the first"
_LONGEST = 1 << 20

Piece = tuple[int, bool, list[int]]
"""Start [ms], whether on line then, durations [ms]."""


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its first line."""
    return quantity in (None, "fraction") and _LINE.fullmatch(head[0]) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """An availability, 0 or 1.

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "select")
    pieces = sorted(_chosen(path, options.select))
    if not pieces:
        raise InputError(
            f"{path} (option select)", shown(options.select), "the number of a line, or a user in it"
        )
    edges, states, repairs = _joined(pieces)
    if not states:
        raise InputError(path, "no time between start and end", "durations above 0")
    times = (np.array(edges) - edges[0]) / 1000
    return assembled(
        path,
        times,
        np.array(states, dtype=np.float64),
        options,
        format=NAME,
        quantity="fraction",
        rows=len(pieces),
        repairs=repairs,
        sampled=False,
    )


def _chosen(path: str, select: str | None) -> Iterator[Piece]:
    wanted = "1" if select is None else select
    for number, line in lines(path, _LONGEST):
        user = line.partition(" ")[0]
        if wanted.isdecimal() and str(number) != wanted:
            continue
        if not wanted.isdecimal() and user != wanted and not user.endswith(f"/{wanted}"):
            continue
        if _LINE.fullmatch(line) is None or not line.isascii():
            raise InputError(f"{path}:{number}", shown(line), _FORM)
        _, state, start, _, *spans = line.split(" ")
        yield int(start), state == "1", [int(span) for span in spans]
        if wanted.isdecimal():
            return


def _joined(pieces: list[Piece]) -> tuple[list[int], list[bool], Counter[str]]:
    """Edges [ms], one more than states, of all pieces one after another."""
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
