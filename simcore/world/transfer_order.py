"""The order of messages of which those that share no resource travel at the same time.

A message waits for the last earlier message on each resource of its route. Messages on routes with few resources come
first, because they keep few others waiting; otherwise the order is that of their numbers.
"""

from collections import defaultdict
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from headway.simcore import jit
from headway.simcore.arrays import FloatArray, IntArray
from headway.simcore.world.crossings import Crossings

_plain = jit.PlainWork(50_000)
"""Messages put in order."""


class Order(NamedTuple):
    """The order in which n messages start, and for which earlier ones each waits.

    Attributes:
        number: of the message at each position, shape (n,).
        first: the message at position i waits for those at positions `waits[first[i]:first[i + 1]]`, shape (n + 1,).
        waits: earlier positions.
    """

    number: IntArray
    first: IntArray
    waits: IntArray


def serial_order(count: int) -> Order:
    """The order of messages that travel one after another."""
    positions = np.arange(count)
    return Order(positions, np.maximum(np.arange(count + 1) - 1, 0), positions[:-1])


def transfer_order(crossings: Crossings, routes: IntArray, disks: IntArray | None = None) -> Order:
    """The order of messages that share no resource at the same time.

    Args:
        crossings: of the network.
        routes: the route of each message, as in `Crossings.route`, shape (n,).
        disks: the device whose disk each message uses, shape (n,); None: no disks are used.
    """
    order = _ordered(crossings, routes, disks, None)[1]
    return order._replace(waits=order.waits[: order.first[-1]])


def transfer_makespan(
    crossings: Crossings, routes: IntArray, seconds: FloatArray, disks: IntArray | None = None
) -> float:
    """Time until all messages have arrived [s] in the order of `transfer_order`.

    Each message takes `seconds`, shape (n,); the other arguments are those of `transfer_order`.
    """
    return _ordered(crossings, routes, disks, seconds)[0]


def _ordered(
    crossings: Crossings, routes: IntArray, disks: IntArray | None, seconds: FloatArray | None
) -> tuple[float, Order]:
    """The makespan, and the order with room behind its `waits`."""
    count = len(routes)
    disks = np.empty(0, dtype=np.int64) if disks is None else disks
    order = Order(
        number=np.empty(count, dtype=np.int64),
        first=np.zeros(count + 1, dtype=np.int64),
        waits=np.empty(count * (crossings.longest + 2), dtype=np.int64),
    )
    columns = routes, disks, *order, np.zeros(count) if seconds is None else seconds, np.empty(count)
    first_disk = crossings.resources + int(routes.max(initial=-1)) + 1
    if _plain.is_enough:
        used = np.full(first_disk + int(disks.max(initial=-1)) + 1, -1)
        crossed = crossings.begin, crossings.resource
        return _compiled()(crossings.resources, first_disk, *crossed, used, *columns), order
    _plain.done += count
    lists, nothing = [column.tolist() for column in columns], defaultdict[int, int](lambda: -1)
    makespan_s = _put_in_order(crossings.resources, first_disk, *crossings.lists, nothing, *lists)
    return makespan_s, Order(*(np.array(column, dtype=np.int64) for column in lists[2:5]))


@cache
def _compiled() -> Any:
    return jit.compiled(_put_in_order)


def _put_in_order(
    first_route: int,
    first_disk: int,
    begin: Any,
    resource: Any,
    used: Any,
    routes: Any,
    disks: Any,
    number: Any,
    first: Any,
    waits: Any,
    seconds: Any,
    end_s: Any,
) -> float:
    """Fill `number`, `first` and `waits`, and return the makespan.

    `used` has the last position that used each resource, each route from `first_route` on, and each disk from
    `first_disk` on. `end_s` is working memory.
    """
    position = count = size = 0
    latest_s = 0.0
    while position < len(routes):
        for i in range(len(routes)):
            route = routes[i]
            low, high = 0, 0
            if route + 1 < len(begin):
                low, high = begin[route], begin[route + 1]
            if high - low != size:
                continue
            begin_s = 0.0
            # A device sends itself one message at a time, although that crosses nothing.
            for k in range(low, high + (1 if len(disks) == 0 else 2)):
                what = first_route + route
                if k < high:
                    what = resource[k]
                elif k > high:
                    what = first_disk + disks[i]
                earlier = used[what]
                used[what] = position
                for known in range(first[position], count):
                    if waits[known] == earlier:
                        earlier = -1
                if earlier >= 0:
                    waits[count] = earlier
                    count += 1
                    begin_s = max(begin_s, end_s[earlier])
            number[position] = i
            end_s[position] = begin_s + seconds[i]
            latest_s = max(latest_s, end_s[position])
            position += 1
            first[position] = count
        size += 1
    return latest_s
