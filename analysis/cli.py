"""The `headway` command.

Exit codes: 0, it is done (also when a simulated run ended early: that is a result); 1, the reader of standard output
went away; 2, something the user wrote cannot be used; 3, a policy breaks the contract, or a store is damaged; 130,
interrupted. Anything else is a defect and shows its traceback.

Only what `--help` needs is imported here; each command imports the rest when it is called.
"""

# ruff: noqa: PLC0415

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.policy_command import policy
from headway.analysis.replay_commands import explain, timeline
from headway.analysis.report_command import report
from headway.analysis.sweep_command import sweep
from headway.analysis.terminal import (
    MOST_PROCESSES,
    DecisionLimit,
    console,
    counted,
    look_here,
    reported,
    scenario_file,
    show,
)
from headway.analysis.terminal import decision_limit as allowed
from headway.analysis.trace_command import trace
from headway.analysis.trace_generate import fit, generate
from headway.analysis.whatif_command import whatif

if TYPE_CHECKING:
    from headway.simcore.audit import Audit
    from headway.simcore.engine.realtime import Lateness
    from headway.simcore.observe import Policy
    from headway.simcore.results import Result
    from headway.simcore.scenario import Scenario
    from headway.simcore.simulate import RunOptions

DEFAULT_SCENARIO = "home-cluster"

app = typer.Typer(
    help="Emulate the inference of large language models that are split across edge devices.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Scenario = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="Name of a shipped scenario (see `headway run --list`), or path of a YAML file; ./NAME is always a path.",
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headway {metadata.version('headway')}")
        raise typer.Exit


@app.callback()
def _headway(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    scenario: _Scenario = DEFAULT_SCENARIO,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Run this policy (a name, or module:Class), with its default parameters, instead of those in the "
            "scenario; may be repeated. "
            "A scenario without policies is run under resource-aware.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Use this seed instead of the scenario's.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the results of this run, results/<scenario name> by default. It is replaced as a whole if "
            "it holds results of an earlier run.",
        ),
    ] = None,
    realtime: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Pace the runs by the wall clock: seconds of wall time per simulated second, so 1 is real time and "
            "0.1 ten times as fast. The results are the same; the lateness of events is printed afterwards.",
        ),
    ] = None,
    decision_limit: DecisionLimit = None,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit",
            help="Check the laws of the simulation after every event, and print the number of checks. The "
            "results are the same; it takes five to nine times as long.",
        ),
    ] = False,
    list_: Annotated[
        bool,
        typer.Option("--list", help="List what comes with Headway: scenarios, models, traces, policies."),
    ] = False,
) -> None:
    """Emulate a scenario under its policies; save tables and a figure.

    A run that ends early, for example out of memory, is a result like any other: the table says how it ended and the
    exit code is 0.

    Example: headway run home-cluster --policy greedy --out greedy
    """
    with reported():
        if list_:
            _list()
            return
        from headway.analysis.compare import choose, create_all, given
        from headway.analysis.output import results_folder, write_results, writing
        from headway.simcore.simulate import RunOptions

        options = RunOptions(audit, allowed(decision_limit), realtime)
        world = _load(scenario, seed)
        look_here(policy or ())
        by_label = given(policy) if policy else create_all(choose(world, []))
        target = out if out is not None else Path("results") / world.name
        with results_folder(target) as folder:
            result, told = _compare(world, by_label, options)
            with writing(target):
                write_results(folder, result, world, scenario_file(scenario).resolve())
        _show(world, result, told, target)


@app.command()
def validate(scenario: _Scenario) -> None:
    """Check a scenario and print a summary.

    Example: headway validate mine.yaml
    """
    with reported():
        from headway.analysis.compare import choose, create_all, total_tokens

        world = _load(scenario, None)
        by_label = create_all(choose(world, []))
        model, cluster = world.model, world.cluster
        lines = {
            "scenario": world.name,
            "model": f"{model.name}: {model.layers} layers, width {model.width}, {model.heads} heads",
            "blocks": f"{len(world.block_table):,}",
            "devices": f"{len(cluster.devices)}: {', '.join(cluster.names)} (source: {cluster.source})",
            "relays": f"{len(cluster.relays)}: {', '.join(cluster.relays)}" if cluster.relays else "",
            "media": f"{len(cluster.media)}: {', '.join(m.name for m in cluster.media)}"
            if cluster.media
            else "",
            "links": f"{len(cluster.links)}",
            "requests": f"{len(world.requests):,}, {total_tokens(world):,} tokens to generate",
            "policies": ", ".join(by_label),
        }
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items() if value))


@app.command()
def paper(
    which: Annotated[
        str,
        typer.Argument(metavar="[small|medium|sensitivity|all]", help="The experiment, all by default."),
    ] = "all",
    quick: Annotated[
        bool, typer.Option("--quick", help="A few small worlds, as a test; too few for conclusions.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for tables and figures; other files in it are kept.")
    ] = Path("results/paper"),
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_PROCESSES,
            help="Processes; one per processor by default. Results are the same for any number.",
        ),
    ] = None,
    decision_limit: DecisionLimit = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Also put the tables and figures into this page, as in docs/paper.md."
        ),
    ] = None,
) -> None:
    """Repeat the experiments of arXiv 2505.02533 in random worlds.

    Tables and figures include confidence intervals.

    Example: headway paper small --quick
    """
    with reported():
        from headway.analysis.output import writing
        from headway.analysis.paper import page as pages
        from headway.analysis.paper.experiments import cases, chosen, scale
        from headway.analysis.paper.runs import run_all
        from headway.simcore.simulate import RunOptions

        options = RunOptions(decision_limit_s=allowed(decision_limit))
        experiments = chosen(which)
        if page is not None:
            pages.read(page)
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        written = []
        for name in experiments:
            todo = cases(name, scale(quick))
            with counted(name, sum(len(case.seeds) for case in todo), "worlds") as step:
                count = workers or os.cpu_count() or 1
                results = run_all(todo, workers=count, options=options, progress=step)
            written.append(pages.write(name, results, out))
        if page is not None:
            pages.fill(page, written, out)
        show(f"Results: {out}")


app.command()(whatif)
app.command()(timeline)
app.command()(explain)
app.command()(report)
trace.command()(generate)
trace.command()(fit)
app.add_typer(trace, name="trace")
app.add_typer(sweep, name="sweep", short_help="Make the runs of a campaign, and resume it.")
app.add_typer(policy, name="policy")


def _load(scenario: str, seed: int | None) -> "Scenario":
    """A shipped scenario, or one from a file."""
    from headway import simcore

    return simcore.load_scenario(scenario_file(scenario), seed=seed)


def _compare(
    world: "Scenario",
    by_label: "dict[str, Policy]",
    options: "RunOptions",
) -> "tuple[Result, list[str]]":
    """All runs, under a progress bar if somebody is watching; and what is told of how they went."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from headway.analysis.compare import compare, total_tokens
    from headway.analysis.tables import audited, lateness
    from headway.traces.errors import visible

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tokens"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=len(by_label) * total_tokens(world))

        def step(label: str, tokens: int) -> None:
            bar.update(task, description=visible(label), completed=tokens)

        late: dict[str, Lateness] = {}
        audits: dict[str, Audit] = {}
        result = compare(
            world,
            by_label,
            step,
            options=options,
            on_lateness=late.__setitem__,
            on_audit=audits.__setitem__,
        )
    return result, [*lateness(late), *audited(audits.values())]


def _show(world: "Scenario", result: "Result", told: list[str], target: Path) -> None:
    from headway.analysis.tables import endings, memory_table, summary_table

    show(summary_table(result), *endings(result), "", memory_table(result, world), "")
    show(*told, f"Results: {target}")


def _list() -> None:
    from headway import policies, simcore, traces

    show("Scenarios:", *(f"  {name}" for name in simcore.shipped_scenarios()))
    show("Models:", *(f"  {name}" for name in simcore.PRESETS))
    show("Traces:", *(f"  {name}" for name in traces.shipped_names()))
    show("Policies:", *(f"  {name:<16} {policies.described(name)}" for name in policies.names()))
