"""Several policies in one and the same world."""

from collections.abc import Callable, Sequence
from functools import partial

from headway import policies, simcore
from headway.simcore.audit import Audit
from headway.simcore.engine.realtime import Lateness
from headway.simcore.observe import Policy
from headway.simcore.results import Result
from headway.simcore.scenario import PolicyChoice, Scenario
from headway.simcore.simulate import RunOptions
from headway.traces.errors import InputError

DEFAULT_POLICY = "resource-aware"
"""What a scenario without policies is run under."""


def choose(scenario: Scenario, names: Sequence[str]) -> tuple[PolicyChoice, ...]:
    """The policies to run: those called `names`, else those of the scenario, else `DEFAULT_POLICY`.

    Policies given by name have their default parameters, whatever the scenario says.

    Raises:
        InputError: a name is given twice.
    """
    _distinct(names)
    if scenario.policies and not names:
        return scenario.policies
    return tuple(PolicyChoice(name=name, label=name, where="--policy") for name in names or [DEFAULT_POLICY])


def create_all(choices: Sequence[PolicyChoice]) -> dict[str, Policy]:
    """The chosen policies by label.

    Raises:
        InputError: a policy or one of its parameters is unknown.
    """
    return {choice.label: policies.chosen(choice) for choice in choices}


def given(names: Sequence[str]) -> dict[str, Policy]:
    """Policies as the command line names them, with default parameters; `module:Class` too, which no file can name.

    Raises:
        InputError: a policy is unknown, or given twice.
    """
    _distinct(names)
    return {name: policies.found(name, "--policy")() for name in names}


def _distinct(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError("--policy", f"{twice[0]!r} more than once", "each policy at most once")


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
) -> Result:
    """Emulate a scenario under one policy after another.

    Args:
        scenario: the world, the same for all.
        by_label: policies under the names of their runs, at least one.
        progress: called after every token with the label and the tokens made so far by all policies together, where a
            run that has ended counts whole.
        options: how the runs are made.
        on_lateness: called after every paced run with its label and how far it fell behind the wall clock.
        on_audit: called after every audited run with its label and how much was checked.

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
            )
        )
    return simcore.combine(results)


def _counter(
    label: str, before: int, progress: Callable[[str, int], None] | None
) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda tokens: progress(label, before + tokens)
