"""The metrics of a run.

TPOT, time per output token, is the time from one output token to the next, token by token (inter-token latency). The
first token of a request has none; its time since the arrival is TTFT, time to first token. The end-to-end latency of a
request (E2E) is the time from its arrival to its last token.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headway.simcore.results import Result
from headway.traces.errors import InputError, one_of

_PERCENTILES = (50, 95, 99)
_LESS, _MORE = ("better", "worse"), ("worse", "better")


@dataclass(frozen=True)
class Metric:
    """A metric of a run that is compared.

    Attributes:
        column: in the table of `metrics`.
        name: in a sentence.
        short: at the head of a column.
        unit: of the column.
        words: the verdicts on a lower value and on a higher one.
    """

    column: str
    name: str
    short: str
    unit: str
    words: tuple[str, str] = _LESS

    @property
    def lower(self) -> bool:
        """Whether a lower value is better."""
        return self.words == _LESS


_ALL = (
    Metric("tokens_per_s", "rate of tokens", "Tokens/s", "tokens/s", _MORE),
    Metric("ttft_s", "time to first token", "TTFT", "s"),
    Metric("ttft_p50_s", "median time to first token", "TTFT p50", "s"),
    Metric("ttft_p95_s", "95th percentile of the time to first token", "TTFT p95", "s"),
    Metric("ttft_p99_s", "99th percentile of the time to first token", "TTFT p99", "s"),
    Metric("e2e_p50_s", "median end-to-end latency", "E2E p50", "s"),
    Metric("e2e_p95_s", "95th percentile of the end-to-end latency", "E2E p95", "s"),
    Metric("e2e_p99_s", "99th percentile of the end-to-end latency", "E2E p99", "s"),
    Metric("tpot_p50_s", "median time per output token", "TPOT p50", "s"),
    Metric("tpot_p95_s", "95th percentile of the time per output token", "TPOT p95", "s"),
    Metric("tpot_p99_s", "99th percentile of the time per output token", "TPOT p99", "s"),
    Metric("tpot_max_s", "longest time between two tokens", "TPOT max", "s"),
    Metric("migrations", "number of migrations", "Migrations", "", ("fewer", "more")),
    Metric("peak_bytes", "peak memory", "Peak memory", "B", ("less", "more")),
)
METRICS = {metric.column: metric for metric in _ALL}
"""All that are compared. More migrations or memory are neither good nor bad by themselves."""

RANKED = tuple(metric.column for metric in _ALL if "better" in metric.words)
"""Columns by which policies can be ranked."""

_ONE_REQUEST = (
    "tokens_per_s",
    "ttft_s",
    "tpot_p50_s",
    "tpot_p99_s",
    "tpot_max_s",
    "migrations",
    "peak_bytes",
)
_REQUESTS = (
    *("tokens_per_s", "ttft_p50_s", "ttft_p95_s", "e2e_p50_s", "e2e_p95_s"),
    *("tpot_p50_s", "tpot_p99_s", "tpot_max_s", "migrations", "peak_bytes"),
)


def shown_metrics(runs: pd.DataFrame) -> tuple[Metric, ...]:
    """The metrics that tables show and comparisons count.

    With one request per run, its TTFT is also every percentile of TTFT, and its end-to-end latency follows from the
    rate of tokens: then percentiles over requests are left out.

    Args:
        runs: a table of `metrics`; the percentiles over requests may be missing.
    """
    return tuple(METRICS[column] for column in (_REQUESTS if several_requests(runs) else _ONE_REQUEST))


def several_requests(runs: pd.DataFrame) -> bool:
    """Whether percentiles over requests say more than their mean in any run of a table of `metrics`."""
    known = set(_REQUESTS) <= set(runs.columns) and "ttft_p99_s" in runs
    return bool(known and (runs["ttft_p50_s"] < runs["ttft_p99_s"]).any())


def metric_named(column: str) -> Metric:
    """The metric of a column by which policies can be ranked.

    Raises:
        InputError: there is none.
    """
    if column not in RANKED:
        raise InputError("--metric", repr(column), one_of(column, RANKED))
    return METRICS[column]


def metrics(result: Result) -> pd.DataFrame:
    """One row per run, in the order of `result.runs`; NaN where nothing was measured.

    Returns:
        Columns `run`; `status`; `tokens` generated; the columns of `request_times` and `token_times`; `tokens_per_s`,
        generated tokens over the time from the first arrival to the last token; `decisions` and how many of them were
        infeasible (`infeasible_decisions`); `migrations`, blocks moved, and `migrated_bytes`; `peak_bytes`, the most
        that any one device held.
    """
    runs = pd.Index(result.runs["run"], name="run")
    infeasible = result.decisions[result.decisions["outcome"] == "infeasible"]
    moved = result.migrations.groupby("run")["size_bytes"].sum()
    table = pd.DataFrame(
        {
            "status": result.runs["status"].to_numpy(),
            "tokens": _count(result.tokens, runs),
            **request_times(result.requests).reindex(runs),
            **token_times(later_tokens(result)).reindex(runs),
            "tokens_per_s": _throughput(result, runs),
            "decisions": _count(result.decisions, runs),
            "infeasible_decisions": _count(infeasible, runs),
            "migrations": _count(result.migrations, runs),
            "migrated_bytes": moved.reindex(runs, fill_value=0.0),
            "peak_bytes": result.devices.groupby("run")["held_bytes"].max().reindex(runs),
        },
        index=runs,
    )
    return table.reset_index()


def request_times(requests: pd.DataFrame) -> pd.DataFrame:
    """TTFT and end-to-end latency over the requests of each run.

    Args:
        requests: as in docs/results.md.

    Returns:
        One row per run: `ttft_s`, the mean over the requests with a first token; `ttft_p50_s`, `ttft_p95_s` and
        `ttft_p99_s`, percentiles over them, interpolated linearly; and `e2e_p50_s`, `e2e_p95_s` and `e2e_p99_s`,
        percentiles over the finished requests.
    """
    runs = requests["run"]
    ttft = (requests["first_token_s"] - requests["arrival_s"]).groupby(runs)
    e2e = (requests["finish_s"] - requests["arrival_s"]).groupby(runs)
    return pd.DataFrame({"ttft_s": ttft.mean(), **_percentiles("ttft", ttft), **_percentiles("e2e", e2e)})


def token_times(later: pd.DataFrame) -> pd.DataFrame:
    """TPOT over the tokens of each run, without the first of each request.

    Returns:
        One row per run: `tpot_p50_s`, `tpot_p95_s` and `tpot_p99_s`, percentiles interpolated linearly, and
        `tpot_max_s`, the longest.
    """
    tpot = later.groupby("run")["latency_s"]
    return pd.DataFrame({**_percentiles("tpot", tpot), "tpot_max_s": tpot.max()})


def later_tokens(result: Result) -> pd.DataFrame:
    """The rows of `result.tokens` whose latency is a TPOT: all but the first token of each request."""
    return result.tokens[result.tokens["token"] > 0]


def peak_memory(result: Result) -> pd.DataFrame:
    """One row per run and device that has a row in `result.devices`.

    Returns:
        Columns `run`, `device`, `peak_bytes`, the most that the model held there; `least_available_bytes`, the least
        memory that other programs left free, at any time; `peak_swapped_bytes`, the most that did not fit at one time.
    """
    groups = result.devices.groupby(["run", "device"], sort=False)
    return groups.agg(
        peak_bytes=("held_bytes", "max"),
        least_available_bytes=("available_bytes", "min"),
        peak_swapped_bytes=("swapped_bytes", "max"),
    ).reset_index()


def _percentiles(name: str, groups: Any) -> "dict[str, pd.Series[float]]":
    return {f"{name}_p{p}_s": groups.quantile(p / 100) for p in _PERCENTILES}


def _count(rows: pd.DataFrame, runs: pd.Index) -> "pd.Series[int]":
    return rows.groupby("run").size().reindex(runs, fill_value=0)


def _throughput(result: Result, runs: pd.Index) -> "pd.Series[float]":
    end_s = result.tokens["start_s"] + result.tokens["latency_s"]
    last_s = end_s.groupby(result.tokens["run"]).max().reindex(runs)
    span_s = last_s - result.requests.groupby("run")["arrival_s"].min().reindex(runs)
    return _count(result.tokens, runs) / span_s.where(span_s > 0.0, np.nan)
