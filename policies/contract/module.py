"""The contract as a pytest module: one test for each law."""

from collections.abc import Callable
from typing import Any

import pytest

from headway.policies.contract.check import TIME, check_law
from headway.policies.contract.laws import LAWS
from headway.policies.contract.report import Level
from headway.policies.contract.subject import Factory


def policy_contract(factory: Factory, level: Level = "quick") -> Callable[..., Any]:
    """A test for each law.

    This is a whole test module, after its imports; so is `test_my_policy = policy_contract(MyPolicy)`:

        @policy_contract(MyPolicy)
        def test_my_policy() -> None:
            pass

    Args:
        factory: makes a fresh policy, such as its class.
        level: as of `check_policy`.
    """

    @pytest.mark.parametrize("law", [*LAWS, TIME])
    def test_policy_contract(law: str | Callable[..., Any]) -> Any:
        if callable(law):  # a function that is decorated: it lends its name, and no more
            return test_policy_contract
        finding = check_law(factory, law, level)
        wrong = {"broken", "unfounded"} if level == "thorough" else {"broken"}
        if finding.outcome in wrong:
            pytest.fail(f"{finding}\n\n{finding.scenario or ''}", pytrace=False)
        return None

    made: Callable[..., Any] = test_policy_contract
    return made
