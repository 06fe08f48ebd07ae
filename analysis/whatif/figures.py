"""The figures of a study: latency distributions of the cases, or metrics over the values of a sweep."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from headway.analysis.figures.axes import plain
from headway.analysis.figures.latency_cdf import draw_shares
from headway.analysis.figures.style import literal, looks, styled
from headway.analysis.formatting import time_unit
from headway.analysis.statistics.metrics import METRICS, Metric
from headway.analysis.whatif.differences import ended
from headway.analysis.whatif.runs import Findings
from headway.simcore.files.overrides.changes import Scale, Set
from headway.traces.files import is_number
from headway.traces.units import UNITS, number_and_unit

_WIDEST = 60
_LOG_FROM_RATIO = 8.0
"""The axis of a sweep is logarithmic if the largest value is at least this many times the smallest."""

_SWEPT = ("tokens_per_s", "ttft_s", "ttft_p95_s", "tpot_p50_s", "tpot_max_s")
"""Of these, four are known: mean TTFT only if each run has one request, its percentile only if one has several."""
_MARKERS = "osD^vP*X"


def figures(findings: Findings) -> dict[str, Figure]:
    """The figure of a study, by the name of its file."""
    if findings.study.kind == "sweep":
        return {"sweep": sweep_figure(findings)}
    return {"latency_cdf": cdf_figure(findings)}


def cdf_figure(findings: Findings) -> Figure:
    """The distribution of token latencies: a panel per policy, a curve per variant.

    If policies are compared, there is one panel with a curve per policy. Tokens of all worlds count together, without
    the first of each request. The legend says how many runs of a variant ended early.
    """
    by, other = ("policy", "variant") if findings.study.kind == "policies" else ("variant", "policy")
    panels = list(dict.fromkeys(findings.runs[other]))
    labels = list(dict.fromkeys(findings.runs[by]))
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with styled():
        size = (7.5 if columns == 1 else 10.0, (4.4 if rows == 1 else 3.4 * rows) + 0.25 * len(labels))
        figure = Figure(figsize=size, layout="constrained")
        grid = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
        for axes, panel in zip(grid, panels, strict=False):
            tokens = findings.tokens[findings.tokens[other] == panel]
            curves = {label: tokens.loc[tokens[by] == label, "latency_s"] for label in labels}
            lines = draw_shares(axes, curves, looks(labels, "0.2"))
            axes.set_title(literal(str(panel) if by == "variant" else findings.name), loc="left")
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[::columns]:
            axes.set_ylabel("Share of tokens")
        names = [_legend(label, findings.runs[findings.runs[by] == label]) for label in labels]
        figure.legend(lines, names, loc="outside lower left", frameon=False, handlelength=3.5)
    return figure


def _legend(label: str, runs: pd.DataFrame) -> str:
    """The label of a curve, and how many of its runs ended early."""
    early = int((runs["status"] != "complete").sum())
    note = f" ({ended(runs)}, {early} of {len(runs)} runs)" if early else ""
    return literal("\n".join(textwrap.wrap(f"{label}{note}", _WIDEST)))


@dataclass(frozen=True)
class _Axis:
    """The axis of a sweep.

    Attributes:
        at: position of each value.
        names: tick label of each value.
        label: of the axis.
        log: whether it is logarithmic.
    """

    at: list[float]
    names: list[str]
    label: str
    log: bool


def sweep_figure(findings: Findings) -> Figure:
    """Four metrics over the values of a sweep: a line per policy, with a band of 95 % intervals.

    A cross at the bottom marks a value at which no run was complete.
    """
    levels = findings.levels
    axis = _axis(findings.study.knob)
    with styled():
        policies = list(dict.fromkeys(levels["policy"]))
        figure = Figure(figsize=(10.0, 7.0 + 0.25 * math.ceil((len(policies) + 1) / 3)), layout="constrained")
        swept = [METRICS[column] for column in _SWEPT if (levels["metric"] == column).any()]
        for axes, metric in zip(figure.subplots(2, 2).flat, swept, strict=True):
            unit = _sweep_panel(axes, levels[levels["metric"] == metric.column], axis, metric)
            axes.set_title(f"{metric.name.capitalize()} [{unit}]", loc="left")
            axes.set_xlabel(literal(axis.label))
        handles, names = list(figure.axes[0].get_lines()[: len(policies)]), list(map(literal, policies))
        if (levels["complete"] == 0).any():
            handles.append(Line2D([], [], color="0.4", marker="x", linestyle="none"))
            names.append("no run was complete")
        figure.legend(handles, names, loc="outside lower left", ncols=min(3, len(names)), frameon=False)
        figure.suptitle(literal(findings.name), x=0.01, ha="left")
    return figure


def _sweep_panel(axes: Axes, rows: pd.DataFrame, axis: _Axis, metric: Metric) -> str:
    """Draw one metric, and return the unit in which it is shown."""
    styles = looks(rows["policy"].unique())
    unit_s, unit = time_unit([float(rows["mean"].max())]) if metric.unit == "s" else (1.0, metric.unit)
    missing: list[tuple[list[float], Any]] = []
    for (policy, line), marker in zip(rows.groupby("policy", sort=False), cycle(_MARKERS), strict=False):
        style = styles[str(policy)]
        mean, low, high = (
            line[column].to_numpy(dtype=np.float64) / unit_s for column in ("mean", "low", "high")
        )
        axes.plot(axis.at, mean, marker=marker, markersize=5, **style)
        axes.fill_between(axis.at, low, high, color=style["color"], alpha=0.2, linewidth=0)
        missing.append(
            ([x for x, y in zip(axis.at, mean, strict=True) if not np.isfinite(y)], style["color"])
        )
    axes.set_ylim(0.0, 1.08 * _highest(rows) / unit_s)
    for number, (places, colour) in enumerate(missing):
        heights = [0.03 + 0.045 * number] * len(places)
        axes.plot(places, heights, "x", color=colour, transform=axes.get_xaxis_transform())
    if axis.log:
        axes.set_xscale("log")
    axes.set_xticks(axis.at, list(map(literal, axis.names)))
    axes.set_xticks([], minor=True)
    return unit


def _highest(rows: pd.DataFrame) -> float:
    """The highest end of all points and bands; 1 if none is above 0."""
    ends = rows[["mean", "high"]].to_numpy(dtype=np.float64)
    return float(ends[np.isfinite(ends)].max(initial=0.0)) or 1.0


def _axis(knob: Sequence[Set | Scale]) -> _Axis:
    """The axis of a sweep: the values if they are numbers, otherwise their order."""
    path = knob[0].path
    if all(isinstance(change, Scale) for change in knob):
        factors = [change.factor for change in knob if isinstance(change, Scale)]
        return _numeric(factors, f"Factor of {path}")
    values = [change.value for change in knob if isinstance(change, Set)]
    numbers = [_number(value) for value in values]
    units = [unit for _, unit in filter(None, numbers)]
    if None in numbers or not _alike(units):
        names = [change.text.removeprefix(f"{path}=") for change in knob]
        return _Axis([float(i) for i in range(len(knob))], names, path, False)
    factors = [_worth(unit) / _worth(units[0]) for unit in units]
    at = [pair[0] * factor for pair, factor in zip(filter(None, numbers), factors, strict=True)]
    return _numeric(at, f"{path} [{units[0]}]" if units[0] else path)


def _numeric(at: list[float], label: str) -> _Axis:
    log = min(at) > 0.0 and max(at) / min(at) >= _LOG_FROM_RATIO
    return _Axis(at, [plain(value) for value in at], label, log)


def _number(value: object) -> tuple[float, str] | None:
    if is_number(value):
        return float(value), ""
    return number_and_unit(value) if isinstance(value, str) else None


def _alike(units: Sequence[str]) -> bool:
    """Whether units belong to the same quantity."""
    return any(set(units) <= known.keys() for known in UNITS.values())


def _worth(unit: str) -> float:
    return next((known[unit] for known in UNITS.values() if unit in known), 1.0)
