"""Worlds, and their serialisation for workers.

A world is a scenario, or the reason why no placement can hold its model. It is pickled without the large traces that
all seeds share. These are sent once to each worker.
"""

import io
import pickle
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from headway.analysis.experiments.identity import digest
from headway.simcore.scenario import Scenario
from headway.traces import Trace

_BIG = 64
"""Number of breakpoints from which a trace is sent separately."""


@dataclass(frozen=True)
class InfeasibleWorld:
    """A world whose model no placement can hold.

    Attributes:
        scenario: its name.
        seed: of the world.
        detail: the reason.
        changes: to the scenario, as text.
    """

    scenario: str
    seed: int
    detail: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """A scenario with a seed, to be simulated under several policies.

    Attributes:
        content: the scenario, or the reason why its model fits nowhere.
        digest: of all properties that determine a result.
    """

    content: Scenario | InfeasibleWorld
    digest: str

    @classmethod
    def of(cls, content: Scenario | InfeasibleWorld) -> "World":
        """Compute the digest of a world."""
        if isinstance(content, InfeasibleWorld):
            return cls(content, digest(("misfit", content.seed, content.detail)))
        return cls(content, digest(content))

    @property
    def seed(self) -> int:
        """The seed of its random traces."""
        return self.content.seed


def packed(
    content: Scenario | InfeasibleWorld, fixed: Container[str] | None = None
) -> tuple[bytes, dict[str, Trace]]:
    """Serialise a world without some of its large traces.

    Args:
        content: the world.
        fixed: digests of the traces to leave out; None leaves out all large traces.

    Returns:
        The bytes, and the traces that were left out, by digest.
    """
    apart: dict[str, Trace] = {}

    def take(trace: Trace) -> str | None:
        name = digest(trace)
        if fixed is not None and name not in fixed:
            return None
        apart[name] = trace
        return name

    target = io.BytesIO()
    _Packer(target, take).dump(content)
    return target.getvalue(), apart


def unpacked(data: bytes, trace: Callable[[str], Trace]) -> Scenario | InfeasibleWorld:
    """Restore a world that `packed` serialised; `trace` returns the fixed trace with a digest."""
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
        """The digest of a trace that is sent separately; None for other values."""
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
        """The trace with this digest."""
        return self._trace(name)
