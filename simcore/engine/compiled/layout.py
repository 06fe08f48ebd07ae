"""The state of a simulated world as arrays that kernels read and write.

Everything is a row of one table, `rows`: traces, routes, resources, devices, nodes of step graphs, steps in flight, and
their items. The number of a row identifies it, and rows refer to each other by number; `NONE` means no row. A *node* is
a node of a step graph. An *item* is a node of a step in flight, or a message that is no part of a step. A *route* is an
ordered pair of devices, and a *crossing* is a resource on a route. A route is *private* if it has one crossing, of a
resource that no other route crosses.

Rows of different sorts use the same memory: a field has a meaning only in rows of the sorts that list it. No field has
the name of a NumPy method, so that the kernels also run without numba.
"""

import itertools
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from headway.simcore.arrays import FloatArray
from headway.simcore.jit import version_of

NONE = -1
CLOCK = 0
"""The row of the clock, which is the first."""

# Sorts of rows that have events.
ROUTE, RESOURCE, DEVICE, ITEM = range(4)

# Sorts of nodes.
TASK, MESSAGE, JOIN = range(3)

# States of items.
IDLE, SENT, WAITING, FLOWING, COMPUTING = range(5)

# Reports to Python.
STEP_ENDED, MESSAGE_ARRIVED, TASK_STALLED, MESSAGE_STALLED = range(4)

# Lists of row numbers: routes with changes, nodes that end, routes whose rates are computed, the heap of progressive
# filling, routes that share resources, messages that were sent at this moment, and reports: what, and which row.
CHANGED, STACK, MEMBERS, LEVELS, SHARING, SENDING, REPORTS, SUBJECTS = LISTS = range(8)

_EVENT = "", "what place"
"""Fields of every row that has events: its sort, and its `place` in the heap."""

_FIELDS: dict[str, tuple[str, str]] = {
    # The time, how many events have been scheduled, lengths of lists, where the queue of events begins and ends, twice
    # the number of fillings, and how many of the next fillings compute all rates. A filling marks what it reaches with
    # the double number, and with 1 more a resource that it prepares or a route that it stops.
    "clock": (
        "now_s scheduled",
        "dedicated in_heap in_changed in_sharing reported first_queued last_queued filling wide",
    ),
    # `constant`: the value of a constant trace, otherwise -1; `period_s`: 0 without a period; segments from `first` on.
    "trace": ("period_s constant", "first count"),
    # A `CellRate`: airtime of the frames per byte, and its hops.
    "cell": ("frame_s", "first count"),
    # The traces whose minimum is the PHY rate of a hop.
    "hop": ("", "link_trace medium_trace"),
    # Crossings from `first` on; the trace of the rate of a private route, otherwise `NONE`; the mark of a filling, or
    # `NONE` while the route is in the list of changes; traces of varying latencies in `others`; flows as a list of
    # items; their rate since a time; the resource that limits it; its place in the list of those that share resources,
    # `NONE` if it is alone; messages that have arrived.
    "route": (
        "latency_s period_s rate next_rate since_s size_bytes busy_s messages",
        "first count supply mark first_latency latencies flows head tail bottleneck fresh slot",
    ),
    # Present load per unit of rate, and neighbours in the list of routes on the resource.
    "crossing": ("load", "route resource supply cell next previous"),
    # See `engine.network.flow.State`; its first crossing with flows; `spare`, `demand` and `rising`: for progressive
    # filling.
    "resource": ("capacity noticed until_s watched_s spare demand", "supply airtime head routes mark rising"),
    # A FIFO processor with its queue, see `engine.fifo`; traces of availability, of used memory, and of being up.
    "device": ("promised_s free_at_s memory_bytes", "supply used up head tail"),
    # Costs follow from kind, payload and blocks; successors are in `others`, as distances from the first node.
    "node": ("blocks", "does processor route predecessors first count kind payload"),
    # `amount`: seconds of a task, bytes of a message; `start_s`: when a task starts, or a message begins to flow. Some
    # fields are those of its node: in a large step, each row that is read costs much of the time of an event.
    "item": (
        "amount reading_s left end_s begun_s start_s",
        "does processor route first count state step missing decisive next previous",
    ),
    # A step in flight, with an item for each node.
    "step": ("", "first_item first_node nodes remaining last"),
}  # fmt: skip

_WITH_EVENTS = ("route", "resource", "device", "item")


def _row() -> np.dtype[np.void]:
    """The record of a row: each field has one place, which no other field of the same rows has."""
    formats: dict[str, str] = {}
    places: dict[str, int] = {}
    for column, code in enumerate(("f8", "i8")):
        groups = [
            fields[column].split() + (_EVENT[column].split() if sort in _WITH_EVENTS else [])
            for sort, fields in _FIELDS.items()
        ]
        first = 0 if column == 0 else max(places.values()) + 1
        for name in (name for names in groups for name in names):
            if name not in places:
                together = {other for names in groups if name in names for other in names}
                taken = {places[other] for other in together if other in places}
                formats[name] = code
                places[name] = next(place for place in itertools.count(first) if place not in taken)
    names = [*places, f"version_{version_of(Path(__file__).parent)}"]
    offsets = [8 * place for place in (*places.values(), 0)]
    itemsize = 8 * (max(places.values()) + 1)
    return np.dtype(
        {"names": names, "formats": [*formats.values(), "f8"], "offsets": offsets, "itemsize": itemsize}
    )


ROW = _row()
"""The type of rows. A field without use names the version of the kernels."""

SEGMENT = np.dtype([(name, "f8") for name in ("start_s", "end_s", "level", "total", "low")])
"""Of a trace, see `traces.segments`. Each trace has one record more than segments, for its whole sum."""

EVENT = np.dtype([("time_s", "f8"), ("order", "f8"), ("row", "i8")])
"""An entry of the heap of the calendar: when the row is to be visited, and the order of events at one time."""

Records: TypeAlias = Any
"""A NumPy array of records; NumPy's types know no fields."""


class World(NamedTuple):
    """All arrays of a simulated world.

    Attributes:
        rows: see above, shape (rows,).
        segments: of all traces, shape (segments,).
        heap: future events, shape (rows,).
        queue: future events in order, shape (rows,).
        lists: row numbers, shape (8, rows), see `CHANGED`.
        levels: of the resources in the list `LEVELS`, shape (rows,).
        others: row numbers to which rows refer by the first of them and their count, shape (n,).
    """

    rows: Records
    segments: Records
    heap: Records
    queue: Records
    lists: npt.NDArray[np.int64]
    levels: FloatArray
    others: npt.NDArray[np.int64]
