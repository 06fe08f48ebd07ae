"""(h) Times of decisions."""

import statistics
from dataclasses import replace

from benchmarks.measure import Effort, Figures
from benchmarks.worlds import paper_world, wifi_world
from headway import policies
from headway.simcore import (
    PolicyError,
    Request,
    RunOptions,
    Scenario,
    load_scenario,
    preset,
    shipped_scenario,
    simulate,
)
from headway.traces import InputError


def decisions(effort: Effort) -> Figures:
    """(h) Times of the decisions of every policy, in worlds with different numbers of blocks and devices."""
    limit_s = effort.choose(60.0, 1.0, 1.0)
    worlds = {
        "paper-8x5": paper_world(5, model=preset("paper-8x512")),
        "paper-32x25": paper_world(),
        "home-cluster": load_scenario(shipped_scenario("home-cluster")),
        "llama-wifi": wifi_world(),
    }
    count, most_worlds = effort.choose((20, 4), (4, 3), (2, 1))
    names = [name for name in policies.names() if name != "pinned"]  # it needs a placement in the scenario
    figures: Figures = {}
    for label, world in [*worlds.items()][:most_worlds]:
        figures[label] = {
            "blocks": len(world.block_table),
            "devices": len(world.cluster.devices),
            "policies": {name: _times(world, name, count, limit_s) for name in names},
        }
    return figures


def _times(world: Scenario, policy: str, count: int, limit_s: float) -> Figures:
    """The first decision of a run, and the median of the others if there are any; empty if one takes too long."""
    request = Request(prompt=64, output=count * world.controller.interval)
    try:
        result = simulate(
            replace(world, requests=(request,)), policies.create(policy), RunOptions(decision_limit_s=limit_s)
        )
    except (InputError, PolicyError):
        return {}
    times = result.timings["decision_wall_s"].tolist()
    later = {"decision_s": statistics.median(times[1:])} if len(times) > 1 else {}
    return {"first_s": times[0], "decisions": len(times), **later}
