from fill_fastest import FillFastest

from headway.policies.contract import policy_contract


@policy_contract(FillFastest)
def test_fill_fastest() -> None:
    pass
