"""Execution patterns: which device sends what to which in a step. One file per family, registered here."""

from headway.simcore.registry import Registry
from headway.simcore.steps.patterns.all_reduce import AllReduce, around_ring, by_doubling, to_all
from headway.simcore.steps.patterns.gathered import Gathered
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.steps.patterns.sharded import Sharded
from headway.simcore.steps.patterns.star import Star
from headway.simcore.steps.step_graphs import Pattern

_PATTERNS: tuple[Pattern, ...] = (
    Gathered(),
    Sharded(),
    Star(4),
    Star(3),
    Star(2),
    AllReduce("mesh-2", to_all),
    AllReduce("ring", around_ring),
    AllReduce("recursive-doubling", by_doubling),
    Pipeline(),
)

PATTERNS: Registry[Pattern] = Registry(
    "execution", "headway.patterns", {pattern.name: pattern for pattern in _PATTERNS}
)
"""Every pattern by its name in scenarios."""
