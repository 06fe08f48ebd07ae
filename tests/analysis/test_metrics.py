"""Summary numbers against tables small enough to compute by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.statistics.metrics import metrics, peak_memory, table_metrics
from headway.simcore import TABLES, Result


def made(**tables: list[dict[str, Any]]) -> Result:
    """A result with the given rows; a column that is not given is missing."""
    frames = {}
    for name, schema in TABLES.items():
        rows = tables.get(name, [])
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
        frames[name] = pa.Table.from_arrays(columns, schema=schema).to_pandas()
    return Result(**frames)


def sequence(
    run: str, latencies: list[float], request: int = 0, arrival_s: float = 0.0
) -> list[dict[str, Any]]:
    """Tokens that follow one another without a pause."""
    starts = arrival_s + np.cumsum([0.0, *latencies])
    return [
        {"run": run, "request": request, "token": i, "start_s": start, "latency_s": latency}
        for i, (start, latency) in enumerate(zip(starts, latencies, strict=False))
    ]


def two_requests() -> Result:
    """Request 0 arrives at 1 s and has tokens after 2, 0.1, 0.2, 0.3 s; request 1 arrives at 2 s and fails to end."""
    return made(
        runs=[{"run": "a", "status": "stalled"}],
        requests=[
            {"run": "a", "request": 0, "arrival_s": 1.0, "first_token_s": 3.0},
            {"run": "a", "request": 1, "arrival_s": 2.0, "first_token_s": 7.0},
            {"run": "a", "request": 2, "arrival_s": 2.5},
        ],
        tokens=sequence("a", [2.0, 0.1, 0.2, 0.3], 0, 1.0) + sequence("a", [5.0, 0.4], 1, 2.0),
        decisions=[
            {"run": "a", "outcome": outcome} for outcome in ("adopted", "infeasible", "kept", "infeasible")
        ],
        migrations=[{"run": "a", "size_bytes": 10.0}, {"run": "a", "size_bytes": 2.5}],
        devices=[
            {"run": "a", "device": d, "held_bytes": h, "available_bytes": v, "swapped_bytes": max(h - v, 0.0)}
            for d, h, v in (("y", 5.0, 9.0), ("x", 1.0, 8.0), ("y", 7.0, 6.0), ("x", 0.0, 4.0))
        ],
    )


def test_every_number_of_a_small_run_equals_its_hand_computation() -> None:
    row = metrics(two_requests()).iloc[0]
    assert row["run"] == "a"
    assert row["status"] == "stalled"
    assert row["tokens"] == 6
    assert row["ttft_s"] == pytest.approx((2.0 + 5.0) / 2)
    # Later tokens: 0.1, 0.2, 0.3, 0.4; percentile p lies at position 3p between them.
    assert row["tpot_p50_s"] == pytest.approx(0.25)
    assert row["tpot_p95_s"] == pytest.approx(0.1 + 0.1 * 3 * 0.95)
    assert row["tpot_p99_s"] == pytest.approx(0.1 + 0.1 * 3 * 0.99)
    assert row["tokens_per_s"] == pytest.approx(6 / (7.4 - 1.0))
    assert (row["decisions"], row["infeasible_decisions"]) == (4, 2)
    assert (row["migrations"], row["migrated_bytes"]) == (2, 12.5)
    assert row["peak_bytes"] == 7.0


def test_peak_memory_is_the_extreme_of_each_device_in_order_of_appearance() -> None:
    expected = pd.DataFrame(
        {
            "run": ["a", "a"],
            "device": ["y", "x"],
            "peak_bytes": [7.0, 1.0],
            "least_available_bytes": [6.0, 4.0],
            "peak_swapped_bytes": [1.0, 0.0],
        }
    )
    pd.testing.assert_frame_equal(peak_memory(two_requests()), expected)


def test_runs_keep_their_order_and_their_tokens_apart() -> None:
    result = made(
        runs=[{"run": run, "status": "complete"} for run in ("z", "a")],
        requests=[{"run": run, "arrival_s": 0.0, "first_token_s": 1.0} for run in ("a", "z")],
        tokens=sequence("a", [1.0, 2.0]) + sequence("z", [1.0, 4.0, 4.0]),
    )
    table = metrics(result).set_index("run")
    assert list(table.index) == ["z", "a"]
    assert list(table["tpot_p50_s"]) == [4.0, 2.0]
    assert list(table["tokens_per_s"]) == pytest.approx([3 / 9, 2 / 3])


def test_a_run_without_tokens_has_counts_of_zero_and_no_times() -> None:
    table = metrics(made(runs=[{"run": "a", "status": "infeasible"}]))
    row = table.iloc[0]
    counts = ["tokens", "decisions", "infeasible_decisions", "migrations"]
    assert [row[c] for c in counts] == [0, 0, 0, 0]
    assert row["migrated_bytes"] == 0.0
    times = ["ttft_s", "tpot_p50_s", "tpot_p95_s", "tpot_p99_s", "tokens_per_s", "peak_bytes"]
    assert all(math.isnan(row[c]) for c in times)
    assert all(pd.api.types.is_integer_dtype(table[c]) for c in counts)


def test_a_single_token_has_a_ttft_and_a_rate_but_no_tpot() -> None:
    result = made(
        runs=[{"run": "a", "status": "complete"}],
        requests=[{"run": "a", "arrival_s": 1.0, "first_token_s": 5.0}],
        tokens=sequence("a", [4.0], arrival_s=1.0),
    )
    row = metrics(result).iloc[0]
    assert (row["ttft_s"], row["tokens_per_s"]) == (4.0, 0.25)
    assert math.isnan(row["tpot_p99_s"])


def test_no_runs_give_empty_tables_with_the_same_columns() -> None:
    assert list(metrics(made()).columns) == list(metrics(two_requests()).columns)
    assert list(peak_memory(made()).columns) == list(peak_memory(two_requests()).columns)
    assert metrics(made()).empty
    assert peak_memory(made()).empty


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=40), st.integers(1, 8))
def test_times_scale_and_rates_scale_inversely_when_the_clock_runs_slower(
    latencies: list[float], k: int
) -> None:
    def row(factor: float) -> "pd.Series[Any]":
        scaled = [factor * latency for latency in latencies]
        return metrics(
            made(
                runs=[{"run": "a", "status": "complete"}],
                requests=[{"run": "a", "arrival_s": 0.0, "first_token_s": scaled[0]}],
                tokens=sequence("a", scaled),
            )
        ).iloc[0]

    one, many = row(1.0), row(float(k))
    for column in ("ttft_s", "tpot_p50_s", "tpot_p95_s", "tpot_p99_s"):
        assert many[column] == pytest.approx(k * one[column])
    assert many["tokens_per_s"] == pytest.approx(one["tokens_per_s"] / k)
    assert (
        min(latencies[1:])
        <= one["tpot_p50_s"]
        <= one["tpot_p95_s"]
        <= one["tpot_p99_s"]
        <= max(latencies[1:])
    )


def test_percentiles_over_requests_of_a_hand_computed_run() -> None:
    """TTFT of 2, 5 and 9 s; two requests finish, 2.6 and 6.4 s after they arrived."""
    rows = [(0, 1.0, 3.0, 3.6), (1, 2.0, 7.0, 8.4), (2, 2.5, 11.5, math.nan)]
    requests = [
        {"run": "a", "request": i, "arrival_s": arrival, "first_token_s": first, "finish_s": finish}
        for i, arrival, first, finish in rows
    ]
    row = metrics(made(runs=[{"run": "a", "status": "stalled"}], requests=requests)).iloc[0]
    assert row["ttft_s"] == pytest.approx(16 / 3)
    assert row["ttft_p50_s"] == pytest.approx(5.0)
    assert row["ttft_p95_s"] == pytest.approx(5.0 + 0.9 * 4.0)
    assert row["ttft_p99_s"] == pytest.approx(5.0 + 0.98 * 4.0)
    assert row["e2e_p50_s"] == pytest.approx(4.5)
    assert row["e2e_p95_s"] == pytest.approx(2.6 + 0.95 * 3.8)
    assert row["e2e_p99_s"] == pytest.approx(2.6 + 0.99 * 3.8)


def test_one_request_is_shown_without_percentiles_over_requests() -> None:
    one = metrics(two_requests())
    assert "ttft_p95_s" in [metric.column for metric in table_metrics(one)]
    alone = one.assign(ttft_p50_s=one["ttft_s"], ttft_p95_s=one["ttft_s"], ttft_p99_s=one["ttft_s"])
    assert not {"ttft_p50_s", "e2e_p50_s"} & {metric.column for metric in table_metrics(alone)}
    stored = one[["run", "ttft_s", "tpot_p50_s"]]
    assert "ttft_s" in [metric.column for metric in table_metrics(stored)]
