"""Scarce memory in which devices swap: layer-wise placements that are larger than the memory of their devices.

The paper's abstract says that layer-wise partitioning "often results in memory overload or high inference latency".
Layer-wise policies normally reject a placement that does not fit. Here the baselines accept it, and the devices read
the rest from disk in every step.
"""

from collections.abc import Callable

import pandas as pd

from headway.analysis.paper.cells import cell, ended, ratios, times, times_plain
from headway.analysis.paper.placements import ALL_ON_FASTEST, ALL_ON_ROOMIEST, EDGESHARD_UNCHECKED
from headway.analysis.paper.runs import Case, Tables, choice
from headway.analysis.paper.worlds import World
from headway.simcore.world.options import Swap

DISKS_MB_PER_S = (500, 100, 40, 20)
"""From a SATA solid-state disk to a memory card."""

POLICIES = tuple(
    map(choice, ("resource-aware", "static", "galaxy", ALL_ON_FASTEST, ALL_ON_ROOMIEST, EDGESHARD_UNCHECKED))
)

_WORLDS: tuple[tuple[int, float, Swap], ...] = (
    (25, 0.5, "pinned"),
    (25, 0.65, "pinned"),
    (25, 0.8, "pinned"),
    (25, 0.5, "lru"),
    (5, 0.65, "pinned"),
)
"""Devices, share of all memory that the model takes at the end, and swap mode."""

_EXPLAINED = "25 devices, 50% full, pinned, 100 MB/s"


def cases(worlds: int, tokens: int) -> tuple[Case, ...]:
    """Cases with numbers of worlds and tokens."""
    return tuple(
        Case(
            variant=f"{devices} devices, {fill:.0%} full, {swap}, {disk} MB/s",
            world=World(
                devices=devices,
                tokens=tokens,
                memory_fill=fill,
                overflow="swap",
                swap=swap,
                disk_bytes_per_s=disk * 1e6,
            ),
            seeds=tuple(range(worlds)),
            choices=POLICIES,
            compare_every=0,
        )
        for devices, fill, swap in _WORLDS
        for disk in DISKS_MB_PER_S
    )


def tables(results: Tables) -> dict[str, pd.DataFrame]:
    """Delay ratios to `resource-aware`, their maxima, the parts of the delay, and infeasible decisions."""
    compared = ratios(results.runs)

    def table(form: Callable[["pd.Series[float]"], str]) -> pd.DataFrame:
        by_world = compared.groupby("variant", sort=False)
        return pd.DataFrame(
            [
                {"world": variant}
                | {one.label: form(rows["ratio"][rows["policy"] == one.label]) for one in POLICIES[1:]}
                for variant, rows in by_world
            ]
        )

    return {
        "overload": table(lambda values: cell(values, times)),
        "overload-largest": table(lambda values: times_plain(values.max())),
        "overload-parts": _parts(results.runs[results.runs["variant"] == _EXPLAINED]),
        "overload-ended": ended(results.runs),
    }


def _parts(runs: pd.DataFrame) -> pd.DataFrame:
    """The delay of a run in its parts, as means over worlds."""
    names = {
        "compute_s": "computing",
        "transfer_s": "sending",
        "disk_s": "reading from disk",
        "migration_s": "moving blocks",
    }
    means = runs.groupby("policy", sort=False)[list(names)].mean().rename(columns=names)
    return means.map("{:.1f} s".format).reset_index()
