"""Simulate a scenario and print the mean parts of the token latency."""

from headway import policies
from headway.simcore import load_scenario, shipped_scenario, simulate

scenario = load_scenario(shipped_scenario("home-cluster"))
result = simulate(scenario, policies.create("resource-aware"))
parts = ["latency_s", "compute_s", "disk_s", "transfer_s", "wait_s", "migration_s", "decision_s"]
print(result.tokens.groupby(result.tokens["token"] // 40 * 40)[parts].mean().round(2).to_string())
