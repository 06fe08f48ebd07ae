"""Compare six topologies of the same eight devices: number of links, and hops of a message.

If the argument is a folder, the script also draws the topologies there.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from headway.analysis.figures.saving import save_figure
from headway.simcore import Cluster, Device
from headway.simcore.world import topology
from headway.traces import Trace

names = [f"d{number}" for number in range(1, 9)]
devices = tuple(Device(name=name, memory_bytes=1e9, flops=1e9) for name in names)
wire = topology.Wire(bandwidth=Trace.constant(1e7), latency_s=1e-3)


def places() -> np.random.Generator:
    """A random generator that always draws the same positions."""
    return np.random.default_rng(3)


home = topology.cells("home", [names[:4], names[4:]], wire, wire)
shapes = {
    "mesh": topology.join("mesh", topology.mesh(names), wire),
    "star": topology.join("star", topology.star("ap", names), wire),
    "ring": topology.join("ring", topology.ring(names), wire),
    "tree": topology.join("tree", topology.tree(names, 2), wire),
    "cells": home.links,
    "geometric": topology.join("field", topology.geometric(names, 0.4, places()), wire),
}

print("shape      links  mean hops  most")
for shape, links in shapes.items():
    relays = tuple(dict.fromkeys(end for link in links for end in link.ends if end not in names))
    media = home.media if shape == "cells" else ()
    cluster = Cluster(devices, links, "d1", relays=relays, media=media)
    hops = [len(route.links) for row in cluster.routes for route in row if route]
    print(f"{shape:10} {len(links):5} {np.mean(hops):10.2f} {max(hops):5}")


def layout(shape: str) -> dict[str, tuple[float, float]]:
    """Position of each node of a topology in its drawing."""
    if shape == "geometric":
        return {name: (x, y) for name, (x, y) in zip(names, places().random((8, 2)), strict=True)}
    if shape == "tree":
        return levels([names[:1], names[1:3], names[3:7], [names[7], *7 * [""]]])
    if shape == "cells":
        return levels([["home"], ["home-1", "home-2"], names])
    turns = zip(names, np.arange(8) * np.pi / 4, strict=True)
    circle = {name: (np.cos(turn), np.sin(turn)) for name, turn in turns}
    return circle | {"ap": (0.0, 0.0)} if shape == "star" else circle


def levels(rows: list[list[str]]) -> dict[str, tuple[float, float]]:
    """Positions of nodes in rows, each row spread over the whole width."""
    return {
        node: ((place + 0.5) / len(row), -level)
        for level, row in enumerate(rows)
        for place, node in enumerate(row)
        if node
    }


def draw() -> Figure:
    """All shapes side by side: devices round, relays square, links on a medium dashed."""
    figure = Figure(figsize=(9.0, 5.4), layout="constrained")
    for axes, (shape, links) in zip(figure.subplots(2, 3).flat, shapes.items(), strict=True):
        at = layout(shape)
        for link in links:
            (x0, y0), (x1, y1) = (at[end] for end in link.ends)
            axes.plot([x0, x1], [y0, y1], color="0.5", linestyle="--" if link.medium else "-", zorder=1)
        for relay in (False, True):
            shown = [place for node, place in at.items() if (node not in names) == relay]
            style = {"marker": "s", "color": "tab:orange"} if relay else {"marker": "o", "color": "tab:blue"}
            axes.scatter([x for x, _ in shown], [y for _, y in shown], s=60, zorder=2, **style)
        axes.set_title(shape, loc="left")
        axes.margins(0.12)
        axes.set_axis_off()
    return figure


if len(sys.argv) > 1:
    save_figure(draw(), Path(sys.argv[1]), "topologies")
