"""Deciders: where each block shall live.

A policy is any object with a `name` and a method `decide` from an `Observation` to a decision; `docs/policies.md` shows
how to write one in twenty lines.
"""

from policies.dynamic_layer import DynamicLayer
from policies.edgeshard import EdgeShard
from policies.galaxy import Galaxy
from policies.greedy import Greedy
from policies.optimal.exact import Exact
from policies.optimal.exact_milp import ExactMilp
from policies.optimal.lower_bound import lower_bound
from policies.pinned import Pinned
from policies.random_placement import Random
from policies.registry import chosen, create, declared, described, found, names, summary, trouble
from policies.resource_aware import ResourceAware
from policies.round_robin import RoundRobin
from policies.single import Single
from policies.static import Static

__all__ = [
    "DynamicLayer",
    "EdgeShard",
    "Exact",
    "ExactMilp",
    "Galaxy",
    "Greedy",
    "Pinned",
    "Random",
    "ResourceAware",
    "RoundRobin",
    "Single",
    "Static",
    "chosen",
    "create",
    "declared",
    "described",
    "found",
    "lower_bound",
    "names",
    "summary",
    "trouble",
]
