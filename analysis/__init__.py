"""The `headway` command, campaigns, statistics, figures and reports.

Import each part by its own name (`from headway.analysis.statistics.metrics import metrics`). This package imports none
of them by itself: pandas and matplotlib take longer to import than `headway --help` takes.
"""

import importlib
import types as _types

__all__ = [
    "cli",
    "commands",
    "compare",
    "console",
    "experiments",
    "fidelity",
    "figures",
    "files",
    "formatting",
    "notes",
    "paper",
    "replay",
    "report",
    "results",
    "statistics",
    "store",
    "whatif",
]


def __dir__() -> list[str]:
    """List the parts that are not imported yet, too."""
    return sorted({*(name for name in globals() if name.startswith("_")), *__all__})


def __getattr__(name: str) -> _types.ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
