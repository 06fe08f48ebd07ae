"""Calls at a moment of simulated time, with a priority among the events of that moment."""

from collections.abc import Callable

import simpy
from simpy.events import EventPriority

LAST = EventPriority(2)
"""A priority after SimPy's own: processed last at each moment."""


def call_at(
    env: simpy.Environment, callback: Callable[[simpy.Event], None], time_s: float, priority: EventPriority
) -> simpy.Event:
    """Schedule a call, and return its event; a `Timeout` would have no priority of its own."""
    event = env.event()
    event._ok, event._value = True, None
    event.callbacks.append(callback)
    env.schedule(event, priority, max(0.0, time_s - env.now))
    return event
