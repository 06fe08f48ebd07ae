"""Predict the effect of moving layers under three faults; prints the rows of docs/fidelity/moving-layers.csv."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headway import policies
from headway.simcore import Instrument, load_scenario, shipped_scenario, simulate

PERIODS_S = {
    "before": (0.0, 30.0),
    "compute": (30.0, 90.0),
    "after compute": (90.0, 120.0),
    "network": (120.0, 180.0),
    "loss": (210.0, 270.0),
    "after loss": (270.0, np.inf),
}
POLICIES = ("pinned", "sum-of-stages")
PROMPT = 64
SHORT = "workload.count=6"  # enough for the first fault


@dataclass
class Stages(Instrument):
    """Of each step: its start, its tokens, and the seconds that each device works."""

    steps: list[tuple[float, int, np.ndarray]] = field(default_factory=list)

    def step_begins(self, attempt: Any) -> None:
        """Add a step."""
        self.steps.append((attempt.begun_s, attempt.batch[0].tokens, np.zeros(3)))

    def task_done(
        self, batch: Any, graph: Any, node: int, submitted_s: float, start_s: float, disk_s: float,
        end_s: float, nominal_s: float,
    ) -> None:  # fmt: skip
        """Add a task to its device."""
        self.steps[-1][2][graph.device[node]] += end_s - start_s


class Run:
    """A run of `moving-layers` under one policy; all times are in milliseconds."""

    def __init__(self, policy: str, *changes: str) -> None:
        scenario = load_scenario(shipped_scenario("moving-layers"), changes=changes)
        choice = next(one for one in scenario.policies if one.name == policy)
        stages = Stages()
        self.result = simulate(scenario, policies.create(policy, **choice.parameters), instrument=stages)
        self.steps = stages.steps

    def medians(self, period: str, tokens: int = 1) -> tuple[float, float]:
        """A step of so many tokens, and its longest stage, with one request in flight."""
        begin_s, end_s = PERIODS_S[period]
        if tokens == 1:
            rows = self.result.tokens[self.result.tokens["token"] > 0]
            start_s, taken_s = rows["start_s"], rows["latency_s"]
        else:
            start_s = self.result.requests["start_s"]
            taken_s = self.result.requests["first_token_s"] - start_s
        whole = taken_s[(start_s >= begin_s) & (start_s + taken_s < end_s)]
        longest = [
            busy_s.max() for at_s, size, busy_s in self.steps if begin_s <= at_s < end_s and size == tokens
        ]
        return 1e3 * float(whole.median()), 1e3 * float(np.median(longest))

    def with_two(self, period: str, tokens: int = 1) -> float:
        """A step of each of two requests in flight, which overlap on different devices."""
        step, longest = self.medians(period, tokens)
        return max(step, 2 * longest)

    def move(self, period: str) -> tuple[float, float, float]:
        """The first move of a period: caches computed again for one request, for none, and for two."""
        begin_s, end_s = PERIODS_S[period]
        start_s = self.result.migrations["start_s"]
        moment_s = start_s[start_s.between(begin_s, end_s)].min()
        tokens = self.result.tokens[self.result.tokens["token"] > 0]
        token = tokens[tokens["start_s"] <= moment_s].iloc[-1]
        loading = 1e3 * float(token["migration_s"])
        recomputing = 1e3 * float(token["latency_s"] - token["fault_s"]) - self.medians(period)[0] - loading
        return loading + recomputing, loading, loading + 2 * recomputing


def inter_token(static: Run, hyst: Run, alone: Run) -> dict[str, tuple[float, float, float, str]]:
    """Predictions of the time between tokens; each with the least and the most that other assumptions give."""
    even, best, one_vm = static.with_two("before"), hyst.with_two("after compute"), alone.with_two("loss")
    slow = static.with_two("network")
    by_share = [
        [Run(policy, f"faults.0.slowed_to={share}", SHORT).with_two("compute") for policy in POLICIES]
        for share in ("50 %", "33.3 %")
    ]
    start = even, best, even, "14 layers on each VM; least: 17 and 11"
    rows = {
        "compute-static-during": (
            static.with_two("compute"), by_share[0][0], by_share[1][0],
            "vm-3 at 40 % of its speed; least: 50 %; most: 33 %",
        ),
        "network-static-during": (slow, slow, slow, "one round trip to vm-3 per token"),
        "network-hyst-during": (slow, slow, one_vm, "layers move or not; most: all on vm-2"),
        "network-hyst-after": (even, best, one_vm, "as before; most: all stay on vm-2"),
        "loss-static-during": (np.nan, np.nan, np.nan, "no token without vm-3"),
        "loss-hyst-during": (one_vm, one_vm, one_vm, "all layers on vm-2"),
        "loss-hyst-after": (best, best, one_vm, "17 and 11 layers; most: all stay on vm-2"),
    }  # fmt: skip
    for policy in ("hyst", "gate"):
        during = hyst.with_two("compute"), by_share[0][1], one_vm
        rows[f"compute-{policy}-during"] = *during, "25 and 3 layers; least: vm-3 at 50 %; most: all on vm-2"
        rows[f"compute-{policy}-after"] = best, best, one_vm, "17 and 11 layers; most: all stay on vm-2"
        rows[f"compute-{policy}-before"] = start
    for fault in ("compute", "network", "loss"):
        rows[f"{fault}-static-before"] = rows[f"{fault}-static-after"] = rows[f"{fault}-hyst-before"] = start
    return rows


def transitions(hyst: Run, alone: Run) -> dict[str, tuple[float, float, float, str]]:
    """Predictions of the duration of a move."""
    compute, loss = hyst.move("compute"), alone.move("loss")
    caches = "caches computed again; least: without this; most: of both requests"
    return {
        "compute-hyst-during": (*compute, f"11 layers from disk; {caches}"),
        "compute-gate-during": (*compute, f"11 layers from disk; {caches}"),
        "network-hyst-during": (*loss, f"if layers move: 14 and the output head from disk; {caches}"),
        "loss-hyst-during": (*loss, f"14 layers and the output head from disk; {caches}"),
    }


def completions(static: Run, alone: Run) -> dict[str, tuple[float, str]]:
    """Predictions of the duration of an answer of 32 tokens to a prompt of 64."""
    rows = {}
    for key, run, period, note in (
        ("lat-stable", alone, "loss", "all layers on one VM"),
        ("thr-stable", static, "before", "14 layers on each VM"),
        ("lat-net", alone, "loss", "all layers on the VM without added latency"),
        ("thr-net", static, "network", "14 layers on each VM"),
    ):
        rows[f"{key}-1"] = run.medians(period, PROMPT)[0] + 31 * run.medians(period)[0], note
        rows[f"{key}-2"] = run.with_two(period, PROMPT) + 31 * run.with_two(period), note
    return rows


def main() -> None:
    """Print all predictions as CSV."""
    static, hyst = (Run(policy) for policy in POLICIES)
    alone = Run("sum-of-stages", "drop faults.0")  # with 14 layers on each VM when vm-3 is lost
    lines = [(f"sw-vm-{key}", "total", *row) for key, row in inter_token(static, hyst, alone).items()]
    lines += [(f"sw-vm-{key}", "transition", *row) for key, row in transitions(hyst, alone).items()]
    lines += [
        (f"sw-obj-{key}", "completion", ms, ms, ms, note)
        for key, (ms, note) in completions(static, alone).items()
    ]
    table = pd.DataFrame(lines, columns=["id", "quantity", "predicted", "least", "most", "assumption"])
    table.insert(2, "unit", "ms")
    numbers = ["predicted", "least", "most"]
    table[numbers] = table[numbers].round().astype("Int64")
    print(table.sort_values(["id", "quantity"]).to_csv(index=False, lineterminator="\n"), end="")


if __name__ == "__main__":
    main()
