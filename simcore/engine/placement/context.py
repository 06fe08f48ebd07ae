"""The shared state of one run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from headway.simcore.engine.events import Executor
from headway.simcore.engine.network.network import Network
from headway.simcore.engine.outages import Outages
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.instrument import Instrument
from headway.simcore.recorder import Recorder
from headway.simcore.scenario import Scenario

if TYPE_CHECKING:  # it imports numba, which the event executor does not need
    from headway.simcore.engine.compiled.world import CompiledWorld


@dataclass(frozen=True, eq=False)
class RunContext:
    """One run: a scenario, and the parts of the engine in its SimPy environment.

    Attributes:
        scenario: the world and the requests.
        executor: runs steps; holds the environment and the network.
        deployment: the placement in force and its memory.
        outages: when devices are down.
        recorder: collects the rows of the tables.
    """

    scenario: Scenario
    executor: "Executor | CompiledWorld"
    deployment: Deployment
    outages: Outages
    recorder: Recorder

    @property
    def env(self) -> simpy.Environment:
        """The SimPy environment."""
        return self.executor.env

    @property
    def compiled(self) -> "CompiledWorld | None":
        """The compiled executor, if it runs the steps."""
        return None if isinstance(self.executor, Executor) else self.executor

    @property
    def network(self) -> Network:
        """Carries the messages."""
        return self.executor.network

    @property
    def instrument(self) -> Instrument:
        """Its hooks are called at the end of each activity."""
        return self.executor.instrument
