"""Deciders: where each block shall live.

A policy is any object with a `name` and a method `decide` from an `Observation` to a decision; `docs/policies.md` shows
how to write one in twenty lines.
"""

from policies.baselines import Greedy, RoundRobin, Single, Static
from policies.registry import chosen, create, names, summary
from policies.resource_aware import ResourceAware

__all__ = [
    "Greedy",
    "ResourceAware",
    "RoundRobin",
    "Single",
    "Static",
    "chosen",
    "create",
    "names",
    "summary",
]
