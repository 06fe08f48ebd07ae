"""How the kernels of the compiled executor are compiled."""

from functools import partial

from headway.simcore.jit import compiled

# Kernels do not allocate memory, so they need no counts of references (`_nrt`), which would take most of their time.
_OPTIONS = {"error_model": "numpy", "_nrt": False}

kernel = partial(compiled, cache=False, **_OPTIONS)
"""Compile a function that kernels call."""

entry = partial(compiled, **_OPTIONS)
"""Compile a function that Python calls; it stays in the cache on disk, with all kernels that it calls."""
