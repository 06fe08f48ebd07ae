"""The spans of a run grouped by token, and display names."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from headway.simcore.files.placement import ranges
from headway.simcore.instrument import Asked, Attempt, Compute, Formed, Message, Move, Span, Standing
from headway.simcore.world.blocks import BlockTable, Kind

Work = Compute | Message
"""The spans of a step."""

STAGES = {
    Kind.HEAD: "heads",
    Kind.PROJ: "proj",
    Kind.FFN: "ffn",
    Kind.EMBED: "embed",
    Kind.LM_HEAD: "lm_head",
    Kind.QKV: "qkv",
    Kind.ATTENTION: "attention",
    Kind.OUT: "out",
    Kind.FFN_UP: "ffn_up",
    Kind.FFN_DOWN: "ffn_down",
    Kind.LAYER: "layer",
    Kind.SYNC: "sync",
}

OUTSIDE = frozenset({Kind.EMBED, Kind.LM_HEAD, Kind.SYNC})
"""Kinds of which a display shows no layer."""


@dataclass(frozen=True, eq=False)
class TokenSpans:
    """The spans of one token. Each sequence of a batch contains the spans of their common step.

    Attributes:
        request: number of the request.
        token: number of the token in the request.
        attempts: attempts at its steps; the last one succeeded.
        work: tasks and messages of each attempt.
        before: decisions and pauses of decoding before and between the attempts, in order.
    """

    request: int
    token: int
    attempts: list[Attempt] = field(default_factory=list)
    work: list[list[Work]] = field(default_factory=list)
    before: list[Asked | Standing] = field(default_factory=list)

    def cached(self, attempt: Attempt) -> int:
        """Cached positions of the sequence before an attempt."""
        return next(sequence.cached for sequence in attempt.batch if sequence.request == self.request)


def by_token(spans: Iterable[Span]) -> dict[tuple[int, int], TokenSpans]:
    """The spans of every started token, by request and token, without concurrent migrations."""
    tokens: dict[tuple[int, int], TokenSpans] = {}
    before: list[Asked | Standing] = []
    now: list[TokenSpans] = []
    for span in spans:
        match span:
            case Attempt():
                keys = [(sequence.request, sequence.token) for sequence in span.batch if sequence.tokens]
                now = [tokens.setdefault(key, TokenSpans(*key)) for key in keys]
                for token in now:
                    token.attempts.append(span)
                    token.work.append([])
                    token.before.extend(before)
                before = []
            case Asked() | Standing():
                before.append(span)
            case Compute() | Message(block=None):
                for token in now:
                    token.work[-1].append(span)
            case Formed() | Message() | Move():
                pass
    return tokens


def block_names(blocks: BlockTable, attempt: Attempt, kind: Kind, layer: int, device: int) -> str:
    """The blocks of a kind and layer in a task of a device, such as `L3.head0-2,5`; `L3.qkv` for parts of blocks."""
    if kind is Kind.HEAD:
        rows, stem = blocks.heads[layer], f"L{layer}.head"
    elif kind is Kind.FFN and blocks.shards.shape[1] > 1:
        rows, stem = blocks.shards[layer], f"L{layer}.ffn"
    elif kind in OUTSIDE:
        return STAGES[kind]
    else:
        return f"L{layer}.{STAGES[kind]}"
    numbers = [i for i, at in enumerate(attempt.placement[rows].tolist()) if at == device]
    return stem + ranges(numbers)
