"""Compilation of numeric functions by numba, only for work that is long enough to pay for it.

A compiled function gives the same bits as its Python form: numba keeps the order of operations, without `fastmath`. So
it does not matter for results which form is used, and environment variables such as `NUMBA_DISABLE_JIT` are harmless.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def version_of(folder: Path) -> str:
    """A digest of the modules of a folder, for the name of a field in the type of an argument.

    numba compares only the file of a function with its cache, and not the files of the functions that it calls; but it
    compares the types of arguments.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass
class PlainWork:
    """Work that plain code does in a process, until it is worth loading compiled code.

    Which code it is does not matter for results. In a small run, loading would take longer than it saves.

    Attributes:
        most: that plain code does.
        done: so far.
    """

    most: float
    done: float = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether compiled code is to go on."""
        return self.done > self.most


def compiled(
    function: Function,
    helpers: Iterable[Callable[..., Any]] = (),
    *,
    inline: bool = False,
    cache: bool = True,
    **options: Any,
) -> Function:
    """A function that numba compiles at its first call, or reads from its cache on disk.

    Without a folder that can be written, nothing is cached.

    Args:
        function: uses numbers, arrays and tuples only.
        helpers: plain functions that it calls.
        inline: copy it into compiled functions that call it, because a call with many arrays as arguments is slow.
        cache: keep it on disk; not needed for a function that only compiled functions call.
        options: further options of `numba.njit`.
    """
    from numba import njit  # noqa: PLC0415 (takes a quarter of a second)
    from numba.extending import register_jitable  # noqa: PLC0415

    for helper in helpers:
        register_jitable(helper)
    options["inline"] = "always" if inline else "never"
    try:
        result = njit(cache=cache, **options)(function)
    except RuntimeError:
        return cast("Function", njit(**options)(function))
    _empty_unreadable_cache(result)
    return cast("Function", result)


def is_on_disk(function: Any) -> bool:
    """Whether numba has compiled a function before, and kept the code on disk; then it is only to be loaded."""
    index = _index_of(function)
    return index is not None and bool(index._load_index())


def _empty_unreadable_cache(function: Any) -> None:
    """Empty the cache of a function if numba cannot read its index.

    The index refers to classes of arguments. If an older version wrote it, some may no longer exist, and numba would
    raise an error before it notices that the file of the function has changed.
    """
    index = _index_of(function)
    if index is None:
        return
    try:
        index._load_index()
    except Exception:
        function._cache.flush()


def _index_of(function: Any) -> Any:
    """The index by which numba finds compiled code on disk; None if nothing is cached, or nothing is compiled."""
    return getattr(getattr(function, "_cache", None), "_cache_file", None)
