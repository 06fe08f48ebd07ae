"""Memory of devices over time, and utilisation of devices and links."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures import layout
from headway.analysis.figures.style import literal, looks
from headway.analysis.formatting import byte_unit

_MOST_LINES = 8
"""Most lines per panel: more are hard to distinguish."""


def memory_figure(devices: pd.DataFrame, tokens: pd.DataFrame, size: layout.Size = layout.PAGE) -> Figure:
    """Memory of the model on each device over time, a panel per run; crosses mark tokens with swapped bytes.

    Up to eight devices are lines; more devices are rows of a heat map.

    Args:
        devices: rows with `policy`, `run`, `request`, `token`, `device`, `held_bytes` and `swapped_bytes`.
        tokens: rows with `run`, `request`, `token` and `start_s`.
        size: width and font size.
    """
    rows = devices.merge(tokens[["run", "request", "token", "start_s"]], on=["run", "request", "token"])
    runs = rows.drop_duplicates("run").set_index("run")["policy"] if len(rows) else pd.Series(dtype=str)
    names = list(dict.fromkeys(rows["device"]))
    unit_bytes, unit = byte_unit(float(rows["held_bytes"].max()) if len(rows) else 1.0)
    with layout.lettered(size):
        if rows.empty:
            return _empty(size, "no token")
        if len(names) > _MOST_LINES:
            return _memory_maps(rows, runs, names, (unit_bytes, unit), size)
        height = 0.26 * size.width_in
        figure, axes = layout.panels(size, list(runs), height, legend=names, sharey=True)
        lines: dict[str, Any] = {}
        for panel, run in zip(axes, runs.index, strict=True):
            lines |= _memory_lines(panel, rows[rows["run"] == run], names, unit_bytes)
        # After drawing: the panels share their scale, and an earlier limit would disable autoscaling.
        axes[0].set_ylim(bottom=0.0)
        layout.label_below(axes, "Simulated time [s]")
        layout.label_left(axes, f"Held [{unit}]")
        layout.add_legend(figure, size, [lines[name] for name in names], names)
    return layout.finish(figure, size)


def _memory_lines(axes: Axes, rows: pd.DataFrame, names: list[str], unit_bytes: float) -> dict[str, Any]:
    lines = {}
    for name, look in looks(names).items():
        here = rows[rows["device"] == name].sort_values("start_s")
        marker = "o" if len(here) == 1 else None
        (lines[name],) = axes.plot(
            here["start_s"], here["held_bytes"] / unit_bytes, marker=marker, markersize=3, **look
        )
        swapped = here[here["swapped_bytes"] > 0.0]
        swapped = swapped.iloc[:: max(1, math.ceil(len(swapped) / 12))]
        axes.plot(
            swapped["start_s"], swapped["held_bytes"] / unit_bytes, "x", color=look["color"], markersize=4
        )
    return lines


def _memory_maps(
    rows: pd.DataFrame, runs: "pd.Series[str]", names: list[str], unit: tuple[float, str], size: layout.Size
) -> Figure:
    height = max(1.0, 0.75 * size.line_in * len(names))
    figure, axes = layout.panels(size, list(runs), height, sharey=True)
    most = float(rows["held_bytes"].max()) / unit[0]
    image = None
    for panel, run in zip(axes, runs.index, strict=True):
        here = rows[rows["run"] == run].sort_values("start_s", kind="stable")
        order = list(dict.fromkeys(zip(here["request"], here["token"], strict=True)))
        table = here.pivot_table(index="device", columns=["request", "token"], values="held_bytes")
        table = table.reindex(index=names, columns=pd.MultiIndex.from_tuples(order))
        image = panel.imshow(
            table.to_numpy() / unit[0],
            aspect="auto",
            interpolation="nearest",
            cmap=layout.COLOURS,
            vmin=0.0,
            vmax=most,
        )
        panel.set_yticks(range(len(names)), [literal(layout.shortened(name, 18)) for name in names])
        panel.grid(visible=False)
    layout.label_below(axes, "Tokens, one after another")
    if image is not None:
        figure.colorbar(image, ax=axes, label=f"Held by the model [{unit[1]}]", fraction=0.04)
    return layout.finish(figure, size)


def utilisation_figure(
    devices: pd.DataFrame, links: pd.DataFrame, ends_s: "pd.Series[float]", size: layout.Size = layout.PAGE
) -> Figure:
    """Heat map of utilisation by policy: the share of time in which a device or link was busy.

    Under `dedicated` sharing, the utilisation of a link may exceed 100 %.

    Args:
        devices: rows with `policy`, `run`, `device` and `busy_s`.
        links: rows with `policy`, `run`, `link`, `from_device`, `to_device` and `busy_s`.
        ends_s: duration of each run, by `run` [s].
        size: width and font size.
    """
    directions = links.assign(link=links["from_device"] + " → " + links["to_device"])
    places = ((devices, "device", "Devices"), (directions, "link", "Links"))
    present = {*devices["policy"].unique(), *links["policy"].unique()}
    policies = [
        policy for policy in layout.policies_in(devices["policy"], links["policy"]) if policy in present
    ]
    tables = {title: _shares(rows, place, policies, ends_s) for rows, place, title in places if len(rows)}
    with layout.lettered(size):
        if not tables:
            return _empty(size, "no activity")
        heights = [max(2, len(table)) for table in tables.values()]
        longest = max(len(str(name)) for table in tables.values() for name in table.columns)
        figure = layout.new_figure(size, size.line_in * (sum(heights) + 6 + 0.25 * longest))
        grid = figure.subplots(len(tables), 1, squeeze=False, sharex=True, height_ratios=heights)
        for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
            texts = [[f"{100.0 * value:.0f}" for value in row] for row in table.to_numpy()]
            draw_map(axes, table, texts, size, (0.0, 1.0))
            axes.set_title(f"{title}: utilisation [%]", loc="left")
        grid.flat[-1].tick_params(axis="x", labelbottom=True)
    return layout.finish(figure, size)


def _shares(rows: pd.DataFrame, place: str, policies: list[str], ends_s: "pd.Series[float]") -> pd.DataFrame:
    """Utilisation with a row per place and a column per policy: the mean over its runs."""
    busy = rows.groupby(["policy", "run", place], sort=False, observed=True)["busy_s"].sum().reset_index()
    busy["share"] = busy["busy_s"] / busy["run"].map(ends_s.where(ends_s > 0.0))
    table = busy.pivot_table(index=place, columns="policy", values="share", observed=True)
    return table.reindex(index=list(dict.fromkeys(rows[place])), columns=policies).fillna(0.0)


def draw_map(
    axes: Axes, table: pd.DataFrame, texts: list[list[str]], size: layout.Size, ends: tuple[float, float]
) -> Any:
    """Draw a heat map, with a text in each cell if there is room."""
    image = axes.imshow(
        table.to_numpy(dtype=np.float64),
        aspect="auto",
        interpolation="nearest",
        cmap=layout.COLOURS,
        vmin=ends[0],
        vmax=ends[1],
    )
    columns = [literal(layout.shortened(str(name), 22)) for name in table.columns]
    every = math.ceil(len(columns) * size.font_pt / (40.0 * size.width_in))
    crowded = sum(len(name) + 1 for name in columns[::every]) * size.font_pt / 100 > 0.85 * size.width_in
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(0, len(columns), every), columns[::every], **turned)
    axes.set_yticks(range(len(table)), [literal(layout.shortened(str(name), 38)) for name in table.index])
    axes.grid(visible=False)
    longest = max((len(text) for row in texts for text in row), default=0)
    if longest * size.font_pt / 100 * table.shape[1] > size.width_in:
        return image
    shades = np.asarray(image.norm(table.to_numpy(dtype=np.float64)))
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            colour = "#fdfdfd" if shades[y, x] < 0.55 else "#111111"
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=0.85 * size.font_pt)
    return image


def _empty(size: layout.Size, text: str) -> Figure:
    figure = layout.new_figure(size, 0.3 * size.width_in)
    layout.note(figure.subplots(), text)
    return layout.finish(figure, size)
