"""The arguments of `headway timeline` and `headway explain` that name a run, and its repetition."""

# ruff: noqa: PLC0415

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import scenario_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.analysis.replay.rerun import Replay

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Folder of `headway run`, `headway whatif` or `headway sweep export`; the store of a campaign, with "
        "--run; or a scenario. The run is repeated.",
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Policy whose run to use; the first run by default."),
]
Variant = Annotated[
    str | None,
    typer.Option(metavar="LABEL", help="Variant whose run to use, in a folder of `headway whatif`."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**63 - 1,
        help="Seed whose run to use, in a folder of several seeds; with a scenario, the seed instead of its own.",
    ),
]
RunName = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="Run of a campaign: its name, or the beginning of it."),
]
Request = Annotated[int | None, typer.Option(min=0, help="Number of the request, 0 by default.")]


def token_range(text: str) -> tuple[int, int]:
    """The first and the last token in `--tokens`.

    Raises:
        InputError: the text is neither a number nor two numbers in order.
    """
    from headway.traces.errors import InputError, quoted

    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise InputError("--tokens", quoted(text), "a token such as 7, or a range such as 50-60")
    return int(match[1]), int(match[2] or match[1])


def repeated_run(
    run: str, *, name: str | None, policy: str | None, variant: str | None, seed: int | None
) -> "Replay":
    """Repeat the run that the arguments name, under an instrument.

    Raises:
        InputError: there is no such run, or an option does not apply to it.
    """
    from headway import simcore
    from headway.analysis.files.results_folder import export_in
    from headway.analysis.replay.exported_run import rerun_exported
    from headway.analysis.replay.rerun import is_results, rerun_results, rerun_scenario
    from headway.analysis.replay.stored_run import rerun_stored
    from headway.analysis.store.store import is_store

    folder = Path(run)
    options = {"run": name, "policy": policy, "variant": variant, "seed": seed}
    if is_store(folder):
        _accept(options, "a campaign store", "run")
        return rerun_stored(folder, name)
    if export_in(folder) is not None:
        return rerun_exported(folder, options)
    if is_results(folder):
        _accept(options, "a folder of `headway run`", "policy")
        return rerun_results(folder, policy)
    _accept(options, "a scenario", "policy", "seed")
    path = scenario_file(run, "RUN", "a folder of results, the store of a campaign, ")
    return rerun_scenario(simcore.load_scenario(path, seed=seed), policy)


def _accept(options: "Mapping[str, object]", kind: str, *accepted: str) -> None:
    from headway.traces.errors import InputError

    for name, value in options.items():
        if value is not None and name not in accepted:
            expected = " or ".join(f"--{one}" for one in accepted)
            raise InputError(f"--{name}", f"this option with {kind}", f"{expected} with {kind}")
