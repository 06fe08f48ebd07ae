"""`headway timeline` and `headway explain`."""

# ruff: noqa: PLC0415

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.terminal import reported, scenario_file, show

if TYPE_CHECKING:
    from headway.analysis.replay.watch import Replay

_Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Folder that `headway run` wrote; the store of a campaign, with --run; or a scenario, as `headway run` "
        "takes it. The run is repeated.",
    ),
]
_Policy = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Policy whose run to use; the first run by default."),
]
_Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, help="Use this seed instead of the scenario's; not for a folder."),
]
_Name = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="Run of a campaign store: its name, or the beginning of it."),
]
_Request = Annotated[int | None, typer.Option(min=0, help="Number of the request, 0 by default.")]


def timeline(
    run: _Run,
    tokens: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="Tokens of the request to show, such as 50-60.")
    ] = "0-9",
    request: _Request = None,
    name: _Name = None,
    policy: _Policy = None,
    seed: _Seed = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Output file; replaced if it exists.")
    ] = Path("timeline.json"),
) -> None:
    """Write a timeline of some tokens: tasks, messages, moves and decisions.

    Open it in ui.perfetto.dev or chrome://tracing.

    Example: headway timeline results/home-cluster --tokens 50-60
    """
    with reported():
        from headway.analysis.replay.timeline import trace_events, window, write_timeline

        first, last = _range(tokens)
        replay = _replay(run, name, policy, seed)
        events = trace_events(replay, window(replay, request or 0, first, last))
        write_timeline(out, events)
        slices = sum(event["ph"] == "X" for event in events["traceEvents"])
        show(f"Timeline: {out} ({slices:,} slices); open it in https://ui.perfetto.dev or chrome://tracing")


def explain(
    run: _Run,
    token: Annotated[
        int | None, typer.Option(min=0, help="The token to explain; the slowest by default.")
    ] = None,
    slowest: Annotated[
        int | None, typer.Option(min=1, help="Explain the N slowest tokens of the run or request.")
    ] = None,
    request: _Request = None,
    name: _Name = None,
    policy: _Policy = None,
    seed: _Seed = None,
    full: Annotated[
        bool, typer.Option("--full", help="Show every piece of the critical path, without merging layers.")
    ] = False,
) -> None:
    """Explain the latency of a token.

    The table is its critical path, stage by stage, with the reasons.

    Example: headway explain results/home-cluster --slowest 3
    """
    with reported():
        from headway.analysis.replay.explain import explain as explained
        from headway.analysis.replay.explain import pick
        from headway.traces.errors import InputError

        if token is not None and slowest is not None:
            raise InputError("--slowest", "this option together with --token", "only one of them")
        replay = _replay(run, name, policy, seed)
        for number, chosen in enumerate(pick(replay, request, token, slowest)):
            show(*([""] if number else []), *explained(replay, *chosen, full=full))


def _range(text: str) -> tuple[int, int]:
    from headway.traces.errors import InputError, shown

    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise InputError("--tokens", shown(text), "a token such as 7, or a range such as 50-60")
    return int(found[1]), int(found[2] or found[1])


def _replay(run: str, name: str | None, policy: str | None, seed: int | None) -> "Replay":
    from headway import simcore
    from headway.analysis.campaign.store import is_store
    from headway.analysis.replay.stored import watch_stored
    from headway.analysis.replay.watch import is_results, watch_again, watch_scenario
    from headway.traces.errors import InputError

    stored = is_store(Path(run))
    if stored and policy is not None:
        raise InputError(
            "--policy", "this option with a campaign store", "--run NAME, which names a run of the store"
        )
    if name is not None and not stored:
        raise InputError(
            "--run", f"this option with {run}, which is not a campaign store", "a campaign store as RUN"
        )
    if seed is not None and (stored or is_results(Path(run))):
        raise InputError("--seed", "this option with a folder of results", "a scenario as RUN")
    if stored:
        return watch_stored(Path(run), name)
    if is_results(Path(run)):
        return watch_again(Path(run), policy)
    path = scenario_file(run, "RUN", "a folder of results, the store of a campaign, ")
    return watch_scenario(simcore.load_scenario(path, seed=seed), policy)
