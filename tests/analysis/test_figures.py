"""What the figures of runs and campaigns show, at the sizes and numbers that are met."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.figure import Figure

from headway.analysis import figures
from headway.analysis.figures.latency_cdf import latency_cdf
from headway.analysis.figures.saving import save_figure
from headway.analysis.figures.style import PALETTE, styled
from headway.analysis.statistics import Interval
from headway.policies import create
from headway.simcore import load_scenario, shipped_scenario, simulate


class Tables(NamedTuple):
    """What a run leaves, with the policy of each row."""

    requests: pd.DataFrame
    tokens: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    placements: pd.DataFrame
    migrations: pd.DataFrame


def made(policies: int, devices: int, tokens: int, layers: int = 2, heads: int = 4) -> Tables:
    """Tables of a made-up world, one run per policy; blocks move once, in the middle."""
    rng = np.random.default_rng(1)
    names, places = [f"policy-{i}" for i in range(policies)], [f"device-{i}" for i in range(devices)]
    every = {"request": 0, "token": np.arange(tokens)}
    about = [{"policy": name, "run": name} for name in names]
    blocks = [f"L{layer}.head{head}" for layer in range(layers) for head in range(heads)]
    changes = [0] if tokens < 2 else [0, tokens // 2]
    token_rows = [
        pd.DataFrame(
            {**of, **every, "start_s": 0.2 * np.arange(tokens), "latency_s": rng.lognormal(-1.0, 0.5, tokens)}
        )
        for of in about
    ]
    device_rows = [
        pd.DataFrame(
            {**of, **every, "device": place, "held_bytes": 1e9 + i, "swapped_bytes": i % 2, "busy_s": 0.1}
        )
        for of in about
        for i, place in enumerate(places)
    ]
    link_rows = [
        {**of, "link": "l", "from_device": places[0], "to_device": place, "busy_s": 0.05 * tokens}
        for of in about
        for place in places[1:]
    ]
    placement_rows = [
        {**of, "request": 0, "token": token, "block": block, "device": places[(i + token) % devices]}
        for of in about
        for token in changes
        for i, block in enumerate([*blocks, "L0.ffn", "embed"])
    ]
    move_rows = [
        {**of, "start_s": 0.1 * i, "duration_s": 0.05, "size_bytes": 2e6}
        for of in about[1:]
        for i in range(5)
    ]
    return Tables(
        pd.DataFrame([{**of, "ttft_s": 1.0 + i} for i, of in enumerate(about)]),
        pd.concat(token_rows, ignore_index=True),
        pd.concat(device_rows, ignore_index=True),
        pd.DataFrame(link_rows, columns=["policy", "run", "link", "from_device", "to_device", "busy_s"]),
        pd.DataFrame(placement_rows),
        pd.DataFrame(move_rows, columns=["policy", "run", "start_s", "duration_s", "size_bytes"]),
    )


def drawn(tables: Tables, size: figures.Size) -> dict[str, Figure]:
    """Every figure that needs the tables of runs."""
    names = list(dict.fromkeys(tables.tokens["policy"]))
    ends_s = pd.Series(10.0, index=names)
    return {
        "distribution": figures.distribution_figure(tables.tokens, size),
        "boxen": figures.boxen_figure(tables.requests, tables.tokens, size),
        "by-token": figures.by_token_figure(tables.tokens, size),
        "memory": figures.memory_figure(tables.devices, tables.tokens, size),
        "utilisation": figures.utilisation_figure(tables.devices, tables.links, ends_s, size),
        "placement": figures.placement_figure(tables.placements, tables.tokens, size),
        "migrations": figures.migration_figure(tables.migrations, names, size),
    }


def across(size: figures.Size) -> dict[str, Figure]:
    """Every figure of many worlds."""
    gaps = pd.DataFrame({"policy": ["a", "a", "b", "c"], "seed": 1, "gap": [0.0, 0.1, 0.3, np.nan]})
    table = pd.DataFrame([[1.0, 2.0], [1.5, np.nan]], index=["a", "b"], columns=["0.5", "1"])
    return {
        "difference": figures.difference_figure({"b": Interval(5.0, -1.0, 11.0, 9)}, "against a [%]", size),
        "gap": figures.gap_figure(gaps, "above exact [%]", size),
        "map": figures.heat_map(table, "wifi", "times the best", size),
    }


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(
    ("policies", "devices", "tokens", "size"),
    [(4, 5, 20, figures.PAGE), (9, 4, 4, figures.SLIDE), (1, 1, 1, figures.COLUMN)],
)
def test_every_figure_can_be_drawn_at_every_size(
    policies: int, devices: int, tokens: int, size: figures.Size
) -> None:
    for figure in drawn(made(policies, devices, tokens), size).values():
        figure.draw_without_rendering()
        assert figure.get_size_inches()[0] == size.width_in


@pytest.mark.parametrize("size", [figures.COLUMN, figures.PAGE, figures.SLIDE])
def test_figures_of_many_worlds_can_be_drawn_at_every_size(size: figures.Size) -> None:
    for figure in across(size).values():
        figure.draw_without_rendering()


def test_without_rows_a_figure_says_why_it_is_empty() -> None:
    empty = Tables(*(table.iloc[:0] for table in made(1, 2, 1)))
    for figure in drawn(empty, figures.PAGE).values():
        assert texts(figure).startswith(("no ", "nothing "))


def test_the_shares_within_and_above_a_time_add_up_to_one() -> None:
    tables = made(2, 2, 50)
    within, above = figures.distribution_figure(tables.tokens).axes
    for one, other in zip(within.get_lines(), above.get_lines(), strict=True):
        x, y = (np.asarray(data, dtype=float) for data in one.get_data())
        beyond = np.asarray(other.get_ydata(), dtype=float)
        assert np.asarray(other.get_xdata()) == pytest.approx(x)
        assert (y + beyond)[:-1] == pytest.approx(np.ones(len(y) - 1))
        assert y[-1] == 1.0
        assert np.isnan(beyond[-1])


def test_the_band_over_runs_holds_the_middle_of_the_tokens_of_a_number() -> None:
    tokens = pd.concat(
        [
            pd.DataFrame({"policy": "a", "run": str(i), "token": [0, 1, 2], "latency_s": [9.0, 1.0 + i, 2.0]})
            for i in range(11)
        ]
    )
    (axes,) = figures.by_token_figure(tokens).axes
    (line,) = axes.get_lines()
    assert np.asarray(line.get_ydata(), dtype=float) == pytest.approx([6.0, 2.0])
    (band,) = axes.collections
    corners = np.asarray(band.get_paths()[0].vertices)
    at_one = corners[corners[:, 0] == 1.0, 1]
    assert (at_one.min(), at_one.max()) == pytest.approx((2.0, 10.0))


def test_the_map_of_heads_shows_each_heads_device_at_each_token() -> None:
    tables = made(1, 3, 4)
    figure = figures.placement_figure(tables.placements, tables.tokens)
    (image,) = figure.axes[0].get_images()
    shown = np.asarray(image.get_array())
    heads = np.arange(8)
    expected = np.stack([heads % 3, heads % 3, (heads + 2) % 3, (heads + 2) % 3], axis=1)
    assert (shown == expected).all()


def test_heads_stand_in_the_order_of_their_numbers() -> None:
    """L2 before L10, head2 before head10."""
    rows = [
        {
            "policy": "p",
            "run": "p",
            "request": 0,
            "token": 0,
            "block": f"L{i}.head{j}",
            "device": f"d{i:02}-{j:02}",
        }
        for i in (10, 2)
        for j in (10, 2)
    ]
    tokens = pd.DataFrame({"run": ["p"], "request": [0], "token": [0]})
    (image,) = figures.placement_figure(pd.DataFrame(rows), tokens).axes[0].get_images()
    assert np.asarray(image.get_array()).ravel().tolist() == [0, 1, 2, 3]


def test_shares_of_time_are_busy_seconds_over_the_length_of_the_run() -> None:
    tables = made(2, 2, 20)
    figure = figures.utilisation_figure(
        tables.devices, tables.links, pd.Series([10.0, 20.0], index=["policy-0", "policy-1"])
    )
    devices, links = figure.axes
    assert [text.get_text() for text in devices.texts] == ["20", "10", "20", "10"]
    assert [text.get_text() for text in links.texts] == ["10", "5"]


def test_devices_and_links_have_the_same_columns_also_of_policies_that_sent_nothing() -> None:
    devices = pd.DataFrame({"policy": list("abc"), "run": list("abc"), "device": "d", "busy_s": 1.0})
    links = pd.DataFrame({"policy": ["c"], "run": ["c"], "link": "l", "from_device": "d", "to_device": "e"})
    ends_s = pd.Series(2.0, index=list("abc"))
    upper, lower = figures.utilisation_figure(devices, links.assign(busy_s=1.0), ends_s).axes
    assert [axes.images[0].get_array().shape for axes in (upper, lower)] == [(1, 3), (1, 3)]  # type: ignore[union-attr]
    assert [text.get_text() for text in lower.texts] == ["0", "0", "50"]
    assert upper.get_xlim() == (-0.5, 2.5)


def test_no_panel_of_memory_is_cut_off() -> None:
    rows = [
        {
            "policy": run,
            "run": run,
            "request": 0,
            "token": token,
            "device": "d",
            "held_bytes": held * (1.0 + token),
        }
        for run, held in (("little", 1e6), ("much", 5e6))
        for token in range(3)
    ]
    devices = pd.DataFrame(rows).assign(swapped_bytes=0.0)
    tokens = devices[["run", "request", "token"]].assign(start_s=devices["token"] * 1.0)
    for axes in figures.memory_figure(devices, tokens).axes:
        low, high = axes.get_ylim()
        assert low == 0.0
        assert high > 15.0


def test_moved_bytes_add_up_and_policies_that_moved_nothing_are_named() -> None:
    tables = made(2, 2, 20)
    figure = figures.migration_figure(tables.migrations, ["policy-0", "policy-1"])
    still, moving = figure.axes[0].get_lines()
    assert np.asarray(still.get_ydata()).tolist() == [0.0, 0.0]
    assert np.asarray(moving.get_ydata(), dtype=float)[-1] == pytest.approx(10.0)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["policy-0: 0 blocks", "policy-1: 5 blocks"]


def test_a_map_marks_what_did_not_come_to_its_end() -> None:
    (axes, _bar) = across(figures.PAGE)["map"].axes
    assert [text.get_text() for text in axes.texts] == ["1.00", "2.00", "1.50", "–"]


@pytest.mark.parametrize("levels", [3, 12, 50, 200])
def test_the_levels_of_a_map_do_not_run_into_each_other(levels: int) -> None:
    table = pd.DataFrame(
        np.ones((2, levels)), index=["a", "b"], columns=[str(1000 + i) for i in range(levels)]
    )
    figure = figures.heat_map(table, "axis", "times the best")
    figure.draw_without_rendering()
    labels = [one for one in figure.axes[0].get_xticklabels() if one.get_text()]
    turned = labels[0].get_rotation() != 0.0
    for left, right in pairwise(one.get_window_extent() for one in labels):
        # Turned labels lie side by side: there must be room for the height of a line between their ends.
        assert right.x1 - left.x1 > 9.0 if turned else right.x0 > left.x1


def test_an_optimum_that_nobody_knows_is_told() -> None:
    gaps = pd.DataFrame({"policy": ["a"], "seed": [1], "gap": [np.nan]})
    assert texts(figures.gap_figure(gaps, "above exact [%]")) == "no optimum is known"


def test_the_gap_of_more_settings_is_no_surer_and_its_dots_have_an_end() -> None:
    """Settings under one seed share its random draws: a thousand times each gap is no more than once."""
    gaps = pd.DataFrame({"policy": "a", "seed": range(12), "gap": np.linspace(0.1, 0.6, 12)})
    once, often = (figures.gap_figure(pd.concat([gaps] * times), "gap").axes[0] for times in (1, 1000))
    ends: list[Any] = [axes.collections[0] for axes in (once, often)]
    widths = [np.ptp(bars.get_segments()[0][:, 0]) for bars in ends]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[1] > 25.0
    dots = np.asarray(often.get_lines()[0].get_xdata())
    assert len(dots) <= 500
    assert [min(dots), max(dots)] == pytest.approx([10.0, 60.0])


def save_some(folder: Path) -> None:
    """Save figures of several kinds: one of each library and of each way to lay out axes, and that of `headway run`."""
    scenario = load_scenario(shipped_scenario("home-cluster"), changes=["workload.0.output=4"])
    every = drawn(made(2, 3, 6), figures.COLUMN) | across(figures.COLUMN)
    chosen = {name: every[name] for name in ("distribution", "placement", "map")}
    for name, figure in {**chosen, "cdf": latency_cdf(simulate(scenario, create("single")))}.items():
        save_figure(figure, folder, name)


@pytest.mark.slow
def test_equal_tables_give_equal_bytes_whatever_the_process(tmp_path: Path) -> None:
    """In this process, and in one that orders sets differently."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    save_some(here)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from test_figures import save_some; save_some(Path(sys.argv[2]))"
    )
    env = os.environ | {"PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(there)], check=True, env=env)
    names = sorted(path.name for path in here.iterdir())
    assert len(names) == 8
    assert [(here / name).read_bytes() for name in names] == [(there / name).read_bytes() for name in names]


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """A `$` begins no formula."""
    tokens = made(1, 1, 3).tokens.assign(policy="$x^$")
    save_figure(figures.distribution_figure(tokens), tmp_path, "f")
    assert "f.svg" in {path.name for path in tmp_path.iterdir()}


def test_the_style_is_that_of_seaborn_which_is_not_imported() -> None:
    with styled():
        ours: dict[str, Any] = dict(mpl.rcParams.items())
    theirs: dict[str, Any] = dict(sns.axes_style("whitegrid").items())
    changed = {"axes.edgecolor", "grid.color", "image.cmap"}
    assert {key: ours[key] for key in theirs.keys() - changed} == {
        key: theirs[key] for key in theirs.keys() - changed
    }
    assert sns.color_palette("colorblind") == PALETTE
    code = "import sys, headway.analysis.results; print({'seaborn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
