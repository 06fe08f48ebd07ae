"""Policies: algorithms that decide which device holds which block.

A policy is any object with a `name` and a method `decide` from an `Observation` to a decision; `docs/policies.md` shows
how to write one in twenty lines.
"""

from headway.policies.bandwidth_proportional import BandwidthProportional
from headway.policies.dynamic_layer import DynamicLayer
from headway.policies.edgeshard import EdgeShard
from headway.policies.galaxy import Galaxy
from headway.policies.greedy import Greedy
from headway.policies.halda import Halda
from headway.policies.look_ahead import LookAhead
from headway.policies.optimal.exact import Exact
from headway.policies.optimal.exact_milp import ExactMilp
from headway.policies.optimal.lower_bound import lower_bound
from headway.policies.parallax import Parallax
from headway.policies.petals import Petals
from headway.policies.pinned import Pinned
from headway.policies.ram_proportional import RamProportional
from headway.policies.random_placement import Random
from headway.policies.registry import (
    create,
    declared_laws,
    description,
    from_choice,
    names,
    policy_factory,
    summary,
    trouble,
)
from headway.policies.resource_aware import ResourceAware
from headway.policies.round_robin import RoundRobin
from headway.policies.single import Single
from headway.policies.static import Static
from headway.policies.sum_of_stages import SumOfStages
from headway.policies.transition_gate import TransitionGate

__all__ = [
    "BandwidthProportional",
    "DynamicLayer",
    "EdgeShard",
    "Exact",
    "ExactMilp",
    "Galaxy",
    "Greedy",
    "Halda",
    "LookAhead",
    "Parallax",
    "Petals",
    "Pinned",
    "RamProportional",
    "Random",
    "ResourceAware",
    "RoundRobin",
    "Single",
    "Static",
    "SumOfStages",
    "TransitionGate",
    "create",
    "declared_laws",
    "description",
    "from_choice",
    "lower_bound",
    "names",
    "policy_factory",
    "summary",
    "trouble",
]
