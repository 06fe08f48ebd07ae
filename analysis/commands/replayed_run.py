"""Which run `headway timeline` and `headway explain` repeat."""

# ruff: noqa: PLC0415

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import scenario_file

if TYPE_CHECKING:
    from headway.analysis.replay.rerun import Replay

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Folder that `headway run` wrote; the store of a campaign, with --run; or a scenario, as `headway run` "
        "takes it. The run is repeated.",
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Policy whose run to use; the first run by default."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, help="Use this seed instead of the scenario's; not for a folder."),
]
RunName = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="Run of a campaign store: its name, or the beginning of it."),
]
Request = Annotated[int | None, typer.Option(min=0, help="Number of the request, 0 by default.")]


def token_range(text: str) -> tuple[int, int]:
    """The first and the last token in `--tokens`.

    Raises:
        InputError: it is neither a number nor two in order.
    """
    from headway.traces.errors import InputError, shown

    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise InputError("--tokens", shown(text), "a token such as 7, or a range such as 50-60")
    return int(found[1]), int(found[2] or found[1])


def repeated_run(run: str, name: str | None, policy: str | None, seed: int | None) -> "Replay":
    """The run that the arguments name, repeated under an instrument.

    Raises:
        InputError: there is no such run, or an option does not belong to it.
    """
    from headway import simcore
    from headway.analysis.replay.rerun import is_results, rerun_results, rerun_scenario
    from headway.analysis.replay.stored_run import rerun_stored
    from headway.analysis.store.store import is_store
    from headway.traces.errors import InputError

    stored = is_store(Path(run))
    if stored and policy is not None:
        raise InputError(
            "--policy", "this option with a campaign store", "--run NAME, which names a run of the store"
        )
    if name is not None and not stored:
        raise InputError(
            "--run", f"this option with {run}, which is not a campaign store", "a campaign store as RUN"
        )
    if seed is not None and (stored or is_results(Path(run))):
        raise InputError("--seed", "this option with a folder of results", "a scenario as RUN")
    if stored:
        return rerun_stored(Path(run), name)
    if is_results(Path(run)):
        return rerun_results(Path(run), policy)
    path = scenario_file(run, "RUN", "a folder of results, the store of a campaign, ")
    return rerun_scenario(simcore.load_scenario(path, seed=seed), policy)
