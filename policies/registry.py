"""Policies by name."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from headway.policies.bandwidth_proportional import BandwidthProportional
from headway.policies.dynamic_layer import DynamicLayer
from headway.policies.edgeshard import EdgeShard
from headway.policies.galaxy import Galaxy
from headway.policies.greedy import Greedy
from headway.policies.halda import Halda
from headway.policies.look_ahead import LookAhead
from headway.policies.optimal.exact import Exact
from headway.policies.optimal.exact_milp import ExactMilp
from headway.policies.parallax import Parallax
from headway.policies.petals import Petals
from headway.policies.pinned import Pinned
from headway.policies.ram_proportional import RamProportional
from headway.policies.random_placement import Random
from headway.policies.resource_aware import ResourceAware
from headway.policies.round_robin import RoundRobin
from headway.policies.single import Single
from headway.policies.static import Static
from headway.policies.sum_of_stages import SumOfStages
from headway.policies.transition_gate import TransitionGate
from headway.simcore import Policy, PolicyChoice
from headway.traces import InputError
from headway.traces.errors import error_text, one_of, quoted

_POLICIES: Mapping[str, Callable[..., Policy]] = {
    policy.name: policy
    for policy in (
        *(ResourceAware, LookAhead, Greedy, RoundRobin, Static, Pinned, Single, Random),
        *(EdgeShard, Galaxy, DynamicLayer),
        *(RamProportional, BandwidthProportional, SumOfStages, Halda, Parallax, Petals),
        *(Exact, ExactMilp, TransitionGate),
    )
}

_WRAPPED = "look-ahead"
"""The default of a parameter that is a policy."""

_GROUP = "headway.policies"
_A_POLICY = "a class with a name and a method decide"


@cache
def _installed() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Policies that installed packages register as entry points, by name, without importing them.

    Entry points with the same name and object count once; with different objects they conflict.
    """
    known: dict[str, dict[str, EntryPoint]] = {}
    for entry in sorted(entry_points(group=_GROUP), key=lambda entry: (entry.name, entry.value)):
        known.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: tuple(entries.values()) for name, entries in known.items()}


def names() -> tuple[str, ...]:
    """Names of all registered policies, shipped or installed, sorted, including those that cannot be used."""
    return tuple(sorted({*_POLICIES, *_installed()}))


def summary(name: str) -> str:
    """The policy in one line.

    Raises:
        InputError: there is no policy of this name, or it cannot be used.
    """
    lines = (_find(name, "policy").__doc__ or "").strip().splitlines()
    return lines[0] if lines else "It does not say how it decides."


def description(name: str) -> str:
    """The policy in one line for a list of all: how it decides, or why it cannot be used."""
    why_not = trouble(name)
    return f"BROKEN: {why_not}" if why_not else summary(name)


def trouble(name: str) -> str:
    """Why a registered policy cannot even be created, in a few words; empty where it can."""
    try:
        declared_laws(create(name))
    except Exception as error:
        return error.got if isinstance(error, InputError) else error_text(error)
    return ""


def declared_laws(policy: Policy) -> Mapping[str, str]:
    """The laws of `policies.contract` that a policy declares to break, each with its reason.

    Raises:
        InputError: a reason is missing.
    """
    where = f"{policy.name}.declares"
    declares: object = getattr(policy, "declares", {})
    if not isinstance(declares, Mapping):
        expected = 'a mapping from laws to reasons, such as {"stable": "it explores at random"}'
        raise InputError(where, quoted(declares), expected)
    for law, why in declares.items():
        if not isinstance(why, str) or not why.strip():
            expected = "a text that says why the policy breaks this law"
            raise InputError(f"{where}[{law!r}]", quoted(why), expected)
    return declares


def create(name: str, **parameters: Any) -> Policy:
    """Create a new policy.

    Args:
        name: under which it is registered; `names` lists them.
        parameters: other than the defaults, as the policy documents them (`headway policy show NAME`).

    Raises:
        InputError: there is no policy of this name, or it does not take these parameters.
    """
    return from_choice(PolicyChoice(name=name, label=name, parameters=parameters))


def from_choice(choice: PolicyChoice) -> Policy:
    """Create the policy that a scenario names.

    Raises:
        InputError: as `create`; the message says where the policy is named.
    """
    policy = _find(choice.name, choice.where)
    where = f"{choice.where}: {choice.name}"
    known = _parameters(policy)
    wrapped = {key: _WRAPPED for key, kind in known.items() if kind is Policy}
    values: dict[str, Any] = {}
    for key, value in {**wrapped, **choice.parameters}.items():
        if key not in known:
            expected = one_of(str(key), list(known)) if known else "no parameters"
            raise InputError(where, f"the parameter {quoted(key)}", expected)
        if key in wrapped:
            values[key] = _inner_policy(value, f"{where}.{key}")
            continue
        try:
            values[key] = TypeAdapter(get_type_hints(policy)[key]).validate_python(value)
        except ValidationError as error:
            raise InputError(f"{where}.{key}", quoted(value), error.errors()[0]["msg"]) from error
    try:
        return _instance(partial(policy, **values), choice.name, choice.where)
    except InputError as error:
        if not values or not isinstance(error.__cause__, ValueError):
            raise
        raise InputError(where, str(error.__cause__), "the documented parameters") from error.__cause__


def policy_factory(name: str, where: str = "policy") -> Callable[[], Policy]:
    """A function that creates a policy, given a registered name or `module:Class` (which imports the module).

    For the command line and for Python only: a scenario file must not import code.

    Raises:
        InputError: there is no such policy.
    """
    module_name, colon, class_name = name.partition(":")
    if not colon:
        _find(name, where)
        return partial(from_choice, PolicyChoice(name=name, label=name, where=where))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # code of others may raise anything when it is imported
        expected = "MODULE:CLASS, a module that Python can import and a class in it"
        raise InputError(where, f"{quoted(name)} ({error_text(error)})", expected) from error
    made = getattr(module, class_name, None)
    if not callable(made):
        what = "" if made is None else f", an object of the class {type(made).__name__}"
        got = f"{quoted(class_name)} in {module_name}{what}"
        raise InputError(where, got, _policy_classes(module, class_name))
    return partial(_instance, made, name, where)


def _policy_classes(module: ModuleType, name: str) -> str:
    """The classes of a module that look like policies, including imported ones."""
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    policies = [key for key in classes if callable(getattr(getattr(module, key), "decide", None))]
    return one_of(name, policies) if policies else _A_POLICY


def _parameters(policy: object) -> dict[str, object]:
    """The fields of a dataclass with their types; other classes have no parameters that a file can set."""
    if not isinstance(policy, type) or not dataclasses.is_dataclass(policy):
        return {}
    return {field.name: field.type for field in dataclasses.fields(policy)}


def _inner_policy(value: object, where: str) -> Policy:
    """The policy that a parameter holds: a name, a mapping with `name` and `parameters`, or the object itself."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        return _instance(lambda: value, str(value), where)
    name, parameters = value.get("name"), value.get("parameters", {})
    known = value.keys() <= {"name", "parameters"}
    if not (isinstance(name, str) and isinstance(parameters, Mapping) and known):
        raise InputError(where, quoted(value), "a policy, or {name: POLICY, parameters: {...}}")
    return from_choice(PolicyChoice(name=name, label=name, parameters=parameters, where=where))


def _instance(make: Callable[[], Any], name: str, where: str) -> Policy:
    """Create a policy and check that it is one."""
    try:
        policy: Policy = make()
    except TypeError as error:
        expected = "a class that needs no arguments, or a function without arguments that returns a policy"
        raise InputError(where, f"{quoted(name)} ({error})", expected) from error
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        expected = "a class that can be instantiated without arguments"
        raise InputError(where, f"{quoted(name)} ({error_text(error)})", expected) from error
    if lack := _lack(policy):
        raise InputError(where, f"{quoted(name)}, which has {lack}", _A_POLICY)
    return policy


_DEFERRED = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


def _lack(policy: object) -> str:
    """What an object lacks to be a policy; empty if it is one."""
    if not isinstance(getattr(policy, "name", None), str):
        return "no name, or a name that is not a text"
    decide = getattr(policy, "decide", None)
    if not callable(decide):
        return "no method decide"
    if any(is_deferred(decide) for is_deferred in _DEFERRED):
        return "a method decide that is a generator or a coroutine"
    # The signatures of other callables are not reliable.
    if inspect.ismethod(decide) or inspect.isfunction(decide):
        try:
            inspect.signature(decide).bind(None)
        except TypeError:
            return "a method decide that does not take one observation"
    return ""


def _find(name: str, where: str) -> Callable[..., Policy]:
    if name not in names():
        raise InputError(where, f"the policy {quoted(name)}", one_of(name, names()))
    entries = _installed().get(name, ())
    if len(entries) + (name in _POLICIES) > 1:
        shipped = ["Headway itself"] if name in _POLICIES else []
        by = " and by ".join([*shipped, *map(_origin, entries)])
        got = f"the policy {quoted(name)}, which is registered by {by}"
        raise InputError(where, got, "a name that one package registers (uninstall or rename the others)")
    return _POLICIES[name] if name in _POLICIES else _load(entries[0], where)


def _origin(entry: EntryPoint) -> str:
    """The package of an entry point, and its object."""
    return f"{entry.dist.name} ({entry.value})" if entry.dist is not None else entry.value


def _load(entry: EntryPoint, where: str) -> Callable[..., Policy]:
    try:
        make = entry.load()
    except (Exception, SystemExit) as error:  # code of others may raise anything when it is imported
        got = f"the policy {quoted(entry.name)} of {_origin(entry)} ({error_text(error)})"
        raise InputError(where, got, "a class that can be imported") from error
    if not callable(make):
        got = f"the policy {quoted(entry.name)} of {_origin(entry)}, which is not a class"
        raise InputError(where, got, _A_POLICY)
    policy: Callable[..., Policy] = make
    return policy
