"""Deleting one policy breaks no other."""

import subprocess
import sys
import tomllib
from pathlib import Path

from headway import policies

ROOT = Path(__file__).parents[2]

# Imports every module but one, for each of them; prints which imports fail. The package `policies` is replaced by an
# empty one, since `policies/__init__.py` lists all policies.
WITHOUT_ONE = """\
import importlib, sys, types

folder, *modules = sys.argv[1:]
for deleted in modules:
    for name in [name for name in sys.modules if name.startswith("headway.policies")]:
        del sys.modules[name]
    package = types.ModuleType("headway.policies")
    package.__path__ = [folder]
    sys.modules.update({"headway.policies": package, deleted: None})
    for other in modules:
        if other != deleted:
            try:
                importlib.import_module(other)
            except ImportError as error:
                print(f"{other} without {deleted}: {error}")
"""


def policy_modules() -> list[str]:
    made = [type(policies.create(name)).__module__ for name in policies.names()]
    shipped = [module for module in made if module.startswith("headway.policies.")]
    return sorted([*shipped, policies.lower_bound.__module__])


def test_no_two_policies_share_a_module() -> None:
    assert len(set(policy_modules())) == len(policy_modules())


def test_without_one_policy_all_others_can_be_imported() -> None:
    folder = str(Path(policies.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONE, folder, *policy_modules()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stdout


def test_the_import_contract_lists_every_policy() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    independent = [
        contract["modules"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
    ]
    assert independent == [policy_modules()]
