"""Run several policies in the same world."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from headway import policies, simcore
from headway.simcore.audit import Audit
from headway.simcore.engine.realtime import Lateness
from headway.simcore.observe import Policy
from headway.simcore.results import Result
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.simulate import RunOptions
from headway.traces.errors import InputError

DEFAULT_POLICIES = ("single", "edgeshard", "resource-aware", "look-ahead")
"""The policies of a scenario that lists none: one device, runs of layers, heads as in the paper, and a look-ahead."""


def choose(scenario: Scenario, names: Sequence[str]) -> tuple[PolicyChoice, ...]:
    """The policies to run: those called `names`, otherwise those of the scenario, otherwise `DEFAULT_POLICIES`.

    Policies given by name have their default parameters, also if the scenario sets other parameters.

    Raises:
        InputError: a name is given twice.
    """
    check_distinct(names)
    if scenario.policies and not names:
        return scenario.policies
    return tuple(PolicyChoice(name=name, label=name, where="--policy") for name in names or DEFAULT_POLICIES)


def create_all(choices: Sequence[PolicyChoice]) -> dict[str, Policy]:
    """The chosen policies by label.

    Raises:
        InputError: a policy or one of its parameters is unknown.
    """
    return {choice.label: policies.from_choice(choice) for choice in choices}


def given(names: Sequence[str]) -> dict[str, Policy]:
    """The policies named on the command line, with default parameters. A name may also be `module:Class`.

    Raises:
        InputError: a policy is unknown, or given twice.
    """
    check_distinct(names)
    return {name: policies.policy_factory(name, "--policy")() for name in names}


def check_distinct(names: Sequence[str], where: str = "--policy") -> None:
    """Refuse a policy that is named twice.

    Raises:
        InputError: names the first of them; `where` is what it is about.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(where, f"{twice[0]!r} more than once", "each policy at most once")


def total_tokens(scenario: Scenario) -> int:
    """Tokens that one policy generates if nothing ends its run early."""
    return sum(request.output for request in scenario.requests)


def compare(
    scenario: Scenario,
    by_label: dict[str, Policy],
    progress: Callable[[str, int], None] | None = None,
    *,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    on_lateness: Callable[[str, Lateness], None] | None = None,
    on_audit: Callable[[str, Audit], None] | None = None,
    out: Path | None = None,
) -> Result:
    """Emulate a scenario under one policy after another.

    Args:
        scenario: the world, the same for all.
        by_label: policies under the names of their runs, at least one.
        progress: called after every token with the label and the number of tokens made so far by all policies. A run
            that has ended counts with all its tokens.
        options: how the runs are made.
        on_lateness: called after every paced run with its label and its lateness.
        on_audit: called after every audited run with its label and its audit.
        out: folder in which each run gets a folder of tables, as in `simulate`; None keeps the tables in memory.

    Returns:
        The tables of all runs, in the order of the policies.
    """
    results = []
    for number, (label, policy) in enumerate(by_label.items()):
        before = number * total_tokens(scenario)
        results.append(
            simcore.simulate(
                scenario,
                policy,
                options,
                run=label,
                progress=_counter(label, before, progress),
                on_lateness=None if on_lateness is None else partial(on_lateness, label),
                on_audit=None if on_audit is None else partial(on_audit, label),
                out=None if out is None else out / str(number),
            )
        )
    return simcore.combine(results)


def _counter(
    label: str, before: int, progress: Callable[[str, int], None] | None
) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda tokens: progress(label, before + tokens)
