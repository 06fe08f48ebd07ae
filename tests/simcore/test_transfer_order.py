"""Law: a message waits for the last earlier one on each resource that it needs, in plain and in compiled code."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import clusters

from headway.simcore.world import transfer_order
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.transfer_order import Order, serial_order

Wanted = list[tuple[int, list[int]]]
"""Each message by number in the order in which they start, and the positions of those for which it waits."""


def shown(order: Order) -> Wanted:
    first, waits = order.first.tolist(), order.waits.tolist()
    assert len(waits) == first[-1]
    return [(number, waits[first[i] : first[i + 1]]) for i, number in enumerate(order.number.tolist())]


def expected(cluster: Cluster, routes: list[int], disks: list[int] | None) -> Wanted:
    crossings, last, wanted = cluster.crossings(0.0, 0.0), dict[object, int](), list[tuple[int, list[int]]]()
    order = sorted(range(len(routes)), key=lambda number: len(crossings.resources_of(routes[number])))
    for position, number in enumerate(order):
        needs: list[object] = [*crossings.resources_of(routes[number]), ("route", routes[number])]
        if disks is not None:
            needs.append(("disk", disks[number]))
        wanted.append((number, list({last[one]: None for one in needs if one in last})))
        last.update(dict.fromkeys(needs, position))
    return wanted


@pytest.mark.parametrize("most", [-1.0, np.inf], ids=["compiled", "plain"])
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(0.0, 5.0)), max_size=15),
    clusters(most=5, mesh=True),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_message_waits_for_the_last_one_on_each_resource(
    most: float, moves: list[tuple[int, int, float]], cluster: Cluster, on_disk: bool
) -> None:
    count = len(cluster.devices)
    crossings = cluster.crossings(0.0, 0.0)
    new = np.array([b % count for _, b, _ in moves], dtype=np.int64)
    routes = np.array([a % count for a, _, _ in moves], dtype=np.int64) * count + new
    seconds = np.array([one for _, _, one in moves], dtype=np.float64)
    disks = new if on_disk else None
    with patch.object(transfer_order._plain, "most", most):
        order = transfer_order.transfer_order(crossings, routes, disks)
        makespan_s = transfer_order.transfer_makespan(crossings, routes, seconds, disks)
    wanted = expected(cluster, routes.tolist(), None if disks is None else disks.tolist())
    assert shown(order) == wanted
    end_s: list[float] = []
    for number, waits in wanted:
        end_s.append(max((end_s[i] for i in waits), default=0.0) + seconds[number])
    assert makespan_s == max(end_s, default=0.0)


def test_a_serial_order_waits_for_the_one_before() -> None:
    assert shown(serial_order(3)) == [(0, []), (1, [0]), (2, [1])]
    assert shown(serial_order(0)) == []
