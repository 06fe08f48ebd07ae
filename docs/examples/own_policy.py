"""A policy of your own, beside the one of the paper."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import policies
from analysis.compare import compare
from analysis.metrics import metrics
from simcore import (
    Decision,
    Infeasible,
    Keep,
    Kind,
    Observation,
    Placement,
    load_scenario,
    predict,
    shipped_scenario,
)


@dataclass(frozen=True)
class FillFastest:
    """Block after block on the fastest device until it is full, then on the next fastest."""

    name: ClassVar[str] = "fill-fastest"

    spare: float = 0.0  # share of the available memory to leave free

    def decide(self, seen: Observation) -> Decision:
        room = seen.available_bytes * (1.0 - self.spare)
        devices = np.empty(len(seen.blocks), dtype=np.int64)
        block = 0
        for device in np.argsort(seen.kind_seconds[Kind.FFN], kind="stable"):
            while block < len(devices) and seen.memory_bytes[block] <= room[device]:
                devices[block] = device
                room[device] -= seen.memory_bytes[block]
                block += 1
        if block < len(devices):
            return Infeasible(f"no room for {seen.blocks.names[block]}")
        now = seen.placement
        if now is not None and predict.fits(seen, now):
            stay_s, move_s = predict.interval_delay(seen, now), predict.objective(seen, devices)
            return Keep() if stay_s <= move_s else Placement(devices)
        return Placement(devices)


scenario = load_scenario(shipped_scenario("home-cluster"))
ours = {"fill-fastest": FillFastest(), "fill-fastest, 10 % spare": FillFastest(spare=0.1)}
result = compare(scenario, ours | {"resource-aware": policies.create("resource-aware")})
table = metrics(result)[["run", "status", "ttft_s", "tpot_p50_s", "tokens_per_s", "migrations"]]
print(table.round(2).to_string(index=False))
