"""Laws of the auditor: it finds nothing in sound runs, changes nothing, and tells how much it has checked."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Shuffled, eventful

from simcore import (
    TABLES,
    Result,
    Scenario,
    simulate,
)
from simcore.probe import Span

FEW = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=80, deadline=None)


def assert_same(one: Result, other: Result) -> None:
    for table in TABLES.keys() - {"timings"}:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True)


@given(eventful(), st.integers(0, 100))
@FEW
def test_sound_runs_pass(scenario: Scenario, seed: int) -> None:
    simulate(scenario, Shuffled(seed), audit=True)


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_an_audited_run_has_the_same_tables_and_spans(scenario: Scenario, seed: int) -> None:
    plain: list[Span] = []
    audited: list[Span] = []
    assert_same(
        simulate(scenario, Shuffled(seed), probe=plain.append),
        simulate(scenario, Shuffled(seed), probe=audited.append, audit=True),
    )
    assert [repr(span) for span in plain] == [repr(span) for span in audited]


@pytest.mark.slow
@given(eventful(faults=True), st.integers(0, 100))
@MANY
def test_many_sound_runs_pass(scenario: Scenario, seed: int) -> None:
    simulate(scenario, Shuffled(seed), audit=True)
