"""A world on its way to a worker: a scenario, or the reason why there cannot be one.

It is pickled without its larger fixed traces. Those travel on their own, once to each worker, and are put in their
places there.
"""

import io
import pickle
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

from headway.analysis.experiments.identity import digest
from headway.simcore.scenario import Scenario
from headway.traces import Trace

_BIG = 64
"""Breakpoints from which a trace is worth a journey of its own."""


@dataclass(frozen=True)
class InfeasibleWorld:
    """A world whose model no placement could hold.

    Attributes:
        scenario: its name.
        seed: of the world.
        detail: why nothing fits.
        changes: made to the scenario, as they are written.
    """

    scenario: str
    seed: int
    detail: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """What is simulated under one policy after another.

    Attributes:
        content: the scenario, or why there is none.
        digest: of everything in it that determines a result.
    """

    content: Scenario | InfeasibleWorld
    digest: str

    @classmethod
    def of(cls, content: Scenario | InfeasibleWorld) -> "World":
        """The world with its digest."""
        if isinstance(content, InfeasibleWorld):
            return cls(content, digest(("misfit", content.seed, content.detail)))
        return cls(content, digest(content))

    @property
    def seed(self) -> int:
        """From which its random parts were drawn."""
        return self.content.seed


def big_traces(content: Scenario | InfeasibleWorld) -> Iterator[str]:
    """Digests of the larger traces, each once."""
    found: dict[str, Trace] = {}

    def note(trace: Trace) -> str:
        name = digest(trace)
        found[name] = trace
        return name

    _Packer(io.BytesIO(), note).dump(content)
    yield from found


def packed(content: Scenario | InfeasibleWorld, fixed: Container[str]) -> tuple[bytes, dict[str, Trace]]:
    """The bytes of a world without its fixed traces, and these by digest."""
    apart: dict[str, Trace] = {}

    def take(trace: Trace) -> str | None:
        name = digest(trace)
        if name not in fixed:
            return None
        apart[name] = trace
        return name

    target = io.BytesIO()
    _Packer(target, take).dump(content)
    return target.getvalue(), apart


def unpacked(data: bytes, trace: Callable[[str], Trace]) -> Scenario | InfeasibleWorld:
    """The world that `packed` took apart; `trace` finds what travelled on its own."""
    unpickler = _Unpacker(io.BytesIO(data), trace)
    content = unpickler.load()
    assert isinstance(content, Scenario | InfeasibleWorld)
    return content


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, take: Callable[[Trace], str | None]) -> None:
        super().__init__(file, protocol=5)
        self._take = take
        self._names: dict[int, str | None] = {}

    def persistent_id(self, value: Any) -> str | None:
        """The name of a trace that is not to be pickled in place."""
        if not isinstance(value, Trace) or len(value.times) < _BIG:
            return None
        if id(value) not in self._names:
            self._names[id(value)] = self._take(value)
        return self._names[id(value)]


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, trace: Callable[[str], Trace]) -> None:
        super().__init__(file)
        self._trace = trace

    def persistent_load(self, name: str) -> Trace:
        """The trace of this name."""
        return self._trace(name)
