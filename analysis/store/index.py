"""A map from names of runs to numbers: sorted arrays with 16 bytes and one number per run, no strings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_KEY = np.dtype("S16")

Join: TypeAlias = Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]
"""Reduces the numbers of each run to one. Arguments: all numbers, grouped by run, and the first index of each group."""


@dataclass(frozen=True, eq=False)
class Index:
    """Numbers by name.

    Attributes:
        keys: digests of the names, in ascending order, without duplicates.
        numbers: one number per key.
    """

    keys: NDArray[np.bytes_]
    numbers: NDArray[Any]

    @classmethod
    def of(cls, batches: Iterable[tuple[Sequence[str], ArrayLike]], kind: DTypeLike, join: Join) -> "Index":
        """Build an index from batches of names and numbers.

        Args:
            batches: names, and a number for each.
            kind: NumPy type of the numbers.
            join: how the numbers of a repeated name become one; it receives them in the order of the batches.
        """
        # The memory of a large campaign depends on this function: one growing buffer and few temporary arrays.
        text, columns = bytearray(), [np.empty(0, kind)]
        for names, numbers in batches:
            text += _digests(names)
            columns.append(np.asarray(numbers, kind))
        numbers = np.concatenate(columns)
        columns.clear()
        keys = np.frombuffer(text, _KEY)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        del text, order
        is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        if not is_first.all():
            keys, numbers = keys[is_first], join(numbers, np.flatnonzero(is_first))
        return cls(keys, numbers)

    def find(self, names: Sequence[str], default: float) -> NDArray[Any]:
        """The number of each name, or `default` for a name without a number."""
        wanted = np.frombuffer(_digests(names), _KEY)
        if not len(self):
            return np.full(len(wanted), default, self.numbers.dtype)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self) - 1)
        return np.where(self.keys[at] == wanted, self.numbers[at], default)

    def __len__(self) -> int:
        return len(self.keys)


def union(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """Join by bitwise or."""
    joined: NDArray[Any] = np.bitwise_or.reduceat(numbers, begins)
    return joined


def first(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """Keep the first number of each run."""
    return numbers[begins]


def last(numbers: NDArray[Any], begins: NDArray[np.intp]) -> NDArray[Any]:
    """Keep the last number of each run."""
    return first(numbers, np.append(begins[1:], len(numbers)) - 1)


def _digests(names: Iterable[str]) -> bytes:
    return b"".join(blake2b(name.encode(), digest_size=_KEY.itemsize).digest() for name in names)
