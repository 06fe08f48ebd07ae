"""The work of a row: phase, tokens, context, requests in flight and threads, from its texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import COUNT, count, middle

Phase = Literal["decode", "prefill", "prefill + decode"]

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


@dataclass(frozen=True)
class _Tokens:
    prompt: int | None = None
    generated: int | None = None
    depth: int = 0
    context: float | None = None
    layers: int | None = None
    notes: tuple[str, ...] = ()


def work_of(row: Row) -> Work:
    """The work of a row."""
    tokens = _tokens(row.context_or_tokens, _phase(row.phase))
    marks = " | ".join((row.phase, row.parallelism, row.weights_precision))
    return Work(
        phase=_phase(row.phase),
        prompt=tokens.prompt,
        generated=tokens.generated,
        depth=tokens.depth,
        context=tokens.context,
        layers=tokens.layers,
        requests=_requests(row),
        threads=_threads(row),
        flags=frozenset(flag for flag, form in _FLAGS.items() if re.search(form, marks)),
        notes=tokens.notes,
    )


def _phase(text: str) -> Phase | None:
    if text.startswith("prefill + decode"):
        return "prefill + decode"
    if text.startswith("prefill"):
        return "prefill"
    return "decode" if text.startswith("decode") else None


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
    codes = (
        {code: count(number) for number, code in _CODED.findall(row.devices)}
        if "thread" in row.devices
        else {}
    )
    for code, number in codes.items():
        if re.search(rf"(?:^|[^\w]|\dx){re.escape(code)}(?!\w)", row.id):
            return number
    texts = (row.context_or_tokens, row.version, row.system, row.devices)
    for text in texts if not codes else texts[:-1]:
        form = _THREADS.search(text)
        if form:
            return count(form[1])
    return None


def _tokens(text: str, phase: Phase | None) -> _Tokens:
    """Tokens and context of the column `context_or_tokens`."""
    text = re.sub(r'prompt ".*?"|max-seq-len \d{1,9}', "", text).strip(" ,")
    for form, reader in _FORMS.items():
        match = re.match(form, text)
        if match:
            return reader(match.groupdict(), phase)
    return _Tokens()


def _number(text: str) -> int:
    """A number of tokens; "4K" is 4096, "5k" is 5000."""
    factor = {"K": 1024, "k": 1000}.get(text[-1], 1)
    return int(text.rstrip("Kk")) * factor


def _stretch(parts: Mapping[str, str | None], phase: Phase | None) -> _Tokens:
    """Tokens of a prompt, a depth before it, and generated tokens after it, each where the text has it."""
    depth = _number(parts.get("depth") or "0")
    text, more = parts.get("generated"), parts.get("more")
    notes: tuple[str, ...] = ()
    generated = None if text is None else _number(text)
    if generated is not None and more:
        notes = (f"of {generated} and {more} generated tokens the mean is used",)
        generated = (generated + _number(more)) // 2
    prompt = None if parts.get("prompt") is None else _number(parts["prompt"] or "0")
    if generated is not None and prompt is None:
        prompt = 0
        if parts.get("short"):
            notes = (*notes, "the length of the prompt is not stated; 0 is used")
    if phase == "prefill" and parts.get("prompt") is None and generated is not None:
        prompt, generated = generated, None
    context = float(depth)
    if generated is not None:
        context += (prompt or 0) + generated / 2
    elif prompt is not None:
        context += prompt / 2
    layers = None if parts.get("layers") is None else int(parts["layers"] or 0)
    return _Tokens(prompt, generated, depth, context, layers, notes)


def _position(parts: Mapping[str, str | None], _phase: Phase | None) -> _Tokens:
    return _Tokens(context=float(_number(parts["context"] or "0")))


def _at_depth(parts: Mapping[str, str | None], _phase: Phase | None) -> _Tokens:
    """Generated tokens in a context that is given as a range."""
    unit = parts["unit"] or ""
    depth = round(middle([float(_number(f"{parts[end]}{unit}")) for end in ("low", "high")]))
    generated = _number(parts["generated"] or "0")
    notes = (f"the middle of the range of contexts is used: {depth}",)
    return _Tokens(0, generated, depth, depth + generated / 2, notes=notes)


def _range(parts: Mapping[str, str | None], phase: Phase | None) -> _Tokens:
    """A range of tokens."""
    number = round(middle([float(parts[end] or "0") for end in ("low", "high")]))
    tokens = _stretch({"generated": str(number)}, phase)
    return _Tokens(
        tokens.prompt,
        tokens.generated,
        0,
        tokens.context,
        notes=(f"the middle of the range is used: {number}",),
    )


def _samples(parts: Mapping[str, str | None], _phase: Phase | None) -> _Tokens:
    """Tokens over an unknown number of samples, so that the context of each is unknown."""
    return _Tokens(generated=int(parts["generated"] or 0), notes=("the tokens per sample are not stated",))


_N = r"\d{1,9}[Kk]?"
_FORMS = {
    r"(?P<generated>\d{1,9}) tokens in total over the samples": _samples,
    rf"(?P<generated>{_N}) generated at (?P<low>\d{{1,9}})-(?P<high>\d{{1,9}})(?P<unit>[Kk]?)": _at_depth,
    r"(?P<low>\d{1,9})-(?P<high>\d{1,9}) tokens": _range,
    rf"context (?:position )?(?P<context>{_N})": _position,
    rf"tg(?P<generated>{_N})(?: at depth (?P<depth>{_N}))?(?:,|$)": _stretch,
    rf"pp(?P<prompt>{_N})(?: at depth (?P<depth>{_N}))?(?:,|$)": _stretch,
    rf"(?P<prompt>{_N}) (?:prompt )?\+ (?P<generated>{_N}) tokens": _stretch,
    rf"(?P<prompt>{_N})(?:-token)? prompt, (?P<generated>{_N}) generated": _stretch,
    rf"(?P<prompt>{_N}) prompt tokens": _stretch,
    rf"(?P<short>short prompt), (?P<generated>{_N}) generated": _stretch,
    rf"(?P<prompt>{_N}) tokens through (?P<layers>\d{{1,9}}) layers": _stretch,
    rf"sequence length (?P<generated>{_N})": _stretch,
    rf"(?P<generated>{_N}) (?:and|or) (?P<more>{_N}) generated": _stretch,
    rf"(?P<generated>{_N}) (?:tokens|steps|generated|predicted)": _stretch,
}
"""Forms of the text, in the order in which they are tried, and their readers.

"tg" and "pp" are llama-bench's tests of generation and prompt processing. "sequence length N" is decoding of N tokens
from an empty cache, as Petals' benchmark does (benchmarks/benchmark_inference.py).
"""
