"""`headway run`."""

# ruff: noqa: PLC0415

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.results_options import Force, Out, Workers, process_count
from headway.analysis.commands.scenario_argument import ScenarioName, load_scenario
from headway.analysis.console.progress import measured
from headway.analysis.console.terminal import DecisionLimit, look_here, reported, scenario_file, show
from headway.analysis.console.terminal import decision_limit as allowed

if TYPE_CHECKING:
    from headway.simcore.audit import Audit
    from headway.simcore.engine.realtime import Lateness
    from headway.simcore.observe import Policy
    from headway.simcore.results import Result
    from headway.simcore.scenario import PolicyChoice, Scenario
    from headway.simcore.simulate import RunOptions

DEFAULT_SCENARIO = "home-cluster"

_MOST_IN_MEMORY = 100_000
"""Number of tokens of all runs from which the tables go to files while the runs go on."""

_Policies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Run this policy (a name, or module:Class), with its default parameters, instead of those in the "
        "scenario; may be repeated. A scenario without policies is run under single, edgeshard, resource-aware "
        "and look-ahead.",
    ),
]
_Seed = Annotated[
    int | None, typer.Option(min=0, max=2**63 - 1, help="Use this seed instead of the scenario's.")
]
_Realtime = Annotated[
    float | None,
    typer.Option(
        metavar="FACTOR",
        help="Pace the runs by the wall clock: seconds of wall time per simulated second, so 1 is real time and "
        "0.1 ten times as fast. The results are the same; the lateness of events is printed afterwards.",
    ),
]
_Audit = Annotated[
    bool,
    typer.Option(
        "--audit",
        help="Check the laws of the simulation after every event, and print the number of checks. The "
        "results are the same; it takes five to nine times as long.",
    ),
]
_List = Annotated[
    bool, typer.Option("--list", help="List what comes with Headway: scenarios, models, traces, policies.")
]


def run(
    scenario: ScenarioName = DEFAULT_SCENARIO,
    policy: _Policies = None,
    seed: _Seed = None,
    out: Out = None,
    force: Force = False,
    realtime: _Realtime = None,
    workers: Workers = None,
    decision_limit: DecisionLimit = None,
    audit: _Audit = False,
    list_: _List = False,
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
        from headway.analysis.compare import choose, create_all, given, total_tokens
        from headway.analysis.files.atomic import writing
        from headway.analysis.files.results_folder import results_folder
        from headway.simcore.results import result_in
        from headway.simcore.simulate import RunOptions

        options = RunOptions(audit, allowed(decision_limit), realtime)
        world = load_scenario(scenario, seed)
        look_here(policy or ())
        choices = choose(world, policy or [])
        by_label = given(policy) if policy else create_all(choices)
        count = _processes(workers, world, choices, realtime)
        target = out or Path("results") / world.name
        with results_folder(target, replace=force, numbered=out is None) as folder:
            tokens = len(choices) * total_tokens(world)
            is_long = tokens >= _MOST_IN_MEMORY
            place = folder.scratch if is_long else None
            with writing(folder.target):
                with measured(tokens, "tokens") as step:
                    if count > 1:
                        result, notes = _together(world, choices, count, step, options, place)
                    else:
                        result, notes = _in_turn(world, by_label, step, options, place)
                from headway.analysis.results import write_results

                write_results(folder.path, result, world, scenario_file(scenario).resolve())
        if is_long:
            result = result_in(folder.target)
        from headway.analysis.statistics.answer import answer

        notes += [*_notes(world, result), f"Results: {folder}", f"Answer: {answer(result, world)}"]
        _show(world, result, notes)


def _processes(
    workers: int | None, world: "Scenario", choices: "Sequence[PolicyChoice]", realtime: float | None
) -> int:
    """The number of processes: `workers`, or one per processor if the runs are long enough to pay for them."""
    from headway.simcore.engine.executors import MANY_NODES, nodes
    from headway.traces.errors import InputError

    here = [f"--policy {choice.name}" for choice in choices if ":" in choice.name]
    here += [] if realtime is None else ["--realtime"]
    if here and (workers or 1) > 1:
        got = f"this option together with {here[0]}"
        raise InputError("--workers", got, "only one of them (such runs are made one after another)")
    if here or (workers is None and len(choices) * nodes(world) < MANY_NODES):
        return 1
    return min(process_count(workers), len(choices))


def _in_turn(
    world: "Scenario",
    by_label: "dict[str, Policy]",
    step: "Callable[[str, int], None]",
    options: "RunOptions",
    out: Path | None,
) -> "tuple[Result, list[str]]":
    """Make one run after another; the results, and lines on lateness and audits."""
    from headway.analysis.compare import compare
    from headway.analysis.console.tables import audited, lateness

    late: dict[str, Lateness] = {}
    audits: dict[str, Audit] = {}
    result = compare(
        world,
        by_label,
        step,
        options=options,
        on_lateness=late.__setitem__,
        on_audit=audits.__setitem__,
        out=out,
    )
    return result, [*lateness(late), *audited(audits.values())]


def _together(
    world: "Scenario",
    choices: "Sequence[PolicyChoice]",
    count: int,
    step: "Callable[[str, int], None]",
    options: "RunOptions",
    out: Path | None,
) -> "tuple[Result, list[str]]":
    """Make the runs on several processes; the results, and lines on audits."""
    from headway.analysis.process_pool import get_ready

    get_ready()  # while this process imports what it needs
    from headway.analysis.parallel import compare_in_processes

    audits: list[Audit] = []

    def progress(text: str, tokens: int) -> None:
        import headway.analysis.results  # noqa: F401 (loads plotting libraries while the runs go on)

        step(text, tokens)

    result = compare_in_processes(
        world, choices, count, progress, options=options, on_audit=audits.append, out=out
    )
    from headway.analysis.console.tables import audited

    return result, audited(audits)


def _notes(world: "Scenario", result: "Result") -> list[str]:
    """Notes on the scenario, on changes that begin too late, and on wrong predictions."""
    from headway.analysis.notes import late_changes, scenario_notes
    from headway.analysis.statistics.predictions import inference_times, misprediction_notes

    sentences = [
        *scenario_notes(world),
        *late_changes(world, float(result.runs["end_s"].max())),
        *misprediction_notes(result.decisions, inference_times(result), result.requests),
    ]
    return [f"Note: {sentence}" for sentence in sentences]


def _show(world: "Scenario", result: "Result", notes: list[str]) -> None:
    from headway.analysis.console.placements import placements
    from headway.analysis.console.tables import endings, memory_table, summary_table
    from headway.analysis.statistics.answer import rates

    memory = memory_table(result, world)
    placement = placements(result, world, next(iter(rates(result)), None))
    show(summary_table(result), *endings(result), "", memory, "", *placement, "", *notes)


def _list() -> None:
    from headway import policies, simcore, traces

    show("Scenarios:", *(f"  {name}" for name in simcore.shipped_scenarios()))
    show("Models:", *(f"  {name}" for name in simcore.PRESETS))
    show("Traces:", *(f"  {name}" for name in traces.shipped_names()))
    show("Policies:", *(f"  {name:<16} {policies.description(name)}" for name in policies.names()))
