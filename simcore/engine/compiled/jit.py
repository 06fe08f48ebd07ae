"""How kernels are compiled: once per machine, to a cache on disk."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile a function when it is first called, or load it from the cache.

    numba keeps the cache beside the module, or in the user's cache folder if that is read-only. With the error model of
    NumPy, a division by zero gives an infinity as in arrays; kernels do not divide by zero.
    """
    return numba.njit(cache=True, error_model="numpy", _nrt=False)(function)  # type: ignore[no-any-return]
