"""(e) Many step graphs in flight."""

from dataclasses import replace

import numpy as np

from benchmarks.measure import Effort, Figures
from benchmarks.workloads import Workload, workload_figures
from benchmarks.worlds import split_world
from headway.simcore import IntArray, Scenario, StepGraph
from headway.simcore.engine.events import Load
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.device import ALWAYS_ON
from headway.simcore.world.device_time import DEVICE_TIMES


def graphs_in_flight(effort: Effort) -> Figures:
    """(e) 64 graphs that share all devices and links, and 8 that follow each other through a layer pipeline."""
    layers, steps = effort.choose((32, 800), (4, 100), (1, 10))
    return {
        "shared": workload_figures(shared(64, layers), effort),
        "pipeline": workload_figures(pipeline(8, steps), effort),
    }


def shared(graphs: int, layers: int) -> Workload:
    """Graphs that start together. The heads of every layer are on all devices, so all graphs use all of them."""
    world = split_world(layers)
    blocks = np.arange(len(world.block_table)) % len(world.cluster.devices)
    graph, load = step_of(world, blocks)
    return Workload(world.cluster, [(0.0, graph, load)] * graphs)


def pipeline(in_flight: int, steps: int) -> Workload:
    """Graphs that pass from device to device, each of which has the same share of the layers.

    The devices are equal. A graph starts as soon as the one before it leaves the first device.
    """
    world = split_world(layers=32, devices=in_flight)
    equal = tuple(replace(device, flops=25e9, availability=ALWAYS_ON) for device in world.cluster.devices)
    world = replace(world, cluster=replace(world.cluster, devices=equal))
    table = world.block_table
    layer = np.clip(table.layer, 0, table.layers - 1)
    graph, load = step_of(world, layer * in_flight // table.layers)
    interval_s = sum(load.nominal_s) / in_flight
    return Workload(world.cluster, [(i * interval_s, graph, load) for i in range(steps)])


def step_of(world: Scenario, blocks: IntArray) -> tuple[StepGraph, Load]:
    """The graph and the costs of a decode step under a placement, shape (blocks,)."""
    graph = world.step_graphs.of(blocks, world.cluster.source_index)
    cost = world.cost.step(one_sequence(prompt=64, generated=64))
    seconds = graph.task_seconds(*DEVICE_TIMES.find(world.device_time).times(cost, world.cluster))
    return graph, Load(seconds.tolist(), [0.0] * len(graph), graph.message_bytes(cost).tolist())
