"""Arguments of strategies, looked at when a strategy is made."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin

from hypothesis import strategies as st

from headway.traces import InputError
from headway.traces.errors import one_of, shown

Wanted = ParamSpec("Wanted")
Drawn = TypeVar("Drawn")


def checked(
    strategy: Callable[Wanted, st.SearchStrategy[Drawn]],
) -> Callable[Wanted, st.SearchStrategy[Drawn]]:
    """A strategy that complains of its arguments when it is made, not when something is drawn.

    Raises:
        InputError: an argument makes no sense.
        TypeError: there is no such argument.
    """
    signature = inspect.signature(strategy)

    @wraps(strategy)
    def looked_at(*args: Wanted.args, **kwargs: Wanted.kwargs) -> st.SearchStrategy[Drawn]:
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if expected := _objection(signature.parameters[key].annotation, value):
                raise InputError(f"{strategy.__name__}({key}=...)", shown(value), expected)
        return strategy(*args, **kwargs)

    return looked_at


def _objection(annotation: object, value: Any) -> str:
    """What would be accepted instead of an argument; empty where it makes sense. All whole numbers count something."""
    if annotation is int:
        return "" if isinstance(value, int) and value >= 1 else "a whole number of at least 1"
    if annotation is float:
        return "" if isinstance(value, int | float) and value >= 0.0 else "a number of at least 0"
    if get_origin(annotation) is Literal:
        return "" if value in get_args(annotation) else one_of(str(value), get_args(annotation))
    return ""
