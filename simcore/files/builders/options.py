"""Build the options of a scenario: network, controller, memory and policies."""

from headway.simcore.engine.network.transport import Tcp
from headway.simcore.files.builders.context import Context
from headway.simcore.files.schema.controller import ForecastSection
from headway.simcore.scenario import PolicyChoice
from headway.simcore.world.options import (
    ControllerOptions,
    ForecastOptions,
    MemoryOptions,
    NetworkOptions,
    TriggerOptions,
)
from headway.traces.errors import quoted


def network_options(context: Context) -> NetworkOptions:
    """How messages are sent."""
    section = context.file.network
    tcp = section.transport == Tcp.name
    return NetworkOptions(
        sharing=section.sharing,
        transport=Tcp(section.connection, section.idle_restart) if tcp else section.transport,
    )


def controller_options(context: Context) -> ControllerOptions:
    """When the policy is asked, and how its decisions are carried out."""
    section = context.file.controller
    return ControllerOptions(
        interval=section.interval,
        horizon=section.horizon,
        triggers=TriggerOptions(**section.triggers.model_dump()),
        forecast=_forecast_options(section.forecast),
        window_s=section.window,
        migration=section.migration,
        moves=section.moves,
        weights_on_disk=section.weights_on_disk,
        warm_copies=section.warm_copies,
        caches=section.caches,
        pause_budget_s=section.pause_budget,
        on_infeasible=section.on_infeasible,
        decision_time=section.decision_time,
    )


def _forecast_options(section: ForecastSection) -> ForecastOptions:
    return ForecastOptions(
        memory=section.memory,
        availability=section.availability,
        rates=section.rates,
        outages=section.outages,
        span_s=section.span,
        step_s=section.step,
        season_s=section.season,
    )


def memory_options(context: Context) -> MemoryOptions:
    """What happens if a device holds more than its memory."""
    section = context.file.memory
    return MemoryOptions(overflow=section.overflow, swap=section.swap)


def policies_of(context: Context) -> tuple[PolicyChoice, ...]:
    """The policies to compare.

    Raises:
        InputError: two policies have the same label.
    """
    choices: dict[str, PolicyChoice] = {}
    for number, section in enumerate(context.file.policies):
        label = section.label or section.name
        if label in choices:
            context.fail(("policies", number), f"a second policy labelled {quoted(label)}", "distinct labels")
        where = context.where(("policies", number))
        choices[label] = PolicyChoice(
            name=section.name, label=label, parameters=section.parameters, where=where
        )
    return tuple(choices.values())
