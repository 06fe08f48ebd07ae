"""EdgeShard and Galaxy with the equal parts of the author's code, and "up to" as a maximum.

The largest of many ratios grows with the number of ratios. So the table has several statistics of the same ratios: the
median over worlds, the expected maximum of a few worlds, the maximum of all worlds, and the maximum of single tokens.
"""

from math import comb

import numpy as np
import pandas as pd

from headway.analysis.paper.cells import OURS, cell, ratios, times, times_plain
from headway.analysis.paper.placements import EDGESHARD_EQUAL, GALAXY_EQUAL, SOURCE_BARRED
from headway.analysis.paper.runs import Case, Tables, choice
from headway.analysis.paper.worlds import World
from headway.simcore import FloatArray

POLICIES = tuple(map(choice, (OURS, SOURCE_BARRED, "edgeshard", EDGESHARD_EQUAL, "galaxy", GALAXY_EQUAL)))

_FEW = 5
"""Worlds of a small study."""


def cases(layers: int, worlds: int, tokens: int) -> tuple[Case, ...]:
    """The case with a number of layers."""
    return (
        Case(
            variant=f"{layers} layer{'s' if layers > 1 else ''}, {tokens} tokens",
            world=World(devices=25, layers=layers, tokens=tokens),
            seeds=tuple(range(worlds)),
            choices=POLICIES,
            every_token=True,
            compare_every=0,
        ),
    )


def tables(results: Tables) -> dict[str, pd.DataFrame]:
    """Ratios to `resource-aware` of whole runs and of single tokens."""
    runs, tokens = ratios(results.runs), token_ratios(results.tokens)
    rows = []
    for variant in dict.fromkeys(runs["variant"]):
        for policy in (one.label for one in POLICIES if one.label != OURS):
            whole, single = (
                table["ratio"][(table["variant"] == variant) & (table["policy"] == policy)]
                for table in (runs, tokens)
            )
            count = min(_FEW, len(whole))
            rows.append(
                {
                    "model": variant,
                    "policy": policy,
                    "whole run": cell(whole, times),
                    f"largest of {_FEW} worlds, expected": times_plain(
                        expected_largest(whole.to_numpy(), count)
                    ),
                    "largest of all worlds": times_plain(whole.max()),
                    "token, median": times_plain(single.median()),
                    "token, 99 %": times_plain(single.quantile(0.99)),
                    "token, largest": times_plain(single.max()),
                }
            )
    return {"author-baselines": pd.DataFrame(rows)}


def token_ratios(tokens: pd.DataFrame) -> pd.DataFrame:
    """`tokens` with a column `ratio`: the delay over that of the same token under `resource-aware`."""
    keys = ["variant", "world", "token"]
    reference = tokens[tokens["policy"] == OURS].set_index(keys)["delay_s"]
    index = pd.MultiIndex.from_frame(tokens[keys])
    return tokens.assign(ratio=tokens["delay_s"].to_numpy() / reference.reindex(index).to_numpy())


def expected_largest(values: FloatArray, count: int) -> float:
    """The expected maximum of `count` of the values, drawn without replacement.

    The i-th smallest of n values is the maximum of C(i - 1, count - 1) of the C(n, count) subsets.
    """
    subsets = [comb(i, count - 1) for i in range(len(values))]
    return float(np.dot(np.sort(values), subsets) / comb(len(values), count))
