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


def steps_of_same_batch(scheduler: Scheduler, queue: Queue) -> int:
    """How many steps at least have the sequences of the next one, whatever arrives meanwhile.

    A scheduler says so by a method `repeats` that takes the queue, as `Fcfs.repeats` does; without one, it is asked
    before each step.
    """
    repeats = getattr(scheduler, "repeats", None)
    return 1 if repeats is None else int(repeats(queue))


@dataclass(frozen=True)
class Fcfs:
    """First come, first served: one sequence at a time, from its first token to its last."""

    name: str = "fcfs"

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        """See `Scheduler.next_step`."""
        first = queue.sequences[0]
        return {first.request: first.missing}

    def repeats(self, queue: Queue) -> int:
        """See `steps_of_same_batch`."""
        return queue.sequences[0].output - queue.sequences[0].generated


SCHEDULERS: Registry[Scheduler] = Registry("scheduler", "headway.schedulers", {"fcfs": Fcfs()})
"""Every scheduler by name."""
