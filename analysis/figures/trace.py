"""Figure of a recorded trace."""

import numpy as np
from matplotlib.figure import Figure

from headway.analysis.figures.style import PALETTE, literal, styled
from headway.analysis.formatting import seconds
from headway.analysis.statistics.recordings import UNITS, title, values_and_weights
from headway.traces import Recording

_MOST_VALUES = 2000
"""Most values per curve: longer traces are averaged, because more values are invisible and enlarge the file."""

_MOST_STEPS = 1_000_000

_TIME_UNITS = ((259_200.0, 86_400.0, "d"), (10_800.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s"))
"""Time units: smallest length of the recording [s], length of the unit [s], name."""


def trace_figure(name: str, recording: Recording) -> Figure:
    """The values over time, and their distribution function weighted by time."""
    import seaborn as sns  # noqa: PLC0415 (takes a second)

    step_s = recording.window_s
    if len(recording.trace.values) > _MOST_VALUES or recording.length_s > _MOST_STEPS * step_s > 0.0:
        step_s = max(step_s, recording.length_s / _MOST_VALUES)
    values, weights = values_and_weights(recording, step_s)
    ends = np.cumsum(weights)
    scale, unit = next((scale, unit) for least, scale, unit in _TIME_UNITS if recording.length_s >= least)
    factor, value_unit = UNITS[recording.quantity]
    with styled():
        colour = PALETTE[0]
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        over_time, shares = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
        over_time.stairs(
            values / factor, np.append(0.0, ends) / scale, baseline=None, color=colour, linewidth=1.2
        )
        over_time.set_xlim(0.0, float(ends[-1]) / scale or None)
        over_time.set_ylim(bottom=0.0)
        over_time.set_xlabel(f"Time [{unit}]")
        averaged = f", mean over {seconds(step_s).removesuffix('.00')} s" if step_s > 0 else ""
        over_time.set_ylabel(f"{title(recording)} [{value_unit}]{averaged}")
        over_time.set_title(literal(name), loc="left")
        sns.ecdfplot(
            y=values / factor,
            weights=weights if weights.any() else None,
            ax=shares,
            color=colour,
            linewidth=1.8,
        )
        shares.set_xlabel("Share of time at or below")
    return figure
