"""Synthetic traces, one module for each kind.

The module of a kind holds its generator, its analytic model, its estimator, and `KIND`, which joins the three. `KINDS`
lists all kinds. The sections of scenario files, the fits of `headway trace fit` and the options of `headway trace
generate` follow from this table: to add a kind, write a module and add it to the list below.
"""

from headway.traces.synthesis import diurnal, fading, gilbert_elliott, ornstein_uhlenbeck, walk
from headway.traces.synthesis.kind import Kind

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (walk, ornstein_uhlenbeck, gilbert_elliott, diurnal, fading)
}
"""Every kind by name, in the order in which pages and commands list them."""
