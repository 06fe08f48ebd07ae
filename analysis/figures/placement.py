"""Placements over time, and migrations."""

import math
import re
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from headway.analysis.figures import layout
from headway.analysis.figures.style import PALETTE, looks
from headway.analysis.formatting import byte_unit

_MOST_STEPS = 500
_HEAD = re.compile(r"L(\d+)\.head(\d+)")


def placement_figure(
    placements: pd.DataFrame,
    tokens: pd.DataFrame,
    size: layout.Size = layout.PAGE,
    *,
    first: Sequence[str] = (),
) -> Figure:
    """Device of each head by token: a panel per run, a row per head, the first layer on top.

    Args:
        placements: rows with `policy`, `run`, `request`, `token`, `block` and `device`; blocks other than heads are
            ignored.
        tokens: rows with `run`, `request` and `token`, in the order in which they were generated.
        size: width and font size.
        first: devices with the first colours, for the same colours as in another figure.
    """
    heads = placements[placements["block"].str.fullmatch(_HEAD)]
    runs = heads.drop_duplicates("run").set_index("run")["policy"]
    devices = [*first, *sorted(set(heads["device"]).difference(first), key=_natural)]
    with layout.lettered(size):
        if heads.empty:
            figure = layout.new_figure(size, 0.3 * size.width_in)
            layout.note(figure.subplots(), "no head was placed")
            return layout.finish(figure, size)
        figure, axes = layout.panels(size, list(runs), 0.28 * size.width_in, legend=devices, sharey=True)
        colours = device_colours(len(devices))
        for panel, run in zip(axes, runs.index, strict=True):
            table = _device_numbers(heads[heads["run"] == run], tokens[tokens["run"] == run], devices)
            panel.imshow(
                table,
                aspect="auto",
                interpolation="nearest",
                cmap=ListedColormap(colours),
                vmin=-0.5,
                vmax=len(devices) - 0.5,
            )
            panel.grid(visible=False)
        layout.label_below(axes, "Tokens, one after another")
        layout.label_left(axes, "Heads, layer by layer")
        layout.add_legend(figure, size, [Patch(color=colour) for colour in colours], devices)
    return layout.finish(figure, size)


def device_colours(count: int) -> list[tuple[float, float, float]]:
    """A colour per device: distinct colours for up to ten, otherwise a scale from dark to light."""
    if count <= len(PALETTE):
        return PALETTE[:count]
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 1.0, count + 2)[1:-1])
    return [(red, green, blue) for red, green, blue, _ in shades.tolist()]


def _device_numbers(heads: pd.DataFrame, tokens: pd.DataFrame, devices: list[str]) -> npt.NDArray[np.float64]:
    """Number of the device of each head at each token, shape (heads, tokens)."""
    order = list(zip(tokens["request"], tokens["token"], strict=True))
    changes = heads.assign(device=heads["device"].map({name: i for i, name in enumerate(devices)}))
    table = changes.pivot_table(
        index="block", columns=["request", "token"], values="device", aggfunc="last", sort=False
    )
    if order:
        table = table.reindex(columns=pd.MultiIndex.from_tuples(order)).ffill(axis=1)
    numbers: npt.NDArray[np.float64] = table.loc[sorted(table.index, key=_natural)].to_numpy(dtype=np.float64)
    return numbers


def migration_figure(
    migrations: pd.DataFrame, policies: list[str], size: layout.Size = layout.PAGE
) -> Figure:
    """Cumulative bytes moved between devices over time, a line per policy.

    Args:
        migrations: rows with `policy`, `run`, `start_s`, `duration_s` and `size_bytes`.
        policies: all policies, including those without migrations.
        size: width and font size.
    """
    unit_bytes, unit = byte_unit(_most(migrations))
    with layout.lettered(size):
        figure = layout.new_figure(
            size, 0.42 * size.width_in + size.line_in * (1 + math.ceil(len(policies) / 3))
        )
        axes = figure.subplots()
        if migrations.empty:
            layout.note(axes, "no block moved")
            return layout.finish(figure, size)
        lines, names = [], []
        last_s = float((migrations["start_s"] + migrations["duration_s"]).max())
        for policy, look in looks(policies).items():
            here = migrations[migrations["policy"] == policy]
            line = None
            for _, rows in here.groupby("run", sort=False):
                ordered = rows.assign(end_s=rows["start_s"] + rows["duration_s"]).sort_values(
                    "end_s", kind="stable"
                )
                x = layout.thinned(ordered["end_s"].to_numpy(), _MOST_STEPS)
                y = layout.thinned(ordered["size_bytes"].cumsum().to_numpy(), _MOST_STEPS) / unit_bytes
                x, y = np.concatenate([[0.0], x, [last_s]]), np.concatenate([[0.0], y, y[-1:]])
                (line,) = axes.plot(x, y, drawstyle="steps-post", **look)
            if line is None:
                (line,) = axes.plot([0.0, last_s], [0.0, 0.0], **look)
            lines.append(line)
            names.append(f"{policy}: {len(here):,} blocks")
        axes.set_xlabel("Simulated time [s]")
        axes.set_ylabel(f"Moved [{unit}]")
        axes.set_ylim(bottom=0.0)
        layout.add_legend(figure, size, lines, names)
    return layout.finish(figure, size)


def _most(migrations: pd.DataFrame) -> float:
    return float(migrations.groupby("run")["size_bytes"].sum().max()) if len(migrations) else 1.0


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that orders names by the numbers in them."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]
