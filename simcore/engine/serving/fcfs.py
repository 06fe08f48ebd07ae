"""First come, first served: requests are served whole, one after another, in order of arrival."""

from collections.abc import Callable

from simcore.engine.outages import Process, reached
from simcore.engine.placement.context import RunContext
from simcore.scenario import Request, Turn


def serve(run: RunContext, make_token: Callable[[Turn], Process]) -> Process:
    """Serve all requests, token by token.

    Args:
        run: that goes on.
        make_token: makes one token, from the moment at which its turn comes.
    """
    in_order = sorted(enumerate(run.scenario.requests), key=lambda pair: pair[1].arrival_s)
    for number, request in in_order:
        if run.env.now < request.arrival_s:
            yield reached(run.env, request.arrival_s)
        yield from _serve_one(run, number, request, make_token)


def _serve_one(
    run: RunContext, number: int, request: Request, make_token: Callable[[Turn], Process]
) -> Process:
    """Generate one sequence, from its turn to its last token, and write its row, however it ends."""
    env = run.env
    started_s = env.now
    first_s: float | None = None
    generated = 0
    try:
        for generated in range(request.output):
            yield from make_token(Turn(number, request, generated))
            first_s = env.now if first_s is None else first_s
        generated = request.output
    finally:
        run.recorder.add(
            "requests",
            number,
            request.arrival_s,
            started_s,
            first_s,
            env.now if generated == request.output else None,
            request.prompt,
            request.output,
            generated,
        )
