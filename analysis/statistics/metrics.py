"""The numbers that summarise a run.

TPOT, time per output token, is here the time from one output token to the next, token by token; some call it
inter-token latency. The first token of a request is not among them: its time since the arrival is TTFT, time to first
token.
"""

import numpy as np
import pandas as pd

from headway.simcore.results import Result

_PERCENTILES = (50, 95, 99)


def metrics(result: Result) -> pd.DataFrame:
    """One row per run, in the order of `result.runs`; NaN where there is nothing to measure.

    Returns:
        Columns `run`; `status`; `tokens` generated; `ttft_s`, the mean over the requests that got a first token;
        `tpot_p50_s`, `tpot_p95_s` and `tpot_p99_s`, percentiles over all tokens but each request's first, interpolated
        linearly, and `tpot_max_s`, the longest of these; `tokens_per_s`, generated tokens over the time from the first
        arrival to the last token; `decisions` and how many of them were infeasible (`infeasible_decisions`);
        `migrations`, blocks moved, and `migrated_bytes`; `peak_bytes`, the most that any one device held.
    """
    runs = pd.Index(result.runs["run"], name="run")
    infeasible = result.decisions[result.decisions["outcome"] == "infeasible"]
    table = pd.DataFrame(
        {
            "status": result.runs["status"].to_numpy(),
            "tokens": _count(result.tokens, runs),
            "ttft_s": _ttft(result.requests, runs),
            **_tpot(result, runs),
            "tokens_per_s": _throughput(result, runs),
            "decisions": _count(result.decisions, runs),
            "infeasible_decisions": _count(infeasible, runs),
            "migrations": _count(result.migrations, runs),
            "migrated_bytes": result.migrations.groupby("run")["size_bytes"]
            .sum()
            .reindex(runs, fill_value=0.0),
            "peak_bytes": result.devices.groupby("run")["held_bytes"].max().reindex(runs),
        },
        index=runs,
    )
    return table.reset_index()


def later_tokens(result: Result) -> pd.DataFrame:
    """The rows of `result.tokens` whose latency is a TPOT: all but the first token of each request."""
    return result.tokens[result.tokens["token"] > 0]


def peak_memory(result: Result) -> pd.DataFrame:
    """One row per run and device that saw a token.

    Returns:
        Columns `run`, `device`, `peak_bytes`, the most that the model held there; `least_available_bytes`, the least
        that others left to it, at whatever time; `peak_swapped_bytes`, the most that did not fit at one time.
    """
    groups = result.devices.groupby(["run", "device"], sort=False)
    return groups.agg(
        peak_bytes=("held_bytes", "max"),
        least_available_bytes=("available_bytes", "min"),
        peak_swapped_bytes=("swapped_bytes", "max"),
    ).reset_index()


def _count(rows: pd.DataFrame, runs: pd.Index) -> "pd.Series[int]":
    return rows.groupby("run").size().reindex(runs, fill_value=0)


def _ttft(requests: pd.DataFrame, runs: pd.Index) -> "pd.Series[float]":
    waited = requests["first_token_s"] - requests["arrival_s"]
    return waited.groupby(requests["run"]).mean().reindex(runs)


def _tpot(result: Result, runs: pd.Index) -> "dict[str, pd.Series[float]]":
    latency = later_tokens(result).groupby("run")["latency_s"]
    shares = {f"tpot_p{p}_s": latency.quantile(p / 100).reindex(runs) for p in _PERCENTILES}
    return shares | {"tpot_max_s": latency.max().reindex(runs)}


def _throughput(result: Result, runs: pd.Index) -> "pd.Series[float]":
    end_s = result.tokens["start_s"] + result.tokens["latency_s"]
    last_s = end_s.groupby(result.tokens["run"]).max().reindex(runs)
    span_s = last_s - result.requests.groupby("run")["arrival_s"].min().reindex(runs)
    return _count(result.tokens, runs) / span_s.where(span_s > 0.0, np.nan)
