"""The data of a report: one row per run, and detailed tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from headway.analysis.statistics.metrics import metrics, request_times, token_times
from headway.simcore.files.yaml_document import read_value
from headway.simcore.results import Result
from headway.traces.errors import InputError

DETAILS = ("requests", "tokens", "decisions", "devices", "links", "placements", "migrations", "faults")
"""Detailed tables of runs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportData:
    """Runs to compare.

    Attributes:
        name: of the scenario, or of the campaign.
        description: by the user; may be empty.
        runs: one row per run: `run`, `policy` (its label), `seed`, `status`, `detail`, `end_s`, the axes, and the
            metrics of `analysis.statistics.metrics`.
        axes: columns of `runs` that were varied.
        tables: detailed tables by the names of docs/results.md, in the order of `runs`. Their column `run` is the row
            in `runs`, and `policy` the policy of that row. If a policy has several runs, there are only the columns of
            requests and tokens that a report shows.
        documents: YAML files of the user, by name.
        command: that repeats the runs.
        versions: of Headway that made the runs.
        warm_up: number of tokens that were left out at the start of every run.
        missing: number of runs of a campaign that are not made yet.
        is_campaign: whether these are cases of a campaign, not the policies of one `headway run`.
    """

    name: str
    description: str
    runs: pd.DataFrame
    axes: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    versions: tuple[str, ...] = ()
    warm_up: int = 0
    missing: int = 0
    is_campaign: bool = False

    @property
    def policies(self) -> tuple[str, ...]:
        """Labels, in the order of the runs."""
        return tuple(dict.fromkeys(self.runs["policy"]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the worlds, ascending."""
        return tuple(sorted(set(map(int, self.runs["seed"]))))

    @property
    def settings(self) -> pd.DataFrame:
        """Every combination of levels of the axes that was run, one row each."""
        return self.runs[list(self.axes)].drop_duplicates(ignore_index=True)


def of_result(result: Result, scenario: str = "") -> ReportData:
    """The runs of one world.

    Args:
        result: of `simulate` or `combine`.
        scenario: the text of its YAML file.
    """
    about = result.runs[["run", "seed", "detail", "end_s"]].assign(policy=result.runs["run"])
    runs = about.merge(metrics(result), on="run")
    document = described(scenario)
    seeds = " ".join(f"--seed {seed}" for seed in dict.fromkeys(result.runs["seed"]))
    names = dict.fromkeys(result.runs["scenario"])
    return ReportData(
        name=", ".join(names),
        description=str(document.get("description") or "").strip(),
        runs=runs,
        tables=detailed({name: getattr(result, name) for name in DETAILS}, runs),
        documents={"scenario.yaml": scenario} if scenario else {},
        command=f"headway run {'scenario.yaml' if scenario else ' '.join(names)} {seeds}{_chosen(result, document)}",
        versions=tuple(dict.fromkeys(result.runs["headway_version"])),
    )


def after_warm_up(data: ReportData, tokens: int) -> ReportData:
    """The same data without the first tokens of every run, as if the measurement had started later.

    Time per output token and tokens per second are those of the remaining tokens. Time to first token and end-to-end
    latency are those of the requests whose first token remains.

    Raises:
        InputError: the results do not have the tokens of the runs.
    """
    if not tokens:
        return data
    if "tokens" not in data.tables:
        raise InputError("--warm-up", "results without a table of tokens", "results with the table `tokens`")
    rows = data.tables["tokens"]
    left_out = rows.groupby("run").cumcount() < tokens
    rest = rows[~left_out]
    tables = {**data.tables, "tokens": rest}
    if "requests" in tables:
        requests = tables["requests"]
        begun = pd.MultiIndex.from_frame(rest.loc[rest["token"] == 0, ["run", "request"]])
        tables["requests"] = requests[pd.MultiIndex.from_frame(requests[["run", "request"]]).isin(begun)]
    index = data.runs.index
    measured = _measured(rest, _last_s(rows[left_out])).reindex(index)
    if "requests" in tables:
        over_requests = request_times(tables["requests"]).drop(columns="ttft_s").reindex(index)
        measured = measured.assign(**over_requests)
    return replace(data, runs=data.runs.assign(**measured), tables=tables, warm_up=tokens)


def _measured(tokens: pd.DataFrame, watched_s: "pd.Series[float]") -> pd.DataFrame:
    """By run: the metrics of the remaining tokens, if the measurement of each run starts at a given time."""
    runs = tokens.groupby("run")
    first = tokens[tokens["token"] == 0].groupby("run")["latency_s"].mean()
    # A request may have arrived before the measurement starts.
    begin_s = np.maximum(runs["start_s"].first(), watched_s.reindex(runs.size().index))
    rate = runs.size() / (_last_s(tokens) - begin_s)
    return token_times(tokens[tokens["token"] > 0]).assign(ttft_s=first, tokens_per_s=rate)


def _last_s(tokens: pd.DataFrame) -> "pd.Series[float]":
    """End of the last token, by run."""
    return (tokens["start_s"] + tokens["latency_s"]).groupby(tokens["run"]).max()


def described(text: str) -> dict[str, Any]:
    """The keys of a YAML text; none if Headway cannot read it."""
    try:
        document = read_value(text, "")
    except InputError:
        return {}
    return document if isinstance(document, dict) else {}


def _chosen(result: Result, document: dict[str, Any]) -> str:
    """The options that choose the policies; empty if they are the policies of the scenario."""
    named = document.get("policies")
    listed = [_label(one) for one in named] if isinstance(named, list) else []
    ran = list(result.runs["run"])
    return "" if listed == ran else "".join(f" --policy {name}" for name in ran)


def _label(policy: object) -> object:
    return policy.get("label", policy.get("name")) if isinstance(policy, dict) else policy


def alone(runs: pd.DataFrame) -> bool:
    """Whether each policy ran once, so that details of single runs are shown."""
    return not runs["policy"].duplicated().any()


def detailed(tables: Mapping[str, pd.DataFrame], runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of a `ReportData`, from tables whose column `run` has the name of the run.

    If several rows of `runs` share a run, because their worlds are the same, its rows are repeated for each of them.

    Args:
        tables: by name, each with a column `run`.
        runs: numbered from 0, with `run` and `policy`.
    """
    names = pd.Index(runs["run"].unique())
    policies = pd.Categorical(runs["policy"], categories=runs["policy"].unique())
    places = pd.DataFrame({"name": names.get_indexer(runs["run"]), "run": runs.index})
    numbered = {}
    for table, rows in tables.items():
        column = pd.Categorical(rows["run"])
        named = pd.DataFrame({"name": names.get_indexer(column.categories)[column.codes]})
        order = places.merge(named.assign(row=np.arange(len(rows))), on="name")
        numbers = order["run"].to_numpy(dtype=np.int32)
        numbered[table] = (
            rows.drop(columns="run")
            .take(order["row"].to_numpy())
            .reset_index(drop=True)
            .assign(run=numbers, policy=policies.take(numbers))
        )
    if "requests" in numbered:
        requests = numbered["requests"]
        numbered["requests"] = requests.assign(ttft_s=requests["first_token_s"] - requests["arrival_s"])
    return numbered
