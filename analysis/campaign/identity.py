"""What makes a run the run it is: a hash of everything that determines its result, and of nothing else.

The world is hashed as `simulate` receives it: traces as their breakpoints, the model as its numbers, defaults filled
in, units gone, walks drawn. So it does not matter how any of it was written. The order of devices and links counts: a
policy may break ties by it. What only names the scenario (`_LABELS`) does not.

The code that simulates counts too, by the version of its package and by its source: a version alone stays the same
while somebody works on a policy, and old results would pass for new ones.
"""

import dataclasses
import functools
import hashlib
import importlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

from simcore.observe import Policy
from simcore.results import SCHEMA_VERSION
from simcore.scenario import Scenario
from simcore.world.model import ModelSpec
from traces import Trace

_LABELS: Mapping[type, frozenset[str]] = {
    Scenario: frozenset({"name", "text", "policies", "changes"}),
    ModelSpec: frozenset({"name"}),
}
"""Fields that name something and change nothing that is simulated."""

_OURS = ("traces", "simcore", "policies", "analysis")
_ENGINE = ("traces", "simcore", "analysis.metrics")
"""The code whose output a store keeps, beside the policy."""


def digest(value: object) -> str:
    """A hash of a value made of frozen dataclasses, traces, arrays, sequences, mappings and plain values.

    Raises:
        TypeError: it holds something else, of which nobody knows what it means.
    """
    data = bytearray()
    _write(value, data)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def run_id(world: str, policy: str) -> str:
    """The name of a run in every store, from the digests of its world and its policy."""
    return digest(("run", SCHEMA_VERSION, engine_code(), world, policy))


def policy_digest(policy: Policy) -> str:
    """Of a policy: its class, its parameters with their defaults, and the code it comes from."""
    package = type(policy).__module__.partition(".")[0]
    return digest((policy.name, policy, code(package)))


@functools.cache
def engine_code() -> str:
    """Of the code that turns a world and a policy into tables."""
    return digest(tuple(code(name) for name in _ENGINE))


@functools.cache
def code(name: str) -> tuple[str, str]:
    """The version of the package in which a module is, and a hash of the module's source, with all below it."""
    file = Path(getattr(importlib.import_module(name), "__file__", None) or "")
    sources = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    texts = tuple(
        (str(path.relative_to(file.parent)), path.read_bytes()) for path in sources if path.is_file()
    )
    return _version(name), digest(texts)


def _version(name: str) -> str:
    package = name.partition(".")[0]
    owners = ["headway"] if package in _OURS else metadata.packages_distributions().get(package, [])
    return ", ".join(f"{owner} {metadata.version(owner)}" for owner in sorted(set(owners)))


def _write(value: object, data: bytearray) -> None:
    """Add the parts of a value. Every run of a campaign is named so: it is one plain walk, common kinds first."""
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
    else:
        head, fields = _fields(kind)  # type: ignore[arg-type]
        _add(head, data)
        for name, field in fields:
            _add(name, data)
            _write(getattr(value, field), data)


def _add(part: bytes, data: bytearray) -> None:
    # Lengths keep parts apart: ("ab", "c") is not ("a", "bc").
    data += len(part).to_bytes(8, "little")
    data += part


@functools.cache
def _fields(kind: type) -> tuple[bytes, tuple[tuple[bytes, str], ...]]:
    """How the parts of a dataclass begin, and the fields that count."""
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"cannot tell what determines a {kind.__name__}")
    names = [f.name for f in dataclasses.fields(kind) if f.init and f.name not in _LABELS.get(kind, ())]
    return f"{kind.__name__} {len(names)}".encode(), tuple((name.encode(), name) for name in names)
