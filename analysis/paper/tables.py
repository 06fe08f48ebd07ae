"""Results of the experiments as tables for the page.

A cell is a median over worlds with its 95 % bootstrap interval. Runs that ended early have no total delay, so a cell
leaves out such worlds and shows the number of the others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headway.analysis.paper.cells import OURS, cell, ended, megabytes, percent, ratios, times, times_plain
from headway.analysis.paper.experiments import POLICIES, SHAPES, shard_variant
from headway.analysis.paper.runs import Tables
from headway.analysis.paper.worlds import World, model_bytes, work_flop
from headway.simcore import Kind

ORDER = tuple(choice.label for choice in POLICIES)
BEST = "exact"
_KEYS = ["variant", "world", "policy"]


def decision_gaps(decisions: pd.DataFrame) -> pd.DataFrame:
    """Gap to the optimum of the decisions of each policy in each world.

    Returns:
        Columns `variant`, `world` and `policy`; `gap`: sum of D_T + D_mig of the decisions over that of the optima,
        minus 1; `compared`: number of decisions in these sums (decision and optimum both fit); `all`: all decisions.
    """
    both = np.isfinite(decisions["predicted_s"]) & np.isfinite(decisions["optimum_s"])
    fine = decisions[both].groupby(_KEYS, sort=False)[["predicted_s", "optimum_s"]].sum()
    table = pd.DataFrame({"gap": fine["predicted_s"] / fine["optimum_s"] - 1.0})
    table["compared"] = decisions[both].groupby(_KEYS, sort=False).size()
    every = decisions.groupby(_KEYS, sort=False).size().rename("all")
    return table.reindex(every.index).assign(all=every).fillna({"compared": 0}).reset_index()


def small(tables: Tables) -> dict[str, pd.DataFrame]:
    """Tables of the small worlds."""
    size = tables.runs["variant"].str.partition(",")[0]
    gaps = decision_gaps(tables.decisions)
    gaps["size"] = gaps["variant"].str.partition(",")[0]
    totals = ratios(tables.runs, BEST).assign(size=size)
    totals["gap"] = totals["ratio"] - 1.0
    return {
        "small-decisions": _by_size(gaps),
        "small-totals": _by_size(totals),
        "small-within": _within(gaps),
        "small-ended": ended(tables.runs.assign(variant=size)),
        "small-why": why(tables.decisions[tables.decisions["policy"] == OURS]),
    }


def medium(tables: Tables) -> dict[str, pd.DataFrame]:
    """Tables for 25 devices."""
    totals = ratios(tables.runs, OURS)
    gaps = decision_gaps(tables.decisions)
    rows = []
    for policy in _present(tables.runs):
        run, ratio = _of(tables.runs, policy), _of(totals, policy)["ratio"]
        delay_ms = _of(tables.tokens, policy).groupby("token")["delay_s"].median() * 1e3
        rows.append(
            {
                "policy": policy,
                "total / resource-aware": cell(ratio, times),
                "largest": times_plain(ratio.max()),
                "decisions above optimum": cell(_of(gaps, policy)["gap"], percent),
                "first token": f"{delay_ms.iloc[0]:,.0f} ms",
                "last token": f"{delay_ms.iloc[-1]:,.0f} ms",
                "blocks moved": f"{run['migrations'].median():,.0f}",
                "time per decision": f"{_of(tables.timings, policy)['decision_p50_s'].median() * 1e3:.2f} ms",
            }
        )
    return {
        "medium": pd.DataFrame(rows),
        "medium-memory": _memory(tables.runs),
        "medium-ended": ended(tables.runs),
        "medium-why": why(tables.decisions[tables.decisions["policy"] == OURS]),
        "shapes": _shapes(),
        "shares": _shares(),
    }


def sensitivity(tables: Tables) -> dict[str, pd.DataFrame]:
    """Tables for changed assumptions and for shards."""
    sharded = tables.runs["variant"].str.contains("FFN shards")
    plain = tables.runs[~sharded]
    gaps = decision_gaps(tables.decisions)
    totals = ratios(plain, OURS)
    rows = []
    for variant in dict.fromkeys(plain["variant"]):
        here = totals[totals["variant"] == variant]
        gap = gaps[(gaps["variant"] == variant) & (gaps["policy"] == OURS)]["gap"]
        compared = [policy for policy in _present(here) if policy != OURS]
        rows.append(
            {"assumption": variant, "decisions above optimum": cell(gap, percent)}
            | {policy: cell(_of(here, policy)["ratio"], times) for policy in compared}
        )
    return {
        "sensitivity": pd.DataFrame(rows),
        "sensitivity-ended": ended(plain),
        "scarce-why": why(
            tables.decisions[
                (tables.decisions["policy"] == OURS)
                & tables.decisions["variant"].str.endswith("memory half full, run fails")
            ]
        ),
        "sharding": _sharding(tables.runs[sharded]),
    }


def why(decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions by whether the policy and the optimum move blocks, and the excess delay of each kind."""
    fine = decisions[np.isfinite(decisions["predicted_s"]) & np.isfinite(decisions["optimum_s"])]
    excess = fine["predicted_s"] - fine["optimum_s"]
    first = fine["token"] == 0
    kinds = {"the first placement": first}
    for ours, moved in (("stays", fine["moved"] == 0), ("moves blocks", fine["moved"] > 0)):
        for best, better in (("stays", fine["best_moved"] == 0), ("moves blocks", fine["best_moved"] > 0)):
            kinds[f"policy {ours}, optimum {best}"] = ~first & moved & better
    return pd.DataFrame(
        [
            {
                "decision": name,
                "share of decisions": f"{which.mean():.0%}",
                "above optimum": f"{_share(excess[which].sum(), fine['optimum_s'][which].sum()):.1%}",
                "share of all excess": f"{_share(excess[which].sum(), excess.sum()):.0%}",
                "blocks moved by policy / optimum": f"{_mean(fine['moved'][which]):.1f} / "
                f"{_mean(fine['best_moved'][which]):.1f}",
            }
            for name, which in kinds.items()
        ]
    )


def _by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Gaps: one row per policy, one column per size of world."""
    sizes = list(dict.fromkeys(rows["size"]))
    return pd.DataFrame(
        [
            {"policy": policy}
            | {size: cell(_of(rows, policy)["gap"][rows["size"] == size], percent) for size in sizes}
            for policy in _present(rows)
            if policy != BEST
        ]
    )


def _within(gaps: pd.DataFrame) -> pd.DataFrame:
    """Share of worlds in which the decisions of a policy are within a distance of the optimum."""
    return pd.DataFrame(
        [
            {"policy": policy}
            | {f"within {most:.0%}": f"{(gap <= most).mean():.0%}" for most in (0.05, 0.1, 0.15, 0.2)}
            | {"worst world": f"{gap.max():.0%}"}
            for policy in _present(gaps)
            if policy != BEST
            for gap in [_of(gaps, policy)["gap"]]
        ]
    )


def _memory(runs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "policy": policy,
                "most on one device [MB]": cell(_of(runs, policy)["peak_bytes"], megabytes),
                "all devices together [MB]": cell(_of(runs, policy)["total_bytes"], megabytes),
            }
            for policy in _present(runs)
        ]
    )


def _shapes() -> pd.DataFrame:
    """Memory of one layer of the paper's models, which does not depend on the placement."""
    rows = []
    for shape in SHAPES:
        world = World(devices=1, shape=shape)
        rows.append(
            {
                "model": shape,
                "after 1000 tokens": f"{model_bytes(world, 999) / 1e9:.2f} GB",
                "holds 6 GB after": f"{_tokens_until(world, 6e9):,} tokens",
                "holds 7 GB after": f"{_tokens_until(world, 7e9):,} tokens",
            }
        )
    return pd.DataFrame(rows)


def _tokens_until(world: World, size_bytes: float) -> int:
    """Number of tokens after which the model holds `size_bytes`; with `paper` costs, its memory grows linearly."""
    start = model_bytes(world, 0)
    return int(np.ceil((size_bytes - start) / (model_bytes(world, 1) - start)))


def _shares() -> pd.DataFrame:
    """Shares of parallel work, and Amdahl's bound for any number of equally fast devices."""
    rows = []
    for length in (128, 640, 1127):
        for factor in (8.0, 0.8):
            world = World(devices=1, ffn_factor=factor)
            work = work_flop(world, length - world.prompt)
            head = work[Kind.HEAD] / work.sum()
            rows.append(
                {
                    "L": f"{length}",
                    "FFN work": f"{factor:g} L D²",
                    "heads": f"{head:.0%}",
                    "projection": f"{work[Kind.PROJ] / work.sum():.0%}",
                    "FFN": f"{work[Kind.FFN] / work.sum():.0%}",
                    "heads in parallel: at most": f"{1.0 / (1.0 - head):.2f} ×",
                    "FFN in 16 shards too": f"{1.0 / (work[Kind.PROJ] + work[Kind.FFN] / 16) * work.sum():.1f} ×",
                    "and the projection with the heads": f"{16 * work.sum() / work[Kind.FFN]:.1f} ×",
                }
            )
    return pd.DataFrame(rows)


def _sharding(runs: pd.DataFrame) -> pd.DataFrame:
    """Speed-up over the fastest device alone, and the bound for the devices of each world."""
    rows = []
    for sharded in (False, True):
        for shards in (1, 4, 16):
            here = runs[runs["variant"] == shard_variant(shards, sharded)]
            if here.empty:
                continue
            done = here["delay_s"].where(here["status"] == "complete")
            speedup = here.assign(speedup=here["alone_s"] / done, bound=here["alone_s"] / here["bound_s"])
            rows.append(
                {
                    "FFN shards": f"{shards}",
                    "projection": "with the heads" if sharded else "in one place",
                    "Amdahl's bound": cell(_of(speedup, OURS)["bound"], times),
                }
                | {policy: cell(_of(speedup, policy)["speedup"], times) for policy in _present(here)}
            )
    return pd.DataFrame(rows)


def _present(rows: pd.DataFrame) -> Sequence[str]:
    """The policies in a table, in the order of `POLICIES`."""
    present = set(rows["policy"])
    return [policy for policy in ORDER if policy in present]


def _of(rows: pd.DataFrame, policy: str) -> pd.DataFrame:
    return rows[rows["policy"] == policy]


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


def _mean(values: "pd.Series[int]") -> float:
    return float(values.mean()) if len(values) else 0.0
