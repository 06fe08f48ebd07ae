"""Policies of other packages: the example in docs/examples is known by name, and packages that are wrong are told of.

Nothing is installed: a folder on Python's path has the module and the metadata that installing would leave there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "fill-fastest"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]

TYPE_IN = """
import json, sys
from typer.testing import CliRunner
from headway.analysis.cli import app
done = [CliRunner().invoke(app, each, prog_name="headway") for each in json.loads(sys.stdin.read())]
print(json.dumps([(each.exit_code, each.stdout, each.stderr) for each in done]))
"""
WITHOUT_HYPOTHESIS = f"import sys; sys.modules['hypothesis'] = None{TYPE_IN}"

RUN = ("run", str(EXAMPLE / "two-boards.yaml"))


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    printed: str
    complaint: str


def register(site: Path, package: str, policies: Mapping[str, str]) -> None:
    """Leave the metadata of an installed package in a folder."""
    folder = site / f"{package.replace('-', '_')}-0.1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    lines = ["[headway.policies]", *(f"{name} = {value}" for name, value in policies.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def headway(
    site: Path, cwd: Path, *commands: tuple[str, ...], code: str = TYPE_IN
) -> dict[tuple[str, ...], Done]:
    """What became of each of some commands, one after another in a process of their own that sees a folder."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(commands),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "PYTHONUTF8": "1"},
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=600,
    )
    return {each: Done(*parts) for each, parts in zip(commands, json.loads(done.stdout), strict=True)}


def test_the_example_is_known_by_name_where_it_is_installed(tmp_path: Path) -> None:
    site, cwd = tmp_path / "site", tmp_path / "elsewhere"
    cwd.mkdir()
    register(site, PROJECT["name"], PROJECT["entry-points"]["headway.policies"])
    shutil.copy(EXAMPLE / "fill_fastest.py", site)
    commands = ("policy", "list"), ("policy", "show", "fill-fastest"), RUN
    listed, shown, run = headway(site, cwd, *commands).values()
    assert (listed.code, shown.code, run.code) == (0, 0, 0)
    assert re.search(r"fill-fastest +Puts consecutive blocks on the fastest device", listed.printed)
    assert "BROKEN" not in listed.printed
    assert shown.printed.startswith("Puts consecutive blocks on the fastest device")
    assert "fill-fastest" in run.printed


def test_the_page_shows_the_files_of_the_example() -> None:
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    for name in ("fill_fastest.py", "test_fill_fastest.py"):
        written = re.search(rf"^```python title={name}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        assert written is not None
        assert written[1] == (EXAMPLE / name).read_text(encoding="utf-8")
    for line in ('[project.entry-points."headway.policies"]', 'fill-fastest = "fill_fastest:FillFastest"'):
        assert f"{line}\n" in page
        assert f"{line}\n" in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages each of which has something wrong, and one that is right."""
    site = tmp_path_factory.mktemp("wrong")
    (site / "fine.py").write_text(
        'class Fine:\n    """It is."""\n    name = "fine"\n    decide = None.__eq__\n'
    )
    (site / "exploding.py").write_text('raise OSError("no accelerator\\nhere")\n')
    (site / "garbled.py").write_text("class:\n")
    (site / "other.py").write_text(
        "number = 1\nclass NoPolicy:\n    pass\nclass Demanding:\n    def __init__(self, size): ...\n"
        'class Moody:\n    def __init__(self):\n        raise RuntimeError("not today")\n'
    )
    register(site, "a-fine-one", {"fine": "fine:Fine", "twice": "fine:Fine"})
    register(site, "b-namesake", {"twice": "other:Second"})
    register(site, "c-shadow", {"greedy": "fine:Fine"})
    register(
        site, "d-broken", {"explodes": "exploding:X", "garbled": "garbled:X", "gone": "no_such_module:X"}
    )
    register(
        site, "e-other", {"absent": "other:Absent", "number": "other:number", "no-policy": "other:NoPolicy"}
    )
    register(site, "f-made", {"demanding": "other:Demanding", "moody": "other:Moody"})
    return site


WRONG = {
    "twice": "registered by a-fine-one (fine:Fine) and by b-namesake (other:Second)",
    "greedy": "registered by Headway itself and by c-shadow (fine:Fine)",
    "explodes": "of d-broken (exploding:X) (OSError: no accelerator here)",
    "garbled": "of d-broken (garbled:X) (SyntaxError: invalid syntax",
    "gone": "of d-broken (no_such_module:X) (ModuleNotFoundError: No module named 'no_such_module')",
    "absent": "of e-other (other:Absent) (AttributeError: module 'other' has no attribute 'Absent')",
    "number": "of e-other (other:number), which is not a class",
    "no-policy": "expected a class with a name and a method decide",
    "demanding": "expected a class that needs no arguments",
}


@pytest.fixture(scope="module")
def told(wrong: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Done]:
    """What becomes of commands where those packages are installed."""
    named = [("policy", "show", name) for name in WRONG]
    fine = [(*RUN, "--policy", name) for name in ("single", "greedy")]
    return headway(
        wrong, tmp_path_factory.mktemp("cwd"), *named, *fine, RUN, ("policy", "list"), ("run", "--list")
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_policy_that_cannot_be_used_is_told_in_one_message(
    told: Mapping[tuple[str, ...], Done], name: str
) -> None:
    done = told["policy", "show", name]
    assert done.code == 2
    assert re.fullmatch(r"headway: .*\n", done.complaint)
    assert WRONG[name] in done.complaint


@pytest.mark.parametrize("command", [("policy", "list"), ("run", "--list")])
def test_lists_tell_which_policies_are_broken_and_why(
    told: Mapping[tuple[str, ...], Done], command: tuple[str, ...]
) -> None:
    done = told[command]
    assert (done.code, done.complaint) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in done.printed.splitlines() if len(line.split()) > 1)
    assert {name for name, row in rows.items() if "BROKEN" in row} == {*WRONG, "moody"}
    assert rows["fine"].startswith("It is.")
    assert "RuntimeError: not today" in rows["moody"]


def test_broken_packages_do_not_stand_in_the_way_of_other_policies(
    told: Mapping[tuple[str, ...], Done],
) -> None:
    assert told[*RUN, "--policy", "single"].code == 0
    shadowed, absent = told[*RUN, "--policy", "greedy"], told[RUN]
    assert (shadowed.code, absent.code) == (2, 2)
    assert WRONG["greedy"] in shadowed.complaint
    assert "two-boards.yaml:" in absent.complaint
    assert "got the policy 'fill-fastest'" in absent.complaint


def test_checking_without_hypothesis_says_what_to_install(tmp_path: Path) -> None:
    (done,) = headway(tmp_path, tmp_path, ("policy", "check", "greedy"), code=WITHOUT_HYPOTHESIS).values()
    assert done.code == 2
    expected = "an installation with the extra `test`: pip install 'headway[test]'"
    assert (
        done.complaint
        == f"headway: policy check: got an installation without the module hypothesis; expected {expected}\n"
    )
