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
from collections.abc import Iterator, Mapping
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
    sink = hashlib.blake2b(digest_size=16)
    for part in _parts(value):
        # Lengths keep parts apart: ("ab", "c") is not ("a", "bc").
        sink.update(len(part).to_bytes(8, "little"))
        sink.update(part)
    return sink.hexdigest()


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


def _parts(value: object) -> Iterator[bytes]:
    match value:
        case None | bool() | int() | str() | bytes():
            yield type(value).__name__.encode()
            yield value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        case float():
            yield b"float"
            yield (value + 0.0).hex().encode()  # a negative zero is a zero
        case Trace():
            yield from _parts(("Trace", value.times, value.values, value.end, value.duration))
        case np.ndarray():
            yield f"array {value.dtype.str} {value.shape}".encode()
            yield value.tobytes()
        case tuple() | list():
            yield f"sequence {len(value)}".encode()
            for item in value:
                yield from _parts(item)
        case Mapping():
            yield f"mapping {len(value)}".encode()
            for key, item in sorted((digest(key), digest(item)) for key, item in value.items()):
                yield from (key.encode(), item.encode())
        case _:
            yield from _fields(value)


def _fields(value: object) -> Iterator[bytes]:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"cannot tell what determines {value!r}")
    names = [
        f.name for f in dataclasses.fields(value) if f.init and f.name not in _LABELS.get(type(value), ())
    ]
    yield f"{type(value).__name__} {len(names)}".encode()
    for name in names:
        yield name.encode()
        yield from _parts(getattr(value, name))
