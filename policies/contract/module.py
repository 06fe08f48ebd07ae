"""The contract as a pytest module with one test per law."""

from collections.abc import Callable
from typing import Any

import pytest

from headway.policies.contract.check import TIME, check_law
from headway.policies.contract.laws import LAWS
from headway.policies.contract.report import FAILURES, Level
from headway.policies.contract.subject import Factory


def policy_contract(factory: Factory, level: Level = "quick") -> Callable[..., Any]:
    """One test per law.

    The following lines, after their imports, are a complete test module. `test_my_policy = policy_contract(MyPolicy)`
    has the same effect:

        @policy_contract(MyPolicy)
        def test_my_policy() -> None:
            pass

    Args:
        factory: makes a new policy, such as its class.
        level: as in `check_policy`.
    """

    @pytest.mark.parametrize("law", [*LAWS, TIME])
    def test_policy_contract(law: str | Callable[..., Any]) -> Any:
        if callable(law):  # the decorated function; only its name is used
            return test_policy_contract
        finding = check_law(factory, law, level)
        if finding.outcome in FAILURES[level]:
            pytest.fail(f"{finding}\n\n{finding.scenario or ''}", pytrace=False)
        return None

    test: Callable[..., Any] = test_policy_contract
    return test
