"""The contract as a pytest module: one test for each law."""

from collections.abc import Callable

import pytest

from policies.contract.check import TIME, check_law
from policies.contract.laws import LAWS
from policies.contract.report import Level
from policies.contract.subject import Factory


def policy_contract(factory: Factory, level: Level = "quick") -> Callable[..., None]:
    """A test for each law.

    `test_my_policy = policy_contract(MyPolicy)` is a whole test module.

    Args:
        factory: makes a fresh policy, such as its class.
        level: as of `check_policy`.
    """

    @pytest.mark.parametrize("law", [*LAWS, TIME])
    def test_policy_contract(law: str) -> None:
        finding = check_law(factory, law, level)
        wrong = {"broken", "unfounded"} if level == "thorough" else {"broken"}
        assert finding.outcome not in wrong, f"{finding}\n\n{finding.scenario or ''}"

    return test_policy_contract
