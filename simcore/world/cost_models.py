"""All cost models by name.

`DecodeCost` counts what a K/V-cached decoder computes for one new token. `PaperCost` counts as the paper does: the
whole sequence is recomputed and shipped at every token.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from headway.simcore.registry import Registry
from headway.simcore.world.batch import NO_WINDOWS, Batch, later, totals_of_stretch
from headway.simcore.world.cost import CostModel, StepCost
from headway.simcore.world.decode_cost import DecodeCost
from headway.simcore.world.paper_cost import PaperCost

COST_MODELS: Registry[Any] = Registry(
    "cost model", "headway.cost_models", {kind.name: kind for kind in (DecodeCost, PaperCost)}
)
"""Every class of cost models by name. A scenario file calls it with the model, and with those of its keys `ffn_shards`,
`projection` and `ffn_factor` that the class takes."""


def costs_of_stretch(model: CostModel, batch: Batch, steps: int) -> StepCost:
    """The costs of a step that makes a token of each sequence at work, and of those that follow it.

    A cost model with a method `of_totals`, such as the two here, computes them at once. The totals have the attention
    windows of its attribute `windows`, if it has one.
    """
    if hasattr(model, "of_totals"):
        totals = totals_of_stretch(batch, steps, getattr(model, "windows", NO_WINDOWS))
        costs: StepCost = model.of_totals(totals)
        return costs
    each = [model.step(later(batch, i)) for i in range(steps)]
    return StepCost(*(np.array([getattr(one, field.name) for one in each]) for field in fields(StepCost)))
