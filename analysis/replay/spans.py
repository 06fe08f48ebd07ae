"""The spans of a run, token by token, with names for people."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from simcore.files.placement import ranges
from simcore.instrument import Asked, Attempt, Compute, Message, Move, Span, Standing
from simcore.world.blocks import BlockTable, Kind

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
    """What happened for one token.

    Attributes:
        request: number of the request.
        token: of it.
        attempts: to decode it; the last one succeeded.
        work: the computations and messages of each attempt.
        before: decisions and standstills, those between attempts included, in order.
    """

    request: int
    token: int
    attempts: list[Attempt] = field(default_factory=list)
    work: list[list[Work]] = field(default_factory=list)
    before: list[Asked | Standing] = field(default_factory=list)


def by_token(spans: Iterable[Span]) -> dict[tuple[int, int], TokenSpans]:
    """The spans of every token that was begun, by request and token, without those of migrations beside it."""
    tokens: dict[tuple[int, int], TokenSpans] = {}
    before: list[Asked | Standing] = []
    now: TokenSpans | None = None
    for span in spans:
        match span:
            case Attempt():
                key = span.request, span.token
                now = tokens.setdefault(key, TokenSpans(*key))
                now.attempts.append(span)
                now.work.append([])
                now.before.extend(before)
                before = []
            case Asked() | Standing():
                before.append(span)
            case Compute() | Message(block=None):
                # Messages that nobody waits for any more are no part of a token.
                if now is not None:
                    now.work[-1].append(span)
            case Message() | Move():
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
