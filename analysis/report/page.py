"""The HTML page: one file that loads nothing else."""

import base64
import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata, resources

from headway.analysis.formatting import listed
from headway.analysis.report.data import ReportData
from headway.analysis.report.diagnostics import fault_table, slowest_runs_table
from headway.analysis.report.figures import ReportFigure, report_figures
from headway.analysis.report.ranking import Ranking, rank_policies, verdict
from headway.analysis.report.svg import inline_svg
from headway.analysis.report.tables import comparison, numbers, runs_table, scenario_tables, settings
from headway.analysis.statistics import SMALLEST
from headway.analysis.statistics.metrics import METRICS, Metric
from headway.analysis.statistics.predictions import misprediction_notes
from headway.traces.errors import visible

_LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "seaborn")


def page(
    data: ReportData,
    metric: Metric = METRICS["tokens_per_s"],
    pictures: Sequence[ReportFigure] | None = None,
    *,
    smallest: float = SMALLEST,
) -> str:
    """The report as HTML; equal data gives equal text.

    The template escapes the user's names and texts; their control characters and marks of direction are shown as
    escapes. A content security policy prevents the page from loading anything and from running foreign scripts.

    Args:
        data: the runs.
        metric: by which policies are ranked.
        pictures: its figures, if they are drawn already.
        smallest: smallest interesting difference, as a share.
    """
    import jinja2  # noqa: PLC0415

    ranking = rank_policies(data, metric, smallest=smallest)
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    scenario = data.documents.get("scenario.yaml", "")
    text: str = template.from_string(_file("page.html")).render(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'",
        title=data.name,
        css=_file("page.css"),
        js=script,
        facts=_facts(data),
        description=data.description,
        question=_question(data, ranking),
        verdict=verdict(ranking),
        also=[*_also(data, ranking), *_mispredictions(data)],
        comparison=comparison(ranking),
        method=_method(ranking),
        numbers=numbers(data),
        settings=settings(data, ranking),
        figures=[
            {"title": one.title, "caption": one.caption, "svg": inline_svg(one.figure, f"f{i}", one.title)}
            for i, one in enumerate(report_figures(data, ranking) if pictures is None else pictures)
        ],
        faults=fault_table(data),
        slowest=slowest_runs_table(data),
        runs=runs_table(data),
        scenario=scenario_tables(scenario),
        command=data.command,
        versions=_versions(data),
        documents=data.documents,
    )
    return visible(text.replace("\r\n", "\n").replace("\t", "    "))


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _facts(data: ReportData) -> list[str]:
    seeds = data.seeds
    counts = [
        (len(data.runs), "run", "runs"),
        (len(data.policies), "policy", "policies"),
        (len(data.settings) if data.axes else 0, "setting", "settings"),
    ]
    facts = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count]
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds):,} seeds, {seeds[0]} to {seeds[-1]}"
    left_out = [f"without the first {data.warm_up:,} tokens of each run"] if data.warm_up else []
    missing = [f"{data.missing:,} missing"] if data.missing else []
    return [*facts, span, *left_out, *missing]


def _question(data: ReportData, ranking: Ranking) -> str:
    axes = f", with {listed(data.axes)} varied" if data.axes else ""
    if len(data.policies) == 1:
        return f"What is the {ranking.metric.name} under {data.policies[0]}{axes}?"
    least = "least" if ranking.metric.lower else "highest"
    return f"Which of {listed(data.policies)} has the {least} {ranking.metric.name}{axes}?"


def _also(data: ReportData, first: Ranking) -> list[str]:
    """The verdict by the longest stall (or by the rate of tokens), where another policy is the best."""
    other = METRICS["tokens_per_s" if first.metric.column == "tpot_max_s" else "tpot_max_s"]
    ranking = rank_policies(data, other, smallest=first.smallest)
    beaten = ranking.changes.get(first.best) if first.best is not None else None
    if beaten is None or not (beaten.verdict in ("lower", "higher") or ranking.worlds == 1):
        return []
    return [f"By the {other.name}, the answer is different: {verdict(ranking)}"]


def _mispredictions(data: ReportData) -> list[str]:
    tables = data.tables
    if not {"decisions", "tokens", "requests"} <= tables.keys():
        return []
    return misprediction_notes(tables["decisions"], tables["tokens"], tables["requests"], by="policy")


def _method(ranking: Ranking) -> str:
    if ranking.worlds == 1:
        one, why = ("world", "the tokens of one run depend on each other")
        if ranking.settings > 1:
            one, why = ("seed", "settings under one seed share its random draws")
        return f"One {one} was run, so no interval can be computed: {why}."
    smallest = f"{100.0 * ranking.smallest:g} %"
    return (
        "Policies are compared within a world, that is under the same seed and setting, by the ratio of their metrics; "
        "the seeds are the units. The intervals against the best are Student's, of the logarithms of the ratios, and "
        "hold together with 95 % confidence for all pairs of policies (Bonferroni). A policy is better or worse if its "
        f"interval excludes 0 and the change is at least {smallest}, the same if the whole interval is within "
        f"{smallest} of 0, and otherwise unsure. Seeds needed: about how many seeds would settle an unsure change."
    )


def _versions(data: ReportData) -> str:
    made = f"Runs made by Headway {listed(data.versions)}. " if data.versions else ""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return f"{made}Report by Headway {metadata.version('headway')}, Python {platform.python_version()}, {libraries}."
