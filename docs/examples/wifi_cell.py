"""Rates of simultaneous messages in a Wi-Fi cell, and the latency of a model that is spread over the cell.

If the argument is a folder, the script also draws the figure of docs/topology.md there.
"""

import sys
from pathlib import Path

import pandas as pd
import simpy
from matplotlib.figure import Figure

from headway import policies
from headway.analysis.figures.saving import save_figure
from headway.simcore import Scenario, load_scenario, shipped_scenario, simulate
from headway.simcore.engine.network.network import network, sent

MESSAGE = 8192  # bytes; the input of a layer of the model, 4096 numbers of two bytes
WAYS = ("dedicated", "fair")


def cell(sharing: str) -> Scenario:
    """The shipped scenario with a sharing rule."""
    return load_scenario(shipped_scenario("wifi-cell"), changes=[f"network.sharing={sharing}"])


def all_to_one(scenario: Scenario, senders: int) -> float:
    """Rate of each board [Mbit/s] while several boards send one message to the first board."""
    env = simpy.Environment()
    net = network(env, scenario.cluster, scenario.network.sharing)
    messages = [env.process(sent(env, net, start, 0, MESSAGE)) for start in range(1, senders + 1)]
    env.run(env.all_of(messages))
    return 8e-6 * MESSAGE / (env.now - scenario.cluster.latencies(0.0, 0.0)[1, 0])


def token(scenario: Scenario, policy: str) -> pd.Series:
    """Mean parts of the latency of a token after the first [ms]."""
    tokens = simulate(scenario, policies.create(policy)).tokens
    later = tokens[tokens["token"] > 0]
    return 1e3 * later[["latency_s", "compute_s", "transfer_s"]].mean()


rates = pd.DataFrame(
    {way: [all_to_one(cell(way), senders) for senders in range(1, 8)] for way in WAYS},
    index=pd.Index(range(1, 8), name="senders"),
)
print("Mbit/s of each sender:")
print(rates.round(2).to_string())

tokens = pd.DataFrame(
    {
        "spread, dedicated": token(cell("dedicated"), "round-robin"),
        "spread, fair": token(cell("fair"), "round-robin"),
        "one board": token(cell("fair"), "single"),
    }
).T
print("\nms per token:")
print(tokens.round(1).to_string())


def draw() -> Figure:
    """A figure of the rates by number of senders, and the parts of the token latency."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for way, marker in zip(WAYS, "os", strict=True):
        left.plot(rates.index, rates[way], marker=marker, label=way)
    left.set_xlabel("Boards that send to one board at the same time")
    left.set_ylabel("Rate of each [Mbit/s]")
    left.set_ylim(bottom=0)
    left.legend(title="sharing")
    right.barh(tokens.index, tokens["compute_s"], color="0.7", label="compute")
    right.barh(
        tokens.index, tokens["transfer_s"], left=tokens["compute_s"], color="tab:purple", label="transfer"
    )
    right.invert_yaxis()
    right.set_xlabel("Time per token [ms]")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure


if len(sys.argv) > 1:
    save_figure(draw(), Path(sys.argv[1]), "wifi-cell")
