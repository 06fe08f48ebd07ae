"""Serves requests step by step, and records the tables `requests` and `tokens`."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from headway.simcore.engine.events import LatencyParts
from headway.simcore.engine.outages import Process, reached
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.serving.scheduler import Queue, Scheduler, Sequence, steps_of_same_batch
from headway.simcore.instrument import Formed
from headway.simcore.scenario import Request
from headway.simcore.world.batch import Batch, SequenceStep, without_work
from headway.traces import InputError
from headway.traces.errors import error_text, quoted

Ended: TypeAlias = tuple[float, tuple[float, ...]]
"""A step that has ended: when, and the values of its `LatencyParts`."""

MakeSteps: TypeAlias = Callable[[Batch, int, list[Ended]], Process]
"""Runs a step of a batch, and perhaps those that follow it up to a number of steps; adds each that ended to a list."""


@dataclass
class _Served:
    """A request that has arrived and is not finished.

    Attributes:
        number: of the request in the scenario.
        request: the request.
        generated: tokens generated so far.
        cached: positions in the cache.
        started_s: when it was first in a batch.
        first_s: time of its first token.
        since_s: start of the latency of its next token.
        served_s: end of its last step, or `since_s`.
        parts: parts of the time since `since_s`.
    """

    number: int
    request: Request
    generated: int = 0
    cached: int = 0
    started_s: float | None = None
    first_s: float | None = None
    since_s: float = field(init=False)
    served_s: float = field(init=False)
    parts: LatencyParts = field(default_factory=LatencyParts)

    def __post_init__(self) -> None:
        self.since_s = self.served_s = self.request.arrival_s

    def view(self) -> Sequence:
        """The sequence as the scheduler sees it."""
        of = self.request
        return Sequence(self.number, of.arrival_s, of.prompt, of.output, self.generated, self.cached)

    def step(self, tokens: int) -> SequenceStep:
        """Its part of a step that processes `tokens` of its tokens."""
        return SequenceStep(self.number, self.generated, self.request.prompt, self.cached, tokens)


class Serving:
    """Serves all requests of a run.

    Args:
        run: the run.
        scheduler: forms the batches.
        make_steps: runs one step, or several.
        cached_changed: called with the sequences that have a cache, when one has joined or left.
    """

    def __init__(
        self,
        run: RunContext,
        scheduler: Scheduler,
        make_steps: MakeSteps,
        cached_changed: Callable[[Batch], None],
    ) -> None:
        self._run = run
        self._env = run.env
        self._scheduler = scheduler
        self._make_steps = make_steps
        self._cached_changed = cached_changed
        in_order = sorted(enumerate(run.scenario.requests), key=lambda pair: pair[1].arrival_s)
        self._coming = deque(_Served(number, request) for number, request in in_order)
        self._arrived: dict[int, _Served] = {}
        self._views: dict[int, Sequence] = {}
        # Numbers of the sequences with a cache, and of all sequences of the last batch, including finished ones.
        self._members: tuple[int, ...] = ()
        self._present: tuple[int, ...] = ()

    def serve(self) -> Process:
        """Serve all requests, step by step.

        Raises:
            InputError: the scheduler returns an invalid batch.
        """
        try:
            while self._arrived or self._coming:
                if not self._arrived and self._env.now < self._coming[0].request.arrival_s:
                    yield reached(self._env, self._coming[0].request.arrival_s)
                self._receive()
                batch, most = self._form()
                begun_s = self._env.now
                ended: list[Ended] = []
                try:
                    yield from self._make_steps(batch, most, ended)
                finally:  # a later step may be one that can never end
                    if ended:
                        self._account(batch, begun_s, *ended[0])
                    if len(ended) > 1:
                        self._account_more(batch, ended)
        finally:
            for one in self._arrived.values():
                if one.started_s is not None:
                    self._record_request(one, None)

    def _receive(self) -> None:
        """Add requests that have arrived to the queue."""
        while self._coming and self._coming[0].request.arrival_s <= self._env.now:
            one = self._coming.popleft()
            self._arrived[one.number], self._views[one.number] = one, one.view()

    def _form(self) -> tuple[Batch, int]:
        """The next batch: the sequences that the scheduler chose, then other sequences that have a cache.

        Also for how many steps the scheduler keeps it at least.
        """
        now = self._env.now
        queue = Queue(now, tuple(self._views.values()))
        tokens = self._asked(queue)
        batch = tuple(
            self._arrived[number].step(tokens.get(number, 0))
            for number in (*tokens, *(one for one in self._members if one not in tokens))
        )
        self._run.instrument.batch_formed(Formed(batch, now))
        for number in tokens:
            one = self._arrived[number]
            one.started_s = now if one.started_s is None else one.started_s
        members = tuple(sorted(one.request for one in batch))
        if members != self._present:
            self._members = self._present = members
            self._cached_changed(without_work(batch))
        return batch, steps_of_same_batch(self._scheduler, queue)

    def _asked(self, queue: Queue) -> dict[int, int]:
        """Ask the scheduler, and validate its answer."""
        name = f"scheduler {self._scheduler.name!r}"
        expected = (
            "a mapping {request: tokens} from next_step, with 1 to `missing` tokens of sequences in the queue"
        )
        try:
            tokens = dict(self._scheduler.next_step(queue))
        except Exception as error:
            raise InputError(name, error_text(error), expected) from error
        for number, count in tokens.items():
            most = self._views[number].missing if number in self._views else 0
            if type(count) is not int or not 1 <= count <= most:
                raise InputError(name, f"{quoted(count)} tokens of request {quoted(number)}", expected)
        if not tokens:
            raise InputError(name, f"an empty batch at {queue.time_s:.6g} s", expected)
        return tokens

    def _account(self, batch: Batch, begun_s: float, end_s: float, parts: tuple[float, ...]) -> None:
        """After a step: account tokens to sequences, and remove finished sequences."""
        for step in batch:
            if not step.tokens:
                continue
            one = self._arrived[step.request]
            one.cached = step.length
            one.parts.wait_s += begun_s - one.served_s
            one.parts.add(LatencyParts(*parts))
            one.served_s = end_s
            if step.makes_token:
                self._record_token(one, end_s)
            if step.request in self._arrived:
                self._views[step.request] = one.view()

    def _account_more(self, batch: Batch, ended: list[Ended]) -> None:
        """After several steps of which the first is accounted: account the others, which all made tokens."""
        ends_s = np.array([end_s for end_s, _ in ended])
        parts_s = np.array([parts for _, parts in ended[1:]])
        for number in (step.request for step in batch if step.tokens):
            one, count = self._arrived[number], len(ended) - 1
            tokens = np.arange(one.generated, one.generated + count)
            times_s = ends_s[:-1], np.diff(ends_s)
            self._run.recorder.add_many("tokens", count, number, tokens, *times_s, *parts_s.T)
            one.generated += count
            one.cached += count
            one.since_s = one.served_s = ended[-1][0]
            self._views[number] = one.view()
            self._end_if_complete(one)

    def _record_token(self, one: _Served, end_s: float) -> None:
        row = (one.number, one.generated, one.since_s, end_s - one.since_s, *one.parts.values())
        self._run.recorder.add("tokens", *row)
        one.generated += 1
        one.first_s = end_s if one.first_s is None else one.first_s
        one.since_s, one.parts = end_s, LatencyParts()
        self._end_if_complete(one)

    def _end_if_complete(self, one: _Served) -> None:
        if one.generated == one.request.output:
            del self._arrived[one.number], self._views[one.number]
            self._members = tuple(number for number in self._members if number != one.number)
            self._record_request(one, one.since_s)

    def _record_request(self, one: _Served, finish_s: float | None) -> None:
        request = one.request
        self._run.recorder.add(
            "requests",
            one.number,
            request.arrival_s,
            one.started_s,
            one.first_s,
            finish_s,
            request.prompt,
            request.output,
            one.generated,
        )
