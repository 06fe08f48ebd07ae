"""The page itself: everything in one file, and nothing fetched from anywhere."""

import base64
import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata, resources

from headway.analysis.report.data import Evidence
from headway.analysis.report.diagnostics import fault_sheet, slowest_sheet
from headway.analysis.report.figures import Sight, sights
from headway.analysis.report.ranking import METRICS, Contest, Metric, contest, listed, verdict
from headway.analysis.report.svg import inline_svg
from headway.analysis.report.tables import comparison, numbers, run_sheet, scenario_sheets, settings
from headway.analysis.statistics import RESAMPLES
from headway.traces.errors import visible

_LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "seaborn")


def page(evidence: Evidence, metric: Metric | None = None, pictures: Sequence[Sight] | None = None) -> str:
    """The report as HTML; equal evidence gives equal text.

    Names and texts of the user's are escaped by the template, their control characters and marks of direction are shown
    as escapes, and a policy for its content keeps the page from fetching anything or running any script but its own.

    Args:
        evidence: what it stands on.
        metric: by which policies are ranked; the median time per output token by default.
        pictures: its figures, if they are drawn already.
    """
    import jinja2  # noqa: PLC0415

    found = contest(evidence, metric or METRICS["tpot_p50_s"])
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    scenario = evidence.documents.get("scenario.yaml", "")
    text: str = template.from_string(_file("page.html")).render(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'",
        title=evidence.name,
        css=_file("page.css"),
        js=script,
        facts=_facts(evidence),
        description=evidence.description,
        question=_question(evidence, found),
        verdict=verdict(found),
        also=_also(evidence, found),
        comparison=comparison(found),
        method=_method(found),
        numbers=numbers(evidence),
        settings=settings(evidence, found),
        figures=[
            {"title": one.title, "caption": one.caption, "svg": inline_svg(one.figure, f"f{i}", one.title)}
            for i, one in enumerate(sights(evidence, found) if pictures is None else pictures)
        ],
        faults=fault_sheet(evidence),
        slowest=slowest_sheet(evidence),
        runs=run_sheet(evidence),
        scenario=scenario_sheets(scenario),
        command=evidence.command,
        versions=_versions(evidence),
        documents=evidence.documents,
    )
    return visible(text.replace("\r\n", "\n").replace("\t", "    "))


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _facts(evidence: Evidence) -> list[str]:
    seeds = evidence.seeds
    counts = [
        (len(evidence.runs), "run", "runs"),
        (len(evidence.policies), "policy", "policies"),
        (len(evidence.settings) if evidence.axes else 0, "setting", "settings"),
    ]
    facts = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count]
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds):,} seeds, {seeds[0]} to {seeds[-1]}"
    left_out = [f"without the first {evidence.warm_up:,} tokens of each run"] if evidence.warm_up else []
    missing = [f"{evidence.missing:,} missing"] if evidence.missing else []
    return [*facts, span, *left_out, *missing]


def _question(evidence: Evidence, found: Contest) -> str:
    axes = f", with {listed(evidence.axes)} varied" if evidence.axes else ""
    if len(evidence.policies) == 1:
        return f"What is the {found.metric.name} under {evidence.policies[0]}{axes}?"
    least = "least" if found.metric.lower else "highest"
    return f"Which of {listed(evidence.policies)} has the {least} {found.metric.name}{axes}?"


def _also(evidence: Evidence, found: Contest) -> list[str]:
    """The verdict by the tail, where that is another."""
    other = METRICS["tpot_p99_s" if found.metric.column != "tpot_p99_s" else "tpot_p50_s"]
    tail = contest(evidence, other)
    beaten = tail.changes.get(found.best) if found.best not in (None, tail.best) else None
    if beaten is None or not (beaten.told or tail.worlds == 1):
        return []
    return [f"By another measure the answer is another: {verdict(tail)}"]


def _method(found: Contest) -> str:
    if found.worlds == 1:
        one, why = ("world", "the tokens of one run depend on each other")
        if found.settings > 1:
            one, why = ("seed", "settings under one seed share its random draws")
        return f"One {one} was run, so there is nothing that an interval could be made of: {why}."
    return (
        "Policies are compared within a world, that is under the same seed and setting, by the ratio of their metrics; "
        f"the seeds are the units. Intervals: 95 %, bootstrap over {found.worlds} seeds, {RESAMPLES:,} resamples. p: "
        "Wilcoxon's signed-rank test, after Holm's correction for all pairs of policies. Effect: rank-biserial "
        "correlation, ±1 where all worlds agree. "
        "A difference is told where the interval excludes 0 and p is at most 5 %."
    )


def _versions(evidence: Evidence) -> str:
    made = f"Runs made by Headway {listed(evidence.versions)}. " if evidence.versions else ""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return f"{made}Report by Headway {metadata.version('headway')}, Python {platform.python_version()}, {libraries}."
