"""Explanation of the latency of a token, in sentences and a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.replay.attribution import Explainer
from headway.analysis.replay.critical_path import Path, Piece, critical_path
from headway.analysis.replay.reasons import Reasons, seconds
from headway.analysis.replay.rerun import Replay
from headway.simcore.files.placement import ranges
from headway.traces.errors import InputError

_WHY = 60  # characters per line in the last column

PARTS = {
    "compute_s": "computing",
    "disk_s": "reading swapped blocks",
    "transfer_s": "messages",
    "wait_s": "waiting",
    "migration_s": "migrations",
    "decision_s": "decisions",
    "fault_s": "outages",
}


@dataclass(frozen=True, eq=False)
class Stage:
    """Pieces of a critical path with the same activity in the same place, over all layers.

    Attributes:
        part: part of the latency.
        what: the activity.
        where: the device, or the sender and receiver.
        layers: layers of the pieces, in ascending order.
        length_s: sum of their durations.
        reasons: reasons for the duration.
    """

    part: str
    what: str
    where: str
    layers: tuple[int, ...]
    length_s: float
    reasons: Reasons = field(repr=False)


def stages(replay: Replay, path: Path, *, full: bool = False) -> list[Stage]:
    """The critical path as stages, in order of their first piece; their durations add up to the latency.

    Args:
        replay: the run.
        path: critical path of one of its tokens.
        full: one stage per piece; otherwise stages combine layers.
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
        request: number of the request; None: any request.
        token: number of one token.
        slowest: number of tokens, the slowest first; not used with `token`.

    Raises:
        InputError: the run generated no such token.
    """
    tokens = replay.result.tokens
    if request is not None:
        tokens = tokens[tokens["request"] == request]
    if token is not None:
        tokens = tokens[(tokens["request"] == (request or 0)) & (tokens["token"] == token)]
    if tokens.empty:
        last_tokens = replay.result.tokens.groupby("request")["token"].max()
        expected = ", ".join(f"request {r}: 0 to {last}" for r, last in list(last_tokens.items())[:5])
        got = f"no token {'' if token is None else token} of request {request or 0}"
        raise InputError("--token", got.replace("  ", " "), expected or "a run that generated a token")
    selection = tokens.sort_values("latency_s", ascending=False, kind="stable").head(slowest or 1)
    return [(int(r), int(t)) for r, t in zip(selection["request"], selection["token"], strict=True)]


def explain(replay: Replay, request: int, token: int, *, full: bool = False) -> list[Table | str]:
    """The explanation of one token: sentences and the table of its critical path."""
    path = critical_path(replay, request, token)
    rows = stages(replay, path, full=full)
    return [*_summary(replay.result.tokens, path), *_longest(path, rows), "", table(path, rows)]


def _summary(tokens: pd.DataFrame, path: Path) -> list[str]:
    """Comparison of the latency with the median, and the part with the largest difference."""
    request, token = path.spans.request, path.spans.token
    latency = f"Token {token} of request {request} took {seconds(path.latency_s)}"
    others = tokens[tokens["token"] > 0]
    if token == 0:
        return [
            f"{latency}. It is the first token of its request: this includes waiting and the whole prompt."
        ]
    median_s = float(others["latency_s"].median())
    row = tokens[(tokens["request"] == request) & (tokens["token"] == token)].iloc[0]
    lines = [f"{latency}, {path.latency_s / median_s:.3g} times the median of {seconds(median_s)}."]
    more = {name: float(row[name] - others[name].median()) for name in PARTS}
    name = max(more, key=lambda part: more[part])
    if path.latency_s > median_s and more[name] > 0.01 * median_s:
        lines.append(
            f"The largest increase over the median is in {PARTS[name]}: {seconds(float(row[name]))}, "
            f"{seconds(more[name])} more."
        )
    return lines


def _longest(path: Path, rows: Sequence[Stage]) -> list[str]:
    stage = max(rows, key=lambda row: row.length_s)
    place = f" ({stage.where})" if stage.where else ""
    return [
        f"The longest stage is {label(stage)}{place}: {seconds(stage.length_s)}, "
        f"{stage.length_s / path.latency_s:.0%} of the latency."
    ]


def label(stage: Stage) -> str:
    """The activity of a stage, with its layers."""
    layers = f" of L{ranges(stage.layers, ',')}" if stage.layers else ""
    return f"{stage.what}{layers}"


def table(path: Path, rows: Sequence[Stage]) -> Table:
    """The critical path with a row per stage."""
    result = grid("Critical path", ["Part", "What", "Where"], ["Time", "Share"])
    result.add_column(Text("Why"), overflow="fold", max_width=_WHY)
    for stage in rows:
        result.add_row(
            *map(Text, (stage.part, label(stage), stage.where)),
            seconds(stage.length_s),
            f"{stage.length_s / path.latency_s:.1%}",
            Text(stage.reasons.words()),
        )
    total_s = sum(stage.length_s for stage in rows)
    result.add_row("", "total", "", seconds(total_s), f"{total_s / path.latency_s:.1%}", "")
    return result
