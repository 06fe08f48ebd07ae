"""Which executor carries out the steps of a run: `events` (SimPy) or `compiled` (array code)."""

from typing import Literal, TypeAlias

from headway.simcore.instrument import Instrument
from headway.simcore.scenario import Scenario

ExecutorName: TypeAlias = Literal["events", "compiled"]


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
    return "events"


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
    if audit:
        return "the audit checks every event"
    if paced:
        return "the run keeps pace with real time"
    if type(instrument) is not Instrument:
        return "an instrument observes every task and message"
    return ""
