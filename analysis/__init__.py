"""What people run and look at: the `headway` command, campaigns, statistics, figures and reports.

Each room is imported by its own name (`from headway.analysis.statistics.metrics import metrics`), and only then: pandas
and matplotlib take longer to import than `headway --help` takes to answer.
"""

import importlib
import types as _types

__all__ = [
    "cli",
    "commands",
    "compare",
    "console",
    "experiments",
    "figures",
    "files",
    "formatting",
    "late_changes",
    "paper",
    "replay",
    "report",
    "results",
    "statistics",
    "store",
    "whatif",
]


def __dir__() -> list[str]:
    """Complete the rooms that are not imported yet, too."""
    return sorted({*(name for name in globals() if name.startswith("_")), *__all__})


def __getattr__(name: str) -> _types.ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
