"""`headway timeline`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.replayed_run import (
    Policy,
    Request,
    Run,
    RunName,
    Seed,
    Variant,
    repeated_run,
    token_range,
)
from headway.analysis.console.terminal import reported, show


def timeline(
    run: Run,
    tokens: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="Tokens of the request to show, such as 50-60.")
    ] = "0-9",
    request: Request = None,
    name: RunName = None,
    policy: Policy = None,
    variant: Variant = None,
    seed: Seed = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Output file; replaced if it exists.")
    ] = Path("timeline.json"),
) -> None:
    """Write a timeline of some tokens: tasks, messages and moves.

    Open it in ui.perfetto.dev or chrome://tracing.

    Example: headway timeline results/home-cluster --tokens 50-60
    """
    with reported():
        from headway.analysis.replay.timeline import trace_events, write_timeline
        from headway.analysis.replay.window import window

        first, last = token_range(tokens)
        replay = repeated_run(run, name=name, policy=policy, variant=variant, seed=seed)
        events = trace_events(replay, window(replay, request or 0, first, last))
        write_timeline(out, events)
        slices = sum(event["ph"] == "X" for event in events["traceEvents"])
        if replay.title:
            show(f"Run: {replay.title}")
        show(f"Timeline: {out} ({slices:,} slices); open it in https://ui.perfetto.dev or chrome://tracing")
