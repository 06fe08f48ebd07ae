"""(a) to (d): simulated tokens per second of wall time."""

import statistics
from dataclasses import replace
from typing import TypeAlias, get_args

from benchmarks.measure import FULL, Effort, Figures, clock
from benchmarks.worlds import large_world, paper_world, wifi_world
from headway import policies
from headway.simcore import Scenario, simulate
from headway.simcore.engine.executors import ExecutorName

_Tokens: TypeAlias = tuple[int, int]
"""Tokens of a run under the executors `events` and `compiled`, which is faster and may make more in the same time."""


def paper_replanned(effort: Effort) -> Figures:
    """(a) The medium setting of the paper, replanned at every token."""
    tokens = effort.choose((1000, 1000), (150, 300), (3, 3))
    return run_figures(paper_world(), "resource-aware", tokens, effort)


def paper_static(effort: Effort) -> Figures:
    """(b) The same with a fixed placement; `longer` is a run of ten times as many tokens."""
    figures = run_figures(paper_world(), "static", effort.choose((1000, 1000), (300, 3000), (3, 3)), effort)
    if effort is FULL:
        figures["longer"] = run_figures(paper_world(), "static", (10_000, 10_000), effort)
    return figures


def llama_wifi(effort: Effort) -> Figures:
    """(c) Llama-2-7B on eight devices in a Wi-Fi cell, replanned every 16 tokens."""
    tokens = effort.choose((2000, 2000), (48, 160), (2, 2))
    return run_figures(wifi_world(), "resource-aware", tokens, effort)


def large(effort: Effort) -> Figures:
    """(d) 100 devices, 64 heads and 80 layers, with a fixed placement."""
    devices, layers = effort.choose((100, 80), (100, 80), (10, 2))
    tokens = effort.choose((20, 100), (2, 60), (2, 2))
    return run_figures(large_world(devices, layers), "pinned", tokens, effort)


def run_figures(scenario: Scenario, policy: str, tokens: _Tokens, effort: Effort) -> Figures:
    """Figures of a run under each executor.

    The first run under an executor is not timed: it loads or compiles the kernels and computes what the scenario
    caches. `compile_s` is the time by which it is longer than the others. The figures of the fastest executor are
    repeated at the top.
    """
    scenario.cluster.routes  # noqa: B018 (computed once per cluster, not once per run)
    by_executor = {}
    for name, count in zip(get_args(ExecutorName), tokens, strict=True):
        request = replace(scenario.requests[0], output=count)
        figures = _timed(replace(scenario, requests=(request,), executor=name), policy, effort)
        if figures is not None:
            by_executor[name] = figures
    fastest = max(by_executor, key=lambda name: by_executor[name]["tokens_per_s"])
    world = {
        "devices": len(scenario.cluster.devices),
        "blocks": len(scenario.block_table),
        "interval": scenario.controller.interval,
        "policy": policy,
    }
    return {**by_executor[fastest], "executor": fastest, **world, **by_executor}


def _timed(scenario: Scenario, policy: str, effort: Effort) -> Figures | None:
    """Figures of a run; None if the executor of the scenario cannot make it."""
    first_s, first = clock(lambda: simulate(scenario, policies.create(policy)))
    if first.runs["status"][0] != "complete":
        raise RuntimeError(
            f"the run of {scenario.name} under {policy} ended early: {first.runs['detail'][0]}"
        )
    if first.runs["executor"][0] != scenario.executor:
        return None
    measured = [clock(lambda: simulate(scenario, policies.create(policy))) for _ in range(effort.repeats)]
    seconds = statistics.median(spent_s for spent_s, _ in measured)
    deciding = statistics.median(
        float(result.timings["decision_wall_s"].sum()) / spent_s for spent_s, result in measured
    )
    return {
        "tokens": len(first.tokens),
        "tokens_per_s": len(first.tokens) / seconds,
        "seconds": seconds,
        "compile_s": max(first_s - seconds, 0.0),
        "policy_share": deciding,
    }
