"""The spans of a run, token by token, with names for people."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from headway.simcore.files.placement import ranges
from headway.simcore.instrument import Asked, Attempt, Compute, Formed, Message, Move, Span, Standing
from headway.simcore.world.blocks import BlockTable, Kind

Work = Compute | Message
"""What the decoding of a token is made of."""

STAGES = {
    Kind.HEAD: "heads",
    Kind.PROJ: "proj",
    Kind.FFN: "ffn",
    Kind.EMBED: "embed",
    Kind.LM_HEAD: "lm_head",
}


@dataclass(frozen=True, eq=False)
class TokenSpans:
    """What happened for one token; what its step shares with other sequences is in the spans of each.

    Attributes:
        request: number of the request.
        token: of it.
        attempts: at its steps; the last one succeeded.
        work: the computations and messages of each attempt.
        before: decisions and standstills, those between attempts included, in order.
    """

    request: int
    token: int
    attempts: list[Attempt] = field(default_factory=list)
    work: list[list[Work]] = field(default_factory=list)
    before: list[Asked | Standing] = field(default_factory=list)

    def cached(self, attempt: Attempt) -> int:
        """Positions of the sequence that are in the cache before an attempt."""
        return next(one.cached for one in attempt.batch if one.request == self.request)


def by_token(spans: Iterable[Span]) -> dict[tuple[int, int], TokenSpans]:
    """The spans of every token that was begun, by request and token, without those of migrations beside it."""
    tokens: dict[tuple[int, int], TokenSpans] = {}
    before: list[Asked | Standing] = []
    now: list[TokenSpans] = []
    for span in spans:
        match span:
            case Attempt():
                keys = [(one.request, one.token) for one in span.batch if one.tokens]
                now = [tokens.setdefault(key, TokenSpans(*key)) for key in keys]
                for token in now:
                    token.attempts.append(span)
                    token.work.append([])
                    token.before.extend(before)
                before = []
            case Asked() | Standing():
                before.append(span)
            case Compute() | Message(block=None):
                # Messages that nobody waits for any more are no part of a token.
                for token in now:
                    token.work[-1].append(span)
            case Formed() | Message() | Move():
                pass
    return tokens


def block_names(blocks: BlockTable, attempt: Attempt, kind: Kind, layer: int, device: int) -> str:
    """The blocks of a kind and layer that a device computes, such as `L3.head0-2,5`."""
    if kind is Kind.HEAD:
        rows, stem = blocks.heads[layer], f"L{layer}.head"
    elif kind is Kind.FFN and blocks.shards.shape[1] > 1:
        rows, stem = blocks.shards[layer], f"L{layer}.ffn"
    elif kind in (Kind.EMBED, Kind.LM_HEAD):
        return STAGES[kind]
    else:
        return f"L{layer}.{STAGES[kind]}"
    mine = [i for i, at in enumerate(attempt.placement[rows].tolist()) if at == device]
    return stem + ranges(mine)
