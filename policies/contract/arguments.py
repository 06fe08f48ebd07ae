"""Checks of the arguments of strategies."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin

from hypothesis import strategies as st

from headway.traces import InputError
from headway.traces.errors import one_of, quoted

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


def checked(
    strategy: Callable[Parameters, st.SearchStrategy[Value]],
) -> Callable[Parameters, st.SearchStrategy[Value]]:
    """Make a strategy check its arguments when it is created, not when it draws a value.

    Raises:
        InputError: the value of an argument is invalid.
        TypeError: there is no such argument.
    """
    signature = inspect.signature(strategy)

    @wraps(strategy)
    def checked_strategy(*args: Parameters.args, **kwargs: Parameters.kwargs) -> st.SearchStrategy[Value]:
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if expected := _expectation(signature.parameters[key].annotation, value):
                raise InputError(f"{strategy.__name__}({key}=...)", quoted(value), expected)
        return strategy(*args, **kwargs)

    return checked_strategy


def _expectation(annotation: object, value: Any) -> str:
    """The valid values of an argument; empty if the value is valid. All integers are counts."""
    if annotation is int:
        return "" if isinstance(value, int) and value >= 1 else "a whole number of at least 1"
    if annotation is float:
        return "" if isinstance(value, int | float) and value >= 0.0 else "a number of at least 0"
    if get_origin(annotation) is Literal:
        return "" if value in get_args(annotation) else one_of(str(value), get_args(annotation))
    return ""
