"""`headway explain`."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from headway.analysis.commands.replayed_run import Policy, Request, Run, RunName, Seed, Variant, repeated_run
from headway.analysis.console.terminal import reported, show


def explain(
    run: Run,
    token: Annotated[
        int | None, typer.Option(min=0, help="The token to explain; the slowest by default.")
    ] = None,
    slowest: Annotated[
        int | None, typer.Option(min=1, help="Explain the N slowest tokens of the run or request.")
    ] = None,
    request: Request = None,
    name: RunName = None,
    policy: Policy = None,
    variant: Variant = None,
    seed: Seed = None,
    full: Annotated[
        bool, typer.Option("--full", help="Show every piece of the critical path, without merging layers.")
    ] = False,
) -> None:
    """Explain the latency of a token.

    The table shows the stages of its critical path, with their reasons.

    Example: headway explain results/home-cluster --slowest 3
    """
    with reported():
        from headway.analysis.replay.explain import explain as explained
        from headway.analysis.replay.explain import pick
        from headway.traces.errors import InputError

        if token is not None and slowest is not None:
            raise InputError("--slowest", "this option together with --token", "only one of them")
        replay = repeated_run(run, name=name, policy=policy, variant=variant, seed=seed)
        if replay.title:
            show(f"Run: {replay.title}", "")
        for number, chosen in enumerate(pick(replay, request, token, slowest)):
            show(*([""] if number else []), *explained(replay, *chosen, full=full))
