"""Schedulers: which sequences are in the next step, and how many tokens of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from headway.simcore.registry import Registry


@dataclass(frozen=True)
class Sequence:
    """A request that has arrived and is not finished.

    Attributes:
        request: its number in the scenario.
        arrival_s: when it arrived.
        prompt: tokens of its prompt.
        output: tokens that it asks for.
        generated: tokens that it has got.
        cached: positions whose keys and values are in the cache.
    """

    request: int
    arrival_s: float
    prompt: int
    output: int
    generated: int
    cached: int

    @property
    def missing(self) -> int:
        """Positions to process until its next token is made: the prompt at first, then 1."""
        return self.prompt + self.generated - self.cached


@dataclass(frozen=True)
class Queue:
    """What a scheduler sees when a step ends or a request comes.

    Attributes:
        time_s: simulated time.
        sequences: at least one, in order of arrival.
    """

    time_s: float
    sequences: tuple[Sequence, ...]


class Scheduler(Protocol):
    """Forms the batch of each step.

    A sequence that has a cache keeps it in steps that it is not in.
    """

    @property
    def name(self) -> str:
        """By which scenarios ask for it."""
        ...

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        """How many tokens the next step processes, by number of the request; at least one sequence is in it.

        As many as the sequence is `missing` make its next token; fewer are a chunk of its prefill.
        """
        ...


@dataclass(frozen=True)
class Fcfs:
    """First come, first served: one sequence at a time, from its first token to its last."""

    name: str = "fcfs"

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        """See `Scheduler.next_step`."""
        first = queue.sequences[0]
        return {first.request: first.missing}


SCHEDULERS: Registry[Scheduler] = Registry("scheduler", "headway.schedulers", {"fcfs": Fcfs()})
"""Every scheduler by name."""
