"""Names of runs: a hash of all inputs that determine the results, and the version of the model that computed them.

The world is hashed as `simulate` receives it: traces as breakpoints, numbers without units, defaults filled in, random
walks drawn. So the notation in the scenario file does not matter. The order of devices and links does, because a policy
may break ties by it. Fields that only name the scenario (`_LABELS`) are not hashed.

Headway's code is represented by `MODEL_VERSION`, which is raised when figures change. Code of other packages (a policy,
a cost model, a sharing rule, ...) is represented by the version and the source of its package.
"""

import dataclasses
import functools
import hashlib
import importlib
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.engine.network.network import SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.observe import Policy
from headway.simcore.registry import Registry
from headway.simcore.results import MODEL_VERSION, SCHEMA_VERSION
from headway.simcore.scenario import Scenario
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.device import Device
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import NetworkOptions
from headway.traces import Trace

_LABELS: Mapping[type, frozenset[str]] = {
    Scenario: frozenset({"name", "text", "policies", "changes", "provenance"}),
    ModelSpec: frozenset({"name", "context_length"}),
}
"""Fields that are names or comments and do not change the simulation."""

_PARTS: Mapping[tuple[type, str], Registry[Any]] = {
    (Scenario, "execution"): PATTERNS,
    (Scenario, "device_time"): DEVICE_TIMES,
    (Scenario, "scheduler"): SCHEDULERS,
    (NetworkOptions, "sharing"): SHARING_RULES,
    (NetworkOptions, "transport"): TRANSPORTS,
    (Device, "discipline"): DISCIPLINES,
}
"""Fields that may name a part of another package, whose code is then hashed."""

_ENGINE = ("headway.traces", "headway.simcore", "headway.policies", "headway.analysis.statistics.metrics")
"""The code of Headway that computes the tables of a run."""


def digest(value: object) -> str:
    """A hash of a value made of frozen dataclasses, traces, arrays, sequences, mappings and plain values.

    Raises:
        TypeError: it contains another type, whose meaning is unknown.
    """
    data = bytearray()
    _write(value, data)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def run_id(world: str, policy: str) -> str:
    """The name of a run in every store, from the digests of its world and its policy: `HASH-mMODEL_VERSION`.

    The version is not hashed, so a name shows which version of the model made the run.
    """
    return f"{digest(('run', SCHEMA_VERSION, world, policy))}-m{MODEL_VERSION}"


def model_of(run: str) -> str:
    """The version of the model in the name of a run; empty for names without one, from before decision 23."""
    return run.partition("-m")[2]


def policy_digest(policy: Policy) -> str:
    """Digest of a policy: name, class, and parameters with their defaults; and its code if it is in another package."""
    return digest((policy.name, policy))


@functools.cache
def engine_code() -> str:
    """Digest of Headway's source, which workers compare with the runner's. Names of runs do not depend on it."""
    return digest(tuple(code(name) for name in _ENGINE))


@functools.cache
def code(name: str) -> tuple[str, str]:
    """The version of a module's package, and a hash of the source of the module and its submodules."""
    file = Path(getattr(importlib.import_module(name), "__file__", None) or "")
    sources = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    texts = tuple(
        (str(path.relative_to(file.parent)), path.read_bytes()) for path in sources if path.is_file()
    )
    return _version(name), digest(texts)


def forget_code() -> None:
    """Read the source of all packages again, in a process that has edited and reloaded one of them."""
    for cached in (engine_code, code, _foreign_code, _fields):
        cached.cache_clear()


def _version(name: str) -> str:
    package = name.partition(".")[0]
    owners = ["headway"] if package == "headway" else metadata.packages_distributions().get(package, [])
    return ", ".join(f"{owner} {metadata.version(owner)}" for owner in sorted(set(owners)))


@functools.cache
def _foreign_code(module: str) -> tuple[str, str] | None:
    """Version and source hash of a module's package; None for Headway and the standard library."""
    package, *rest = module.split(".")
    if package == "headway" or package in sys.stdlib_module_names:
        return None
    # A namespace package has no source; its subpackage is the package.
    while rest and getattr(importlib.import_module(package), "__file__", None) is None:
        package = f"{package}.{rest.pop(0)}"
    return code(package)


def _write(value: object, data: bytearray) -> None:
    """Append a value to the data to hash. This is called for every run, so common types are tested first."""
    kind = type(value)
    if value is None or isinstance(value, (int, str, bytes)):
        _add(kind.__name__.encode(), data)
        _add(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass"), data)
    elif isinstance(value, float):
        _add(b"float", data)
        _add((value + 0.0).hex().encode(), data)  # a negative zero is a zero
    elif isinstance(value, Trace):
        _write(("Trace", value.times, value.values, value.end, value.duration), data)
    elif isinstance(value, np.ndarray):
        _add(f"array {value.dtype.str} {value.shape}".encode(), data)
        _add(value.tobytes(), data)
    elif isinstance(value, tuple | list):
        _add(f"sequence {len(value)}".encode(), data)
        for item in value:
            _write(item, data)
    elif isinstance(value, Mapping):
        _add(f"mapping {len(value)}".encode(), data)
        for key, item in sorted((digest(key), digest(item)) for key, item in value.items()):
            _add(key.encode(), data)
            _add(item.encode(), data)
    elif isinstance(value, FunctionType | type):
        if "<" in value.__qualname__:  # a lambda or local function: its name does not identify it
            raise TypeError(f"cannot tell what determines {value.__qualname__}")
        _write(_place(value), data)
    else:
        _write_fields(value, data)


def _write_fields(value: object, data: bytearray) -> None:
    head, fields = _fields(type(value))  # type: ignore[arg-type]
    _add(head, data)
    for name, field, parts in fields:
        _add(name, data)
        item = getattr(value, field)
        _write(item, data)
        if parts is not None and isinstance(item, str) and (module := parts.module(item)):
            _write(_foreign_code(module), data)


def _add(part: bytes, data: bytearray) -> None:
    # Lengths keep parts apart: ("ab", "c") is not ("a", "bc").
    data += len(part).to_bytes(8, "little")
    data += part


@functools.cache
def _fields(kind: type) -> tuple[bytes, tuple[tuple[bytes, str, Registry[Any] | None], ...]]:
    """The header of a dataclass, and its hashed fields, with the registry in which a name in them is looked up."""
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"cannot tell what determines a {kind.__name__}")
    names = [f.name for f in dataclasses.fields(kind) if f.init and f.name not in _LABELS.get(kind, ())]
    head = f"{kind.__name__} {len(names)}".encode()
    # A class of another package is hashed with its code and that of its bases. Classes of Headway may change modules.
    if _foreign_code(kind.__module__) is not None:
        head += digest(tuple(_place(base) for base in kind.__mro__)).encode()
    return head, tuple((name.encode(), name, _PARTS.get((kind, name))) for name in names)


def _place(value: FunctionType | type) -> tuple[object, ...]:
    """The identity of a function or class: its name; for another package, also its module and code."""
    foreign = _foreign_code(value.__module__)
    return (value.__qualname__,) if foreign is None else (value.__module__, value.__qualname__, foreign)
