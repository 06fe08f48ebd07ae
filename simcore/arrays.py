"""The array types of the project, and functions that make arrays immutable."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Sealable = TypeVar("Sealable", bound=NDArray[Any])


def sealed(array: Sealable) -> Sealable:
    """Make an array read-only and return it; writing to it then raises an error."""
    array.setflags(write=False)
    return array


def immutable(array: Sealable) -> Sealable:
    """A copy that cannot be made writable again, for arrays of the engine that policies see."""
    if array.size == 0:
        return sealed(array.copy())
    copy: Sealable = np.frombuffer(array.tobytes(), dtype=array.dtype).reshape(array.shape)  # type: ignore[assignment]
    return copy
