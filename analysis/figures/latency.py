"""Token latencies: distributions, and latency by token number."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures import layout
from headway.analysis.figures.axes import set_latency_scale
from headway.analysis.figures.latency_cdf import draw_shares
from headway.analysis.figures.style import literal, looks
from headway.analysis.formatting import time_unit

_MOST_TOGETHER = 6


def distribution_figure(tokens: pd.DataFrame, size: layout.Size = layout.PAGE) -> Figure:
    """Distribution function of the token latency, and its complement on a logarithmic scale.

    Args:
        tokens: rows with `policy`, `token` and `latency_s` of all worlds; first tokens of requests do not count.
        size: width and font size.
    """
    later = tokens.loc[tokens["token"] > 0, ["policy", "latency_s"]]
    labels = layout.policies_in(tokens["policy"])
    with layout.lettered(size):
        figure, axes = layout.panels(
            size, ["Share within", "Share above"], 0.36 * size.width_in, legend=labels
        )
        curves = {label: later.loc[later["policy"] == label, "latency_s"] for label in labels}
        for panel in axes:
            panel.set_ylabel("Share of tokens")
        draw_shares(axes[1], curves, looks(labels), above=True)
        lines = draw_shares(axes[0], curves, looks(labels))
        if labels:
            layout.add_legend(figure, size, lines, labels)
    return layout.finish(figure, size)


def boxen_figure(requests: pd.DataFrame, tokens: pd.DataFrame, size: layout.Size = layout.PAGE) -> Figure:
    """Letter-value plots of TTFT and TPOT (Hofmann, Wickham and Kafadar 2017).

    Args:
        requests: rows with `policy` and `ttft_s`, one per request, or one mean per run.
        tokens: as in `distribution_figure`.
        size: width and font size.
    """
    labels = layout.policies_in(requests["policy"], tokens["policy"])
    later = tokens.loc[tokens["token"] > 0, ["policy", "latency_s"]]
    with layout.lettered(size):
        height = max(1.0, 1.3 * size.line_in * len(labels))
        names = ["Time to first token", "Time per output token"]
        figure, axes = layout.panels(size, names, height, sharey=True)
        _boxen(axes[0], requests["policy"], requests["ttft_s"], labels)
        _boxen(axes[1], later["policy"], later["latency_s"], labels)
    return layout.finish(figure, size)


def _boxen(axes: Axes, policy: "pd.Series[str]", times: "pd.Series[float]", labels: list[str]) -> None:
    import seaborn as sns  # noqa: PLC0415 (takes a second)

    names = [literal(layout.shortened(label, 24)) for label in labels]
    present = times.notna()
    if not present.any():
        layout.note(axes, "no token").set_yticks(range(len(labels)), names)
        return
    unit_s, unit = set_latency_scale(axes, float(times.min()), float(times.max()))
    # One call per label, because seaborn would otherwise copy all values several times.
    for row, (label, look) in enumerate(looks(labels).items()):
        here = times[present & (policy == label)]
        if here.empty:
            continue
        sns.boxenplot(
            x=here.to_numpy() / unit_s,
            y=row,
            orient="y",
            native_scale=True,
            color=look["color"],
            flier_kws={"s": 4, "linewidth": 0.4},
            linewidth=0.6,
            linecolor="0.4",
            ax=axes,
        )
    axes.set_yticks(range(len(labels)), names)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_ylabel("")
    axes.set_xlabel(f"[{unit}]")


def by_token_figure(tokens: pd.DataFrame, size: layout.Size = layout.PAGE) -> Figure:
    """Token latency by token number: the median over runs, and a band that contains the middle 80 %.

    Up to six policies share a panel; with more policies, each has its own panel.

    Args:
        tokens: rows with `policy`, `run`, `token` and `latency_s`; tokens with the same number are combined.
        size: width and font size.
    """
    labels = layout.policies_in(tokens["policy"])
    later = tokens.loc[tokens["token"] > 0, ["policy", "token", "latency_s"]]
    alone = len(labels) > _MOST_TOGETHER
    with layout.lettered(size):
        titles, height = (labels, 0.2) if alone else ([""], 0.4)
        figure, axes = layout.panels(
            size, titles, height * size.width_in, legend=() if alone else labels, sharey=True
        )
        if later.empty:
            for panel in axes:
                layout.note(panel, "no token after the first one")
            return layout.finish(figure, size)
        unit_s, unit = time_unit([float(later["latency_s"].median())])
        lines = [
            _band(axes[number if alone else 0], later[later["policy"] == label], unit_s, look)
            for number, (label, look) in enumerate(looks(labels).items())
        ]
        for panel in axes:
            layout.log_if_wide(
                panel, float(later["latency_s"].min()) / unit_s, float(later["latency_s"].max()) / unit_s
            )
            panel.set_xlim(0, max(2, math.ceil(later["token"].max() * 1.01)))
        layout.label_below(axes, "Number of the token in its request")
        layout.label_left(axes, f"Latency [{unit}]")
        if not alone:
            layout.add_legend(figure, size, lines, labels)
    return layout.finish(figure, size)


def _band(axes: Axes, rows: pd.DataFrame, unit_s: float, look: dict[str, Any]) -> Any:
    by_token = rows.groupby("token")["latency_s"]
    middle = by_token.median() / unit_s
    if by_token.size().max() >= 2:
        low, high = by_token.quantile(0.1) / unit_s, by_token.quantile(0.9) / unit_s
        axes.fill_between(middle.index, low, high, color=look["color"], alpha=0.2, linewidth=0)
    # A line needs two points.
    marker = "o" if len(middle) == 1 else None
    return axes.plot(middle.index, middle, marker=marker, markersize=3, **look)[0]
