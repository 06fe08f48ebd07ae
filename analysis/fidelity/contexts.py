"""The work of a row: phase, tokens, context, requests in flight and threads, from its texts."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import COUNT, count, middle

Phase = Literal["decode", "prefill", "prefill + decode"]

_PHASES: tuple[Phase, ...] = ("prefill + decode", "prefill", "decode")
"""Beginnings of the texts of the phases, in the order in which they are tried."""

_THREADS = re.compile(rf"\b({COUNT})(?: Torch)? threads?\b", re.IGNORECASE)
_CODED = re.compile(rf"\b({COUNT}) \((\w+)\)", re.IGNORECASE)
_IN_FLIGHT = re.compile(r"(\d{1,9}) (?:requests?(?:\(s\))? in flight|concurrent requests?)")
_UNSTATED_REQUESTS = re.compile(r"several requests in flight|samples in flight|decode, batch")
_FLAGS = {
    "speculative": r"speculative decoding",
    "failures": r"with failures",
    "batch": r"decode, batch",
    "offload": r"disk offload|streamed from disk",
    "no-batching": r"GEMV-like|batch gain missing",
    "prefix-moved": r"prefix moved",
    "replicas": r"two whole replicas",
    "padded": r"pads every slice",
}
"""Flags of a row, and the texts in its phase, parallelism or precision that set them."""


@dataclass(frozen=True)
class Work:
    """The work that a row measures.

    Attributes:
        phase: the measured phase; None if the text has none.
        prompt: tokens of the prompt; None if unknown. A prompt that is only called short has 0.
        generated: generated tokens; None if unknown.
        depth: positions in the cache before the work begins.
        context: mean number of positions in the cache during the measured phase: for decoding the mean over the
            generated tokens, for prefill the mean over the prompt's tokens; None if unknown.
        layers: number of layers that process the tokens; None for all.
        requests: requests in flight; None for several without a number.
        threads: threads per node; None if not stated.
        flags: names in `_FLAGS`.
        notes: assumptions of this interpretation, one sentence each.
    """

    phase: Phase | None
    prompt: int | None = None
    generated: int | None = None
    depth: int = 0
    context: float | None = None
    layers: int | None = None
    requests: int | None = 1
    threads: int | None = None
    flags: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def work_of(row: Row) -> Work:
    """The work of a row."""
    phase = next((known for known in _PHASES if row.phase.startswith(known)), None)
    marks = " | ".join((row.phase, row.parallelism, row.weights_precision))
    return replace(
        _tokens(row.context_or_tokens, phase),
        requests=_requests(row),
        threads=_threads(row),
        flags=frozenset(flag for flag, form in _FLAGS.items() if re.search(form, marks)),
    )


def _requests(row: Row) -> int | None:
    """Requests in flight; 1 if no text says otherwise."""
    for text in (row.phase, row.context_or_tokens, row.parallelism):
        form = _IN_FLIGHT.search(text)
        if form:
            return int(form[1])
        if _UNSTATED_REQUESTS.search(text):
            return None
    return 1


def _threads(row: Row) -> int | None:
    """Threads per node.

    A text may define codes, "one (1t) or two (2t) threads"; the row's id then says which of them is meant.
    """
    codes = _CODED.findall(row.devices) if "thread" in row.devices else []
    for number, code in codes:
        if re.search(rf"(?:^|[^\w]|\dx){re.escape(code)}(?!\w)", row.id):
            return count(number)
    texts = (row.context_or_tokens, row.version, row.system, *([] if codes else [row.devices]))
    match = next(filter(None, map(_THREADS.search, texts)), None)
    return count(match[1]) if match else None


def _tokens(text: str, phase: Phase | None) -> Work:
    """Tokens and context of the column `context_or_tokens`."""
    text = re.sub(r'prompt ".*?"|max-seq-len \d{1,9}', "", text).strip(" ,")
    match = next(filter(None, (re.match(form, text) for form in _FORMS)), None)
    texts = {key: part for key, part in match.groupdict().items() if part} if match else {}
    numbers = {key: _number(part) for key, part in texts.items() if key != "short"}
    if "total" in numbers:
        # How many samples there were is unknown, and so is the context of each.
        return Work(phase, generated=numbers["total"], notes=("the tokens per sample are not stated",))
    prompt, generated, depth = numbers.get("prompt"), numbers.get("generated"), numbers.get("depth", 0)
    if prompt is None and generated is None:
        return Work(phase, context=float(numbers["context"]) if "context" in numbers else None)
    notes = []
    if "-" in texts.get("depth", ""):
        notes.append(f"the middle of the range of contexts is used: {depth}")
    if "-" in texts.get("generated", ""):
        notes.append(f"the middle of the range is used: {generated}")
    if generated is not None and "more" in numbers:
        notes.append(f"of {generated} and {numbers['more']} generated tokens the mean is used")
        generated = (generated + numbers["more"]) // 2
    if "short" in texts:
        notes.append("the length of the prompt is not stated; 0 is used")
    if prompt is None:
        prompt, generated = (generated, None) if phase == "prefill" else (0, generated)
    context = depth + (prompt or 0) / (2 if generated is None else 1) + (generated or 0) / 2
    return Work(phase, prompt, generated, depth, context, numbers.get("layers"), notes=tuple(notes))


def _number(text: str) -> int:
    """A number of tokens; "4K" is 4096, "5k" is 5000, "2-8k" is their middle."""
    factor = {"K": 1024, "k": 1000}.get(text[-1], 1)
    return round(middle([float(part) * factor for part in text.rstrip("Kk").split("-")]))


_N = r"\d{1,9}[Kk]?"
_FORMS = (
    r"(?P<total>\d{1,9}) tokens in total over the samples",
    rf"(?P<generated>{_N}) generated at (?P<depth>\d{{1,9}}-{_N})",
    r"(?P<generated>\d{1,9}-\d{1,9}) tokens",
    rf"context (?:position )?(?P<context>{_N})",
    rf"tg(?P<generated>{_N})(?: at depth (?P<depth>{_N}))?(?:,|$)",
    rf"pp(?P<prompt>{_N})(?: at depth (?P<depth>{_N}))?(?:,|$)",
    rf"(?P<prompt>{_N}) (?:prompt )?\+ (?P<generated>{_N}) tokens",
    rf"(?P<prompt>{_N})(?:-token)? prompt, (?P<generated>{_N}) generated",
    rf"(?P<prompt>{_N}) prompt tokens",
    rf"(?P<short>short prompt), (?P<generated>{_N}) generated",
    rf"(?P<prompt>{_N}) tokens through (?P<layers>\d{{1,9}}) layers",
    rf"sequence length (?P<generated>{_N})",
    rf"(?P<generated>{_N}) (?:and|or) (?P<more>{_N}) generated",
    rf"(?P<generated>{_N}) (?:tokens|steps|generated|predicted)",
)
"""Forms of the text, in the order in which they are tried.

"tg" and "pp" are llama-bench's tests of generation and prompt processing. "sequence length N" is decoding of N tokens
from an empty cache, as Petals' benchmark does (benchmarks/benchmark_inference.py).
"""
