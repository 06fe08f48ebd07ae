"""What the figure shows, and that it is the same picture every time."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from headway.analysis.figures.latency_cdf import draw_shares, latency_cdf
from headway.analysis.figures.saving import save_figure
from headway.analysis.figures.style import looks
from headway.simcore import TABLES, Result


def made(runs: dict[str, list[float]], statuses: dict[str, str] | None = None) -> Result:
    """A result whose runs have a first token of 1000 s and later tokens of the given latencies."""
    frames = {name: schema.empty_table().to_pandas() for name, schema in TABLES.items()}
    statuses = statuses or {}
    frames["runs"] = pd.DataFrame(
        {
            "run": list(runs),
            "scenario": "lab",
            "status": [statuses.get(run, "complete") for run in runs],
            "tokens": [len(latencies) + 1 for latencies in runs.values()],
        }
    )
    frames["tokens"] = pd.DataFrame(
        [
            {"run": run, "request": 0, "token": i, "latency_s": latency}
            for run, latencies in runs.items()
            for i, latency in enumerate([1000.0, *latencies])
        ]
    )
    return Result(**frames)


def axes_of(figure: Figure) -> Axes:
    return figure.axes[0]


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def ticks_of(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    low, high = axes_of(figure).get_xlim()
    ticks = zip(axes_of(figure).get_xticks(), axes_of(figure).get_xticklabels(), strict=True)
    return [label.get_text() for at, label in ticks if low <= at <= high]


def test_a_curve_is_the_share_of_later_tokens_at_or_below_each_latency() -> None:
    figure = latency_cdf(made({"a": [2.0, 1.0, 4.0, 2.0]}))
    xs, ys = (np.asarray(data) for data in axes_of(figure).get_lines()[0].get_data())
    share_at = {float(x): float(y) for x, y in zip(xs, ys, strict=True)}
    assert share_at == {1.0: 0.25, 2.0: 0.75, 4.0: 1.0}
    assert (xs[0], ys[0]) == (1.0, 0.0)


def test_a_missing_time_has_no_share() -> None:
    axes = Figure().subplots()
    full, missing = draw_shares(axes, {"a": [1.0, 2.0], "b": [1.0, np.nan, 2.0]}, looks(["a", "b"]))
    assert np.array_equal(full.get_xydata(), missing.get_xydata())


@pytest.mark.parametrize("above", [False, True])
def test_a_curve_of_many_tokens_has_few_steps_and_shows_its_tail(above: bool) -> None:
    """Of a million tokens, the share of those that took longer is told down to the last of them."""
    times = np.random.default_rng(1).pareto(1.5, 1_000_000) + 1.0
    axes = Figure().subplots()
    (line,) = draw_shares(axes, {"a": pd.Series(times)}, looks(["a"]), above=above)
    x, y = (np.asarray(data) for data in line.get_data())
    assert len(x) <= 1001
    exact = np.searchsorted(np.sort(times), x[1:], side="right") / len(times)
    shown = (1.0 - exact)[:-1] if above else exact
    assert y[1 : 1 + len(shown)] == pytest.approx(shown, rel=1e-12)
    if above:
        # No step is longer than a fiftieth, but the last of all, from token to token.
        steps = y[1:-2] / y[2:-1]
        assert steps[y[2:-1] > 1e-4].max() < 1.02
        assert y[-2] == pytest.approx(1e-6)


@pytest.mark.parametrize("latencies", [[0.011, 0.012], [0.002, 2.0], [3.0, 4.0], [0.5]])
def test_every_token_lies_inside_the_x_axis(latencies: list[float]) -> None:
    figure = latency_cdf(made({"a": latencies}))
    low, high = axes_of(figure).get_xlim()
    unit_s = 1.0 if "[s]" in axes_of(figure).get_xlabel() else 1e-3
    assert low < min(latencies) / unit_s <= max(latencies) / unit_s < high


@pytest.mark.parametrize(
    ("latencies", "scale", "unit"),
    [
        ([0.1, 1.9], "linear", "s"),
        ([0.1, 2.1], "log", "s"),
        ([0.001, 0.021], "log", "ms"),
        ([0.01, 0.02], "linear", "ms"),
    ],
)
def test_the_axis_is_logarithmic_from_a_ratio_of_twenty_and_its_unit_follows_the_middle(
    latencies: list[float], scale: str, unit: str
) -> None:
    axes = axes_of(latency_cdf(made({"a": latencies})))
    assert axes.get_xscale() == scale
    assert axes.get_xlabel() == f"Time per output token [{unit}]"


def test_a_logarithmic_axis_has_plain_numbers() -> None:
    assert ticks_of(latency_cdf(made({"a": [0.4, 30.0]}))) == ["0.5", "1", "2", "5", "10", "20"]
    assert ticks_of(latency_cdf(made({"a": [0.0009, 1100.0]}))) == [
        "0.001",
        "0.01",
        "0.1",
        "1",
        "10",
        "100",
        "1,000",
    ]


def test_runs_differ_in_colour_and_in_line_style() -> None:
    lines = axes_of(latency_cdf(made({f"run-{i}": [1.0, 2.0] for i in range(8)}))).get_lines()
    assert len({to_hex(line.get_color()) for line in lines}) == 8
    patterns = [str(line._dash_pattern) for line in lines]  # type: ignore[attr-defined]
    assert all(one != other for one, other in pairwise(patterns))
    looks = {(to_hex(line.get_color()), pattern) for line, pattern in zip(lines, patterns, strict=True)}
    assert len(looks) == 8


def test_the_legend_says_which_runs_ended_early() -> None:
    result = made({"a": [1.0], "b": [], "c": [1.0, 2.0]}, {"b": "out-of-memory", "c": "stalled"})
    assert legend_of(latency_cdf(result)) == [
        "a",
        "b (out-of-memory after 1 token)",
        "c (stalled after 3 tokens)",
    ]


def test_without_a_later_token_the_figure_says_so_and_still_names_the_runs() -> None:
    figure = latency_cdf(made({"a": [], "b": []}))
    assert legend_of(figure) == ["a", "b"]
    assert [text.get_text() for text in axes_of(figure).texts] == ["no token after the first one"]


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """A `$` begins no formula, and a leading `_` hides no run."""
    figure = latency_cdf(made({"_hidden": [1.0], "$x^$": [1.0]}))
    save_figure(figure, tmp_path, "f")
    assert legend_of(figure) == [" _hidden", r"\$x^\$"]


def test_the_users_own_style_neither_changes_the_figure_nor_is_changed(tmp_path: Path) -> None:
    result = made({"a": [0.1, 0.2]})
    save_figure(latency_cdf(result), tmp_path, "plain")
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "red", "svg.hashsalt": "mine"}):
        before = dict(mpl.rcParams)
        save_figure(latency_cdf(result), tmp_path, "styled")
        assert dict(mpl.rcParams) == before
    for kind in ("svg", "png"):
        assert (tmp_path / f"plain.{kind}").read_bytes() == (tmp_path / f"styled.{kind}").read_bytes()


def test_control_characters_of_names_leave_an_svg_well_formed(tmp_path: Path) -> None:
    save_figure(latency_cdf(made({"sta\u202etic\x1b[1m": [1.0, 2.0]})), tmp_path, "figure")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "\u202e" not in text
