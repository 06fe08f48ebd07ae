"""The input of a step: a batch of sequences, and the number of tokens of each."""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np


class SequenceStep(NamedTuple):
    """The part of one sequence in a step.

    Attributes:
        request: number of the request.
        token: number of its next token, from 0: the tokens generated before the step.
        prompt: tokens of the prompt.
        cached: positions whose keys and values are in the cache before the step.
        tokens: positions that the step processes; 0 for a sequence that only keeps its cache.
    """

    request: int
    token: int
    prompt: int
    cached: int
    tokens: int

    @property
    def length(self) -> int:
        """Positions in the cache after the step."""
        return self.cached + self.tokens

    @property
    def makes_token(self) -> bool:
        """Whether the step makes the next token, because all earlier positions are processed."""
        return self.tokens > 0 and self.length == self.prompt + self.token


Batch: TypeAlias = tuple[SequenceStep, ...]
"""All sequences that a step processes or that have a cache during it; records of the step name the first one."""


def one_sequence(prompt: int, generated: int, request: int = 0) -> Batch:
    """The batch of one sequence that gets its next token: a prefill if `generated` is 0, otherwise a decode step."""
    cached = prompt + generated - 1 if generated else 0
    return (SequenceStep(request, generated, prompt, cached, prompt + generated - cached),)


def without_work(batch: Batch) -> Batch:
    """The same sequences before the step, with caches only."""
    return tuple(one._replace(tokens=0) for one in batch)


def after(batch: Batch) -> Batch:
    """The same sequences after the step."""
    return tuple(one._replace(cached=one.length, tokens=0) for one in batch)


def recomputed(batch: Batch) -> Batch:
    """The same step if all caches were lost: every sequence is prefilled to its length after the step."""
    return tuple(one._replace(cached=0, tokens=one.length) for one in batch)


def later(batch: Batch, steps: int) -> Batch:
    """The decode step `steps` steps later, if the same sequences continue."""
    if steps == 0:
        return batch
    return tuple(
        one._replace(token=one.token + steps, cached=one.length + steps - 1, tokens=1) if one.tokens else one
        for one in batch
    )


class Totals(NamedTuple):
    """Sums over the sequences of a step: numbers, or arrays of shape (steps,) for several steps.

    Attributes:
        tokens: positions that the step processes.
        new_tokens: tokens that it generates.
        cached: positions in all caches after the step.
        generated: of these, positions of generated tokens.
        lengths: positions in the caches of the sequences at work, after the step.
        squares: the sum of the squares of these lengths.
        pairs: pairs of positions that attend to each other: in a prefill of P positions P^2 / 2, in a decode step the
            length.
        mean_cached: as `cached`, mean over layers: layers with a window cache only its positions. The means differ from
            the sums only if the model has windows.
        mean_lengths: as `lengths`, mean over layers.
        mean_pairs: as `pairs`, mean over layers.
    """

    tokens: Any
    new_tokens: Any
    cached: Any
    generated: Any
    lengths: Any
    squares: Any
    pairs: Any
    mean_cached: Any
    mean_lengths: Any
    mean_pairs: Any


class Windows(NamedTuple):
    """The attention windows of a model, as sums over sequences need them.

    Attributes:
        size: positions that layers with a window attend to.
        share: layers with a window as a share of all layers.
    """

    size: float = math.inf
    share: float = 0.0

    def mean(self, full: Any, within: Any) -> Any:
        """The mean over layers of a sum with all positions and of the same sum within the window."""
        # Not (1 - share) * full + share * within, which may differ from `full` by rounding if both are equal.
        return full - self.share * (full - within)


NO_WINDOWS = Windows()


def totals(batch: Batch, windows: Windows = NO_WINDOWS) -> Totals:
    """The sums of one step."""
    active = [one for one in batch if one.tokens]
    lengths = [float(one.length) for one in active]
    cached, total = float(sum(one.length for one in batch)), sum(lengths)
    pairs = float(sum(map(_attended_pairs, active)))
    mean_cached, mean_lengths, mean_pairs = cached, total, pairs
    if windows.share:
        size = windows.size
        mean_cached = windows.mean(cached, float(sum(min(one.length, size) for one in batch)))
        mean_lengths = windows.mean(total, float(sum(min(length, size) for length in lengths)))
        mean_pairs = windows.mean(pairs, float(sum(_pairs_within(one, size) for one in active)))
    return Totals(
        tokens=float(sum(one.tokens for one in active)),
        new_tokens=float(sum(one.makes_token for one in active)),
        cached=cached,
        generated=float(sum(max(0, one.length - one.prompt) for one in batch)),
        lengths=total,
        squares=sum(length * length for length in lengths),
        pairs=pairs,
        mean_cached=mean_cached,
        mean_lengths=mean_lengths,
        mean_pairs=mean_pairs,
    )


def totals_of_stretch(batch: Batch, steps: int, windows: Windows = NO_WINDOWS) -> Totals:
    """The sums of a step that makes a token of each sequence at work, and of those that follow it (see `later`)."""
    next_batch = later(batch, 1)
    first, second = totals(batch, windows), totals(next_batch)
    count, after_first = second.tokens, np.arange(steps - 1.0)
    lengths = second.lengths + count * after_first
    cached = second.cached + count * after_first
    mean_cached, mean_lengths = cached, lengths
    if windows.share:
        grown = np.array([one.length for one in next_batch if one.tokens])[:, np.newaxis] + after_first
        within = np.minimum(grown, windows.size).sum(axis=0)
        idle = float(sum(min(one.length, windows.size) for one in next_batch if not one.tokens))
        mean_cached = windows.mean(cached, idle + within)
        mean_lengths = windows.mean(lengths, within)
    following = Totals(
        tokens=np.full(steps - 1, count),
        new_tokens=np.full(steps - 1, count),
        cached=cached,
        generated=second.generated + count * after_first,
        lengths=lengths,
        squares=second.squares + 2.0 * second.lengths * after_first + count * after_first**2,
        pairs=lengths,
        mean_cached=mean_cached,
        mean_lengths=mean_lengths,
        mean_pairs=mean_lengths,
    )
    return Totals(*(np.concatenate(([one], more)) for one, more in zip(first, following, strict=True)))


def _attended_pairs(one: SequenceStep) -> float:
    if one.cached and one.tokens == 1:
        return float(one.length)
    return one.tokens * one.cached + one.tokens * one.tokens / 2


def _pairs_within(one: SequenceStep, window: float) -> float:
    """As `_attended_pairs`, if each position attends to the last positions of a window only."""
    if one.cached and one.tokens == 1:
        return min(float(one.length), window)
    outside = max(0.0, one.length - max(float(one.cached), window))
    inside = one.tokens - outside
    return inside * one.cached + inside * inside / 2 + (outside * window if outside else 0.0)
