"""`what_if` and `sweep`: the studies of `headway whatif` from Python."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headway.analysis.statistics import SMALLEST
from headway.analysis.whatif.runs import Findings, prepare, run
from headway.analysis.whatif.study import REPLICATIONS, Study
from headway.simcore.files.overrides.changes import Change, parse_change, parse_settings
from headway.simcore.simulate import RunOptions


def what_if(
    base: str | os.PathLike[str],
    variants: Mapping[str, Sequence[Change | str]] | None = None,
    policies: Sequence[str] = (),
    replications: int = REPLICATIONS,
    *,
    seed: int | None = None,
    smallest: float = SMALLEST,
    workers: int = 1,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[], None] | None = None,
) -> Findings:
    """Run a scenario and variants of it in the same worlds, and compare them pair by pair.

    Args:
        base: path of the scenario file.
        variants: changes by label; without variants, all policies are compared with the first policy.
        policies: names; those of the scenario by default.
        replications: number of worlds, of the seeds `seed`, `seed` + 1, ...; one if nothing depends on the seed.
        seed: of the first world; that of the scenario by default.
        smallest: smallest interesting difference, as a share.
        workers: number of processes; it does not change the findings. A script that uses more than one must be
            importable (`if __name__ == "__main__":`), as always with `multiprocessing`.
        options: how runs are made; they do not change the findings.
        progress: called after every case in every world.

    Raises:
        InputError: an argument, the scenario, or a change cannot be used.
    """
    study = Study(
        scenario=Path(base),
        variants={
            label: _changes(changes, f"variant {label}") for label, changes in (variants or {}).items()
        },
        policies=tuple(policies),
        replications=replications,
        seed=seed,
        smallest=smallest,
    )
    return run(prepare(study), workers=workers, options=options, progress=progress)


def sweep(
    base: str | os.PathLike[str],
    knob: str,
    changes: Sequence[Change | str] = (),
    policies: Sequence[str] = (),
    replications: int = REPLICATIONS,
    *,
    seed: int | None = None,
    workers: int = 1,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[], None] | None = None,
) -> Findings:
    """Run a scenario with one value of a key after another, in the same worlds.

    The other arguments are those of `what_if`.

    Args:
        base: path of the scenario file.
        knob: `PATH=VALUE,VALUE,...` or `PATH*FACTOR,FACTOR,...`.
        changes: made first, with every value.
        policies: names; those of the scenario by default.
        replications: number of worlds.
        seed: of the first world.
        workers: number of processes.
        options: how runs are made.
        progress: called after every value in every world.

    Raises:
        InputError: an argument, the scenario, or a change cannot be used.
    """
    study = Study(
        scenario=Path(base),
        changes=_changes(changes, "changes"),
        knob=parse_settings(knob, f"sweep {knob}"),
        policies=tuple(policies),
        replications=replications,
        seed=seed,
    )
    return run(prepare(study), workers=workers, options=options, progress=progress)


def _changes(changes: Sequence[Change | str], place: str) -> tuple[Change, ...]:
    return tuple(
        parse_change(change, f"{place}: {change}") if isinstance(change, str) else change
        for change in changes
    )
