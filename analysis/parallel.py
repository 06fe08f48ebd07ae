"""Run several policies in the same world at the same time, on several processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from headway import policies
from headway.analysis.compare import total_tokens
from headway.analysis.files.atomic import scratch
from headway.simcore import combine, simulate
from headway.simcore.audit import Audit
from headway.simcore.results import Result, result_in
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.simulate import RunOptions


@dataclass(frozen=True)
class _World:
    """What all runs have in common.

    Attributes:
        scenario: the world.
        options: how the runs are made.
        counts: a file with the number of tokens made so far by each run, int64, shape (runs,).
        out: folder in which each run gets a folder of tables; None returns the tables.
    """

    scenario: Scenario
    options: RunOptions
    counts: Path
    out: Path | None

    def run(self, task: tuple[int, PolicyChoice]) -> tuple[Result | Path, list[Audit]]:
        """Make one run in a worker; its tables, or the folder that has them, and its audit if there is one."""
        number, choice = task
        place = None if self.out is None else self.out / str(number)
        counts = np.memmap(self.counts, np.int64, "r+")
        audits: list[Audit] = []
        result = simulate(
            self.scenario,
            policies.from_choice(choice),
            self.options,
            run=choice.label,
            progress=partial(counts.__setitem__, number),
            on_audit=audits.append,
            out=place,
        )
        # A result that is sent to another process reads all its rows into memory; a folder does not.
        return place or result, audits


def compare_in_processes(
    scenario: Scenario,
    choices: Sequence[PolicyChoice],
    workers: int,
    progress: Callable[[str, int], None] = lambda *_: None,
    *,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    on_audit: Callable[[Audit], None] = lambda _: None,
    out: Path | None = None,
) -> Result:
    """Emulate a scenario under several policies, with the results of `compare.compare`.

    Args:
        scenario: the world, the same for all.
        choices: the policies, at least one.
        workers: number of processes.
        progress: called twice a second or more often with a text, and with the number of tokens made so far by all
            policies. A run that has ended counts with all its tokens.
        options: how the runs are made; they are not paced.
        on_audit: called after every audited run with its audit.
        out: folder in which each run gets a folder of tables, as in `simulate`; None keeps the tables in memory.

    Returns:
        The tables of all runs, in the order of the policies.

    Raises:
        InputError: a policy is unknown, raises an exception, takes too long, or ends the process in which it decides.
    """
    # Imported here because the workers do not need it.
    from headway.analysis.experiments.dispatch import mapped  # noqa: PLC0415

    with scratch("headway-run-") as folder:
        world = _World(scenario, options, folder / "counts", out)
        world.counts.write_bytes(bytes(8 * len(choices)))
        counts = np.memmap(world.counts, np.int64, "r+")
        results: list[Result] = []

        def watch() -> None:
            progress(f"{len(results)} of {len(choices)} runs", int(counts.sum()))

        tasks = list(enumerate(choices))
        for result, audits in mapped(world.run, tasks, workers, lambda task: task[1].where, watch):
            counts[len(results)] = total_tokens(scenario)
            results.append(result_in(result) if isinstance(result, Path) else result)
            for audit in audits:
                on_audit(audit)
            watch()
    return combine(results)
