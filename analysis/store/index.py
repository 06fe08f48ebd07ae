"""Numbers of runs by name, for as many runs as there are: sorted arrays of 16 bytes and a number each, no strings."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_KEY = np.dtype("S16")

Join: TypeAlias = Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]
"""The number of a run that has several: from all numbers, and where those of each run begin."""


@dataclass(frozen=True, eq=False)
class Index:
    """Numbers by name.

    Attributes:
        keys: of the names, rising, each once.
        numbers: one for each.
    """

    keys: NDArray[np.bytes_]
    numbers: NDArray[Any]

    @classmethod
    def of(cls, batches: Iterable[tuple[Sequence[str], ArrayLike]], kind: DTypeLike, join: Join) -> "Index":
        """An index of names and numbers that come batch by batch.

        Args:
            batches: names, and a number for each.
            kind: of the numbers.
            join: what becomes of those that have one name, in the order in which they come.
        """
        # One growing buffer and few temporary arrays: this is what the memory of a campaign depends on.
        text, columns = bytearray(), [np.empty(0, kind)]
        for names, numbers in batches:
            text += b"".join(_digests(names))
            columns.append(np.asarray(numbers, kind))
        numbers = np.concatenate(columns)
        columns.clear()
        keys = np.frombuffer(text, _KEY)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        del text, order
        fresh = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        if not fresh.all():
            keys, numbers = keys[fresh], join(numbers, np.flatnonzero(fresh))
        return cls(keys, numbers)

    def find(self, names: Sequence[str], otherwise: float) -> NDArray[Any]:
        """The number of each name; `otherwise` where there is none."""
        wanted = _keys(names)
        if not len(self):
            return np.full(len(wanted), otherwise, self.numbers.dtype)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self) - 1)
        return np.where(self.keys[at] == wanted, self.numbers[at], otherwise)

    def __len__(self) -> int:
        return len(self.keys)


def union(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """All bits that are set in any of a run's numbers."""
    found: NDArray[Any] = np.bitwise_or.reduceat(numbers, begins)
    return found


def first(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """The number that came first."""
    return numbers[begins]


def last(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """The number that came last."""
    found: NDArray[Any] = numbers[np.append(begins[1:], len(numbers)) - 1]
    return found


def _keys(names: Sequence[str]) -> NDArray[np.bytes_]:
    return np.frombuffer(b"".join(_digests(names)), _KEY)


def _digests(names: Iterable[str]) -> Iterator[bytes]:
    for name in names:
        yield blake2b(name.encode(), digest_size=_KEY.itemsize).digest()
