"""What holds for all tests."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

# A shell starts what runs in its background with Ctrl-C ignored, and so would run the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a test: examples have no deadline, and Hypothesis may draw them slowly.
settings.register_profile(
    "headway",
    parent=settings.default,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("headway")


@pytest.fixture(scope="session", autouse=True)
def _any_machine() -> Iterator[None]:
    """No test depends on what a user likes, and commands called here begin no processes unless asked to.

    Each would import everything anew, which this one has done.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONWARNINGS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def sore(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Says what the policy `sore` raises from now on; scenarios may name it."""
    from campaigns import Sore, register  # noqa: PLC0415  # most tests need no campaigns

    register(monkeypatch, "sore", Sore)
    return lambda error: monkeypatch.setattr(Sore, "error", error)
