"""The two searches for runs of layers give the same plan, to the last bit, while no state is dropped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import clusters, models, observe, reals, scenarios, tight

from headway.policies.common.layer_chain import layer_chain
from headway.policies.common.runs_by_states import runs_by_states
from headway.policies.common.shortest_runs import shortest_runs
from headway.simcore import Scenario

ALL = 10**9


@given(
    scenarios(cluster=clusters(most=5), model=models(most_layers=6, most_heads=2)),
    reals(0.1, 0.99),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_both_searches_find_the_same_plan_of_least_latency(
    scenario: Scenario, share: float, seed: int, on_source: bool
) -> None:
    chain = layer_chain(tight(observe(scenario), share, seed))
    first = chain.source if on_source else None
    cost_s, plan = shortest_runs(chain, first)
    other_s, other = runs_by_states(chain, "latency", ALL, first)
    if plan is None:
        assert np.isinf(other_s)
        assert other is None or not chain.is_finite
    else:
        assert other is not None
        assert cost_s == other_s
        np.testing.assert_array_equal(plan, other)


@pytest.mark.parametrize("most", [1, 3])
@given(scenarios(cluster=clusters(most=4), model=models(most_layers=4)), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_dropping_states_never_finds_a_faster_plan(most: int, scenario: Scenario, seed: int) -> None:
    chain = layer_chain(tight(observe(scenario), 0.5, seed))
    assert runs_by_states(chain, "latency", most, None)[0] >= shortest_runs(chain, None)[0]
