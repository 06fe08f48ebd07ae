"""Why a token took as long as it did, in words and a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from rich.table import Table
from rich.text import Text

from headway.analysis.console.tables import grid
from headway.analysis.replay.attribution import Explainer
from headway.analysis.replay.critical_path import Path, Piece, critical_path
from headway.analysis.replay.reasons import Reasons, seconds
from headway.analysis.replay.rerun import Replay
from headway.simcore.files.placement import ranges
from headway.traces.errors import InputError

_WHY = 60  # characters of a line, so that rows can be read side by side

PARTS = {
    "compute_s": "computing",
    "disk_s": "reading what was swapped",
    "transfer_s": "messages",
    "wait_s": "waiting for its turn",
    "migration_s": "blocks that moved",
    "decision_s": "the decision",
    "fault_s": "devices that were down",
}


@dataclass(frozen=True, eq=False)
class Stage:
    """Pieces of a critical path that are about the same thing in the same place, of whatever layers.

    Attributes:
        part: of the latency.
        what: they are about.
        where: they happened.
        layers: of which they are, rising.
        length_s: all of them together.
        reasons: for it.
    """

    part: str
    what: str
    where: str
    layers: tuple[int, ...]
    length_s: float
    reasons: Reasons = field(repr=False)


def stages(replay: Replay, path: Path, *, full: bool = False) -> list[Stage]:
    """The critical path as stages, in order of their first piece; their lengths add up to the latency.

    Args:
        replay: the run.
        path: of a token of it.
        full: every piece by itself, not the layers together.
    """
    explainer = Explainer(replay, path)
    groups: dict[tuple[object, ...], list[Piece]] = {}
    for number, piece in enumerate(path.pieces):
        key = (piece.part, explainer.what(piece)[0], explainer.where(piece), number if full else None)
        groups.setdefault(key, []).append(piece)
    return [_stage(explainer, pieces) for pieces in groups.values()]


def _stage(explainer: Explainer, pieces: Sequence[Piece]) -> Stage:
    reasons = Reasons()
    for piece in pieces:
        explainer.add(piece, reasons)
    first = pieces[0]
    layers = {layer for _, layer in map(explainer.what, pieces) if layer is not None}
    length_s = sum(piece.length_s for piece in pieces)
    return Stage(
        first.part,
        explainer.what(first)[0],
        explainer.where(first),
        tuple(sorted(layers)),
        length_s,
        reasons,
    )


def pick(
    replay: Replay, request: int | None, token: int | None, slowest: int | None
) -> list[tuple[int, int]]:
    """Request and number of the tokens to explain.

    Args:
        replay: the run.
        request: of the token; of the slowest ones any if None.
        token: number of one token.
        slowest: so many, the slowest first; used if there is no token.

    Raises:
        InputError: the run made no such token.
    """
    tokens = replay.result.tokens
    if request is not None:
        tokens = tokens[tokens["request"] == request]
    if token is not None:
        tokens = tokens[(tokens["request"] == (request or 0)) & (tokens["token"] == token)]
    if tokens.empty:
        made = replay.result.tokens.groupby("request")["token"].max()
        expected = ", ".join(f"request {r}: 0 to {last}" for r, last in list(made.items())[:5])
        found = f"no token {'' if token is None else token} of request {request or 0}"
        raise InputError("--token", found.replace("  ", " "), expected or "a run that generated a token")
    chosen = tokens.sort_values("latency_s", ascending=False, kind="stable").head(slowest or 1)
    return [(int(r), int(t)) for r, t in zip(chosen["request"], chosen["token"], strict=True)]


def explain(replay: Replay, request: int, token: int, *, full: bool = False) -> list[Table | str]:
    """All that is to be said about one token."""
    path = critical_path(replay, request, token)
    found = stages(replay, path, full=full)
    return [*_verdict(replay.result.tokens, path), *_longest(path, found), "", table(path, found)]


def _verdict(tokens: pd.DataFrame, path: Path) -> list[str]:
    """How long it took, beside others, and what made the difference."""
    request, token = path.spans.request, path.spans.token
    took = f"Token {token} of request {request} took {seconds(path.latency_s)}"
    others = tokens[tokens["token"] > 0]
    if token == 0:
        return [f"{took}. It is the first: it waited for its request's turn and paid for the whole prompt."]
    median_s = float(others["latency_s"].median())
    row = tokens[(tokens["request"] == request) & (tokens["token"] == token)].iloc[0]
    lines = [f"{took}, {path.latency_s / median_s:.3g} times the median of {seconds(median_s)}."]
    more = {name: float(row[name] - others[name].median()) for name in PARTS}
    name = max(more, key=lambda part: more[part])
    if path.latency_s > median_s and more[name] > 0.01 * median_s:
        lines.append(
            f"Beside the median token the most came from {PARTS[name]}: {seconds(float(row[name]))}, "
            f"{seconds(more[name])} more."
        )
    return lines


def _longest(path: Path, found: Sequence[Stage]) -> list[str]:
    stage = max(found, key=lambda one: one.length_s)
    place = f" ({stage.where})" if stage.where else ""
    return [
        f"The longest stage is {label(stage)}{place}: {seconds(stage.length_s)}, "
        f"{stage.length_s / path.latency_s:.0%} of it."
    ]


def label(stage: Stage) -> str:
    """What a stage is about, with its layers."""
    layers = f" of L{ranges(stage.layers, ',')}" if stage.layers else ""
    return f"{stage.what}{layers}"


def table(path: Path, found: Sequence[Stage]) -> Table:
    """The critical path, stage by stage."""
    rows = grid("Critical path", ["Part", "What", "Where"], ["Time", "Share"])
    rows.add_column(Text("Why"), overflow="fold", max_width=_WHY)
    for stage in found:
        rows.add_row(
            *map(Text, (stage.part, label(stage), stage.where)),
            seconds(stage.length_s),
            f"{stage.length_s / path.latency_s:.1%}",
            Text(stage.reasons.words()),
        )
    total_s = sum(stage.length_s for stage in found)
    rows.add_row("", "in all", "", seconds(total_s), f"{total_s / path.latency_s:.1%}", "")
    return rows
