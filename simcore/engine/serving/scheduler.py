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
        output: tokens to generate.
        generated: tokens generated so far.
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
    """What a scheduler sees when a step ends or a request arrives.

    Attributes:
        time_s: simulated time.
        sequences: at least one, in order of arrival.
    """

    time_s: float
    sequences: tuple[Sequence, ...]


class Scheduler(Protocol):
    """Forms the batch of each step.

    A sequence keeps its cache during steps in which it does not take part.
    """

    @property
    def name(self) -> str:
        """The name in scenarios."""
        ...

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        """The number of tokens that the next step processes, by number of the request; at least one sequence.

        `missing` tokens of a sequence make its next token; fewer tokens are a chunk of its prefill.
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
