"""Policies by name."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from policies.baselines import Greedy, RoundRobin, Single, Static
from policies.dynamic_layer import DynamicLayer
from policies.edgeshard import EdgeShard
from policies.exact import Exact
from policies.exact_milp import ExactMilp
from policies.galaxy import Galaxy
from policies.random_placement import Random
from policies.resource_aware import ResourceAware
from simcore import Policy, PolicyChoice
from traces import InputError
from traces.errors import one_of, shown

_POLICIES: Mapping[str, Callable[..., Policy]] = {
    policy.name: policy
    for policy in (
        *(ResourceAware, Greedy, RoundRobin, Static, Single, Random),
        *(EdgeShard, Galaxy, DynamicLayer),
        *(Exact, ExactMilp),
    )
}


_GROUP = "headway.policies"


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Policies that installed packages register as entry points; nothing of theirs is imported yet.

    Raises:
        InputError: two policies have one name.
    """
    known: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=_GROUP), key=lambda entry: (entry.name, entry.value)):
        if entry.name in _POLICIES or known.get(entry.name, entry).value != entry.value:
            found = f"the policy {shown(entry.name)} once more, as {entry.value}"
            raise InputError(f"entry points {_GROUP}", found, "a name that is not taken")
        known[entry.name] = entry
    return known


def names() -> tuple[str, ...]:
    """Names of all registered policies, shipped or installed, sorted."""
    return tuple(sorted({*_POLICIES, *_installed()}))


def summary(name: str) -> str:
    """The policy in one line.

    Raises:
        InputError: there is no policy of this name.
    """
    return (_find(name, "policy").__doc__ or "").strip().splitlines()[0]


def create(name: str, **parameters: Any) -> Policy:
    """A fresh policy.

    Raises:
        InputError: there is no policy of this name, or it does not take these parameters.
    """
    return chosen(PolicyChoice(name=name, label=name, parameters=parameters))


def chosen(choice: PolicyChoice) -> Policy:
    """The policy that a scenario names.

    Raises:
        InputError: as `create`, and says where the policy is named.
    """
    policy = _find(choice.name, choice.where)
    where = f"{choice.where}: {choice.name}"
    hints = get_type_hints(policy)
    known = _parameters(policy)
    values = {}
    for key, value in choice.parameters.items():
        if key not in known:
            accepted = one_of(str(key), known) if known else "no parameters"
            raise InputError(where, f"the parameter {shown(key)}", accepted)
        try:
            values[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            raise InputError(f"{where}.{key}", shown(value), error.errors()[0]["msg"]) from error
    try:
        return policy(**values)
    except ValueError as error:
        raise InputError(where, str(error), "parameters as documented") from error


def found(name: str, where: str = "policy") -> Callable[[], Policy]:
    """What makes a policy: a registered one by its name, any other as `module:Class`, which imports the module.

    For the command line and for Python. What a file says is never given to this: a file must not import code.

    Raises:
        InputError: there is no such policy.
    """
    module_name, colon, class_name = name.partition(":")
    if not colon:
        return _find(name, where)
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError) as error:
        accepted = "the name of a module on Python's path, a colon, and a class in it"
        raise InputError(where, f"{shown(name)} ({error})", accepted) from error
    made = getattr(module, class_name, None)
    if not callable(made):
        offered = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise InputError(where, f"{shown(class_name)} in {module_name}", one_of(class_name, offered))
    return partial(_made, made, name, where)


def _parameters(policy: object) -> list[str]:
    """The fields of a dataclass; nothing else has parameters that a file can set."""
    if not isinstance(policy, type) or not dataclasses.is_dataclass(policy):
        return []
    return [field.name for field in dataclasses.fields(policy)]


def _made(make: Callable[[], Any], name: str, where: str) -> Policy:
    """A policy of somebody else's making, seen to be one."""
    try:
        policy: Policy = make()
    except TypeError as error:
        raise InputError(where, f"{shown(name)} ({error})", "a class that needs no arguments") from error
    if not isinstance(getattr(policy, "name", None), str) or not callable(getattr(policy, "decide", None)):
        raise InputError(where, shown(name), "a class with a name and a method decide")
    return policy


def _find(name: str, where: str) -> Callable[..., Policy]:
    if name not in names():
        raise InputError(where, f"the policy {shown(name)}", one_of(name, names()))
    return _POLICIES[name] if name in _POLICIES else _loaded(_installed()[name])


def _loaded(entry: EntryPoint) -> Callable[..., Policy]:
    try:
        make: Callable[..., Policy] = entry.load()
    except (ImportError, AttributeError) as error:
        where, found = f"entry points {_GROUP}", f"{entry.name} = {entry.value} ({error})"
        raise InputError(where, found, "a class that can be imported") from error
    return make
