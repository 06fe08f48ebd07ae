"""The contract of policies: laws, examined with Hypothesis. Needs `pip install headway[test]`.

`check_policy` examines a policy under every law, `policy_contract` makes a pytest module of it, and `strategies` has
worlds and questions for tests of one's own.
"""

from policies.contract import strategies
from policies.contract.check import check_law, check_policy, declarations
from policies.contract.laws import LAWS, Law
from policies.contract.module import policy_contract
from policies.contract.question import AskedWith, Question, Scripted
from policies.contract.report import Finding, Report
from policies.contract.written import scenario_yaml

__all__ = [
    "LAWS",
    "AskedWith",
    "Finding",
    "Law",
    "Question",
    "Report",
    "Scripted",
    "check_law",
    "check_policy",
    "declarations",
    "policy_contract",
    "scenario_yaml",
    "strategies",
]
