"""How the kernels of the compiled executor are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

from headway.simcore.jit import compiled

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Kernels do not allocate memory, so they need no counts of references (`_nrt`), which would take most of their time.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}


def kernel(function: _Function) -> _Function:
    """Compile a function that kernels call."""
    return compiled(function, cache=False, **_OPTIONS)


def entry(function: _Function) -> _Function:
    """Compile a function that Python calls; it stays in the cache on disk, with all kernels that it calls."""
    return compiled(function, **_OPTIONS)
