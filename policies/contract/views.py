"""Equivalent observations: a copy, other device names, another order of devices, other units."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

import numpy as np

from headway.simcore import IntArray, Observation, Step, StepCost

Value = TypeVar("Value")
Cost = TypeVar("Cost", StepCost, StepCost | None)

_PER_DEVICE = (
    *("capacity_bytes", "available_bytes", "reserved_bytes", "flops", "memory_bandwidth", "overhead_s"),
    *("disk_bandwidth", "availability", "up"),
)
_TIMES = ("time_s", "overhead_s", "sync_s", "latency_s", "load_seconds")
_SIZES = (
    *("capacity_bytes", "available_bytes", "reserved_bytes"),
    *("memory_bytes", "moving_bytes", "cache_bytes"),
)
_RATES = ("memory_bandwidth", "kv_bandwidth", "disk_bandwidth", "rate")


def writable_copy(value: Value) -> Value:
    """A deep copy of an observation with writable arrays."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple):
        return tuple(writable_copy(each) for each in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        copies = {field.name: writable_copy(getattr(value, field.name)) for field in fields(value)}
        return replace(value, **copies)
    return value


def difference(before: object, after: object, name: str = "") -> str:
    """The name of the first field in which a copy differs from its original; empty if none does."""
    if isinstance(before, np.ndarray):
        nan = before.dtype == float
        same = isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=nan)
        return "" if same else name
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        parts = [(f"{name}[{i}]", *pair) for i, pair in enumerate(zip(before, after, strict=True))]
    elif is_dataclass(before) and type(before) is type(after):
        prefix = f"{name}." if name else ""
        keys = [field.name for field in fields(before)]
        parts = [(prefix + key, getattr(before, key), getattr(after, key)) for key in keys]
    else:
        return "" if before == after else name
    return next((name for key, old, new in parts if (name := difference(old, new, key))), "")


def renamed(observation: Observation) -> Observation:
    """With other device names, whose alphabetical order is the reverse of the order of devices."""
    names = tuple(f"x{observation.devices - i:04}" for i in range(observation.devices))
    return replace(observation, device_names=names)


def reordered(observation: Observation, order: IntArray) -> Observation:
    """With the devices in another order: device `order[i]` becomes device i; shape (D,)."""
    place = np.argsort(order)
    return replace(
        observation,
        **{key: getattr(observation, key)[order] for key in _PER_DEVICE},
        device_names=tuple(observation.device_names[i] for i in order),
        source=int(place[observation.source]),
        rate=observation.rate[np.ix_(order, order)],
        latency_s=observation.latency_s[np.ix_(order, order)],
        load_seconds=observation.load_seconds[:, order],
        copies=observation.copies[:, order] if observation.copies.size else observation.copies,
        placement=None if observation.placement is None else place[observation.placement],
        pinned=None if observation.pinned is None else place[observation.pinned],
    )


def rescaled(observation: Observation, *, second: float, byte: float, flop: float) -> Observation:
    """With all times multiplied by `second`, all sizes by `byte` and all work by `flop`.

    Powers of two do not change any rounding.
    """
    factors = {"flops": flop / second} | dict.fromkeys(_RATES, byte / second)
    factors |= dict.fromkeys(_TIMES, second) | dict.fromkeys(_SIZES, byte)
    return replace(
        observation,
        **{key: getattr(observation, key) * factor for key, factor in factors.items()},
        pause_budget_s=None if observation.pause_budget_s is None else observation.pause_budget_s * second,
        steps=tuple(Step(_rescaled_cost(step.cost, byte, flop), step.count) for step in observation.steps),
        next_cost=_rescaled_cost(observation.next_cost, byte, flop),
        recompute_cost=_rescaled_cost(observation.recompute_cost, byte, flop),
    )


def _rescaled_cost(cost: Cost, byte: float, flop: float) -> Cost:
    if cost is None:
        return cost

    factors = {field.name: flop if field.name.endswith("_flop") else byte for field in fields(cost)}
    return replace(cost, **{key: getattr(cost, key) * factor for key, factor in factors.items()})
