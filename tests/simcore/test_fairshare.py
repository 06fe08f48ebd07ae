"""Laws of max-min fair rates."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from flowcases import filled
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from worlds import reals

from headway.simcore.world.maxmin import max_min

Flow = list[tuple[int, float]]


def flows(*, most: int = 8, resources: int = 5) -> st.SearchStrategy[list[Flow]]:
    """Flows over up to five resources, crossing each once or twice."""
    uses = st.integers(1, 2).map(float)
    path = st.dictionaries(st.integers(0, resources - 1), uses, min_size=1).map(
        lambda uses: list(uses.items())
    )
    return st.lists(path, min_size=1, max_size=most)


CAPACITIES = st.lists(st.one_of(reals(0.1, 100.0), st.sampled_from([0.0, 1.0, 10.0])), min_size=5, max_size=5)


def assert_max_min(capacities: list[float], shared: list[Flow], rates: list[float]) -> None:
    """No resource is overloaded, and every flow has one that is full and on which no other has a larger rate."""
    load = np.zeros(len(capacities))
    for path, rate in zip(shared, rates, strict=True):
        for resource, uses in path:
            load[resource] += uses * rate
    assert (load <= np.array(capacities) * (1 + 1e-9)).all()
    for rate, path in zip(rates, shared, strict=True):
        assert any(
            load[resource] >= capacities[resource] * (1 - 1e-9)
            and all(
                rate >= other * (1 - 1e-9)
                for other, way in zip(rates, shared, strict=True)
                if resource in dict(way)
            )
            for resource, _ in path
        )


def rates_of(capacities: list[float], shared: list[Flow]) -> list[float]:
    return max_min(dict(enumerate(capacities)), shared).rates


@given(CAPACITIES, flows())
@settings(max_examples=150, deadline=None)
def test_every_flow_has_a_bottleneck_and_no_resource_is_overloaded(
    capacities: list[float], shared: list[Flow]
) -> None:
    """The definition of max-min."""
    assert_max_min(capacities, shared, rates_of(capacities, shared))


@given(CAPACITIES, flows())
@settings(max_examples=150, deadline=None)
def test_rates_agree_with_the_bottleneck_algorithm(capacities: list[float], shared: list[Flow]) -> None:
    np.testing.assert_allclose(
        rates_of(capacities, shared), bottleneck_algorithm(capacities, shared), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_rates_of_many_flows_agree_with_the_bottleneck_algorithm(seed: int) -> None:
    """Dozens of flows, some resources at 0."""
    random = np.random.default_rng(seed)
    capacities = random.uniform(0.0, 10.0, 12) * (random.random(12) < 0.9)
    shared: list[Flow] = [
        [
            (int(r), int(random.integers(1, 3)))
            for r in random.choice(12, random.integers(1, 4), replace=False)
        ]
        for _ in range(int(random.integers(32, 90)))
    ]
    np.testing.assert_allclose(
        rates_of(capacities.tolist(), shared),
        bottleneck_algorithm(capacities.tolist(), shared),
        rtol=1e-9,
        atol=1e-12,
    )


def bottleneck_algorithm(capacities: list[float], shared: list[Flow]) -> list[float]:
    """The slow way: again and again, serve the flows of the resource that gives each the least."""
    rates: dict[int, float] = {}
    while len(rates) < len(shared):
        shares: dict[int, float] = {}
        for resource, capacity in enumerate(capacities):
            waiting = taken = 0.0
            for i, path in enumerate(shared):
                uses = dict(path).get(resource, 0)
                if i in rates:
                    taken += uses * rates[i]
                else:
                    waiting += uses
            if waiting > 0.0:
                shares[resource] = max(0.0, capacity - taken) / waiting
        scarcest = min(shares, key=lambda resource: shares[resource])
        for i, path in enumerate(shared):
            if i not in rates and scarcest in dict(path):
                rates[i] = shares[scarcest]
    return [rates[i] for i in range(len(shared))]


@given(st.lists(reals(1.0, 10.0), min_size=4, max_size=4), flows(most=5, resources=4))
@settings(max_examples=25, deadline=None)
def test_rates_agree_with_a_sequence_of_linear_programmes(
    capacities: list[float], shared: list[Flow]
) -> None:
    """Raise the least rate as far as it goes, fix who cannot have more, and again with the rest."""
    np.testing.assert_allclose(rates_of(capacities, shared), lexicographic(capacities, shared), rtol=1e-6)


def lexicographic(capacities: list[float], shared: list[Flow]) -> list[float]:
    fixed: dict[int, float] = {}
    count = len(shared)
    uses = np.array([[dict(path).get(r, 0) for path in shared] for r in range(len(capacities))])
    while len(fixed) < count:
        bounds = [(fixed[i], fixed[i]) if i in fixed else (0.0, None) for i in range(count)]
        rising = [i for i in range(count) if i not in fixed]
        above = np.zeros((len(rising), count + 1))
        for row, i in enumerate(rising):
            above[row, i], above[row, count] = -1.0, 1.0
        usage = np.hstack([uses, np.zeros((len(capacities), 1))])
        upper = np.vstack([usage, above])
        least = linprog(
            [0.0] * count + [-1.0],
            upper,
            [*capacities, *([0.0] * len(rising))],
            bounds=[*bounds, (0.0, None)],
        )["x"][count]
        floor = [(fixed[i], fixed[i]) if i in fixed else (least * (1 - 1e-10), None) for i in range(count)]
        for i in rising:
            most = linprog([-float(i == j) for j in range(count)], uses, capacities, bounds=floor)["x"][i]
            if most <= least * (1 + 1e-8):
                fixed[i] = least
    return [fixed[i] for i in range(count)]


@given(
    CAPACITIES, flows(most=5).map(lambda paths: [[(resource, 1) for resource, _ in path] for path in paths])
)
@settings(max_examples=50, deadline=None)
def test_the_order_of_flows_that_cross_resources_once_changes_not_one_bit(
    capacities: list[float], shared: list[Flow]
) -> None:
    rates = rates_of(capacities, shared)
    for order in itertools.islice(itertools.permutations(range(len(shared))), 24):
        assert rates_of(capacities, [shared[i] for i in order]) == [rates[i] for i in order]


@pytest.mark.parametrize("capacities", [(10.0, 10.0), (10.0, 2.0), (0.0, 3.0)])
def test_the_parking_lot_by_hand(capacities: tuple[float, float]) -> None:
    """One flow over both links, one on each: whoever is not held back elsewhere takes what is left."""
    first, second = capacities
    rates = rates_of([first, second], [[(0, 1), (1, 1)], [(0, 1)], [(1, 1)]])
    through = min(first, second) / 2
    assert rates == [through, first - through, second - through]


def test_the_figures_that_a_peer_gets_wrong() -> None:
    """Two flows share a link of 2 that one of them leaves for a link of 10, on which a third is: 1, 1 and 9, not 5."""
    rates = rates_of([2.0, 10.0], [[(0, 1), (1, 1)], [(0, 1)], [(1, 1)]])
    assert rates == [1.0, 1.0, 9.0]


def test_uses_are_costs() -> None:
    assert rates_of([6.0], [[(0, 2)], [(0, 1)]]) == [2.0, 2.0]


def cells() -> st.SearchStrategy[list[Flow]]:
    """Flows over up to two links and two cells, of which they take airtime: seconds per byte, from 1 ns to 1 s."""
    link = st.dictionaries(st.integers(0, 1), st.just(1.0))
    airtime = st.one_of(st.sampled_from([1e-9, 1e-3, 1.0, 1 / 54, 1 / 11]), reals(1e-6, 1.0))
    cell = st.dictionaries(st.integers(2, 3), airtime, min_size=1)
    return st.lists(
        st.tuples(link, cell).map(lambda both: list({**both[0], **both[1]}.items())), min_size=1, max_size=8
    )


@given(st.lists(st.sampled_from([0.0, 0.3, 1.0, 7.0]), min_size=2, max_size=2), cells())
@settings(max_examples=100, deadline=None)
def test_rates_in_cells_have_bottlenecks_and_agree_with_exact_fractions(
    links: list[float], shared: list[Flow]
) -> None:
    """The definition of max-min under weights too."""
    capacities = [*links, 1.0, 1.0]
    rates = max_min(dict(enumerate(capacities)), shared, {2, 3}).rates
    assert_max_min(capacities, shared, rates)
    exact = filled(
        {str(resource): Fraction(capacity) for resource, capacity in enumerate(capacities)},
        [{str(resource): Fraction(uses) for resource, uses in path} for path in shared],
    )
    np.testing.assert_allclose(rates, [float(rate) for rate in exact], rtol=1e-6)
