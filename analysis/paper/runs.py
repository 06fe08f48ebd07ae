"""Runs of all policies in all worlds on several processes, with tables as results.

One task is one world under all policies, so each world is built once. Tasks are independent, and their results are in
the order of tasks, so the tables are the same bytes for any number of processes. Wall-clock times have a separate
table.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from headway import policies
from headway.analysis.experiments.dispatch import mapped
from headway.analysis.paper.optimality_gap import ComparedPolicy
from headway.analysis.paper.placements import BASELINES
from headway.analysis.paper.worlds import World, alone_seconds, bound_seconds, draw
from headway.simcore import PolicyChoice, Result, RunOptions, Scenario, simulate


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of world under some policies.

    Attributes:
        variant: name of the case in tables.
        world: the kind of world.
        seeds: seeds of the worlds.
        choices: the policies.
        every_token: whether to store a row per token.
        compare_every: compare every `compare_every`-th decision with the exact optimum; 0: none.
        memory: whether rows of runs have the memory of the devices in use after the last token.
    """

    variant: str
    world: World
    seeds: tuple[int, ...]
    choices: tuple[PolicyChoice, ...]
    every_token: bool = False
    compare_every: int = 1
    memory: bool = False


def choice(label: str, **parameters: object) -> PolicyChoice:
    """A policy by its name or by that of a baseline, for a `Case`. A label may have a second part after the name."""
    if label == "resource-aware":
        parameters = {"alternatives": False}
    name = label if label in BASELINES else label.split(" ", maxsplit=1)[0]
    return PolicyChoice(name=name, label=label, parameters=parameters)


@dataclass(frozen=True, eq=False)
class Tables:
    """Results in the order of cases, seeds and policies. All tables have `variant`, `world` and `policy`.

    Attributes:
        runs: one row per world and policy.
        decisions: one row per comparison with the optimum, as in `Comparison`.
        tokens: one row per token, for cases with `every_token`.
        timings: one row per world and policy: wall times of decisions, which differ from run to run.
    """

    runs: pd.DataFrame
    decisions: pd.DataFrame
    tokens: pd.DataFrame
    timings: pd.DataFrame


def run_all(
    cases: Sequence[Case],
    *,
    workers: int = 1,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[], None] | None = None,
) -> Tables:
    """Run every world of every case under its policies.

    Args:
        cases: what to run.
        workers: number of processes; 1: only this process.
        options: options of the runs, which do not change results. The limit of a decision includes its comparison.
        progress: called after every world.

    Raises:
        InputError: a policy raises an exception, takes too long, or ends the process in which it decides.
    """
    parts: list[Tables] = []
    tasks = [(case, seed) for case in cases for seed in case.seeds]
    for part in mapped(partial(run_world, options=options), tasks, workers, _description):
        parts.append(part)
        if progress is not None:
            progress()
    return Tables(*(_stacked([getattr(part, table.name) for part in parts]) for table in fields(Tables)))


def _description(task: tuple[Case, int]) -> str:
    case, seed = task
    return f"{case.variant} in world {seed}, under {', '.join(choice.label for choice in case.choices)}"


def run_world(task: tuple[Case, int], options: RunOptions) -> Tables:
    """One world under every policy of its case."""
    case, seed = task
    scenario = draw(case.world, seed)
    limits = alone_seconds(case.world, scenario), bound_seconds(case.world, scenario)
    runs: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    tokens: list[pd.DataFrame] = []
    timings: list[dict[str, Any]] = []
    for choice in case.choices:
        policy = BASELINES[choice.name]() if choice.name in BASELINES else policies.from_choice(choice)
        compared = ComparedPolicy(policy, case.compare_every)
        result = simulate(scenario, compared, options, run=choice.label)
        keys = {"variant": case.variant, "world": seed, "policy": choice.label}
        row = _run_row(case.world, result) | {"alone_s": limits[0], "bound_s": limits[1]}
        runs.append(keys | row | (_memory_row(scenario, result) if case.memory else {}))
        decisions.extend(keys | asdict(comparison) for comparison in compared.comparisons)
        timings.append(keys | _timing_row(compared))
        if case.every_token:
            tokens.append(_token_rows(keys, result))
    return Tables(pd.DataFrame(runs), pd.DataFrame(decisions), _stacked(tokens), pd.DataFrame(timings))


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _run_row(world: World, result: Result) -> dict[str, Any]:
    """The row of one run. `delay_s` is the simulated D_T + D_mig of all its tokens."""
    tokens, outcomes = result.tokens, result.decisions["outcome"]
    held = result.devices.groupby("token")["held_bytes"]
    return {
        "devices": world.devices,
        "shape": world.shape,
        "status": result.runs["status"][0],
        "tokens": len(tokens),
        "delay_s": float((tokens["latency_s"] - tokens["wait_s"]).sum()),
        **{part: float(tokens[part].sum()) for part in ("compute_s", "transfer_s", "disk_s", "migration_s")},
        "decisions": len(outcomes),
        "infeasible_decisions": int((outcomes == "infeasible").sum()),
        "migrations": len(result.migrations),
        "peak_bytes": float(held.max().max()),
        "total_bytes": float(held.sum().max()),
    }


def _memory_row(scenario: Scenario, result: Result) -> dict[str, float]:
    """Memory of the devices with blocks after the last token; `used_bytes` includes that of other programs."""
    last = result.devices[result.devices["token"] == result.devices["token"].max()].set_index("device")
    capacity = pd.Series(scenario.cluster.memory_bytes, scenario.cluster.names)
    used = last["held_bytes"] + capacity - last["available_bytes"]
    in_use = last["held_bytes"] > 0.0
    return {
        "devices_in_use": float(in_use.sum()),
        "mean_bytes": float(last["held_bytes"][in_use].mean()),
        "used_bytes": float(used[in_use].sum()),
        "swapped_bytes": float(last["swapped_bytes"].sum()),
    }


def _timing_row(compared: ComparedPolicy) -> dict[str, float]:
    wall_s = np.array(compared.wall_s)
    return {"decision_p50_s": float(np.median(wall_s)), "decision_max_s": float(wall_s.max())}


def _token_rows(keys: dict[str, Any], result: Result) -> pd.DataFrame:
    tokens = result.tokens
    number = tokens["token"].to_numpy()
    peak = result.devices.groupby("token")["held_bytes"].max()
    moved = result.decisions.set_index("token")["moved_blocks"].reindex(number, fill_value=0)
    return pd.DataFrame(
        keys
        | {
            "token": number,
            "delay_s": (tokens["latency_s"] - tokens["wait_s"]).to_numpy(),
            "migration_s": tokens["migration_s"].to_numpy(),
            "peak_bytes": peak.reindex(number).to_numpy(),
            "moved_blocks": moved.to_numpy(),
        }
    )
