"""Step graphs without a scenario around them, and their figures under each executor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import simpy

from benchmarks.measure import Effort, Figures, clock, median_of, seconds_of
from headway.simcore import Cluster, Instrument, StepGraph
from headway.simcore.engine.compiled.in_flight import InFlight
from headway.simcore.engine.compiled.world import CompiledWorld
from headway.simcore.engine.compute import processor
from headway.simcore.engine.events import Executor, Load, StepInFlight
from headway.simcore.engine.network.network import network


@dataclass(frozen=True)
class Workload:
    """Step graphs in a cluster with fair sharing and the transport `ideal`.

    Attributes:
        cluster: devices and links.
        steps: each with its costs and the time at which it starts [s].
    """

    cluster: Cluster
    steps: Sequence[tuple[float, StepGraph, Load]]

    @property
    def ends(self) -> int:
        """Tasks and messages of all graphs; the end of each one is an event in every executor."""
        return sum(len(graph.tasks) + len(graph.messages) for _, graph, _ in self.steps)


def events_end_s(workload: Workload) -> float:
    """The simulated end of a workload under the event executor [s]."""
    env = simpy.Environment()
    processors = [processor(env, device) for device in workload.cluster.devices]
    return _end_s(Executor(env, network(env, workload.cluster, "fair"), processors, Instrument()), workload)


def compiled_end_s(workload: Workload) -> float:
    """The simulated end of a workload under the compiled executor [s]."""
    return _end_s(CompiledWorld(simpy.Environment(), workload.cluster), workload)


def _end_s(executor: Executor | CompiledWorld, workload: Workload) -> float:
    done = []
    for start_s, graph, load in workload.steps:
        step = executor.step(graph, load)
        executor.env.timeout(start_s).callbacks.append(partial(_begin, step))
        done.append(step.done)
    executor.env.run(executor.env.all_of(done))
    return float(executor.env.now)


def _begin(step: StepInFlight | InFlight, _: simpy.Event) -> None:
    step.begin()


def workload_figures(workload: Workload, effort: Effort) -> Figures:
    """Ends of tasks and messages per second of wall time, under each executor.

    The first run under an executor is not timed, as in `benchmarks.runs`. The figures of the fastest executor are
    repeated at the top.
    """
    workload.cluster.routes  # noqa: B018 (computed once per cluster, not once per run)
    by_executor = {
        name: _timed(workload, end_s, effort)
        for name, end_s in (("events", events_end_s), ("compiled", compiled_end_s))
    }
    fastest = max(by_executor, key=lambda name: float(by_executor[name]["events_per_s"]))
    return {**by_executor[fastest], "executor": fastest, "graphs": len(workload.steps), **by_executor}


def _timed(workload: Workload, end_s: Callable[[Workload], float], effort: Effort) -> Figures:
    first_s, simulated_s = clock(lambda: end_s(workload))
    seconds = median_of(effort.repeats, lambda: seconds_of(partial(end_s, workload)))
    return {
        "events_per_s": workload.ends / seconds,
        "seconds": seconds,
        "compile_s": max(first_s - seconds, 0.0),
        "end_s": simulated_s,
    }
