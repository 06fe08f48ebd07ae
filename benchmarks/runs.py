"""(a) to (d): simulated tokens per second of wall time."""

import statistics
from dataclasses import replace
from typing import get_args

from benchmarks.measure import FULL, Effort, Figures, clock
from benchmarks.worlds import large_world, paper_world, wifi_world
from headway import policies
from headway.simcore import Scenario, simulate
from headway.simcore.engine.executors import ExecutorName


def paper_replanned(effort: Effort) -> Figures:
    """(a) The medium setting of the paper, replanned at every token."""
    return run_figures(paper_world(tokens=effort.choose(1000, 150, 3)), "resource-aware", effort)


def paper_static(effort: Effort) -> Figures:
    """(b) The same with a fixed placement; `longer` is a run of ten times as many tokens."""
    tokens = effort.choose(1000, 300, 3)
    figures = run_figures(paper_world(tokens=tokens), "static", effort)
    if effort is FULL:
        figures["longer"] = run_figures(paper_world(tokens=10 * tokens), "static", effort)
    return figures


def llama_wifi(effort: Effort) -> Figures:
    """(c) Llama-2-7B on eight devices in a Wi-Fi cell, replanned every 16 tokens."""
    return run_figures(wifi_world(tokens=effort.choose(2000, 48, 2)), "resource-aware", effort)


def large(effort: Effort) -> Figures:
    """(d) 100 devices, 64 heads and 80 layers, with a fixed placement."""
    tokens, devices, layers = effort.choose((50, 100, 80), (4, 100, 80), (2, 10, 2))
    return run_figures(large_world(tokens, devices, layers), "pinned", effort)


def run_figures(scenario: Scenario, policy: str, effort: Effort) -> Figures:
    """Figures of a run under each executor.

    The first run under an executor is not timed: it loads or compiles the kernels and computes what the scenario
    caches. `compile_s` is the time by which it is longer than the others. The figures of the fastest executor are
    repeated at the top.
    """
    scenario.cluster.routes  # noqa: B018 (computed once per cluster, not once per run)
    by_executor = {}
    for name in get_args(ExecutorName):
        figures = _timed(scenario, policy, effort, name)
        if figures is not None:
            by_executor[name] = figures
    fastest = max(by_executor, key=lambda name: by_executor[name]["tokens_per_s"])
    request = scenario.requests[0]
    world = {
        "devices": len(scenario.cluster.devices),
        "blocks": len(scenario.block_table),
        "tokens": request.output,
        "interval": scenario.controller.interval,
        "policy": policy,
    }
    return {**by_executor[fastest], "executor": fastest, **world, **by_executor}


def _timed(scenario: Scenario, policy: str, effort: Effort, executor: ExecutorName) -> Figures | None:
    """Figures of a run under an executor; None if it cannot make this run."""
    scenario = replace(scenario, executor=executor)
    first_s, first = clock(lambda: simulate(scenario, policies.create(policy)))
    if first.runs["status"][0] != "complete":
        raise RuntimeError(
            f"the run of {scenario.name} under {policy} ended early: {first.runs['detail'][0]}"
        )
    if first.runs["executor"][0] != executor:
        return None
    measured = [clock(lambda: simulate(scenario, policies.create(policy))) for _ in range(effort.repeats)]
    seconds = statistics.median(spent_s for spent_s, _ in measured)
    deciding = statistics.median(
        float(result.timings["decision_wall_s"].sum()) / spent_s for spent_s, result in measured
    )
    return {
        "tokens_per_s": len(first.tokens) / seconds,
        "seconds": seconds,
        "compile_s": max(first_s - seconds, 0.0),
        "policy_share": deciding,
    }
