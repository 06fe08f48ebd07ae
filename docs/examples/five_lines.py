"""From a scenario to a table."""

from headway import policies
from headway.simcore import load_scenario, shipped_scenario, simulate

scenario = load_scenario(shipped_scenario("home-cluster"))
result = simulate(scenario, policies.create("resource-aware"))
parts = ["latency_s", "compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s"]
print(result.tokens.groupby(result.tokens["token"] // 40 * 40)[parts].mean().round(2).to_string())
