"""The metrics of a run.

TPOT, time per output token, is the time from one output token to the next, token by token (inter-token latency). The
first token of a request has none; its time since the arrival is TTFT, time to first token. The end-to-end latency of a
request (E2E) is the time from its arrival to its last token.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headway.simcore.arrays import FloatArray
from headway.simcore.results import TABLES, Result
from headway.traces.errors import InputError, one_of

_PERCENTILES = (50, 95, 99)
_NONE = (np.zeros(0),) * 3
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


def table_metrics(runs: pd.DataFrame) -> tuple[Metric, ...]:
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
    """One row per run, in the order of `result.runs`, with the columns of `metric_columns`."""
    return pd.DataFrame(metric_columns(result))


def metric_columns(result: Result) -> dict[str, NDArray[Any]]:
    """One value per run, in the order of `result.runs`; NaN where nothing was measured.

    Returns:
        Columns `run`; `status`; `tokens` generated; the columns of `request_times` and `token_times`; `tokens_per_s`,
        generated tokens over the time from the first arrival to the last token; `decisions` and how many of them were
        infeasible (`infeasible_decisions`); `migrations`, blocks moved, and `migrated_bytes`; `peak_bytes`, the most
        that any one device held.
    """
    about = result.table("runs", ["run", "status"]).to_pydict()
    runs = about["run"]
    requests = _arrays(result, runs, "requests", ["arrival_s", "first_token_s", "finish_s"])
    later_s = {run: [_NONE[0]] for run in runs}
    tokens, end_s = Counter[str](), dict.fromkeys(runs, math.nan)
    for run, piece in _pieces(result, runs, "tokens", ["token", "start_s", "latency_s"]):
        tokens[run] += len(piece)
        end_s[run] = float(
            np.fmax(end_s[run], _most(piece["start_s"].to_numpy() + piece["latency_s"].to_numpy()))
        )
        later_s[run].append(_later(piece))
    moved = _arrays(result, runs, "migrations", ["size_bytes"])
    decisions, infeasible = Counter[str](), Counter[str]()
    for run, piece in _pieces(result, runs, "decisions", ["outcome"]):
        decisions[run] += len(piece)
        infeasible[run] += pc.sum(pc.equal(piece["outcome"], "infeasible"), min_count=0).as_py()
    peak_bytes = dict.fromkeys(runs, math.nan)
    for run, piece in _pieces(result, runs, "devices", ["held_bytes"]):
        peak_bytes[run] = float(np.fmax(peak_bytes[run], _most(piece["held_bytes"].to_numpy())))
    rows = [
        _request_times(*requests[run])
        | _token_times(np.concatenate(later_s[run]))
        | {"tokens_per_s": _throughput(tokens[run], requests[run][0], end_s[run])}
        for run in runs
    ]
    times = _request_times(*_NONE[:3]) | _token_times(_NONE[0]) | {"tokens_per_s": math.nan}
    return {
        "run": np.array(runs, object),
        "status": np.array(about["status"], object),
        "tokens": np.array([tokens[run] for run in runs], np.int64),
        **{name: np.array([row[name] for row in rows], np.float64) for name in times},
        "decisions": np.array([decisions[run] for run in runs], np.int64),
        "infeasible_decisions": np.array([infeasible[run] for run in runs], np.int64),
        "migrations": np.array([len(moved[run][0]) for run in runs], np.int64),
        "migrated_bytes": np.array([math.fsum(moved[run][0]) for run in runs], np.float64),
        "peak_bytes": np.array([peak_bytes[run] for run in runs], np.float64),
    }


def request_times(requests: pd.DataFrame) -> pd.DataFrame:
    """TTFT and end-to-end latency over the requests of each run.

    Args:
        requests: as in docs/results.md.

    Returns:
        One row per run: `ttft_s`, the mean over the requests with a first token; `ttft_p50_s`, `ttft_p95_s` and
        `ttft_p99_s`, percentiles over them, interpolated linearly; and `e2e_p50_s`, `e2e_p95_s` and `e2e_p99_s`,
        percentiles over the finished requests.
    """
    return _by_run(_request_times, requests, ["arrival_s", "first_token_s", "finish_s"])


def token_times(later: pd.DataFrame) -> pd.DataFrame:
    """TPOT over the tokens of each run, without the first of each request.

    Returns:
        One row per run: `tpot_p50_s`, `tpot_p95_s` and `tpot_p99_s`, percentiles interpolated linearly, and
        `tpot_max_s`, the longest.
    """
    return _by_run(_token_times, later, ["latency_s"])


def later_times(result: Result) -> dict[str, FloatArray]:
    """By run, the latencies that are a TPOT: of all tokens but the first of each request [s]."""
    times = {run: [_NONE[0]] for run in result.table("runs", ["run"])["run"].to_pylist()}
    for run, piece in _pieces(result, list(times), "tokens", ["token", "latency_s"]):
        times[run].append(_later(piece))
    return {run: np.concatenate(each) for run, each in times.items()}


def ordered(values: FloatArray) -> FloatArray:
    """The values in rising order, without missing ones."""
    return np.sort(_known(values))


def peak_memory(result: Result) -> pd.DataFrame:
    """One row per run and device that has a row in `result.devices`.

    Returns:
        Columns `run`, `device`, `peak_bytes`, the most that the model held there; `least_available_bytes`, the least
        memory that other programs left free, at any time; `peak_swapped_bytes`, the most that did not fit at one time.
    """
    extremes = {"held_bytes": "max", "available_bytes": "min", "swapped_bytes": "max"}
    parts = [
        batch.to_pandas().groupby(["run", "device"], sort=False).agg(extremes)
        for batch in result.batches("devices", ["run", "device", *extremes])
    ]
    table = pd.concat(parts).groupby(["run", "device"], sort=False).agg(extremes)
    names = ["peak_bytes", "least_available_bytes", "peak_swapped_bytes"]
    peaks: pd.DataFrame = table.set_axis(names, axis=1).reset_index()
    return peaks


def _request_times(
    arrival_s: FloatArray, first_token_s: FloatArray, finish_s: FloatArray
) -> dict[str, float]:
    ttft_s = _known(first_token_s - arrival_s)
    mean_s = math.fsum(ttft_s) / len(ttft_s) if len(ttft_s) else math.nan
    return {"ttft_s": mean_s, **_percentiles("ttft", ttft_s), **_percentiles("e2e", finish_s - arrival_s)}


def _token_times(latency_s: FloatArray) -> dict[str, float]:
    return {**_percentiles("tpot", latency_s), "tpot_max_s": _most(latency_s)}


def _percentiles(name: str, values: FloatArray) -> dict[str, float]:
    rising = ordered(values)
    places = np.array(_PERCENTILES) / 100 * (len(rising) - 1)
    if len(rising):
        below = places.astype(np.int64)
        low, high = rising[below], rising[np.minimum(below + 1, len(rising) - 1)]
        at = low + (high - low) * (places - below)
    else:
        at = np.full(len(_PERCENTILES), math.nan)
    return {f"{name}_p{p}_s": value for p, value in zip(_PERCENTILES, at.tolist(), strict=True)}


def _known(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _most(values: FloatArray) -> float:
    """The largest value; NaN if there is none."""
    return float(np.fmax.reduce(values, initial=math.nan))


def _later(tokens: pa.Table) -> FloatArray:
    latency_s: FloatArray = tokens["latency_s"].to_numpy()
    later: FloatArray = latency_s[tokens["token"].to_numpy() > 0]
    return later


def _throughput(tokens: int, arrival_s: FloatArray, end_s: float) -> float:
    span_s = end_s + _most(-arrival_s)
    return tokens / span_s if span_s > 0.0 else math.nan


def _by_run(measure: Callable[..., dict[str, float]], rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """One row per run with the numbers that `measure` computes from these columns."""
    arrays = [rows[column].to_numpy() for column in columns]
    groups = rows.groupby("run", observed=True).indices
    measured = [measure(*(array[group] for array in arrays)) for group in groups.values()]
    names = list(measure(*_NONE[: len(columns)]))
    return pd.DataFrame(measured, index=pd.Index(groups, name="run"), columns=names, dtype=np.float64)


def _arrays(result: Result, runs: list[str], name: str, columns: list[str]) -> dict[str, list[NDArray[Any]]]:
    """Some columns of a table, by run."""
    empty = pa.schema([TABLES[name].field(column) for column in columns]).empty_table()
    pieces = {run: [empty] for run in runs}
    for run, piece in _pieces(result, runs, name, columns):
        pieces[run].append(piece)
    return {
        run: [column.to_numpy() for column in pa.concat_tables(each).columns] for run, each in pieces.items()
    }


def _pieces(result: Result, runs: list[str], name: str, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
    """Some columns of a table in pieces of one run each, in the order of the table."""
    if len(runs) == 1:
        yield from ((runs[0], batch) for batch in result.batches(name, columns))
        return
    known = set(runs)
    for batch in result.batches(name, ["run", *columns]):
        encoded = batch["run"].combine_chunks().dictionary_encode()
        codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
        ends = np.flatnonzero(np.diff(codes, append=-1)) + 1
        for begin, end in itertools.pairwise([0, *ends.tolist()]):
            if names[codes[begin]] in known:
                yield names[codes[begin]], batch.slice(begin, end - begin).select(columns)
