"""Predicted against measured: which decisions are compared, and what is reported of them."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_metrics import made
from typer.testing import CliRunner
from worlds import varied

from headway import policies
from headway.analysis.cli import app
from headway.analysis.report.load import read_results
from headway.analysis.report.page import page
from headway.analysis.statistics.predictions import inference_times, misprediction_notes, prediction_ratios
from headway.simcore import Request, Result, load_scenario, shipped_scenario, simulate


def decision(
    token: int, predicted_s: float | None, trigger: str = "interval", run: str = "a"
) -> dict[str, Any]:
    asked = {"run": run, "request": 0, "token": token, "trigger": trigger}
    return asked | {"predicted_delay_s": predicted_s}


def tables(decisions: list[dict[str, Any]], output: int = 4, run: str = "a") -> Result:
    """Four tokens of one request, of 1 s of inference each, and of other times."""
    tokens = [
        {
            "run": run,
            "request": 0,
            "token": token,
            "start_s": 10.0 * token,
            "latency_s": 10.0,
            "compute_s": 0.5,
            "disk_s": 0.2,
            "transfer_s": 0.3,
            "wait_s": 2.0,
            "migration_s": 3.0,
            "decision_s": 1.0,
            "fault_s": 3.0,
        }
        for token in range(4)
    ]
    request = {"run": run, "request": 0, "generated": 4, "output": output}
    return made(runs=[{"run": run, "seed": 0}], requests=[request], tokens=tokens, decisions=decisions)


def ratios(result: Result) -> dict[int, float]:
    """By token of the decision."""
    rows = prediction_ratios(result.decisions, result.tokens, result.requests)
    return dict(zip(rows["token"], rows["ratio"], strict=True))


def notes(result: Result) -> list[str]:
    return misprediction_notes(result.decisions, inference_times(result), result.requests)


def test_the_inference_time_of_tokens_is_divided_by_their_prediction() -> None:
    assert ratios(tables([decision(0, 1.0), decision(1, 2.0)])) == pytest.approx({0: 1.0, 1: 1.5})


@given(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, unique=True))
def test_tokens_in_pieces_give_the_same_ratios(rows: int, decided: list[int]) -> None:
    result = tables([decision(token, 1.0) for token in sorted(decided)])
    pieces = [result.tokens.iloc[first : first + rows] for first in range(0, 4, rows)]
    whole = prediction_ratios(result.decisions, result.tokens, result.requests)
    pd.testing.assert_frame_equal(prediction_ratios(result.decisions, pieces, result.requests), whole)


def test_a_decision_that_another_trigger_replaces_is_left_out() -> None:
    replaced = [decision(0, 1.0), decision(2, 1.0, "fault"), decision(2, 1.0), decision(3, 0.5, "overflow")]
    assert ratios(tables(replaced)) == pytest.approx({3: 2.0})


def test_a_decision_without_a_prediction_or_without_all_of_its_tokens_is_left_out() -> None:
    assert ratios(tables([decision(0, None), decision(1, 1.0)])) == pytest.approx({1: 3.0})
    assert ratios(tables([decision(0, 1.0), decision(1, 1.0)], output=5)) == pytest.approx({0: 1.0})
    result = tables([decision(0, 1.0), decision(2, 1.0)])
    watched = result.tokens[result.tokens["token"] > 0]
    rows = prediction_ratios(result.decisions, watched, result.requests)
    assert rows["token"].tolist() == [2]
    assert notes(made()) == []


@pytest.mark.parametrize(
    ("predicted_s", "times"), [(2.0, "2.00"), (5.0, "0.800"), (3.4, None), (4.0, None), (4.7, None)]
)
def test_a_median_that_is_off_by_more_than_a_fifth_is_noted(predicted_s: float, times: str | None) -> None:
    expected = [f"a: tokens took {times} times the predicted time (median over decisions)"]
    assert notes(tables([decision(0, predicted_s)])) == (expected if times else [])


@pytest.mark.parametrize("sharing", ["fair", "airtime"])
@pytest.mark.parametrize("world", ["wifi-cell", "phone-leaves"])
def test_tokens_take_as_long_as_predicted_under_every_policy(world: str, sharing: str) -> None:
    scenario = load_scenario(shipped_scenario(world), changes=["model.preset=tinyllama-1.1b"])
    requests = (Request(prompt=8, output=4),)
    scenario = varied(scenario, sharing=sharing, interval=2, requests=requests)
    for name in policies.names():
        policy = policies.create(name)
        result = simulate(scenario, policy)
        if result.runs.status[0] == "complete":
            found = ratios(result)
            assert len(found) == (1 if getattr(policy, "fixed", False) else 2), name
            assert all(ratio == pytest.approx(1.0, rel=0.05) for ratio in found.values()), name


def test_run_and_report_show_the_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions do not know the handshakes of TCP."""
    monkeypatch.chdir(tmp_path)
    Path("lab.yaml").write_text("""
model: {shape: {layers: 2, width: 64, heads: 4}}
devices: {pi: {count: 2, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}}
links: {cable: {connect: all, bandwidth: 100 Mbit/s, latency: 5 ms}}
network: {transport: tcp}
workload: [{prompt: 4, output: 5}]
policies: [round-robin, single]
""")
    done = CliRunner().invoke(app, ["run", "lab.yaml", "--out", "out"], catch_exceptions=False)
    lines = [line for line in done.output.splitlines() if line.startswith("Note: ")]
    assert len(lines) == 1
    assert re.fullmatch(r"Note: round-robin: tokens took 2\.\d\d times the predicted time .*", lines[0])
    assert lines[0].removeprefix("Note: ") in page(read_results(Path("out")))
