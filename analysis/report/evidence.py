"""What a report stands on: the runs of a folder, one row each, and what is kept of them in detail.

Three kinds of folders are read: that of `headway run`, where policies ran once in one world; the store of a campaign;
and that of `headway sweep export`. In the latter two runs have axes and seeds.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.campaign.design import CASE
from analysis.campaign.store import Store, is_store
from analysis.campaign.tables import STORED
from analysis.campaign.view import View
from analysis.metrics import metrics
from simcore import load_result
from simcore.files.document import read_value
from simcore.results import Result, check_table, read_table
from traces.errors import InputError, one_of, reason, shown

_MOST_BYTES = 1_000_000
_NUMBERS = ("number", "seed")
_DETAILS = ("requests", "tokens", "devices", "links", "placements", "migrations", "faults")


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Runs that are to be compared.

    Attributes:
        name: of the scenario, or of the campaign.
        description: what it is about, in the user's words; may be empty.
        runs: one row per run: `run`, `policy` (its label), `seed`, `status`, `detail`, `end_s`, the axes, and the
            metrics of `analysis.metrics`.
        axes: columns of `runs` that were varied.
        tables: what is kept in detail, by the names of docs/results.md, each with the `policy` of its run and its
            `case`, the row of `runs`.
        documents: YAML files as the user wrote them, by name.
        command: what makes these runs again.
        versions: of Headway, that made the runs.
        warm_up: tokens that were left out at the beginning of every run.
        missing: runs of a campaign that are not made yet, or failed.
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


def read_evidence(folder: Path, campaign: str | None = None) -> Evidence:
    """What a folder of results holds.

    Args:
        folder: of `headway run` or `headway sweep`.
        campaign: which one, where a store has several.

    Raises:
        InputError: it holds nothing that a report could be made of.
    """
    if is_store(folder):
        return _of_store(Store(folder), campaign)
    if (folder / "cases.parquet").exists():
        paths = {name: folder / f"{name}.parquet" for name in ("runs", "metrics", *_DETAILS)}
        kept = {name: _table(path, STORED[name]) for name, path in paths.items() if path.exists()}
        cases = _cases(folder / "cases.parquet")
        return _of_campaign(folder.name, cases, kept, _text(folder / "campaign.yaml"))
    if not (folder / "runs.parquet").exists():
        accepted = "a folder of `headway run`, `headway sweep run` or `headway sweep export`"
        raise InputError(str(folder), "no results" if folder.is_dir() else "no such folder", accepted)
    return of_result(load_result(folder), _text(folder / "scenario.yaml"))


def of_result(result: Result, scenario: str = "") -> Evidence:
    """The runs of one world.

    Args:
        result: what `simulate` or `combine` gave.
        scenario: the YAML that it was made from.
    """
    about = result.runs[["run", "seed", "detail", "end_s"]].assign(policy=result.runs["run"])
    runs = about.merge(metrics(result), on="run")
    document = described(scenario)
    seeds = " ".join(f"--seed {seed}" for seed in dict.fromkeys(result.runs["seed"]))
    names = dict.fromkeys(result.runs["scenario"])
    return Evidence(
        name=", ".join(names),
        description=str(document.get("description") or "").strip(),
        runs=runs,
        tables=_detailed({name: getattr(result, name) for name in _DETAILS}, runs),
        documents={"scenario.yaml": scenario} if scenario else {},
        command=f"headway run {'scenario.yaml' if scenario else ' '.join(names)} {seeds}{_chosen(result, document)}",
        versions=tuple(dict.fromkeys(result.runs["headway_version"])),
    )


def after_warm_up(evidence: Evidence, tokens: int) -> Evidence:
    """The same without the first so many tokens of every run, as if watching had begun later.

    Time per output token and tokens per second are those of the rest; time to first token is that of the requests whose
    first token is among the rest.

    Raises:
        InputError: the tokens of the runs are not kept.
    """
    if not tokens:
        return evidence
    if "tokens" not in evidence.tables:
        raise InputError("--warm-up", "results without a table of tokens", "results that keep `tokens`")
    rest = evidence.tables["tokens"]
    rest = rest[rest.groupby("case").cumcount() >= tokens]
    begun = set(rest.loc[rest["token"] == 0, ["run", "request"]].itertuples(index=False, name=None))
    tables = {**evidence.tables, "tokens": rest}
    if "requests" in tables:
        requests = tables["requests"]
        pairs = zip(requests["run"], requests["request"], strict=True)
        tables["requests"] = requests[[pair in begun for pair in pairs]]
    index = evidence.runs.index
    runs = evidence.runs.assign(**{name: column.reindex(index) for name, column in _measured(rest).items()})
    return replace(evidence, runs=runs, tables=tables, warm_up=tokens)


def _measured(tokens: pd.DataFrame) -> "dict[str, pd.Series[float]]":
    """The metrics that change when tokens are left out, by case."""
    later = tokens[tokens["token"] > 0].groupby("case")["latency_s"]
    cases = tokens.groupby("case")
    span_s = (tokens["start_s"] + tokens["latency_s"]).groupby(tokens["case"]).max() - cases["start_s"].min()
    first = tokens[tokens["token"] == 0].groupby("case")["latency_s"].mean()
    percentiles = {f"tpot_p{p}_s": later.quantile(p / 100) for p in (50, 95, 99)}
    return {**percentiles, "tpot_max_s": later.max(), "ttft_s": first, "tokens_per_s": cases.size() / span_s}


def described(text: str) -> dict[str, Any]:
    """The keys of a YAML text, none if it is not one that Headway would read."""
    try:
        found = read_value(text, "")
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def _chosen(result: Result, document: dict[str, Any]) -> str:
    """The options that choose the policies, unless they are those of the scenario."""
    named = document.get("policies")
    listed = [_label(one) for one in named] if isinstance(named, list) else []
    ran = list(result.runs["run"])
    return "" if listed == ran else "".join(f" --policy {name}" for name in ran)


def _label(policy: object) -> object:
    return policy.get("label", policy.get("name")) if isinstance(policy, dict) else policy


def _of_store(store: Store, campaign: str | None) -> Evidence:
    names = sorted(path.stem for path in (store.folder / "campaigns").glob("*.parquet"))
    name = names[0] if campaign is None and len(names) == 1 else campaign
    if name not in names:
        found = "a store of several campaigns" if campaign is None and names else repr(campaign)
        raise InputError(
            "--campaign", found if names else "a store without a campaign", one_of(str(name), names)
        )
    path, view = store.cases(str(name)), store.view()
    cases = _cases(path)
    wanted = set(cases["run"])
    tables = {table: _read(view, table, wanted) for table in ("runs", "metrics", *_DETAILS)}
    kept = {table: rows for table, rows in tables.items() if len(rows)}
    return _of_campaign(str(name), cases, kept, _text(path.with_suffix(".yaml")))


def _of_campaign(name: str, cases: pd.DataFrame, tables: Mapping[str, pd.DataFrame], text: str) -> Evidence:
    if not {"runs", "metrics"} <= set(tables):
        raise InputError(name, "no run that has ended", "a campaign of which some runs are made")
    ended = tables["runs"].drop_duplicates("run")
    runs = cases.merge(tables["metrics"].drop_duplicates("run"), on="run").merge(
        ended[["run", "detail", "end_s"]], on="run"
    )
    document = described(text)
    return Evidence(
        name=str(document.get("name") or name),
        description=str(document.get("description") or "").strip(),
        runs=runs,
        axes=tuple(column for column in cases.columns if column not in CASE),
        tables=_detailed({table: tables[table] for table in _DETAILS if table in tables}, runs),
        documents={"campaign.yaml": text} if text else {},
        command="headway sweep run campaign.yaml",
        versions=tuple(dict.fromkeys(ended["headway_version"])),
        missing=len(cases) - len(runs),
        is_campaign=True,
    )


def _detailed(tables: Mapping[str, pd.DataFrame], runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables with the policy and the case of each row, in the order of the runs; requests have a time to first token.

    A run that several cases share, because their worlds are the same, counts for each of them.
    """
    cases = runs[["run", "policy"]].assign(case=runs.index)
    found = {name: cases.merge(table, on="run") for name, table in tables.items()}
    if "requests" in found:
        requests = found["requests"]
        found["requests"] = requests.assign(ttft_s=requests["first_token_s"] - requests["arrival_s"])
    return found


def _read(view: View, table: str, runs: Collection[str]) -> pd.DataFrame:
    found = view.read(table, runs)
    check_table(found, f"{view.folder}: {table}")
    frame: pd.DataFrame = found.to_pandas()
    return frame


def _cases(path: Path) -> pd.DataFrame:
    """The table that says what each run of a campaign is: columns that are always there, then one for each axis."""
    table = read_table(path)
    if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
        raise InputError(str(path), f"two columns {shown(twice[0])}", "each column once")
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    texts = {name for name, kind in kinds.items() if kind in (pa.string(), pa.large_string())}
    numbers = {name for name, kind in kinds.items() if kind == pa.float64()}
    whole = {name for name, kind in kinds.items() if kind == pa.int64()}
    if not set(CASE) <= texts | whole or whole != set(_NUMBERS) or kinds.keys() - texts - numbers - whole:
        raise InputError(str(path), "a table of another schema", "a table of cases written by headway")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = read_table(path, schema).to_pandas()
    return frame


def _text(path: Path) -> str:
    """What is in a file beside the tables; nothing if there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(str(path), reason(error), "a text written by headway") from error
    if len(raw) > _MOST_BYTES:
        raise InputError(str(path), f"more than {_MOST_BYTES} bytes", "a text written by headway")
    return raw.decode("utf-8", "replace")
