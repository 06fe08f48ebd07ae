"""The input of a step: a batch of sequences, and the number of tokens of each."""

from typing import NamedTuple, TypeAlias


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
    """The batch of one sequence whose next token is made: a prefill if `generated` is 0, otherwise a decode step."""
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
