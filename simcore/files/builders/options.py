"""Build the options of a scenario: network, controller, memory and policies."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from headway.simcore.engine.network.transport import Tcp
from headway.simcore.files.builders.context import Context
from headway.simcore.files.section import Section
from headway.simcore.scenario import PolicyChoice
from headway.simcore.world.options import (
    ControllerOptions,
    ForecastOptions,
    MemoryOptions,
    NetworkOptions,
    TriggerOptions,
)
from headway.traces.errors import quoted

Options = TypeVar("Options")


def network_options(context: Context) -> NetworkOptions:
    """How messages are sent."""
    section = context.file.network
    tcp = section.transport == Tcp.name
    transport = Tcp(section.connection, section.idle_restart) if tcp else section.transport
    return NetworkOptions(sharing=section.sharing, transport=transport)


def controller_options(context: Context) -> ControllerOptions:
    """When the policy is asked, and how its decisions are carried out."""
    section = context.file.controller
    triggers = _options(TriggerOptions, section.triggers)
    forecast = _options(ForecastOptions, section.forecast)
    return _options(ControllerOptions, section, triggers=triggers, forecast=forecast)


def memory_options(context: Context) -> MemoryOptions:
    """What happens if a device holds more than its memory."""
    return _options(MemoryOptions, context.file.memory)


def _options(kind: Callable[..., Options], section: Section, **others: object) -> Options:
    """Options from the keys of a section with their names, of times without `_s`; `others` replace keys."""
    names = inspect.signature(kind).parameters
    return kind(**{name: getattr(section, name.removesuffix("_s")) for name in names} | others)


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
