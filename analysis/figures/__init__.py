"""Figures of runs and campaigns in one style.

Every function takes data frames and returns a matplotlib figure; `analysis.figures.saving.save_figure` writes it. Each
value of the column `policy` has a colour. The column `run` names the run (a world and a policy) of a row.
"""

from headway.analysis.figures.across_worlds import difference_figure, gap_figure, heat_map
from headway.analysis.figures.devices import memory_figure, utilisation_figure
from headway.analysis.figures.latency import boxen_figure, by_token_figure, distribution_figure
from headway.analysis.figures.layout import COLUMN, PAGE, SLIDE, Size
from headway.analysis.figures.placement import migration_figure, placement_figure

__all__ = [
    "COLUMN",
    "PAGE",
    "SLIDE",
    "Size",
    "boxen_figure",
    "by_token_figure",
    "difference_figure",
    "distribution_figure",
    "gap_figure",
    "heat_map",
    "memory_figure",
    "migration_figure",
    "placement_figure",
    "utilisation_figure",
]
