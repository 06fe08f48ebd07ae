"""Execution patterns: which device sends what to which in a step. One file per pattern, registered here."""

from headway.simcore.registry import Registry
from headway.simcore.steps.patterns.gathered import Gathered
from headway.simcore.steps.patterns.sharded import Sharded
from headway.simcore.steps.step_graphs import Pattern

PATTERNS: Registry[Pattern] = Registry(
    "execution", "headway.patterns", {pattern.name: pattern for pattern in (Gathered(), Sharded())}
)
"""Every pattern by its name in scenarios."""
