"""What each package offers is what its `__all__` says, documented, and built on lower packages only."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from types import ModuleType

import pytest

FLOORS = ("headway.traces", "headway.simcore", "headway.policies", "headway.analysis")
"""The packages from the ground up; each may import those before it."""


@pytest.fixture(params=FLOORS)
def package(request: pytest.FixtureRequest) -> ModuleType:
    name: str = request.param
    return importlib.import_module(name)


def ruff_order(name: str) -> tuple[int, list[tuple[int, int | str]]]:
    """The key by which ruff's RUF022 sorts `__all__`: CONSTANTS, Classes, others; numbers in names by value."""
    parts = [part for part in re.split(r"(\d+)", name) if part]
    natural: list[tuple[int, int | str]] = [(0, int(part)) if part.isdigit() else (1, part) for part in parts]
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, natural


def test_all_is_sorted_and_names_nothing_twice(package: ModuleType) -> None:
    assert package.__all__ == sorted(set(package.__all__), key=ruff_order)


def test_every_name_in_all_can_be_imported(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_every_name_in_all_is_completed(package: ModuleType) -> None:
    assert set(package.__all__) <= set(dir(package))


def test_every_public_name_that_is_not_a_module_is_in_all(package: ModuleType) -> None:
    found = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    offered = {name for name in package.__all__ if not inspect.ismodule(getattr(package, name))}
    # What `headway.analysis.__getattr__` returns must be annotated, and so imported.
    imported_for_itself = {"ModuleType"} if package.__name__ == "headway.analysis" else set()
    assert found - imported_for_itself == offered


def test_every_public_class_and_function_has_a_docstring(package: ModuleType) -> None:
    assert inspect.getdoc(package)
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            assert value.__doc__, name
        elif inspect.isclass(value) or inspect.isfunction(value):
            # A dataclass without a docstring is given its signature for one.
            documented = value.__doc__ is not None and not value.__doc__.startswith(f"{name}(")
            assert documented, name


def modules_of(package: str) -> list[str]:
    paths = importlib.import_module(package).__path__
    found = [module.name for module in pkgutil.walk_packages(paths, f"{package}.")]
    return [package, *(name for name in found if not name.endswith("__main__"))]


@pytest.mark.parametrize("package_name", FLOORS[:-1])
def test_importing_a_package_imports_none_above_it(package_name: str) -> None:
    above = FLOORS[FLOORS.index(package_name) + 1 :]
    code = (
        "import importlib, sys\n"
        f"for name in {modules_of(package_name)!r}: importlib.import_module(name)\n"
        f"print([name for name in {above!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
