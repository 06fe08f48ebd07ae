"""Execution patterns: who sends what to whom in a step. One file each, registered here."""

from headway.simcore.registry import Registry
from headway.simcore.steps.patterns.gathered import Gathered
from headway.simcore.steps.patterns.sharded import Sharded
from headway.simcore.steps.step_graphs import Pattern

PATTERNS: Registry[Pattern] = Registry(
    "execution", "headway.patterns", {pattern.name: pattern for pattern in (Gathered(), Sharded())}
)
"""Every pattern by the name under which a scenario asks for it."""
