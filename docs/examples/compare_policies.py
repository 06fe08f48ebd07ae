"""Compare all shipped policies in the same scenario, with the parts of the token latency."""

from headway import policies
from headway.analysis.compare import compare
from headway.analysis.statistics.metrics import metrics
from headway.simcore import load_scenario, shipped_scenario

scenario = load_scenario(shipped_scenario("home-cluster"), changes=["workload.0.output=100"])
# `pinned` needs a placement from the scenario, and this scenario has none.
names = [name for name in policies.names() if name != "pinned"]
result = compare(scenario, {name: policies.create(name) for name in names})

numbers = metrics(result)[["run", "status", "tokens", "tpot_p50_s", "tpot_p99_s", "migrations"]]
print(numbers.round(2).to_string(index=False))

print()
for run in result.runs.to_dict("records"):
    print(f"{run['run']}: {run['detail'] or 'every token generated'}")

print()
parts = ["compute_s", "disk_s", "transfer_s", "wait_s", "migration_s"]
print(result.tokens.groupby("run", sort=False)[parts].sum().round(1).to_string())
