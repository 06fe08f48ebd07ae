"""(g) Queries of traces."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.measure import Effort, Figures, median_of, seconds_of
from headway.traces import Trace
from headway.traces.trace import FloatArray


def trace_queries(effort: Effort) -> Figures:
    """(g) Value, integral and inverse of the integral of a trace of 3,600 values, one by one and as arrays."""
    random = np.random.default_rng(1)
    trace = Trace(np.arange(3600.0), random.uniform(1e6, 1e7, 3600), end="loop", duration=3600.0)
    # Three functions in two forms: 10^7 queries in all.
    each = effort.choose(10_000_000, 120_000, 600) // 6
    starts = random.uniform(0.0, 7200.0, each)
    ends = starts + random.exponential(2.0, each)
    sizes = random.exponential(1e7, each)
    arrays: dict[str, Callable[[], FloatArray]] = {
        "value": lambda: trace.value(starts),
        "integral": lambda: trace.integral(starts, ends),
        "reach": lambda: trace.reach(starts, sizes),
    }
    start_list, end_list, size_list = starts.tolist(), ends.tolist(), sizes.tolist()
    scalars: dict[str, Callable[[], list[float]]] = {
        "value": lambda: [*map(trace.value, start_list)],
        "integral": lambda: [*map(trace.integral, start_list, end_list)],
        "reach": lambda: [*map(trace.reach, start_list, size_list)],
    }
    figures: Figures = {"queries": 6 * each}
    for form, calls in (("scalar", scalars), ("array", arrays)):
        rates = {
            f"{name}_per_s": each / median_of(effort.repeats, partial(seconds_of, call))
            for name, call in calls.items()
        }
        figures[form] = {"queries_per_s": 3 / sum(1 / rate for rate in rates.values()), **rates}
    figures["seconds"] = sum(3 * each / figures[form]["queries_per_s"] for form in ("scalar", "array"))
    return figures
