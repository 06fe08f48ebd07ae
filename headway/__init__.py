"""Headway emulates large language models that are split across edge devices.

    import headway as hw

    scenario = hw.load("home-cluster")
    result = hw.simulate(scenario, "resource-aware", "static")
    print(hw.metrics(result))
    hw.plot(result, "latency_cdf.svg")

`load` reads a scenario file and `build` takes the same keys as Python values; `simulate` runs the scenario under
policies; `metrics` and `plot` summarise the result. `headway.policies` and `headway.traces` have the policies and the
traces, `headway.simcore` has all classes of worlds and results, and `headway.analysis` has figures, campaigns and
reports.
"""

# ruff: noqa: PLC0415

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Importing pandas and matplotlib takes longer than `headway --help` may.
    import os

    import pandas as pd
    from matplotlib.figure import Figure

    from headway.simcore import Change, Policy, Result, RunOptions, Scenario

__all__ = ["analysis", "build", "load", "metrics", "plot", "policies", "simcore", "simulate", "traces"]


def load(
    scenario: "str | os.PathLike[str]", *, seed: int | None = None, changes: "Sequence[Change | str]" = ()
) -> "Scenario":
    """Read a scenario.

    Args:
        scenario: the name of a shipped scenario (`headway run --list`), or the path of a YAML file. A file with the
            name of a shipped scenario is "./NAME" or a `pathlib.Path`.
        seed: replaces the seed of the file.
        changes: made to the file's values, such as "links.wifi.bandwidth*0.5" (docs/whatif.md).

    Raises:
        InputError: a value in the file, or in a file that it names, cannot be used.
    """
    from headway.simcore import load_scenario
    from headway.simcore.files.load import scenario_path

    path = scenario_path(scenario) if isinstance(scenario, str) else scenario
    return load_scenario(path, seed=seed, changes=changes)


def build(values: Mapping[str, Any], *, folder: "str | os.PathLike[str]" = ".") -> "Scenario":
    """Build a scenario from the keys and values that a scenario file would have (docs/scenario.md).

    Args:
        values: plain Python values, such as {"model": {"preset": "gpt2"}, "devices": {"pi": {"memory": "4 GB", ...}}}.
        folder: of the trace files and model configurations that they name.

    Raises:
        InputError: a value cannot be used.
    """
    from headway.simcore import build_scenario

    return build_scenario(values, folder=folder)


def simulate(
    scenario: "Scenario", *policies: "str | Policy", options: "RunOptions | None" = None
) -> "Result":
    """Run a scenario under one policy after another, each in the same world.

    Args:
        scenario: the world and the requests.
        policies: names of registered policies, or objects. If none is given: those of the scenario, otherwise `single`,
            `edgeshard`, `resource-aware` and `look-ahead`.
        options: how the runs are made.

    Returns:
        The tables of all runs; each run is called after its policy.

    Raises:
        InputError: a policy is unknown or given twice.
        PolicyError: a policy raises an exception, or exceeds its time limit.
    """
    from headway.analysis import compare
    from headway.policies import create
    from headway.simcore import RunOptions

    if policies:
        chosen = [create(one) if isinstance(one, str) else one for one in policies]
        compare.check_distinct([policy.name for policy in chosen], "policies")
        by_name = {policy.name: policy for policy in chosen}
    else:
        by_name = compare.create_all(compare.choose(scenario, ()))
    return compare.compare(scenario, by_name, options=RunOptions() if options is None else options)


def metrics(result: "Result") -> "pd.DataFrame":
    """Summarise runs: TTFT, TPOT percentiles, tokens per second, migrations, peak memory (docs/results.md).

    Returns:
        One row per run.
    """
    from headway.analysis.statistics.metrics import metrics

    return metrics(result)


def plot(result: "Result", path: "str | os.PathLike[str] | None" = None) -> "Figure":
    """Draw the distribution of the time per output token, one curve per run.

    Args:
        result: of the runs.
        path: where to save the figure, as SVG or PNG; None to save nothing.

    Raises:
        InputError: the path has another suffix than .svg and .png.
    """
    from pathlib import Path

    from headway.analysis.figures.latency_cdf import latency_cdf
    from headway.analysis.figures.saving import METADATA, save_as
    from headway.analysis.files.suffix import check_suffix

    if path is not None:
        check_suffix(Path(path), METADATA)
    figure = latency_cdf(result)
    if path is not None:
        save_as(figure, Path(path))
    return figure


def __getattr__(name: str) -> Any:
    if name in {"analysis", "policies", "simcore", "traces"}:
        return import_module(f"headway.{name}")
    raise AttributeError(f"module 'headway' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
