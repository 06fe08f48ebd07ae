"""Which executor carries out the steps of a run: `events` (SimPy) or `compiled` (array code)."""

from typing import Literal, TypeAlias

from headway.simcore.engine.compute import DISCIPLINES, FIFO
from headway.simcore.engine.network.network import AIRTIME, DEDICATED, FAIR, SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS, Ideal
from headway.simcore.instrument import Instrument
from headway.simcore.scenario import Scenario

ExecutorName: TypeAlias = Literal["events", "compiled"]

MANY_NODES = 500_000
"""Size from which `auto` chooses `compiled`: with events such a run takes several seconds, and the first run of a
machine may have to compile the kernels."""

_NODES_PER_STEP = 20
"""The time that `events` needs for a step in addition to its tasks and messages, as a number of tasks."""


def executor_of(
    scenario: Scenario, instrument: Instrument, *, audit: bool = False, paced: bool = False
) -> ExecutorName:
    """Choose the executor of a run.

    `compiled` in a scenario becomes `events` where `needs_events` gives a reason. `auto` chooses by the size of the run
    alone, and never by the packages that are installed, so that a scenario has the same results on every machine.

    Args:
        scenario: the world and the requests.
        instrument: its hooks are called in the run; those of `Instrument` itself do nothing.
        audit: whether the laws of the simulation are checked after every event.
        paced: whether the run keeps pace with real time.
    """
    if scenario.executor == "events" or needs_events(scenario, instrument, audit=audit, paced=paced):
        return "events"
    return "compiled" if scenario.executor == "compiled" or nodes(scenario) >= MANY_NODES else "events"


def nodes(scenario: Scenario) -> int:
    """An estimate of the work of a run, as a number of tasks and messages.

    Each token has three for each layer and device with heads, and `_NODES_PER_STEP`.
    """
    devices = min(len(scenario.cluster.devices), scenario.model.kv_heads)
    tokens = sum(request.output for request in scenario.requests)
    return (3 * scenario.model.layers * devices + _NODES_PER_STEP) * tokens


def needs_events(
    scenario: Scenario, instrument: Instrument, *, audit: bool = False, paced: bool = False
) -> str:
    """The reason why only the executor `events` can make a run, as a short text; empty if there is none.

    Args:
        scenario: the world and the requests.
        instrument: its hooks are called in the run; those of `Instrument` itself do nothing.
        audit: whether the laws of the simulation are checked after every event.
        paced: whether the run keeps pace with real time.
    """
    network, devices = scenario.network, scenario.cluster.devices
    reasons = {
        "the audit checks every event": audit,
        "the run keeps pace with real time": paced,
        "an instrument observes every task and message": type(instrument) is not Instrument,
        "its sharing rule has no kernel": SHARING_RULES.find(network.sharing)
        not in (AIRTIME, DEDICATED, FAIR),
        "its transport has no kernel": TRANSPORTS.find(network.transport).name != Ideal.name,
        "its devices read from disk while they compute, which has no kernel": scenario.memory.prefetch,
        "the discipline of its devices has no kernel": any(
            DISCIPLINES.find(device.discipline) is not FIFO for device in devices
        ),
    }
    return next((reason for reason, applies in reasons.items() if applies), "")
