"""The contract of policies: laws that Hypothesis checks. Requires `pip install headway[test]`.

`check_policy` checks a policy under every law. `policy_contract` does the same as a pytest module. `strategies` draws
worlds and questions for other tests.
"""

from headway.policies.contract import strategies
from headway.policies.contract.check import check_law, check_policy, declarations
from headway.policies.contract.laws import LAWS, Law
from headway.policies.contract.module import policy_contract
from headway.policies.contract.question import Question, StartingFrom
from headway.policies.contract.report import Finding, Report

__all__ = [
    "LAWS",
    "Finding",
    "Law",
    "Question",
    "Report",
    "StartingFrom",
    "check_law",
    "check_policy",
    "declarations",
    "policy_contract",
    "strategies",
]
