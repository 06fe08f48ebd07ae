"""Runs are what they were when they were recorded, before the code that makes them was changed.

To look at all runs at once, or to record them anew after a change that is meant: `python -m tests.golden --help`. The
tests hold floats to 1e-12 and not to the last bit; `digests.py` says why.
"""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from headway.simcore import MODEL_VERSION, Result

from . import record, worlds
from .digests import columns_of, differences, digest
from .runs import PAPER, names, result_of, tables_of

MEANT = (
    "figures changed: if that is meant, raise MODEL_VERSION in simcore/results.py, then tests.golden --record"
)


LONG = {"shipped/wifi-cell/look-ahead", "shipped/wifi-home/look-ahead"}
"""Runs of many seconds."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in names() if name != PAPER],
)
def test_a_run_is_what_it_was(name: str) -> None:
    assert record.unlike(name, tables_of(name)) == [], MEANT


@pytest.mark.slow
def test_the_tables_of_the_paper_are_what_they_were() -> None:
    assert record.unlike(PAPER, tables_of(PAPER)) == [], MEANT


def test_the_record_is_of_this_version_of_the_model() -> None:
    """Figures and version change together: stored runs go by the version, and the record holds the figures."""
    assert record.load()["model_version"] == MODEL_VERSION, "python -m tests.golden --record"


def test_other_figures_are_recorded_under_a_higher_version_only() -> None:
    assert "raise MODEL_VERSION in simcore/results.py above 4" in record.outdated(4, 4, {"one"})
    assert record.outdated(3, 4, {"one"})
    assert not record.outdated(5, 4, {"one"})
    assert not record.outdated(4, 4, set())


def test_every_run_is_recorded() -> None:
    assert set(record.load()["runs"]) == set(names())


def test_each_feature_is_used_by_several_worlds() -> None:
    used = Counter(feature for number in range(worlds.COUNT) for feature in worlds.world(number).features)
    assert set(used) == set(worlds.FEATURES)
    assert {feature: count for feature, count in used.items() if count < 3} == {}


@cache
def _seen() -> Counter[str]:
    """In how many worlds something occurs."""
    return Counter(what for number in range(worlds.COUNT) for what in _occurs(result_of(number)))


def _occurs(result: Result) -> set[str]:
    parts = ("compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s")
    found = {f"status {result.runs['status'][0]}"}
    found |= {part for part in parts if (result.tokens[part] > 0.0).any()}
    found |= {f"decision {outcome}" for outcome in result.decisions["outcome"]}
    found |= {f"asked for {trigger}" for trigger in result.decisions["trigger"]}
    found |= {f"migration {outcome}" for outcome in result.migrations["outcome"]}
    found |= {
        name
        for name, it_does in {
            "fault": len(result.faults) > 0,
            "lost cache": result.faults["lost_cache"].any(),
            "swap": (result.devices["swapped_bytes"] > 0.0).any(),
            "caught up": (result.migrations["caught_up_bytes"] > 0.0).any(),
            "weights loaded": (result.migrations["load_s"] > 0.0).any(),
            "messages": len(result.links) > 0,
        }.items()
        if it_does
    }
    return found


def test_most_worlds_complete_and_every_status_occurs() -> None:
    seen = _seen()
    assert seen["status complete"] >= 40
    assert all(seen[f"status {status}"] for status in ("out-of-memory", "infeasible", "stalled"))


def test_what_can_happen_in_a_run_happens_in_several_worlds() -> None:
    few = {what: count for what, count in _seen().items() if count < 3 and not what.startswith("status")}
    assert few == {}
    assert {
        *("compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s", "fault_s"),
        *(
            "decision adopted",
            "decision kept",
            "decision infeasible",
            "asked for interval",
            "asked for fault",
        ),
        *("migration moved", "migration abandoned", "caught up", "weights loaded"),
        *("fault", "lost cache", "swap", "messages"),
    } <= set(_seen())


TABLE = pd.DataFrame(
    {
        "name": ["a", "b", "b"],
        "count": [1, 2, 3],
        "seconds": [0.25, 1.0, 2.0],
        "predicted_s": [np.inf, np.nan, 1.0],
    }
)


def unlike(table: pd.DataFrame) -> list[str]:
    columns = columns_of({"table": TABLE})["table"]
    return list(differences(table, columns, digest(TABLE, columns)))


def test_a_table_is_like_itself_and_like_itself_with_more_columns() -> None:
    assert unlike(TABLE) == []
    assert unlike(TABLE.assign(more=1)[["more", *reversed(TABLE.columns)]]) == []
    assert unlike(TABLE.assign(seconds=TABLE["seconds"] * (1.0 + 1e-14))) == []


def test_a_wait_of_nothing_may_be_rounded() -> None:
    waits = pd.DataFrame({"wait_s": [0.0, 6e-17]})
    columns = columns_of({"tokens": waits})["tokens"]
    assert list(differences(waits * 0.0, columns, digest(waits, columns))) == []
    assert list(differences(waits + 1e-14, columns, digest(waits, columns))) != []


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("name", ["a", "b", "c"]),
        ("name", ["a", "b", None]),
        ("count", [1, 3, 2]),
        ("seconds", [0.25, 1.0, 2.0 + 1e-10]),
        ("seconds", [0.25, 2.0, 1.0]),
        ("seconds", [0.25, 1.0, np.nan]),
        ("predicted_s", [np.nan, np.inf, 1.0]),
        ("predicted_s", [-np.inf, np.nan, 1.0]),
    ],
)
def test_a_table_is_unlike_one_with_other_values(column: str, values: list[object]) -> None:
    other = TABLE.copy()
    other[column] = pd.Series(values)
    (told,) = unlike(other)
    assert told.startswith(column)


def test_a_table_is_unlike_one_without_a_column_or_a_row() -> None:
    assert unlike(TABLE.drop(columns="count")) == ["no column ['count']"]
    assert unlike(TABLE[:2]) == ["2 rows, not 3"]
    assert unlike(TABLE[:0]) == ["0 rows, not 3"]


def test_a_world_is_the_same_whenever_it_is_built() -> None:
    first = worlds.world(0)
    worlds.world.cache_clear()
    again = worlds.world(0)
    assert first is not again
    assert first.scenario.cluster.devices == again.scenario.cluster.devices
    assert replace(first, scenario=again.scenario) == again
