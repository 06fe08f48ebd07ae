"""Metrics of runs, confidence intervals over worlds, and comparisons of cases in the same worlds.

`metrics` has the metrics of a run, `recordings` the statistics of a recorded trace, `intervals` confidence intervals
over worlds, and `comparison` the criterion for differences. docs/report.md shows how they are used.
"""

from headway.analysis.statistics.comparison import (
    SMALLEST,
    Comparison,
    Verdict,
    compare,
    compare_logs,
    failure_verdict,
    smallest_difference,
)
from headway.analysis.statistics.intervals import (
    LEVEL,
    Interval,
    mean_interval,
    median_interval,
    percentile_over_runs,
    worlds_needed,
)

__all__ = [
    "LEVEL",
    "SMALLEST",
    "Comparison",
    "Interval",
    "Verdict",
    "compare",
    "compare_logs",
    "failure_verdict",
    "mean_interval",
    "median_interval",
    "percentile_over_runs",
    "smallest_difference",
    "worlds_needed",
]
