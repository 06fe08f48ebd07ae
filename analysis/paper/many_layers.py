"""A model of many layers that takes the 6-7 GB of the paper, and four readings of its statement on memory.

One layer of 32 heads and width 2048 takes 0.39 GB after 1000 tokens, so 16 layers take 6.2 GB and 18 layers 6.9 GB.
"""

from dataclasses import replace

import pandas as pd

from headway.analysis.paper.cells import OURS, cell, ended, gigabytes, ratios, times
from headway.analysis.paper.placements import ALL_ON_FASTEST
from headway.analysis.paper.runs import Case, Tables, choice
from headway.analysis.paper.worlds import World

LAYERS = 17

POLICIES = tuple(map(choice, (OURS, "static", "galaxy", "edgeshard", ALL_ON_FASTEST)))

READINGS = {
    "total_bytes": "all devices together",
    "peak_bytes": "fullest device",
    "mean_bytes": "mean of the devices in use",
    "used_bytes": "devices in use, with other programs",
}
"""What "memory usage" can mean, by column of the table of runs."""


def cases(worlds: int, tokens: int) -> tuple[Case, ...]:
    """Few and many devices that swap, with a decision every 10 tokens."""
    world = World(
        devices=5, layers=LAYERS, tokens=tokens, interval=10, overflow="swap", disk_bytes_per_s=100e6
    )
    return tuple(
        Case(
            variant=f"{devices} devices",
            world=replace(world, devices=devices),
            seeds=tuple(range(worlds)),
            choices=POLICIES,
            compare_every=0,
            memory=True,
        )
        for devices in (5, 25)
    )


def tables(results: Tables) -> dict[str, pd.DataFrame]:
    """Delay ratios, and the four readings of memory."""
    rows = []
    for (variant, policy), runs in ratios(results.runs).groupby(["variant", "policy"], sort=False):
        rows.append(
            {
                "world": variant,
                "policy": policy,
                "total / resource-aware": cell(runs["ratio"], times),
                "devices in use": f"{runs['devices_in_use'].median():g}",
            }
            | {f"{label} [GB]": cell(runs[column], gigabytes) for column, label in READINGS.items()}
            | {"swapped [GB]": cell(runs["swapped_bytes"], gigabytes)}
        )
    return {"many-layers": pd.DataFrame(rows), "many-layers-ended": ended(results.runs)}
