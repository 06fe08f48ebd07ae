"""What the parts of one run have in common."""

from dataclasses import dataclass

import simpy

from headway.simcore.engine.events import Executor
from headway.simcore.engine.network.network import Network
from headway.simcore.engine.outages import Outages
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.instrument import Instrument
from headway.simcore.results import Recorder
from headway.simcore.scenario import Scenario


@dataclass(frozen=True, eq=False)
class RunContext:
    """One run: a scenario, and what lives in its SimPy environment.

    Attributes:
        scenario: the world and the requests.
        executor: runs steps; it has the environment, the processors and the network.
        deployment: where blocks are.
        outages: when devices are down.
        recorder: takes the rows of the tables.
    """

    scenario: Scenario
    executor: Executor
    deployment: Deployment
    outages: Outages
    recorder: Recorder

    @property
    def env(self) -> simpy.Environment:
        """The SimPy environment."""
        return self.executor.env

    @property
    def network(self) -> Network:
        """Carries the messages."""
        return self.executor.network

    @property
    def instrument(self) -> Instrument:
        """Is told what happens."""
        return self.executor.instrument
