"""The numbers that summarise runs, and how sure they are.

`metrics` has the metrics of a run, `recordings` those of a recorded trace, `intervals` confidence intervals over
worlds, and `paired` comparisons of policies in the same worlds. docs/report.md shows how they are used.
"""

from headway.analysis.statistics.intervals import (
    FEW,
    LEVEL,
    RESAMPLES,
    Interval,
    Statistic,
    bootstrap,
    percentile_over_runs,
    replications_needed,
)
from headway.analysis.statistics.paired import (
    ROUNDING,
    Comparison,
    compare_pairs,
    holm,
    paired_difference,
    paired_ratio,
    without_rounding,
)

__all__ = [
    "FEW",
    "LEVEL",
    "RESAMPLES",
    "ROUNDING",
    "Comparison",
    "Interval",
    "Statistic",
    "bootstrap",
    "compare_pairs",
    "holm",
    "paired_difference",
    "paired_ratio",
    "percentile_over_runs",
    "replications_needed",
    "without_rounding",
]
