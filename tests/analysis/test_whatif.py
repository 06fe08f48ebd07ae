"""Laws of "what if": worlds are shared, pairs are honest, and neither order nor processes matter."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interrupts import interrupted
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from headway.analysis.cli import app
from headway.analysis.statistics import compare
from headway.analysis.statistics.metrics import METRICS, metrics, table_metrics
from headway.analysis.whatif import Findings, Study, sweep, what_if
from headway.analysis.whatif.differences import differences, levels
from headway.analysis.whatif.figures import cdf_figure, sweep_figure
from headway.analysis.whatif.study import read_study, study_text
from headway.policies import create
from headway.simcore import load_scenario, shipped_scenario, simulate
from headway.simcore.files.overrides.changes import parse_change, parse_settings
from headway.simcore.files.yaml_document import read_document
from headway.traces import InputError

RANDOM = """\
name: lab
seed: 3
model: {shape: {layers: 2, width: 64, heads: 4}}
source: desk
devices:
  desk: {memory: 100 MB, compute: 10 GFLOP/s, memory_bandwidth: unlimited}
  shelf: {memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited}
  attic: {memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited}
links:
  wifi:
    connect: [[desk, shelf], [shelf, attic]]
    bandwidth: {walk_mean: 20 Mbit/s, sigma: 0.5, step: 20 ms, duration: 2 s}
workload:
  - {prompt: 4, output: 12}
  - {prompt: 4, output: 5}
policies: [greedy, round-robin]
"""
FIXED = RANDOM.replace("{walk_mean: 20 Mbit/s, sigma: 0.5, step: 20 ms, duration: 2 s}", "20 Mbit/s")
TIGHT = [
    *(f"devices.{name}.memory=201 kB" for name in ("desk", "shelf", "attic")),
    "controller.horizon=interval",
]
"""One device then holds the model for a few tokens only, and policies do not plan for the whole request."""

HALF = (parse_change("links.wifi.bandwidth*0.5", "here"),)
SLOW = {"slow": ["links.wifi.bandwidth*0.5"]}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(RANDOM)
    return path


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    path = tmp_path / "fixed.yaml"
    path.write_text(FIXED)
    return path


def same(one: Findings, other: Findings) -> None:
    for name, frame in one.tables.items():
        pd.testing.assert_frame_equal(frame, other.tables[name], check_exact=True)


def sorted_by_labels(frame: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in ("variant", "policy", "metric", "seed") if key in frame]
    return frame.sort_values(keys, kind="stable").reset_index(drop=True)


# Runs


def test_runs_are_those_of_simulate(lab: Path) -> None:
    """Each row is the run that a user would make by hand from the edited file and the seed."""
    found = what_if(lab, SLOW, replications=2)
    assert list(found.runs["seed"].unique()) == [3, 4]
    for row in found.runs.to_dict("records"):
        changes = SLOW["slow"] if row["variant"] == "slow" else []
        world = load_scenario(lab, seed=row["seed"], changes=changes)
        result = simulate(world, create(row["policy"]))
        assert result.runs["changes"][0] == row["changes"] == "; ".join(changes)
        by_hand = metrics(result).iloc[0]
        for column in METRICS:
            assert row[column] == by_hand[column]


def test_tokens_are_those_that_followed_another(lab: Path) -> None:
    found = what_if(lab, SLOW, ["greedy"], replications=2)
    counts = found.tokens.groupby(["variant", "seed"]).size()
    assert set(counts) == {11 + 4}
    medians = found.tokens.groupby(["variant", "seed"])["latency_s"].median()
    assert list(medians) == list(found.runs["tpot_p50_s"])


def test_a_variant_that_changes_nothing_differs_by_nothing(lab: Path) -> None:
    found = what_if(lab, {"same": ["devices.desk.compute*1"]}, replications=3).differences
    assert (found["change"] == 0.0).all()
    assert (found[["low", "high"]] == 0.0).all(axis=None)
    assert set(found["verdict"]) == {"same"}


def test_the_order_of_variants_and_policies_does_not_matter(lab: Path) -> None:
    variants = SLOW | {"small": ["workload.0.output=6"]}
    one = what_if(lab, variants, ["greedy", "round-robin"], replications=2)
    other = what_if(lab, dict(reversed(variants.items())), ["round-robin", "greedy"], replications=2)
    for name, frame in one.tables.items():
        pd.testing.assert_frame_equal(sorted_by_labels(frame), sorted_by_labels(other.tables[name]))


def test_replications_are_seeds_in_a_row(lab: Path) -> None:
    three = what_if(lab, SLOW, ["greedy"], 3, seed=7).runs
    one = what_if(lab, SLOW, ["greedy"], 1, seed=8).runs
    pd.testing.assert_frame_equal(three[three["seed"] == 8].reset_index(drop=True), one)


def test_where_nothing_is_random_one_world_is_run_and_no_interval_pretended(fixed: Path) -> None:
    found = what_if(fixed, SLOW, replications=10)
    assert not found.random
    assert found.study.replications == 1
    assert len(found.runs) == 4
    assert found.differences[["low", "high"]].isna().all(axis=None)
    slower = found.differences[found.differences["metric"] == "tpot_p50_s"]
    assert set(slower["verdict"]) == {"worse"}


def test_a_variant_alone_can_be_random(fixed: Path) -> None:
    walk = "links.wifi.bandwidth={walk_mean: 20 Mbit/s, sigma: 0.5, step: 20 ms, duration: 2 s}"
    found = what_if(fixed, {"wandering": [walk]}, ["greedy"], 2)
    assert found.random
    assert len(found.runs) == 4
    assert found.runs["tpot_p50_s"].nunique() == 3


def test_a_recording_that_starts_at_random_is_random(fixed: Path) -> None:
    recorded = "links.wifi.bandwidth={shipped: wifi-near.csv, end: loop}"
    assert not what_if(fixed, {"wifi": [recorded]}, ["greedy"], 2).random
    assert what_if(fixed, {"wifi": [recorded, "links.wifi.bandwidth.start=random"]}, ["greedy"], 2).random


def test_decisions_that_cost_what_they_take_are_random(fixed: Path) -> None:
    assert what_if(fixed, {"timed": ["controller.decision_time=measured"]}, ["greedy"], 2).random


def test_without_variants_policies_are_compared_with_the_first(lab: Path) -> None:
    found = what_if(lab, policies=["round-robin", "greedy", "static"], replications=2)
    assert list(found.differences["policy"].unique()) == ["greedy", "static"]
    assert set(found.differences["against"]) == {"round-robin"}
    runs = found.runs.set_index(["policy", "seed"])["tpot_p50_s"]
    row = found.differences.query("policy == 'greedy' and metric == 'tpot_p50_s'").iloc[0]
    ratios = np.log(runs["greedy"] / runs["round-robin"])
    assert row["change"] == pytest.approx(np.expm1(ratios.mean()), rel=1e-12)


# A variant that fails


def test_a_variant_that_runs_out_of_memory_is_a_row(lab: Path) -> None:
    found = what_if(lab, {"tight": TIGHT, **SLOW}, ["single", "round-robin"], 2)
    ended = found.runs[found.runs["status"] != "complete"]
    assert set(zip(ended["variant"], ended["policy"], strict=True)) == {("tight", "single")}
    assert set(ended["status"]) == {"out-of-memory"}
    rows = found.differences.query("variant == 'tight' and policy == 'single'")
    assert set(rows["pairs"]) == {0}
    assert set(rows["verdict"]) == {"out-of-memory"}
    assert rows[["before", "after", "change"]].isna().all(axis=None)


def test_a_model_that_fits_nowhere_is_infeasible_and_no_mistake(lab: Path) -> None:
    tiny = ["devices.desk.memory=1 kB", "devices.shelf.memory=1 kB", "devices.attic.memory=1 kB"]
    found = what_if(lab, {"tiny": tiny}, replications=2)
    rows = found.runs[found.runs["variant"] == "tiny"]
    assert list(rows["status"]) == ["infeasible"] * 4
    assert rows["detail"].str.contains("lab.yaml").all()
    assert set(found.differences["verdict"]) == {"infeasible"}


def test_only_complete_pairs_are_compared() -> None:
    runs = made_runs({"base": [1.0, 2.0, 3.0], "new": [2.0, 2.5, 9.0]})
    runs.loc[(runs["variant"] == "new") & (runs["seed"] == 2), "status"] = "stalled"
    row = differences(runs, "variant").set_index("metric").loc["ttft_s"]
    assert (row["pairs"], row["worlds"]) == (2, 3)
    assert (row["before"], row["after"]) == (1.5, 2.25)
    assert row["change"] == pytest.approx((2.0 * 1.25) ** 0.5 - 1.0)


def test_one_pair_shows_nothing_of_other_worlds_unless_nothing_is_random() -> None:
    one = made_runs({"base": [1.0], "new": [2.0]})
    assert set(differences(one, "variant")["verdict"]) == {"unsure"}
    exact = differences(one, "variant", exact=True).set_index("metric")
    assert exact.loc["ttft_s", "verdict"] == "worse"


@pytest.mark.parametrize(
    ("early", "verdict"),
    [
        ({"new": [2]}, "worse"),
        ({"base": [2]}, "better"),
        ({"base": [0, 1, 2]}, "better"),
        ({"new": [1], "base": [2]}, "unsure"),
        ({"new": [2], "base": [2]}, "same"),
        ({"new": [0, 1, 2]}, "stalled"),
        ({"new": [0, 1, 2], "base": [0, 1, 2]}, "stalled"),
    ],
)
def test_a_run_that_ended_early_is_worse_than_one_that_completed(
    early: dict[str, list[int]], verdict: str
) -> None:
    """However fast the other runs are: left-out pairs would favour a variant that fails in hard worlds."""
    runs = made_runs({"base": [1.0, 2.0, 3.0], "new": [1.0, 2.0, 3.0]})
    for variant, seeds in early.items():
        runs.loc[(runs["variant"] == variant) & runs["seed"].isin(seeds), "status"] = "stalled"
    found = differences(runs, "variant").set_index("metric")["verdict"]
    assert {found["tokens_per_s"], found["tpot_p99_s"]} == {verdict}
    assert found["migrations"] not in ("better", "worse")


def test_what_rounding_leaves_is_the_same_and_what_is_missing_no_verdict() -> None:
    base = [1.0, 2.0, 3.0]
    nearly = [value * (1.0 + 1e-14) for value in base]
    found = differences(made_runs({"base": base, "new": nearly}), "variant")
    assert set(found["verdict"]) == {"same"}
    assert not found[["change", "low", "high"]].any(axis=None)
    found = differences(made_runs({"base": base, "new": [1.5, np.nan, 4.0]}), "variant")
    assert set(found["verdict"]) == {"-"}


# Differences


def made_runs(values: dict[str, list[float]]) -> pd.DataFrame:
    """Runs of one policy of which every metric has the same values."""
    return pd.DataFrame(
        [
            {"variant": variant, "policy": "p", "seed": seed, "status": "complete"}
            | dict.fromkeys(METRICS, value)
            for variant, row in values.items()
            for seed, value in enumerate(row)
        ]
    )


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)), min_size=2, max_size=12))
@settings(max_examples=20, deadline=None)
def test_intervals_are_those_of_all_comparisons_together(pairs: list[tuple[float, float]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    found = differences(made_runs({"base": first, "new": second, "newer": first}), "variant")
    expected = compare(first, second, comparisons=len(found)).change
    row = found.iloc[0]
    assert (row["change"], row["low"], row["high"]) == (expected.value, expected.low, expected.high)


def test_what_cannot_be_compared_does_not_count_as_a_comparison() -> None:
    """A variant that never completes does not make the others less sure."""
    values = {"base": [1.0, 2.0, 3.0], "new": [1.2, 2.5, 3.5]}
    alone = differences(made_runs(values), "variant")
    runs = made_runs(values | {"broken": [1.0, 2.0, 3.0]})
    runs.loc[runs["variant"] == "broken", "status"] = "stalled"
    both = differences(runs, "variant")
    pd.testing.assert_frame_equal(both[both["variant"] == "new"], alone)


@pytest.mark.parametrize(
    ("after", "latency", "throughput"),
    [
        ([2.0, 4.0, 6.1], "worse", "better"),
        ([0.5, 1.0, 1.51], "better", "worse"),
        ([1.001, 2.001, 3.001], "same", "same"),
        ([0.0, 2.0, 4.5], "unsure", "unsure"),
    ],
)
def test_the_verdict_follows_the_interval(after: list[float], latency: str, throughput: str) -> None:
    found = differences(made_runs({"base": [1.0, 2.0, 3.0], "new": after}), "variant")
    verdicts = found.set_index("metric")["verdict"]
    assert (verdicts["tpot_p99_s"], verdicts["tokens_per_s"]) == (latency, throughput)


def test_levels_are_means_over_complete_runs() -> None:
    runs = made_runs({"base": [1.0, 2.0, 6.0]})
    runs.loc[runs["seed"] == 2, "status"] = "stalled"
    row = levels(runs).iloc[0]
    assert (row["mean"], row["complete"], row["worlds"], row["status"]) == (1.5, 2, 3, "stalled")


# Sweeps


def test_a_sweep_is_a_variant_per_value(lab: Path) -> None:
    found = sweep(lab, "links.wifi.bandwidth*0.5,1,2", policies=["greedy"], replications=2)
    assert list(found.runs["variant"].unique()) == [f"links.wifi.bandwidth*{f}" for f in ("0.5", "1", "2")]
    other = what_if(lab, SLOW, ["greedy"], 2).runs
    for column in METRICS:
        halved = found.runs[column].iloc[:2]
        assert list(halved) == list(other.loc[other["variant"] == "slow", column])
    assert "differences" not in found.tables


def test_changes_hold_for_every_value_of_a_sweep(lab: Path) -> None:
    found = sweep(lab, "workload.0.output=3,4", ["drop workload.1"], ["greedy"], 1)
    assert list(found.runs["tokens"]) == [3, 4]
    assert list(found.runs["changes"]) == [f"drop workload.1; workload.0.output={n}" for n in (3, 4)]


@pytest.mark.parametrize(
    ("knob", "ticks", "scale"),
    [
        ("links.wifi.bandwidth*0.25,1,4", [0.25, 1.0, 4.0], "log"),
        ("links.wifi.bandwidth*1,2", [1.0, 2.0], "linear"),
        ("controller.window=500 ms,1 s,2 s", [500.0, 1000.0, 2000.0], "linear"),
        ("workload.0.output=2,5", [2.0, 5.0], "linear"),
        ("network.sharing=dedicated,dedicated ", None, ""),
        ("controller.on_infeasible=keep,fail", [0.0, 1.0], "linear"),
    ],
)
def test_a_knob_is_drawn_where_its_values_are(
    knob: str, ticks: list[float] | None, scale: str, lab: Path
) -> None:
    if ticks is None:
        with pytest.raises(InputError, match="two or more different values"):
            sweep(lab, knob)
        return
    figure = sweep_figure(sweep(lab, knob, policies=["greedy"], replications=1))
    for axes in figure.axes:
        assert list(axes.get_xticks()) == ticks
        assert axes.get_xscale() == scale


def test_a_value_that_fails_is_marked(lab: Path) -> None:
    rest = ["devices.shelf.memory=1 kB", "devices.attic.memory=1 kB"]
    found = sweep(lab, "devices.desk.memory=200 kB,1 MB", rest, ["single"], 1)
    figure = sweep_figure(found)
    line, crosses = figure.axes[0].get_lines()
    assert np.isnan(line.get_ydata()[0])  # type: ignore[index]
    assert np.asarray(crosses.get_xdata()).tolist() == [200.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["single", "no run was complete"]


# Figures


def curves(figure: Figure) -> list[tuple[str, int]]:
    return [(to_hex(line.get_color()), len(line.get_xdata())) for line in figure.axes[0].get_lines()]  # type: ignore[arg-type]


def test_a_panel_per_policy_has_a_curve_per_variant_over_the_tokens_of_all_worlds(lab: Path) -> None:
    figure = cdf_figure(what_if(lab, SLOW | {"tight": TIGHT}, ["single", "round-robin"], 2))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["single", "round-robin"]
    assert len({colour for colour, _ in curves(figure)}) == 3
    assert [count for _, count in curves(figure)][:2] == [31, 31]  # a step per token, and the foot
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["base", "slow"]
    assert names[2] == "tight (out-of-memory, 2 of 4 runs)"


def test_policies_share_a_panel(lab: Path) -> None:
    figure = cdf_figure(what_if(lab, policies=["single", "static"], replications=2))
    assert len(figure.axes) == 1
    assert len(curves(figure)) == 2


def test_figures_of_nothing_say_so(lab: Path) -> None:
    changes = ["workload=[{prompt: 2, output: 1}]"]
    found = what_if(lab, {"one": changes}, ["greedy"], 1)
    assert curves(cdf_figure(found))
    stored = found.stored | {"tokens": found.stored["tokens"].slice(0, 0)}
    nothing = dataclasses.replace(found, stored=stored)
    assert "no token" in cdf_figure(nothing).axes[0].texts[0].get_text()


@pytest.mark.parametrize(
    "study",
    [
        Study(scenario=Path("a.yaml"), policies=("greedy", "single"), seed=7),
        Study(scenario=Path("a.yaml"), variants={"slow: 1": HALF, "two": HALF * 2}, seed=0),
        Study(scenario=Path("a.yaml"), changes=HALF, knob=parse_settings("a.b*0.1,1e3,0.25", "here")),
        Study(scenario=Path("a.yaml"), knob=parse_settings("a='x, y',1,[2, {b: 3}],1 ms,'4',~", "here")),
    ],
)
def test_a_study_is_the_same_when_its_text_is_read(study: Study, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(study_text(study), encoding="utf-8")
    again = read_study(read_document(tmp_path / "study.yaml"))
    assert again == dataclasses.replace(study, scenario=tmp_path / "scenario.yaml")


# Mistakes


@pytest.mark.parametrize(
    ("variants", "options", "words"),
    [
        ({"\n": ["seed=1"]}, {}, ["the label"]),
        ({"a": ["policies=[static]"]}, {}, ["variant a: got policies that differ", "greedy, round-robin"]),
        ({"a": ["seed=1"]}, {"replications": 0}, ["replications: got 0"]),
        ({"a": ["seed=1"]}, {"seed": -1}, ["seed: got -1"]),
        ({"a": ["seed=1"]}, {"seed": 2**63 - 2, "replications": 5}, ["seed: got", "at most"]),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_run(
    variants: dict[str, list[str]], options: dict[str, object], words: list[str], lab: Path
) -> None:
    ticks: list[None] = []
    with pytest.raises(InputError) as caught:
        what_if(lab, variants, progress=lambda: ticks.append(None), **options)  # type: ignore[arg-type]
    assert not ticks
    for word in words:
        assert word in str(caught.value)


def test_a_base_that_fits_nowhere_is_a_mistake(lab: Path) -> None:
    lab.write_text(RANDOM.replace("100 MB", "1 kB"))
    with pytest.raises(InputError, match="a model of"):
        what_if(lab, SLOW)


# The command


def headway(folder: Path, *arguments: object) -> Result:
    with contextlib.chdir(folder):
        workers = () if "--workers" in arguments else ("--workers", "1")
        return CliRunner().invoke(app, ["whatif", *map(str, arguments), *workers])


GOLDEN = """\
Tokens/s
 Variant                         single
───────────────────────────────────────
 base                            36,958
 devices.desk.compute*0.5  18,479 worse

Best: base under single, 36,958 tokens/s.
Better than the base under the same policy: none.

devices.desk.compute*0.5
 Policy  Metric              Base  Variant   Change  Verdict
────────────────────────────────────────────────────────────
 single  Tokens/s          36,958   18,479  -50.0 %  worse
         TTFT p50 [ms]      0.230    0.459   +100 %  worse
         TTFT p95 [ms]      0.365    0.730   +100 %  worse
         E2E p50 [ms]       0.380    0.761   +100 %  worse
         E2E p95 [ms]       0.452    0.904   +100 %  worse
         TPOT p50 [ms]     0.0201   0.0401   +100 %  worse
         TPOT p99 [ms]     0.0204   0.0408   +100 %  worse
         TPOT max [ms]     0.0204   0.0409   +100 %  worse
         Migrations             0        0        0  same
         Peak memory [kB]     205      205      0 %  same

No random inputs: one run per variant is exact.

Results: results/whatif-lab
"""

SWEPT = """\
Sweep of devices.desk.compute
                            TTFT   TTFT    E2E    E2E    TPOT    TPOT    TPOT                Peak
                             p50    p95    p50    p95     p50     p99     max              memory
 Change  Policy  Tokens/s   [ms]   [ms]   [ms]   [ms]    [ms]    [ms]    [ms]  Migrations    [kB]
─────────────────────────────────────────────────────────────────────────────────────────────────
 *1      single    36,958  0.230  0.365  0.380  0.452  0.0201  0.0204  0.0204           0     205
 *2      single    73,916  0.115  0.182  0.190  0.226  0.0100  0.0102  0.0102           0     205

Best: devices.desk.compute*2 under single, 73,916 tokens/s.

Everywhere: seed=5
No random inputs: one run per variant is exact.

Results: swept
"""


def printed(done: Result) -> str:
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_command_prints_what_differs_and_writes_its_folder(fixed: Path) -> None:
    """One device computes alone: at half the speed, every time doubles."""
    done = headway(fixed.parent, "fixed.yaml", "--set", "devices.desk.compute*0.5", "--policy", "single")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = printed(done).splitlines(keepends=True)
    note = lines.pop(-2)
    assert note.startswith("Note: each of the 2 links of 'wifi' has its whole bandwidth for itself.")
    assert "".join(lines) == GOLDEN
    folder = fixed.parent / "results" / "whatif-lab"
    assert names_in(folder) == {
        "scenario.yaml", "study.yaml", "origin.json", "latency_cdf.svg", "latency_cdf.png", "tokens.parquet", "export",
        *(f"{name}.{kind}" for name in ("runs", "levels", "differences") for kind in ("parquet", "csv")),
    }  # fmt: skip
    assert (folder / "scenario.yaml").read_text() == FIXED
    assert names_in(fixed.parent) == {"fixed.yaml", "results"}


def test_the_command_sweeps(fixed: Path) -> None:
    done = headway(
        fixed.parent, "fixed.yaml", "--sweep", "devices.desk.compute*1,2", "--set", "seed=5",
        "--policy", "single", "--out", "swept",
    )  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    lines = printed(done).splitlines(keepends=True)
    note = lines.pop(-2)
    assert note.startswith("Note: each of the 2 links of 'wifi' has its whole bandwidth for itself.")
    assert "".join(lines) == SWEPT
    assert {"sweep.svg", "sweep.png", "levels.csv"} <= names_in(fixed.parent / "swept")


def test_the_matrix_comes_first_and_names_the_changes_that_help(fixed: Path) -> None:
    """One device computes alone: its speed is the rate of tokens, and the Wi-Fi has no effect."""
    done = headway(
        fixed.parent, "fixed.yaml", "--variant", "quick: devices.desk.compute*2", "--policy", "single",
        "--variant", "wifi: links.wifi.bandwidth*2", "--policy", "round-robin",
    )  # fmt: skip
    assert printed(done).splitlines()[1].split() == ["Variant", "single", "round-robin"]
    rows = printed(done).splitlines()[3:6]
    assert [row.split()[0] for row in rows] == ["base", "quick", "wifi"]
    assert rows[2].split()[2] == "same"
    assert "Best: quick under single" in printed(done)
    assert "quick under single (+100 %)" in printed(done)


def test_the_tables_in_the_folder_are_the_findings(lab: Path) -> None:
    done = headway(lab.parent, "lab.yaml", "--variant", "slow: links.wifi.bandwidth*0.5", "--replications", 2)
    assert done.exit_code == 0
    for name, frame in what_if(lab, SLOW, replications=2).tables.items():
        saved = pq.read_table(lab.parent / "results" / "whatif-lab" / f"{name}.parquet").to_pandas()
        pd.testing.assert_frame_equal(saved, frame)
    table = pd.read_csv(lab.parent / "results" / "whatif-lab" / "differences.csv")
    shown = table_metrics(what_if(lab, SLOW, replications=2).runs)
    assert list(table["metric"].unique()) == [metric.column for metric in shown]


def test_two_studies_give_the_same_bytes(lab: Path) -> None:
    for out, workers in (("one", 1), ("two", 2)):
        arguments = ["--set", "links.wifi.bandwidth*0.5", "--replications", "2", "--workers", workers]
        assert headway(lab.parent, "lab.yaml", *arguments, "--out", out).exit_code == 0
    files = {str(path.relative_to(lab.parent / "one")) for path in (lab.parent / "one").rglob("*.*")}
    assert {"runs.parquet", "export/tokens.parquet"} <= files
    for name in files:
        assert (lab.parent / "one" / name).read_bytes() == (lab.parent / "two" / name).read_bytes(), name


def test_options_and_study_files_ask_the_same(lab: Path) -> None:
    (lab.parent / "study.yaml").write_text(
        "base: lab.yaml\n"
        "changes: [workload.0.output=6]\n"
        "variants:\n"
        "  slow: [links.wifi.bandwidth*0.5]\n"
        "  'few; slow': ['links.wifi.bandwidth*0.5', drop devices.attic]\n"
        "policies: [greedy]\nreplications: 2\nseed: 4\nsmallest_difference: 3 %\n"
    )
    one = headway(lab.parent, "study.yaml")
    other = headway(
        lab.parent, "lab.yaml", "--set", "workload.0.output=6", "--variant", "slow: links.wifi.bandwidth*0.5",
        "--variant", "few; slow: links.wifi.bandwidth*0.5; drop devices.attic",
        "--policy", "greedy", "--replications", 2, "--seed", 4, "--force", "--smallest-difference", "3%",
    )  # fmt: skip
    assert (one.exit_code, one.stderr) == (0, "")
    assert f"{one.stdout.rstrip()} (replaced)\n" == other.stdout
    assert "few; slow: links.wifi.bandwidth*0.5; drop devices.attic" in one.stdout
    assert "Means over 2 worlds, of seeds 4 to 5" in one.stdout


def test_options_take_the_place_of_what_a_study_says(lab: Path) -> None:
    (lab.parent / "study.yaml").write_text(
        "base: lab.yaml\nsweep: devices.desk.compute*1,2\nreplications: 9\n"
    )
    done = headway(lab.parent, "study.yaml", "--replications", 1, "--policy", "single", "--seed", 8)
    assert done.exit_code == 0
    assert "One world, of seed 8" in done.stdout
    assert "greedy" not in done.stdout


def test_a_study_can_start_from_a_shipped_scenario(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "base: home-cluster\nchanges: ['workload.0.output=3']\nvariants: {a: [links.wired.latency*2]}\n"
        "policies: [static]\nreplications: 1\n"
    )
    done = headway(tmp_path, "study.yaml")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Results: results/whatif-home-cluster" in done.stdout
    assert shipped_scenario("home-cluster").read_text() == (
        (tmp_path / "results" / "whatif-home-cluster" / "scenario.yaml").read_text()
    )


def test_a_failing_variant_does_not_end_the_study(lab: Path) -> None:
    tight = "; ".join(TIGHT)
    variants = ["--variant", f"tight: {tight}", "--variant", "slow: links.wifi.bandwidth*0.5"]
    done = headway(lab.parent, "lab.yaml", *variants, "--policy", "single", "--replications", 2)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "tight, single: out-of-memory in 2 of 2 worlds: device 'desk' lacks" in done.stdout
    assert f"tight: {tight}" in done.stdout


@pytest.mark.parametrize(
    ("workers", "processes", "sign"),
    [
        (1, 1, "asked"),
        pytest.param(2, 2, "asked", marks=pytest.mark.slow),
        pytest.param(2, 3, "begun", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_ends_a_study_with_130_and_leaves_nothing(
    workers: int, processes: int, sign: str, lab: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also while workers begin: the command, what tracks their resources, and the process of which they are forks."""
    lab.write_text(FIXED.replace("output: 12", "output: 900000").replace("100 MB", "100 GB"))
    study = (
        "whatif",
        "lab.yaml",
        "--set",
        "devices.desk.compute*2",
        "--out",
        "a/b",
        "--workers",
        str(workers),
    )
    site = tmp_path_factory.mktemp("site")
    done = interrupted(site, lab.parent, *study, processes=processes, sign=sign)
    assert done == (130, "", "headway: interrupted\n")
    assert names_in(lab.parent) == {"lab.yaml"}
