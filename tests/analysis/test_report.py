"""What a report claims, that its page is sound, and that a browser agrees."""

import base64
import hashlib
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import html5lib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from typer.testing import CliRunner

from headway import policies as shipped
from headway.analysis.cli import app
from headway.analysis.figures.style import looks
from headway.analysis.report import ReportData, page, rank_policies, read_results, verdict
from headway.analysis.report.data import after_warm_up, detailed, of_result
from headway.analysis.report.diagnostics import fault_table, slowest_runs_table
from headway.analysis.report.figures import gaps_to_optimum, relative, report_figures
from headway.analysis.report.per_world import effects
from headway.analysis.statistics.metrics import METRICS, metric_named
from headway.analysis.store.tables import STORED
from headway.simcore import TABLES, Result, combine, load_scenario, shipped_scenario, simulate
from headway.traces.errors import InputError

P50 = METRICS["tpot_p50_s"]

EVIL = {
    "lab": "lab $x^ <script>alert(1)</script>",
    "static": "<img src=x onerror=alert(2)>",
    "board-1": "<i>board</i> & 'co'",
}

SCENARIO = """
name: lab
description: "Is <b>this</b> bold & safe? </script></style>"
seed: 3
model: {preset: tinyllama-1.1b, bytes_per_weight: 1.0625}
source: laptop
devices:
  laptop: {memory: 4 GB, memory_used: 2.8 GB, compute: 200 GFLOP/s, memory_bandwidth: 30 GB/s}
  board: {count: 2, memory: 1 GB, compute: 20 GFLOP/s, memory_bandwidth: 6 GB/s}
links:
  wifi: {connect: [[laptop, board], [board, board]], bandwidth: 60 Mbit/s, latency: 3 ms}
workload:
  - {prompt: 16, output: 6}
policies:
  - static
  - resource-aware
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two policies in one small world; the tables of others may call things what no scenario file may."""
    path = tmp_path_factory.mktemp("lab") / "lab.yaml"
    path.write_text(SCENARIO)
    scenario = load_scenario(path)
    made = combine([simulate(scenario, shipped.from_choice(choice)) for choice in scenario.policies])
    return Result(**{name: getattr(made, name).replace(EVIL) for name in TABLES})


@pytest.fixture(scope="module")
def html(result: Result) -> str:
    return page(of_result(result, SCENARIO))


def runs(tpot: dict[str, list[float]], **columns: Any) -> pd.DataFrame:
    """Runs of policies with these medians, one per seed from 1."""
    rows = [
        {
            "run": f"{policy}-{seed}",
            "policy": policy,
            "seed": seed,
            "tpot_p50_s": value,
            "tpot_p99_s": value,
            "tpot_max_s": value,
        }
        for policy, values in tpot.items()
        for seed, value in enumerate(values, start=1)
    ]
    filled: dict[str, Any] = {
        "status": "complete",
        "detail": "",
        "end_s": 10.0,
        "tokens": 5,
        "ttft_s": 1.0,
        "tpot_p95_s": 1.0,
        "tokens_per_s": 2.0,
        "migrations": 0,
        "infeasible_decisions": 0,
        "peak_bytes": 1e9,
    }
    return pd.DataFrame(rows).assign(**(filled | columns))


def evidence(frame: pd.DataFrame, *axes: str) -> ReportData:
    return ReportData(name="lab", description="", runs=frame, axes=axes)


def world(count: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).lognormal(0.0, 0.7, count)


def said(frame: pd.DataFrame, *axes: str) -> str:
    return verdict(rank_policies(evidence(frame, *axes), P50))


def test_a_policy_that_is_always_faster_is_said_to_be_with_its_interval() -> None:
    """Worlds differ by a factor of two and more, policies by 20 %: pairs tell them apart."""
    slow = world(12)
    found = rank_policies(evidence(runs({"a": list(1.2 * slow), "b": list(slow)})), P50)
    change = found.changes["a"].change
    assert found.best == "b"
    assert (change.value, change.low, change.high) == pytest.approx((0.2, 0.2, 0.2))
    assert found.verdict_on("a") == "worse"
    assert "b has the best median time per output token" in verdict(found)
    assert "that of a is 20.0 % higher (95 % interval 20.0 % to 20.0 %)" in verdict(found)


def test_where_the_interval_spans_zero_the_difference_is_unsure() -> None:
    noise = np.random.default_rng(2).normal(0.0, 0.2, 12)
    frame = runs({"a": list(world(12) * np.exp(noise - noise.mean())), "b": list(world(12) * 1.05)})
    found = rank_policies(evidence(frame), P50)
    assert found.verdict_on("b") == "unsure"
    needed = found.changes["b"].needed
    assert needed is not None
    assert needed > 12
    expected = (
        f"Whether a differs from b is unsure. About {needed:,} seeds would show differences of the size"
    )
    assert verdict(found).startswith(expected)


def test_policies_that_differ_by_less_than_the_smallest_difference_are_the_same() -> None:
    frame = runs({"a": [1.0] * 9, "b": [1.004] * 9})
    assert said(frame) == "a and b differ by less than 1 %."
    stricter = rank_policies(evidence(frame), P50, smallest=0.001)
    assert stricter.verdict_on("b") == "worse"


def test_one_world_shows_nothing_of_others_and_three_can_show_a_large_difference() -> None:
    text = said(runs({"a": [1.0], "b": [2.0]}))
    assert text.startswith("In the one world that was run, a has the best")
    assert "that of b is 100 % higher." in text
    assert text.endswith("One world does not show whether that holds in others.")
    assert rank_policies(evidence(runs({"a": [1.0], "b": [2.0]})), P50).verdict_on("b") == "one world"
    few = rank_policies(evidence(runs({"a": [1.0, 1.1, 1.2], "b": [2.0, 2.21, 2.42]})), P50)
    assert few.verdict_on("b") == "worse"


def test_among_equal_policies_a_best_is_seldom_claimed() -> None:
    """The best is picked in the same runs, so all pairs count: at most one report in twenty may claim a difference."""
    rng, claims = np.random.default_rng(3), 0
    for _ in range(40):
        frame = runs({name: list(rng.lognormal(0.0, 0.1, 4)) for name in "abcd"})
        found = rank_policies(evidence(frame), P50)
        claims += any(change.verdict in ("lower", "higher") for change in found.changes.values())
    # 2 expected; more than 7 has a probability below 0.001.
    assert claims <= 7


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_which_of_equal_policies_is_called_best_does_not_depend_on_the_order_of_runs(order: str) -> None:
    same = [1.0, 2.0, 3.0]
    values = {"a": [value * (1.0 + 1e-13) for value in same], "b": same}
    assert rank_policies(evidence(runs({name: values[name] for name in order})), P50).best == "a"


def test_a_policy_that_fails_is_not_the_best_however_fast_it_was() -> None:
    frame = runs({"a": [1.0] * 8, "b": [2.0] * 8})
    frame.loc[frame["run"] == "a-3", ["status", "detail"]] = ["out-of-memory", "laptop lacked 3 bytes"]
    found = rank_policies(evidence(frame), P50)
    assert found.best == "b"
    assert "Runs that ended early: a in 1 of 8" in verdict(found)
    assert found.changes["a"].change.count == 7


def test_a_faster_policy_that_failed_is_named_beside_the_best_of_the_others() -> None:
    frame = runs({"a": [1.0] * 8, "b": [2.0] * 8})
    frame.loc[frame["run"] == "a-3", "status"] = "out-of-memory"
    text = said(frame)
    assert text.startswith("Among those that completed most of their runs, b has the best ")
    assert (
        "b completed worlds in which a ended early; where both completed, that of a is 50.0 % lower" in text
    )


@given(
    fast=st.floats(0.01, 100.0),
    early=st.lists(st.booleans(), min_size=3, max_size=8).filter(any),
)
def test_a_policy_that_ended_early_where_the_best_completed_is_worse(fast: float, early: list[bool]) -> None:
    frame = runs({"a": [fast] * len(early), "b": [1.0] * len(early)})
    frame.loc[frame["policy"] == "a", "status"] = np.where(early, "stalled", "complete")
    found = rank_policies(evidence(frame), P50)
    assert (found.best, found.verdict_on("a")) == ("b", "worse")
    assert f"Runs that ended early: a in {sum(early)} of {len(early)}" in verdict(found)


def test_policies_that_ended_early_in_different_worlds_are_unsure() -> None:
    frame = runs({"a": [1.0] * 8, "b": [2.0] * 8})
    frame.loc[frame["run"].isin(["a-3", "b-4"]), "status"] = "stalled"
    found = rank_policies(evidence(frame), P50)
    assert (found.best, found.verdict_on("b")) == ("a", "unsure")


def test_runs_that_are_not_made_yet_are_no_failures() -> None:
    """A campaign that was interrupted has a run more of its first policies than of its last."""
    found = rank_policies(replace(evidence(runs({"a": [2.0] * 8, "b": [1.0] * 7})), missing=1), P50)
    assert found.best == "b"
    assert found.verdict_on("a") == "worse"
    assert verdict(found).endswith(" Of the campaign, 1 run is missing.")
    assert "ended early" not in verdict(found)


def test_a_policy_is_not_fast_for_having_completed_the_easy_worlds_only() -> None:
    """In the world that both completed, b is slower; a alone has completed the hard one."""
    frame = runs({"a": [1.0, 10.0], "b": [1.2, np.nan]}).assign(wifi=1.0)
    frame.loc[frame["tpot_p50_s"].isna(), "status"] = "infeasible"
    proof = evidence(frame, "wifi")
    assert relative(proof, rank_policies(proof, P50), "wifi")["1"].tolist() == pytest.approx([1.0, 1.2])


@given(
    worlds=st.integers(1, 6),
    policies=st.integers(1, 4),
    data=st.data(),
)
def test_effects_are_those_of_the_policies_whatever_is_missing(
    worlds: int, policies: int, data: st.DataObject
) -> None:
    """Times that are a world's by a policy's: of those that a chain of worlds connects the latter come out."""
    draws = st.floats(-3.0, 3.0)
    of_world = np.array(data.draw(st.lists(draws, min_size=worlds, max_size=worlds)))
    of_policy = np.array(data.draw(st.lists(draws, min_size=policies, max_size=policies)))
    there = np.array(
        data.draw(st.lists(st.booleans(), min_size=worlds * policies, max_size=worlds * policies))
    )
    times = np.where(there.reshape(worlds, policies), np.exp(of_world[:, None] + of_policy), np.nan)
    seeds = pd.MultiIndex.from_tuples([(i, i % 3) for i in range(worlds)], names=["wifi", "seed"])
    found = effects(pd.DataFrame(times, index=seeds, columns=list("abcd")[:policies]))
    ran = there.reshape(worlds, policies).any(axis=0)
    assert not np.isfinite(found.to_numpy())[~ran].any()
    known = found.notna().to_numpy()
    assert known.any() == there.any()
    offsets = (found.to_numpy() - of_policy)[known]
    assert np.ptp(offsets) < 1e-9 if known.any() else True
    if there.all():
        assert known.all()


def test_what_rounding_leaves_is_no_difference() -> None:
    """The same sums in another order, with the same sign in every world: a test of signs alone would be sure."""
    same = world(12)
    found = rank_policies(evidence(runs({"a": list(same), "b": list(same * (1.0 + 1e-13))})), P50)
    assert found.best == "a"
    assert (found.changes["b"].change.value, found.changes["b"].verdict) == (0.0, "same")


def test_the_longest_stall_is_reported_only_where_it_surely_gives_another_answer() -> None:
    """By the longest stall b is a little ahead of a, which is unsure, and far ahead of c, which is sure."""
    noise = np.exp(np.random.default_rng(4).normal(0.0, 0.3, 12))
    frame = runs({"a": [1.0] * 12, "b": [1.1] * 12, "c": [9.0] * 12})
    frame["tpot_max_s"] = runs({"a": list(1.02 * noise), "b": [1.0] * 12, "c": [9.0] * 12})["tpot_p50_s"]
    assert rank_policies(evidence(frame), P50).best == "a"
    assert rank_policies(evidence(frame), METRICS["tpot_max_s"]).best == "b"
    other = "By the longest time between two tokens, the answer is different: b has the best"
    assert other not in page(evidence(frame), P50, pictures=[])
    frame.loc[frame["policy"] == "a", "tpot_max_s"] *= 2.0
    assert other in page(evidence(frame), P50, pictures=[])


def test_a_metric_that_the_results_lack_is_refused() -> None:
    """Campaigns keep no percentiles over requests, unless they keep the table of requests."""
    with pytest.raises(InputError, match="which these results lack; expected one of tokens_per_s, ttft_s"):
        rank_policies(evidence(runs({"a": [1.0]})), METRICS["e2e_p95_s"])


def test_policies_without_a_token_keep_their_colours() -> None:
    frame = runs({"a": [np.nan] * 2, "b": [1.0] * 2}).reset_index(drop=True)
    tokens = pd.DataFrame({"run": "b-1", "token": range(4), "latency_s": 1.0})
    found = replace(evidence(frame), tables=detailed({"tokens": tokens}, frame))
    colours = [
        {line.get_color() for line in picture.figure.axes[0].get_lines() if len(line.get_xdata())}  # type: ignore[arg-type]
        for picture in report_figures(found, rank_policies(found, P50))
        if picture.name in ("latency-distribution", "latency-by-token")
    ]
    assert colours[0] == colours[1] == {looks("ab")["b"]["color"]}


def test_a_device_has_one_colour_in_the_figures_of_memory_and_of_places(result: Result) -> None:
    found = of_result(result, SCENARIO)
    seen = {}
    for picture in report_figures(found, rank_policies(found, P50)):
        if picture.name in ("memory", "placement"):
            (legend,) = picture.figure.legends
            handles: list[Any] = legend.legend_handles
            colours = [
                one.get_facecolor() if picture.name == "placement" else one.get_color() for one in handles
            ]
            names = [text.get_text() for text in legend.get_texts()]
            seen[picture.name] = dict(zip(names, map(to_hex, colours), strict=True))
    assert len(seen) == 2
    assert seen["memory"] == seen["placement"]


def test_settings_under_one_seed_count_once() -> None:
    """Twice as many settings are no more worlds."""
    frame = runs({"a": list(world(8)), "b": list(world(8, 2))})
    both = pd.concat([frame.assign(wifi=1.0), frame.assign(wifi=2.0, run=frame["run"] + "-wifi")])
    once, twice = rank_policies(evidence(frame), P50), rank_policies(evidence(both, "wifi"), P50)
    (policy,) = once.changes
    assert twice.changes[policy] == once.changes[policy]


def test_settings_under_one_seed_are_no_world_each() -> None:
    frame = runs({"a": [1.0], "b": [2.0]})
    both = pd.concat([frame.assign(wifi=1.0), frame.assign(wifi=2.0, run=frame["run"] + "-wifi")])
    assert said(frame).startswith("In the one world that was run, a has the best")
    text = said(both, "wifi")
    assert text.startswith("Under the one seed that was run, a has the best")
    assert text.endswith("One seed does not show whether that holds under others.")


def test_more_is_better_where_tokens_per_second_count() -> None:
    frame = runs({"a": [1.0] * 6, "b": [2.0] * 6})
    frame["tokens_per_s"] = 1.0 / frame["tpot_p50_s"]
    assert rank_policies(evidence(frame), METRICS["tokens_per_s"]).best == "a"


def test_nothing_that_ended_and_nothing_to_compare_are_told() -> None:
    nothing = runs({"a": [1.0] * 3, "b": [1.0] * 3}, status="infeasible")
    assert said(nothing).startswith("No run came to its end")
    assert said(runs({"a": [1.0, 2.0]})).startswith("Only one policy ran")
    page(evidence(nothing))
    page(evidence(runs({"a": [1.0, 2.0]})))
    page(evidence(runs({"a": [np.nan]})))


def test_a_map_of_an_axis_is_relative_to_the_best_at_each_level() -> None:
    frame = pd.concat(
        [
            runs({"a": [1.0] * 3, "b": [2.0] * 3}).assign(wifi=0.5),
            runs({"a": [3.0] * 3, "b": [2.0] * 3}).assign(wifi=1.0),
        ]
    )
    proof = evidence(frame, "wifi")
    table = relative(proof, rank_policies(proof, P50), "wifi")
    assert list(table.columns) == ["0.5", "1"]
    assert table.to_numpy() == pytest.approx(np.array([[1.0, 1.5], [2.0, 1.0]]))


def test_the_gap_to_the_optimum_is_of_all_tokens_in_the_same_world() -> None:
    frame = runs({"exact": [1.0, 1.0], "a": [1.0, 1.0]})
    seconds = {"exact-1": [1.0, 1.0], "exact-2": [2.0, 2.0], "a-1": [1.0, 1.5], "a-2": [2.0, 4.0]}
    tokens = pd.DataFrame(
        [{"run": run, "latency_s": s} for run, each in enumerate(seconds.values()) for s in each]
    )
    found = gaps_to_optimum(ReportData(name="", description="", runs=frame, tables={"tokens": tokens}))
    assert found is not None
    assert found["gap"].tolist() == pytest.approx([0.25, 0.5])
    assert gaps_to_optimum(evidence(frame)) is None


def test_a_warm_up_leaves_out_the_first_tokens_of_every_run(result: Result) -> None:
    whole = of_result(result, SCENARIO)
    cut = after_warm_up(whole, 3)
    assert cut.tables["tokens"]["token"].min() == 3
    assert cut.runs["ttft_s"].isna().all()
    for row in cut.runs.to_dict("records"):
        kept = result.tokens[(result.tokens["run"] == row["run"]) & (result.tokens["token"] >= 3)]
        assert row["tpot_p50_s"] == pytest.approx(kept["latency_s"].median())
        span_s = (kept["start_s"] + kept["latency_s"]).max() - kept["start_s"].min()
        assert row["tokens_per_s"] == pytest.approx(3 / span_s)
    assert after_warm_up(whole, 0) is whole
    assert "without the first 3 tokens" in page(cut, pictures=[])
    with pytest.raises(InputError, match="tokens"):
        after_warm_up(evidence(runs({"a": [1.0]})), 1)


def test_a_warm_up_does_not_count_the_wait_of_those_who_came_before_it_ended() -> None:
    """Both requests came at once. The second's first token waited for three others, of which two are left out."""
    times = [(0, 0, 0.0, 1.0), (0, 1, 1.0, 1.0), (0, 2, 2.0, 1.0), (1, 0, 0.0, 4.0), (1, 1, 4.0, 1.0)]
    tokens = pd.DataFrame(times, columns=["request", "token", "start_s", "latency_s"]).assign(run=0)
    whole = replace(evidence(runs({"a": [1.0]})), tables={"tokens": tokens})
    assert after_warm_up(whole, 2).runs["tokens_per_s"].tolist() == [3 / (5.0 - 2.0)]
    assert after_warm_up(whole, 3).runs["tokens_per_s"].tolist() == [2 / (5.0 - 3.0)]


def test_a_metric_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="tpot_p50_s"):
        metric_named("tpot_p50")


def test_the_page_is_valid_and_has_no_id_twice(html: str) -> None:
    html5lib.HTMLParser(strict=True).parse(html)
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]*)\)", html)) | set(re.findall(r'href="#([^"]*)"', html))
    assert used <= set(ids)


def test_names_and_texts_stay_text(html: str) -> None:
    """What a scenario calls things is in the page as text, and never as an element."""
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    elements = {str(element.tag) for element in tree.iter()}
    assert not elements & {"img", "b", "i"}
    assert len(tree.findall(".//script")) == 1
    text = "".join(tree.itertext())
    assert "lab $x^ <script>alert(1)</script>" in text
    assert "<img src=x onerror=alert(2)>" in text
    assert "<i>board</i> & 'co'" in text
    assert "Is <b>this</b> bold & safe? </script></style>" in text


def test_marks_of_direction_and_control_characters_are_shown_as_escapes(result: Result) -> None:
    foreign = Result(
        **{name: getattr(result, name).replace({"resource-aware": "sta\u202etic\x1b"}) for name in TABLES}
    )
    text = page(of_result(foreign, SCENARIO.replace("\n", "\r\n")))
    assert r"sta\u202etic\x1b" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_page_names_no_address_but_those_of_xml(html: str) -> None:
    assert set(re.findall(r"https?://[^\s\"'<)]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in html
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_only_the_pages_own_script_may_run(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    content = unescape(html)
    assert f"script-src 'sha256-{digest}'" in content
    assert "default-src 'none'" in content


def test_equal_results_give_equal_pages(result: Result, html: str) -> None:
    assert page(of_result(result, SCENARIO)) == html


def test_the_page_says_how_to_make_it_again(html: str) -> None:
    text = "".join(html5lib.parse(html, namespaceHTMLElements=False).itertext())
    assert "headway run scenario.yaml --seed 3 --policy" in text
    assert "Runs made by Headway" in text
    assert "60 Mbit/s" in text


def test_the_command_writes_a_page_and_its_figures(result: Result, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    result.save(folder)
    done = CliRunner().invoke(app, ["report", str(folder), "--figures", str(tmp_path / "figures")])
    assert done.exit_code == 0, done.output
    assert "In the one world that was run" in done.output
    assert (tmp_path / "lab.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"memory.svg", "memory.png", "placement.svg", "latency-distribution.png"} <= names


@pytest.mark.parametrize("option", [[], ["--metric", "speed"], ["--smallest-difference", "3"]])
def test_mistakes_are_one_line(option: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path), *option])
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert done.output.startswith("headway: ")


def _write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """A table as a store has it; what the frame does not have is empty, 0 or missing."""
    empty: dict[Any, Any] = {pa.string(): "", pa.int64(): 0, pa.float64(): None}
    columns = {
        field.name: frame.get(field.name, pd.Series(empty[field.type], frame.index)) for field in STORED[name]
    }
    pq.write_table(pa.Table.from_pydict(columns, STORED[name]), folder / f"{name}.parquet")


def _export(folder: Path, frame: pd.DataFrame, *axes: str) -> None:
    """What `headway sweep export` leaves of a campaign without tokens."""
    cases = frame[["run", "policy", "seed", *axes]].assign(
        number=range(len(frame)), scenario="lab", changes=""
    )
    cases.to_parquet(folder / "cases.parquet", index=False)
    _write(folder, "runs", frame.assign(headway_version="9.9"))
    _write(folder, "metrics", frame)
    (folder / "campaign.yaml").write_text("name: weak\ndescription: Weak Wi-Fi.\n")


def _write_tokens(folder: Path, *names: str) -> None:
    """Four tokens of each run, a second each."""
    rows = [
        {"run": run, "request": 0, "token": token, "start_s": 1.0 * token, "latency_s": 1.0}
        for run in names
        for token in range(4)
    ]
    _write(folder, "tokens", pd.DataFrame(rows))


def test_an_export_of_a_campaign_has_its_axes_and_tells_what_is_missing(tmp_path: Path) -> None:
    frame = pd.concat(
        [runs({"a": list(world(6)), "b": list(2 * world(6))}).assign(wifi=wifi) for wifi in (0.5, 1.0)]
    )
    frame["run"] += frame["wifi"].astype(str)
    _export(tmp_path, frame, "wifi")
    _write(tmp_path, "metrics", frame.iloc[:-2])
    _write_tokens(tmp_path, *frame["run"])
    found = read_results(tmp_path)
    assert (found.name, found.axes, found.missing, len(found.settings)) == ("weak", ("wifi",), 2, 2)
    text = page(found)
    html5lib.HTMLParser(strict=True).parse(text)
    for piece in (
        "2 missing",
        "Setting by setting",
        "Policies along wifi",
        "Weak Wi-Fi.",
        "Headway 9.9",
    ):
        assert piece in text


def test_a_run_that_several_cases_share_counts_for_each(tmp_path: Path) -> None:
    """In a campaign without boards the Wi-Fi changes nothing, and the store has one run for all its levels."""
    frame = pd.concat([runs({"a": [1.0, 2.0], "b": [3.0, 4.0]}).assign(wifi=wifi) for wifi in (0.5, 1.0)])
    _export(tmp_path, frame, "wifi")
    _write_tokens(tmp_path, "b-1", "foreign", "b-2", "a-1", "a-2")
    found = read_results(tmp_path)
    assert len(found.runs) == 8
    assert len(found.tables["tokens"]) == 2 * 4 * 4
    # In the order of the campaign, so that a policy has one colour in all figures.
    assert tuple(dict.fromkeys(found.tables["tokens"]["policy"])) == found.policies == ("a", "b")
    cut = after_warm_up(found, 2)
    assert cut.runs["tokens_per_s"].tolist() == pytest.approx([1.0] * 8)


def test_runs_that_raised_an_exception_are_told_with_it(tmp_path: Path) -> None:
    """A policy that crashes in hard worlds has not completed them, and may not be the best for that."""
    frame = runs({"a": [1.0] * 8, "b": [2.0] * 8})
    _export(tmp_path, frame)
    crashed = frame["run"].isin(["a-3", "a-4"])
    _write(tmp_path, "runs", frame[~crashed])
    _write(tmp_path, "metrics", frame[~crashed])
    _write(
        tmp_path, "failures", pd.DataFrame({"run": ["a-3", "a-3"], "error": ["at first", "no <b>luck</b>"]})
    )
    found = read_results(tmp_path)
    assert (len(found.runs), found.missing) == (15, 1)
    text = page(found, pictures=[])
    assert "Runs that ended early: a in 1 of 7;" in text
    assert "no &lt;b&gt;luck&lt;/b&gt;" in text
    assert "at first" not in text
    assert rank_policies(found, P50).best == "b"


def test_policies_that_share_a_run_are_both_shown(tmp_path: Path) -> None:
    """One policy under two labels: the store has one run for both, with what its devices and links did."""
    frame = runs({"a": [1.0], "b": [1.0]}).assign(run="same")
    _export(tmp_path, frame)
    _write_tokens(tmp_path, "same")
    _write(tmp_path, "devices", pd.DataFrame({"run": ["same"], "device": ["board"], "busy_s": [5.0]}))
    link = {"run": "same", "link": "wifi", "from_device": "board", "to_device": "desk", "busy_s": 2.5}
    _write(tmp_path, "links", pd.DataFrame([link]))
    found = read_results(tmp_path)
    assert found.tables["links"]["policy"].tolist() == ["a", "b"]
    names = [picture.name for picture in report_figures(found, rank_policies(found, P50))]
    assert {"memory", "utilisation"} <= set(names)


def test_of_many_runs_no_more_is_read_than_is_shown(tmp_path: Path) -> None:
    """Ten thousand runs fit into memory with their tokens, not with all that their devices and links did."""
    _export(tmp_path, runs({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    _write_tokens(tmp_path, "a-1", "a-2", "b-1", "b-2")
    _write(tmp_path, "devices", pd.DataFrame({"run": ["a-1"], "device": ["board"], "busy_s": [5.0]}))
    found = read_results(tmp_path)
    assert set(found.tables) == {"tokens"}
    row_bytes = found.tables["tokens"].memory_usage(deep=True, index=False).drop("policy").sum() / 16
    assert row_bytes <= 44
    assert found.tables["tokens"]["policy"].dtype == "category"


def test_percentiles_over_requests_come_from_the_table_of_requests(tmp_path: Path) -> None:
    """The store keeps none of them: two requests, of 2 and 4 s from arrival to the last token."""
    _export(tmp_path, runs({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    rows = [
        {"run": run, "request": i, "arrival_s": 1.0, "first_token_s": 2.0 + i, "finish_s": 3.0 + 2 * i}
        for run in ("a-1", "a-2", "b-1", "b-2")
        for i in range(2)
    ]
    _write(tmp_path, "requests", pd.DataFrame(rows))
    found = read_results(tmp_path)
    assert found.runs["e2e_p50_s"].tolist() == [3.0] * 4
    assert found.runs["ttft_p95_s"].tolist() == pytest.approx([1.95] * 4)
    assert rank_policies(found, METRICS["e2e_p95_s"]).best == "a"
    assert "E2E p95 [s]" in page(found, pictures=[])


@pytest.mark.parametrize("axis", ["tokens", "log"])
def test_an_axis_may_be_called_like_anything(axis: str, tmp_path: Path) -> None:
    """Axes have names of the user's, and the tables columns of ours."""
    frame = runs({"a": list(world(2)), "exact": list(world(2))})
    levels = [frame.assign(run=frame["run"] + level, level=level) for level in ("lo", "hi")]
    both = pd.concat(levels, ignore_index=True)
    cases = both[["run", "policy", "seed"]].assign(number=range(8), scenario="lab", changes="")
    cases.assign(**{axis: both["level"]}).to_parquet(tmp_path / "cases.parquet", index=False)
    _write(tmp_path, "runs", both)
    _write(tmp_path, "metrics", both)
    _write_tokens(tmp_path, *both["run"])
    found = read_results(tmp_path)
    assert found.axes[0].startswith(axis)
    assert found.settings.iloc[:, 0].tolist() == ["lo", "hi"]
    text = page(found)
    assert f"Policies along {axis}" in text
    assert "Above the optimum" in text


def test_the_slowest_run_of_each_policy_is_named(tmp_path: Path) -> None:
    cases = pd.DataFrame(
        {"number": range(4), "run": list("wxyz"), "scenario": "s", "changes": "", "policy": ["a", "b"] * 2}
    ).assign(seed=[1, 1, 2, 2], rate=[0.5, 0.5, 2.0, 2.0])
    numbers = {"ttft_s": 1.0, "tpot_p50_s": 0.1, "tpot_p95_s": 0.2, "tpot_p99_s": 0.3, "tokens_per_s": 5.0}
    counts = {"tokens": 9, "decisions": 1, "infeasible_decisions": 0, "migrations": 0, "migrated_bytes": 0.0}
    metrics = cases[["run"]].assign(
        status="complete", peak_bytes=1.0, tpot_max_s=[3.0, 5.0, 4.0, 2.0], **numbers, **counts
    )
    runs = cases[["run"]].assign(detail="", end_s=1.0, headway_version="0")
    cases.to_parquet(tmp_path / "cases.parquet", index=False)
    _write(tmp_path, "metrics", metrics)
    _write(tmp_path, "runs", runs)
    found = slowest_runs_table(read_results(tmp_path))
    assert found is not None
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["a", "4.00", "2", "2", "headway explain DIR --run y"],
        ["b", "5.00", "0.5", "1", "headway explain DIR --run x"],
    ]


def test_faults_are_shown_with_the_tokens_they_hit() -> None:
    scenario = load_scenario(shipped_scenario("phone-leaves"))
    results = [simulate(scenario, shipped.create(name), run=name) for name in ("resource-aware", "static")]
    evidence = of_result(combine(results))
    each = fault_table(evidence)
    assert each is not None
    assert [row[0].text for row in each.rows] == ["resource-aware", "static"]
    assert {row[2].text for row in each.rows} == {"phone"}
    tokens = evidence.tables["tokens"]
    longest = tokens.groupby("policy", observed=True)["latency_s"].max()
    assert [float(row[5].value) for row in each.rows] == longest.tolist()
    together = fault_table(replace(evidence, is_campaign=True))
    assert together is not None
    lost = tokens.groupby("policy", observed=True)["fault_s"].sum()
    assert [float(row[3].value) for row in together.rows] == lost.tolist()
    assert "<h2>Faults</h2>" in page(evidence, pictures=[])


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS = 600_000


@pytest.fixture
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("Playwright is not installed; it is one of the `dev` extras")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as driver:
        # Chromium's own sandbox needs rights that a container seldom gives.
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield started
        started.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (390, "dark")])
def test_a_browser_shows_the_page_without_complaint(
    browser: Any, html: str, tmp_path: Path, width: int, scheme: str
) -> None:
    """No message, no request but for the file itself, nothing wider than the window, no name that runs."""
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    view.set_default_timeout(PATIENCE_MS)
    messages: list[str] = []
    requests: list[str] = []
    view.on("console", lambda message: messages.append(message.text))
    view.on("pageerror", lambda error: messages.append(str(error)))
    view.on("dialog", lambda dialog: messages.append(dialog.message))
    view.on("request", lambda request: requests.append(request.url))
    view.goto(path.as_uri())
    assert messages == []
    assert requests == [path.as_uri()]
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    background = view.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert len(view.screenshot(full_page=True)) > 10_000


@pytest.mark.slow
def test_paper_is_light_and_nothing_is_wider_than_it(browser: Any, html: str, tmp_path: Path) -> None:
    """Also for who reads in the dark; what is folded on the screen is printed, and all that can be scrolled to."""
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    a4_px = round((210 - 2 * 14) / 25.4 * 96)
    view = browser.new_page(viewport={"width": a4_px, "height": 1000}, color_scheme="dark")
    view.set_default_timeout(PATIENCE_MS)
    view.goto(path.as_uri())
    view.emulate_media(media="print", color_scheme="dark")
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    colours = view.evaluate(
        "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert view.locator("details:not([open])").count() == 0
    wide = "[...document.querySelectorAll('html, .scroll, pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert view.evaluate(wide) == 0
    heads = "[...document.querySelectorAll('thead')].every(e => getComputedStyle(e).breakInside === 'avoid')"
    assert view.evaluate(heads)
    view.evaluate("dispatchEvent(new Event('afterprint'))")
    assert view.locator("details:not([open])").count() == view.locator("details").count() > 0
    assert view.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")


@pytest.mark.slow
def test_tables_are_sorted_by_keyboard(browser: Any, html: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    view = browser.new_page()
    view.set_default_timeout(PATIENCE_MS)
    view.goto(path.as_uri())
    table = view.locator("table.sortable").nth(1)
    button = table.get_by_role("button", name="TPOT p50")
    column = button.evaluate("button => button.closest('th').cellIndex + 1")
    orders = []
    for _ in range(2):
        button.focus()
        view.keyboard.press("Enter")
        cells = table.locator(f"tbody tr td:nth-child({column})")
        orders.append(
            [float(value) for value in cells.evaluate_all("cells => cells.map(c => c.dataset.value)")]
        )
    head = table.locator(f"thead th:nth-child({column})")
    assert orders[0] == sorted(orders[0])
    assert orders[1] == orders[0][::-1]
    assert head.get_attribute("aria-sort") == "descending"
